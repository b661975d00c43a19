"""Designs: from a study's rows and factors to cells, each with a label and the patches that define it.

Explicit rows come first, in order. The cells of the design follow, with factors in document order and the last factor
varying fastest. The number of cells is computed before any is built. This module does not know recipes:
`ablate.study.resolve` merges the patches.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablate.errors import Problem, StudyError, nearest, quote
from ablate.study.document import UNPRINTABLE, FactorSpec, LevelSpec, Patch, Study
from ablate.study.problems import pointer_of
from ablate.text import visible


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a factor.

    Attributes:
        factor: name of the factor; empty for an explicit row.
        label: name of the level in a cell's label.
        value: value of a bare level; the label of a level with `label` and `set`.
        set: patch of recipe fields.
        pointer: JSON pointer to the patch.
    """

    factor: str
    label: str
    value: Any
    set: Patch
    pointer: str


@dataclass(frozen=True, slots=True)
class DesignCell:
    """A row before its recipe is resolved.

    Attributes:
        label: the row's label; for a generated cell it is rebuilt from `levels` after those that do not apply are
            dropped.
        levels: levels with the patches of the cell; an explicit row is one level with its own label.
        is_explicit: whether the row is written in `[[rows]]`; every field that it sets must apply.
        group: group of an explicit row.
    """

    label: str
    levels: tuple[Level, ...]
    is_explicit: bool
    group: str | None = None


@dataclass(slots=True)
class Design:
    """All cells of a study.

    Attributes:
        cells: explicit rows, then generated cells.
        excluded: labels of the cells that `[[exclude]]` removed.
        warnings: findings that do not stop the study.
        problems: errors, such as repeated names, that do not prevent the validation of rows.
        anchor: label of the generated row that the others are compared with (`full`, `base`).
    """

    cells: list[DesignCell] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    anchor: str | None = None


def build_design(study: Study, recipe_fields: Sequence[str], max_cells: int) -> Design:
    """Every cell of a study.

    Args:
        study: the document.
        recipe_fields: field names of the task's recipe; a factor with bare values must have one of these names.
        max_cells: maximum number of cells that are built.

    Raises:
        StudyError: the design is incomplete, contradicts itself or is too large.
    """
    problems = list(_contradictions(study))
    levels = [list(_levels(index, factor, recipe_fields, problems)) for index, factor in enumerate(study.factors)]
    if problems:
        raise StudyError([*problems, *_repeated(study, levels)])
    design = Design([_explicit(index, study) for index in range(len(study.rows))], problems=[*_repeated(study, levels)])
    if study.design_or_default == "grid":
        _add_grid(design, study, levels, max_cells)
    elif study.design_or_default == "leave_one_out":
        _add_leave_one_out(design, study)
    elif study.design_or_default == "one_at_a_time":
        _add_one_at_a_time(design, levels)
    return design


def label_of(levels: Sequence[Level]) -> str:
    """Label of a generated cell, such as `window=1x1, norm=bn`."""
    return ", ".join(f"{level.factor}={level.label}" for level in levels)


