"""The expansion of a study at a scale: its rows and metrics, with every check that precedes the making of trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from ablate.errors import Findings, Problem, StudyError
from ablate.study import checks
from ablate.study.baselines import check_labels, choose_baselines
from ablate.study.canaries import check_canary
from ablate.study.designs import build_design, parts_of
from ablate.study.document import Study
from ablate.study.lines import check_pivot, with_lines
from ablate.study.names import Named, written_rows
from ablate.study.resolve import check_base, resolve_rows
from ablate.study.rows import Row, build_rows, check_hidden_labels, copy_baselines
from ablate.trials.registry import NamedTask


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a study at a scale.

    Attributes:
        table: rows of the table, in order.
        audits: audit replicates of the baselines; empty unless the study asks for them.
        excluded: labels of the cells that `[[exclude]]` removed.
        warnings: findings that do not stop the study.
    """

    table: tuple[Row, ...] = ()
    audits: tuple[Row, ...] = ()
    excluded: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(slots=True)
class Expansion:
    """What a study expands to at a scale.

    Attributes:
        scale: name of the scale; None for base alone.
        metrics: the primary metric, then the further ones.
        rows: rows of the table and audit replicates.
    """

    scale: str | None = None
    metrics: tuple[str, ...] = ()
    rows: Rows = field(default_factory=Rows)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a study is expanded from, apart from the scale.

    Attributes:
        study: the document.
        named: its task.
        seeds: number of seeds.
        max_trials: largest number of trials that is allowed.
    """

    study: Study
    named: NamedTask
    seeds: int
    max_trials: int


CHECKS_OF_LABELS = (checks.check_published, checks.check_headline, check_canary)
"""The checks that read only the labels of rows, so that wrong recipes do not prevent them."""


def expand(inputs: Inputs, scale: str | None) -> Expansion:
    """Choose scale and metrics and build the rows; each is validated even if another is wrong.

    Args:
        inputs: the study and its limits.
        scale: name of a scale; None takes `mini` if the study has it, else base alone.

    Raises:
        StudyError: with every problem found.
    """
    study, named = inputs.study, inputs.named
    found = Findings()
    expansion = Expansion()
    with found.collecting():
        expansion.scale = checks.pick_scale(study, scale)
    with found.collecting():
        expansion.metrics = checks.pick_metrics(study, named)
    for check in (partial(check_base, recipe_class=named.task.Recipe), checks.check_printed_table, check_labels):
        with found.collecting():
            check(study)
    with found.collecting():
        expansion.rows = _build(inputs, expansion.scale, found)
    found.refuse()
    return expansion


def _build(inputs: Inputs, scale: str | None, found: Findings) -> Rows:
    """Expand the design, resolve the recipe of every row and choose the baselines.

    Raises:
        StudyError: with every problem in the rows. Problems of the design that leave rows to validate are added to
            `found` instead.
    """
    study, recipe_class, limit = inputs.study, inputs.named.task.Recipe, inputs.max_trials
    checks.refuse_too_many(inputs.seeds, limit, rows=len(study.rows))
    try:
        design = build_design(study, list(recipe_class.model_fields), max_cells=limit)
    except StudyError as error:
        found.extend(error.problems, error.more)
        resolve_rows(study, scale, parts_of(study, list(recipe_class.model_fields)), recipe_class)
        return Rows()
    found.extend(design.problems.problems, design.problems.more)
    labelled: Sequence[Named] = written_rows(study.rows) if study.design_or_default == "rows" else ()
    try:
        labelled = resolved = resolve_rows(study, scale, design, recipe_class)
        checks.refuse_too_many(inputs.seeds, limit, rows=len(resolved))
        baselines = choose_baselines(study, resolved, design.anchor)
    except StudyError as error:
        found.extend(error.problems, error.more)
        for check in CHECKS_OF_LABELS if labelled else ():
            with found.collecting():
                check(study, labelled)
        return Rows()
    rows = build_rows(study, inputs.named, resolved, baselines)
    for check_rows in (*CHECKS_OF_LABELS, checks.check_presets, checks.check_ranks, check_pivot):
        with found.collecting():
            check_rows(study, rows)
    found.refuse()
    rows = with_lines(study, rows)
    audits = copy_baselines(rows) if study.audit else ()
    check_hidden_labels(rows, audits)
    needs = sum(len(row.needs) for row in (*rows, *audits))
    checks.refuse_too_many(inputs.seeds, limit, rows=len(rows), audits=len(audits), needs=needs)
    return Rows(rows, audits, tuple(design.excluded), tuple(design.warnings))
