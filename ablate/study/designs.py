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

from ablate.errors import Findings, Problem, StudyError, quote
from ablate.limits import MAX_LABEL, MAX_LABELS
from ablate.study.document import FactorSpec, LevelSpec, Study
from ablate.study.exclusions import cut_cells, read_exclusions
from ablate.study.levels import Level, label_of, text_of
from ablate.study.names import DASH, WITHOUT
from ablate.text import visible


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
    problems: Findings = field(default_factory=Findings)
    anchor: str | None = None


def build_design(study: Study, recipe_fields: Sequence[str], max_cells: int) -> Design:
    """Every cell of a study.

    Args:
        study: the document.
        recipe_fields: field names of the task's recipe; a factor with bare values must have one of these names.
        max_cells: maximum number of cells; a grid may have ten times as many before `[[exclude]]`.

    Raises:
        StudyError: the design is incomplete, contradicts itself or is too large.
    """
    found = Findings(_contradictions(study))
    levels = [list(_levels(index, factor, recipe_fields, found)) for index, factor in enumerate(study.factors)]
    is_complete = not found
    found.extend(_repeated(study, levels))
    if not is_complete:
        found.refuse()
    design = Design([_explicit(index, study) for index in range(len(study.rows))], problems=found)
    if study.design_or_default == "grid":
        _add_grid(design, study, levels, max_cells)
    elif study.design_or_default == "leave_one_out":
        _add_leave_one_out(design, study)
    elif study.design_or_default == "one_at_a_time":
        _add_one_at_a_time(design, levels, max_cells)
    return design


def parts_of(study: Study, recipe_fields: Sequence[str]) -> Design:
    """The named rows, and every level alone: what can be validated of a study whose design is wrong."""
    ignored = Findings()
    design = Design([_explicit(index, study) for index in range(len(study.rows))])
    for index, factor in enumerate(study.factors):
        off = [Level(factor.name, "off", None, factor.off, f"/factors/{index}/off")] if factor.off is not None else []
        levels = (*_levels(index, factor, recipe_fields, ignored), *off)
        design.cells.extend(DesignCell(label_of([level]), (level,), is_explicit=False) for level in levels)
    return design


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


def _levels(index: int, factor: FactorSpec, fields: Sequence[str], found: Findings) -> Iterator[Level]:
    for number, value in enumerate(factor.levels or ()):
        pointer = f"/factors/{index}/levels/{number}"
        if isinstance(value, Mapping):
            level = _named_level(factor.name, value, pointer, found)
            if level:
                yield level
        elif factor.name in fields:
            label = text_of(value)
            if len(label) > MAX_LABEL or visible(label) != label:
                text = f"cannot be a label, which has at most {MAX_LABEL} visible characters; use {{ label, set }}"
                found.add(Problem(pointer, "invalid", text))
            else:
                yield Level(factor.name, label, value, {factor.name: value}, pointer)
        elif number == 0:
            text = (
                f"no recipe field {quote(factor.name)}{found.nearest(factor.name, fields)} "
                "(or write every level as { label, set })"
            )
            found.add(Problem(f"/factors/{index}/name", "unknown_field", text))


def _named_level(factor: str, value: Mapping[str, Any], pointer: str, found: Findings) -> Level | None:
    try:
        spec = LevelSpec.model_validate(value)
    except ValueError:
        found.add(Problem(pointer, "invalid", "a level must be a value, or a table with 'label' (text) and 'set'"))
        return None
    return Level(factor, spec.label, spec.label, spec.set, f"{pointer}/set")


def _repeated(study: Study, levels: Sequence[Sequence[Level]]) -> Iterator[Problem]:
    if study.table.groups_by is None:  # else the groups of rows without one are known with their recipes
        yield from _twice([(row.group, row.label) for row in study.rows], "/rows/{}/label", "row")
    yield from _twice([factor.name for factor in study.factors], "/factors/{}/name", "factor")
    for index, of_factor in enumerate(levels):
        yield from _twice([level.label for level in of_factor], f"/factors/{index}/levels/{{}}", "level")


def _twice(names: Sequence[str | tuple[str | None, str]], pointer: str, noun: str) -> Iterator[Problem]:
    """Problems of names that are repeated; the name of a row is its group with its label."""
    seen: set[str | tuple[str | None, str]] = set()
    for index, name in enumerate(names):
        if name in seen:
            group, label = (None, name) if isinstance(name, str) else name
            where = "is repeated" if group is None else f"is repeated in group {quote(group)}"
            yield Problem(pointer.format(index), "duplicate", f"{noun} {quote(label)} {where}; names must be unique")
        seen.add(name)


def _explicit(index: int, study: Study) -> DesignCell:
    row = study.rows[index]
    level = Level("", row.label, None, row.set, f"/rows/{index}/set")
    return DesignCell(row.label, (level,), is_explicit=True, group=row.group)


def _add_grid(design: Design, study: Study, levels: Sequence[Sequence[Level]], max_cells: int) -> None:
    sizes = [len(of_factor) for of_factor in levels]
    count, product = math.prod(sizes), " x ".join(map(str, sizes))
    number = f"{count:,}" if count < 10**15 else f"{count:.1e}"
    _refuse_large(f"the grid has {number} cells ({product})", count, 10 * max_cells)
    longest = sum(max(len(label_of([level])) + 2 for level in of_factor) for of_factor in levels)
    text = f"the labels of {count:,} cells have {longest * count:,} characters"
    _refuse_large(text, longest * count, MAX_LABELS, "shorten the names of factors and levels")
    cut, idle = cut_cells(read_exclusions(study, levels), sizes)
    kept = count - cut.bit_count()
    _refuse_large(f"the grid has {kept:,} cells that are not excluded", kept, max_cells)
    if not kept:
        text = "the exclusions remove every cell, so the study has no rows; remove one of them"
        design.problems.add(Problem("/exclude", "invalid", text))
        design.problems.refuse()
    is_cut = reversed(f"{cut:0{count}b}")
    for bit, chosen in zip(is_cut, itertools.product(*levels), strict=True):
        if bit == "1":
            design.excluded.append(label_of(chosen))
        else:
            design.cells.append(DesignCell(label_of(chosen), chosen, is_explicit=False))
    for index in idle:
        design.warnings.append(Problem(f"/exclude/{index}", "idle", "this exclusion removes no further cell"))


def _refuse_large(what: str, count: int, limit: int, advice: str = "remove factors or levels") -> None:
    if count > limit:
        raise StudyError([Problem("/factors", "too_many", f"{what}, above the limit of {limit:,}; {advice}")])


def _add_leave_one_out(design: Design, study: Study) -> None:
    design.anchor = "full"
    design.cells.append(DesignCell("full", (), is_explicit=False))
    for index, factor in enumerate(study.factors):
        level = Level(factor.name, "off", None, factor.off or {}, f"/factors/{index}/off")
        label = f"{DASH if study.minus_labels else WITHOUT}{factor.name}"
        design.cells.append(DesignCell(label, (level,), is_explicit=False))


def _add_one_at_a_time(design: Design, levels: Sequence[Sequence[Level]], max_cells: int) -> None:
    count = 1 + sum(map(len, levels))
    _refuse_large(f"the design has {count:,} cells", count, max_cells)
    design.anchor = "base"
    design.cells.append(DesignCell("base", (), is_explicit=False))
    for level in itertools.chain.from_iterable(levels):
        design.cells.append(DesignCell(label_of([level]), (level,), is_explicit=False))