def text_of(value: object) -> str:
    """A level's value as text for a label: lists joined by `+`, tables as `a=1, b=2`, booleans as in TOML."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={text_of(one)}" for name, one in value.items())
    if isinstance(value, list):
        return "+".join(text_of(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _contradictions(study: Study) -> Iterator[Problem]:
    design = study.design_or_default
    if design == "rows":
        if not study.rows:
            yield Problem("/rows", "no_rows", "the study has no rows; add [[rows]], or [[factors]] with a design")
        if study.factors:
            text = (
                "design 'rows' has no factors; remove 'design' (default: grid), or use leave_one_out or one_at_a_time"
            )
            yield Problem("/factors", "design", text)
    elif not study.factors:
        yield Problem("/factors", "design", f"design '{design}' needs at least one factor; add [[factors]]")
    wanted, other = ("off", "levels") if design == "leave_one_out" else ("levels", "off")
    for index, factor in enumerate(study.factors if design != "rows" else ()):
        if getattr(factor, wanted) is None:
            yield Problem(f"/factors/{index}", "design", f"design '{design}' needs '{wanted}' in every factor")
        if getattr(factor, other) is not None:
            yield Problem(f"/factors/{index}/{other}", "design", f"design '{design}' does not use '{other}'; remove it")
    if study.exclude and design != "grid":
        yield Problem("/exclude", "design", f"design '{design}' does not use [[exclude]], only 'grid' does; remove it")


def _levels(index: int, factor: FactorSpec, fields: Sequence[str], problems: list[Problem]) -> Iterator[Level]:
    for number, value in enumerate(factor.levels or ()):
        pointer = f"/factors/{index}/levels/{number}"
        if isinstance(value, Mapping):
            level = _named_level(factor.name, value, pointer, problems)
            if level:
                yield level
        elif factor.name in fields:
            label = text_of(value)
            if visible(label) != label:
                problems.append(Problem(pointer, "invalid", f"level {quote(label)} {UNPRINTABLE}"))
            yield Level(factor.name, label, value, {factor.name: value}, pointer)
        elif number == 0:
            text = (
                f"no recipe field {quote(factor.name)}{nearest(factor.name, fields)} "
                "(or write every level as { label, set })"
            )
            problems.append(Problem(f"/factors/{index}/name", "unknown_field", text))


def _named_level(factor: str, value: Mapping[str, Any], pointer: str, problems: list[Problem]) -> Level | None:
    try:
        spec = LevelSpec.model_validate(value)
    except ValueError:
        problems.append(
            Problem(pointer, "invalid", "a level must be a value, or a table with 'label' (text) and 'set'")
        )
        return None
    return Level(factor, spec.label, spec.label, spec.set, f"{pointer}/set")


def _repeated(study: Study, levels: Sequence[Sequence[Level]]) -> Iterator[Problem]:
    yield from _twice([row.label for row in study.rows], "/rows/{}/label", "row")
    yield from _twice([factor.name for factor in study.factors], "/factors/{}/name", "factor")
    for index, of_factor in enumerate(levels):
        yield from _twice([level.label for level in of_factor], f"/factors/{index}/levels/{{}}", "level")


def _twice(names: Sequence[str], pointer: str, noun: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Problem(pointer.format(index), "duplicate", f"{noun} {quote(name)} is repeated; names must be unique")
        seen.add(name)


def _explicit(index: int, study: Study) -> DesignCell:
    row = study.rows[index]
    level = Level("", row.label, None, row.set, f"/rows/{index}/set")
    return DesignCell(row.label, (level,), is_explicit=True, group=row.group)


def _add_grid(design: Design, study: Study, levels: Sequence[Sequence[Level]], max_cells: int) -> None:
    count = math.prod(len(of_factor) for of_factor in levels)
    if count > max_cells:
        product = " x ".join(str(len(of_factor)) for of_factor in levels)
        text = f"the grid has {count:,} cells ({product}), above the limit of {max_cells:,}; remove factors or levels"
        raise StudyError([Problem("/factors", "too_many", text)])
    cuts = _exclusions(study, levels)
    used: set[int] = set()
    for chosen in itertools.product(*levels):
        hit = next((number for number, cut in enumerate(cuts) if _is_cut(chosen, cut)), None)
        if hit is None:
            design.cells.append(DesignCell(label_of(chosen), chosen, is_explicit=False))
        else:
            used.add(hit)
            design.excluded.append(label_of(chosen))
    if not design.cells:
        text = "the exclusions remove every cell, so the study has no rows; remove one of them"
        raise StudyError([*design.problems, Problem("/exclude", "invalid", text)])
    for number in sorted(set(range(len(cuts))) - used):
        text = "this exclusion removes no further cell"
        design.warnings.append(Problem(f"/exclude/{number}", "idle", text))


def _is_cut(chosen: Sequence[Level], cut: Mapping[str, set[str]]) -> bool:
    return all(level.label in cut[level.factor] for level in chosen if level.factor in cut)


def _exclusions(study: Study, levels: Sequence[Sequence[Level]]) -> list[dict[str, set[str]]]:
    """For each exclusion: factor -> labels of the levels that it removes."""
    by_factor = {of_factor[0].factor: of_factor for of_factor in levels}
    problems: list[Problem] = []
    cuts: list[dict[str, set[str]]] = []
    for number, exclusion in enumerate(study.exclude):
        cuts.append({})
        if not exclusion:
            problems.append(
                Problem(
                    f"/exclude/{number}",
                    "invalid",
                    "an empty exclusion would remove every cell; name at least one factor",
                )
            )
        for factor, wanted in exclusion.items():
            pointer = pointer_of(("exclude", number, factor))
            if factor not in by_factor:
                text = f"no factor {quote(factor)}{nearest(factor, by_factor)}"
                problems.append(Problem(pointer, "unknown_factor", text))
                continue
            cuts[number][factor] = _matching(by_factor[factor], wanted, pointer, problems)
    if problems:
        raise StudyError(problems)
    return cuts


def _matching(levels: Sequence[Level], wanted: object, pointer: str, problems: list[Problem]) -> set[str]:
    """Labels of the levels that match an exclusion's value: one level, or any of a list."""
    found: set[str] = set()
    is_one = not isinstance(wanted, list) or any(level.value == wanted for level in levels)
    for value in wanted if isinstance(wanted, list) and not is_one else [wanted]:
        hits = {level.label for level in levels if value in (level.value, level.label)}
        if not hits:
            text = f"no level {quote(text_of(value))}{nearest(text_of(value), [level.label for level in levels])}"
            problems.append(Problem(pointer, "unknown_level", text))
        found |= hits
    return found


def _add_leave_one_out(design: Design, study: Study) -> None:
    design.anchor = "full"
    design.cells.append(DesignCell("full", (), is_explicit=False))
    for index, factor in enumerate(study.factors):
        level = Level(factor.name, "off", None, factor.off or {}, f"/factors/{index}/off")
        design.cells.append(DesignCell(f"- {factor.name}", (level,), is_explicit=False))


def _add_one_at_a_time(design: Design, levels: Sequence[Sequence[Level]]) -> None:
    design.anchor = "base"
    design.cells.append(DesignCell("base", (), is_explicit=False))
    for level in itertools.chain.from_iterable(levels):
        design.cells.append(DesignCell(label_of([level]), (level,), is_explicit=False))
