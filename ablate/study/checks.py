"""Checks of a study other than those of its recipes, and its warnings.

Each check raises with all of its problems; `ablate.study.expansion` calls every check and collects the problems. A
warning does not stop a study.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel

from ablate.errors import Findings, Problem, StudyError, TableError, TrialError, nearest, quote
from ablate.limits import MAX_FINDINGS
from ablate.names import closest
from ablate.paper.presets import preset_of
from ablate.paper.published import PublishedTable, load_published
from ablate.recipes.classify import EXCLUSIVE, inapplicable_fields
from ablate.statistics.decisions.over_groups import MIN_GROUPS
from ablate.statistics.decisions.power import describe_power
from ablate.study.document import Study
from ablate.study.imported import IMPORTED, Imported
from ablate.study.lines import power_over_groups
from ablate.study.names import Named, clause_on_unknown, names_by_text
from ablate.study.printed_rows import join_printed
from ablate.study.rows import Row
from ablate.study.seeds import seeds_of
from ablate.trials.registry import NamedTask, get_task, list_tasks

NO_COMMAND = (
    "code never comes with a request. On the machine of the service, `ablate task add NAME STUDY.toml` registers it; "
    'then write task = "NAME" in [base] in place of [command]. Or run the study from its file, with `ablate run`'
)
NO_IMPORT = "imported results have no recipes; `ablate import` writes such a study, and only on this machine"


def get_named_task(study: Study) -> NamedTask:
    """The task named in `[base]`; default: `classify`.

    Raises:
        StudyError: the name is not text, or no task has it.
    """
    if study.command is not None and "task" not in study.base:
        raise StudyError([Problem("/command", "not_supported", NO_COMMAND)])
    name = study.base.get("task", "classify")
    if not isinstance(name, str):
        raise StudyError([Problem("/base/task", "invalid", "'task' should be the name of a task")])
    if (study.imported is not None) != (name == IMPORTED):
        raise StudyError([Problem("/base/task", "not_supported", NO_IMPORT)])
    if study.imported is not None:
        return NamedTask(IMPORTED, IMPORTED, Imported(study.imported.metrics))
    try:
        return get_task(name)
    except TrialError as error:
        raise StudyError([Problem("/base/task", "unknown_task", str(error))]) from error


def check_folds(study: Study, named: NamedTask) -> None:
    """Folds are those of the script that divides the data.

    Raises:
        StudyError: the study has other folds than its task.
    """
    own = named.task.folds
    if study.folds != own:
        text = (
            f"task {quote(named.name)} divides its data into {own} folds; write folds = {own}"
            if own
            else "'folds' is for a study with [command], whose script trains the fold {fold}; remove it"
        )
        raise StudyError([Problem("/folds", "does_not_apply", text)])


def meant_task(study: Study) -> str | None:
    """The task that an unknown name in `[base]` most likely means; None if none is similar, or if it is no name."""
    name, tasks = study.base.get("task"), list_tasks()
    match = closest(name, tasks) if isinstance(name, str) and name not in tasks else None
    return match.name if match else None


def pick_scale(study: Study, scale: str | None) -> str | None:
    """The requested scale; None takes `mini` if the study has it, else base alone.

    Raises:
        StudyError: the study has no such scale.
    """
    if scale is None:
        return "mini" if "mini" in study.scales else None
    if scale not in study.scales:
        known = nearest(scale, study.scales) if study.scales else "; it has no scales, omit the option"
        raise StudyError([Problem("/scale", "unknown_scale", f"the study has no scale {quote(scale)}{known}")])
    return scale


def pick_metrics(study: Study, named: NamedTask) -> tuple[str, ...]:
    """The primary metric, followed by the further ones.

    Raises:
        StudyError: the task does not have a metric.
    """
    known = named.task.metrics
    asked = {"/metric": study.metric} if study.metric is not None else {}
    asked |= {f"/metrics/{index}": name for index, name in enumerate(study.metrics)}
    found = Findings()
    for pointer, name in asked.items():
        if name not in known:
            text = f"task '{named.name}' has no metric {quote(name)}{found.nearest(name, known)}"
            found.add(Problem(pointer, "unknown_metric", text))
    found.refuse()
    metric = study.metric or named.primary_metric
    return tuple(dict.fromkeys([metric, *study.metrics]))


def refuse_too_many(seeds: int, limit: int, *, rows: int, audits: int = 0, needs: int = 0) -> None:
    """Enforce the limit on trials, including those of audit replicates and those that other trials need.

    Raises:
        StudyError: there are more.
    """
    trials = (rows + audits + needs) * seeds
    if trials > limit:
        copies = f" and {audits:,} audit {'copy' if audits == 1 else 'copies'}" if audits else ""
        needed = f", {needs:,} needed by them" if needs else ""
        text = (
            f"the study expands to {trials:,} trials ({rows:,} rows{copies}{needed} x {seeds:,} seeds), above the "
            f"limit of {limit:,}; remove seeds or levels, or raise ABLATE_MAX_TRIALS"
        )
        raise StudyError([Problem("", "too_many", text)])


def check_printed_table(study: Study) -> PublishedTable | None:
    """The printed table named by `[table] published`; None without one.

    Raises:
        StudyError: the paper has no such table.
    """
    if study.table.published is None:
        return None
    try:
        return load_published().column(study.table.published)
    except TableError as error:
        raise StudyError([Problem("/table/published", "unknown_table", str(error))]) from error


def check_published(study: Study, rows: Sequence[Named]) -> None:
    """Every row must match a printed row; a typo would otherwise look like a number that was not printed.

    Raises:
        StudyError: with every label that does not match.
    """
    printed = check_printed_table(study)
    if printed is None:
        return
    found = Findings()
    for label in join_printed(printed, rows).unmatched(row.name for row in rows):
        text = f"no printed row {quote(label)} in {printed.id}{printed.suggest(label) if found.has_room else ''}"
        found.add(Problem("/table/published", "unmatched", text))
    found.refuse()


def check_presets(study: Study, rows: Sequence[Row]) -> None:
    """Refuse a table with printed numbers whose rows mix the recipe of the paper's text with that of its released code.

    Raises:
        StudyError: rows follow more than one of these recipes.
    """
    by_preset: dict[str, str] = {}
    for row in rows if study.table.published else ():
        if name := preset_of(row.recipe):
            by_preset.setdefault(name, row.name)
    if len(by_preset) > 1:
        places = ", ".join(f"row {quote(label)} uses '{name}'" for name, label in by_preset.items())
        text = f"the table mixes two recipes of the paper: {places}; use one for all rows, or remove table.published"
        raise StudyError([Problem("/table/published", "mixed_presets", text)])


def check_ranks(study: Study, rows: Sequence[Row]) -> None:
    """Validate the batches of rows on several GPUs: each GPU takes an equal share that batch norm's groups must fit.

    The trials that rows need get the same number of GPUs and are validated too.

    Raises:
        StudyError: a batch does not fit.
    """
    gpus = int(study.resources.gpus)
    for row in rows if gpus > 1 else ():
        _check_batch(f"row {quote(row.name)}", row.recipe, gpus)
        for name, need in row.needs.items():
            _check_batch(f"row {quote(row.name)}, its {name}", need.recipe, gpus)


def _check_batch(what: str, recipe: BaseModel, gpus: int) -> None:
    batch = getattr(recipe, "batch_size", 0)
    if batch % gpus:
        text = f"{what}: batch_size {batch} is not divisible by {gpus} GPUs; choose a divisor of {batch} for gpus"
        raise StudyError([Problem("/resources/gpus", "invalid", text)])
    own, group = batch // gpus, getattr(recipe, "norm_batch", 0) or batch
    if batch and own % group and group % own:
        text = f"{what}: norm_batch {group} does not fit {own} images on each of {gpus} GPUs"
        hint = "choose gpus so that one of the two numbers divides the other"
        raise StudyError([Problem("/resources/gpus", "invalid", f"{text}; {hint}")])


def check_headline(study: Study, rows: Sequence[Named]) -> None:
    """Validate the labels in `[table] headline`.

    Raises:
        StudyError: with every label that is not a row.
    """
    refuse_unknown_rows(study.table.headline or (), "/table/headline", rows)


def refuse_unknown_rows(texts: Sequence[str], pointer: str, rows: Sequence[Named]) -> None:
    """Validate a list of rows in a document; see `ablate.study.names`.

    Raises:
        StudyError: with every text that does not mean one row.
    """
    names, found = names_by_text(rows), Findings()
    for index, text in enumerate(texts):
        if text not in names:
            advice = clause_on_unknown(text, rows) if found.has_room else ""
            found.add(Problem(f"{pointer}/{index}", "unknown_row", f"no row {quote(text)}{advice}"))
    found.refuse()


def idle_fields(study: Study, scale: str | None, rows: Sequence[Row]) -> Iterator[Problem]:
    """Warnings about fields that base, scale or `--set` sets and that apply to no row; not `epochs` and `steps`."""
    patches = {"/base": study.base} | ({f"/scales/{scale}": study.scales[scale]} if scale is not None else {})
    patches |= {"/overrides": study.overrides}
    idle = {name for patch in patches.values() for name in patch} - {name for pair in EXCLUSIVE for name in pair}
    for row in rows:
        idle &= inapplicable_fields(row.recipe).keys()
        if not idle:
            return
    reasons = inapplicable_fields(rows[0].recipe)
    for place, patch in patches.items():
        for name in (name for name in patch if name in idle):
            yield Problem(f"{place}/{name}", "idle", f"'{name}' applies to no row: {reasons[name]}")


def first_warnings(*warnings: Problem) -> tuple[Problem, ...]:
    """At most 100 warnings; the last of more says how many are left out."""
    if len(warnings) <= MAX_FINDINGS:
        return warnings
    first = warnings[: MAX_FINDINGS - 1]
    left = replace(warnings[len(first)], message=f"{len(warnings) - len(first):,} further warnings are left out")
    return (*first, left)


def table_warnings(study: Study, rows: Sequence[Row], seeds: Sequence[int]) -> Iterator[Problem]:
    """Warnings about differences too small for the tests of the study, and about a headline without a printed table.

    A study with one seed is warned about in `row_warnings`.
    """
    has_seeds = study.folds is None or len(seeds_of(seeds, study.folds)) > 1
    for part in (*(["seed"] if has_seeds else []), *(["fold"] if study.folds else [])):
        if study.command is not None and f"{{{part}}}" not in study.command.run:
            text = (
                f"the command has no {{{part}}}, so all {part}s are equal unless the script reads the variable "
                f"ABLATE_{part.upper()}"
            )
            yield Problem("/command/run", "idle", text)
    if study.table.headline and study.table.published is None:
        text = "'headline' has no effect, since the table has no printed numbers; set 'published' or remove it"
        yield Problem("/table/headline", "idle", text)
    if len(seeds) == 1:
        return
    if study.table.pivot is not None and len({row.group for row in rows}) >= MIN_GROUPS:
        yield from (Problem("/table/pivot", "power", text) for text in [power_over_groups(study, rows)] if text)
    families = Counter(row.group for row in rows)
    for size in sorted({count - 1 for count in families.values()}):
        for sentence in describe_power(len(seeds), size, study.table.alpha, "t" if study.folds else study.table.test):
            yield Problem("/seeds", "power", sentence)


def row_warnings(
    rows: Sequence[Row], seeds: Sequence[int], memberships: Mapping[tuple[str, int], str]
) -> Iterator[Problem]:
    """Warnings about a single seed and about rows with the same recipe."""
    if len(seeds) == 1:
        yield Problem("/seeds", "one_seed", "with 1 seed the table has no standard deviation and no interval")
    first: dict[str, str] = {}
    for row in rows:
        key = memberships[row.name, seeds[0]]
        if key in first:
            text = f"rows {quote(first[key])} and {quote(row.name)} have the same recipe and share their trials"
            yield Problem("/rows", "coincide", text)
        first.setdefault(key, row.name)
