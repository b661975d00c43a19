"""From cells to rows: the recipe of every cell of a design, its group, and the merging of equal cells."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from ablate.documents import canonical_json
from ablate.errors import Findings, Problem, StudyError, nearest, quote
from ablate.limits import MAX_ITEMS
from ablate.recipes.classify import applicable_values, inapplicable_fields
from ablate.study.designs import Design, DesignCell
from ablate.study.document import WRITTEN_GROUPS, Study, hidden_in
from ablate.study.layers import Resolver, layer_of
from ablate.study.levels import Level, label_of, merged_sets
from ablate.study.names import full_name
from ablate.study.problems import pointer_of


@dataclass(frozen=True, slots=True)
class Resolved:
    """A row with its resolved recipe.

    Attributes:
        label: label of the row, unique in its group.
        group: group within which the row is compared; None if the study has no groups.
        set: recipe fields that the row changes, without those that do not apply.
        recipe: the resolved recipe.
        cell: label before factors that do not apply were dropped.
        levels: factor -> label of its level, for a generated row, without the factors that do not apply.
        is_shared: whether another group has a row of the same label.
    """

    label: str
    group: str | None
    set: Mapping[str, Any]
    recipe: BaseModel
    cell: str
    levels: Mapping[str, str] = field(default_factory=dict)
    is_shared: bool = False

    @property
    def name(self) -> str:
        """See `ablate.study.names`."""
        return full_name(self.group, self.label) if self.is_shared else self.label


def resolve_rows(study: Study, scale: str | None, design: Design, recipe_class: type[BaseModel]) -> list[Resolved]:
    """Resolve the recipe of every row of the design.

    Factors that do not apply are dropped from generated cells. Cells that then have the same recipe are merged, with a
    warning in `design.warnings`. A label that another row of the group already has is an error, as is one that equals
    the group and label of another row.

    Raises:
        StudyError: with every problem in base, the scale, rows and levels.
    """
    found = Findings(_wrong_group_by(study, recipe_class))
    found.extend(_wrong_groups(study, found))
    resolver = Resolver(recipe_class, study, scale)
    fields = _fields_of_factors(design)
    rows: list[Resolved] = []
    for cell in design.cells:
        if resolver.found.is_full:
            break
        of_group = resolver.of_group.get(cell.group or "", [])
        recipe = resolver.resolve([*of_group, *(layer_of(level) for level in cell.levels)])
        if recipe is None:
            continue
        if cell.is_explicit:
            resolver.refuse_what_does_not_apply(cell, recipe)
        rows.append(_row(cell, recipe, study.table.groups_by, fields))
    found.extend(resolver.found.problems, resolver.found.more)
    for group in dict.fromkeys(row.group for row in rows if row.group is not None):
        if hidden := hidden_in(group):
            place = "/table/pivot" if study.table.group_by is None else "/table/group_by"
            found.add(Problem(place, "invalid", f"group {quote(group)} {hidden}"))
    found.refuse()
    explicit = sum(cell.is_explicit for cell in design.cells)
    kept = list(_distinct(rows, explicit, design, is_by_level=study.design_or_default == "one_at_a_time"))
    return _named(kept, explicit)


def _wrong_groups(study: Study, found: Findings) -> Iterator[Problem]:
    known = {row.group for row in study.rows if row.group is not None}
    for name, spec in study.groups.items():
        pointer = pointer_of(("groups", name))
        if name not in known:
            text = f"no row has the group {quote(name)}{found.nearest(name, known)}"
            yield Problem(pointer, "unknown_group", text)
        for scale in spec.scales.keys() - study.scales.keys():
            text = f"the study has no scale {quote(scale)}{found.nearest(scale, study.scales)}"
            yield Problem(pointer + pointer_of(("scales", scale)), "unknown_scale", text)


def _wrong_group_by(study: Study, recipe_class: type[BaseModel]) -> Iterator[Problem]:
    allowed = [*(factor.name for factor in study.factors), *recipe_class.model_fields]
    asked = {"/table/group_by": study.table.group_by, "/table/pivot": study.table.pivot}
    for place, name in asked.items():
        if name is not None and name not in allowed and (place, name) != ("/table/pivot", WRITTEN_GROUPS):
            text = f"{quote(name)} is neither a recipe field nor a factor{nearest(name, allowed)}"
            yield Problem(place, "unknown_field", text)


def check_base(study: Study, recipe_class: type[BaseModel]) -> None:
    """Validate base without a scale and at every scale, each also with every group.

    Raises:
        StudyError: with every problem found.
    """
    recipes = (len(study.scales) + 1) * (len(study.groups) + 1)
    if recipes > MAX_ITEMS:
        text = f"{len(study.scales):,} scales and {len(study.groups):,} groups make {recipes:,} recipes to validate"
        raise StudyError([Problem("/scales", "too_many", f"{text}, above the limit of {MAX_ITEMS:,}; remove scales")])
    resolver = Resolver(recipe_class, study, None)
    for name in (None, *study.scales):
        resolver.use_scale(name)
        for layers in resolver.of_group.values():
            if not resolver.found.is_full:
                resolver.resolve(layers)
    resolver.found.refuse()


def _fields_of_factors(design: Design) -> dict[str, set[str]]:
    """The recipe fields that the levels of each factor set."""
    fields: dict[str, set[str]] = {}
    for level in (level for cell in design.cells for level in cell.levels):
        fields.setdefault(level.factor, set()).update(level.set)
    return fields


def _row(cell: DesignCell, recipe: BaseModel, group_by: str | None, fields: Mapping[str, Collection[str]]) -> Resolved:
    """The row of a cell. A factor applies to it if a field applies that one of the factor's levels sets."""
    group = cell.group if cell.group is not None else _group(cell.levels, recipe, group_by)
    if cell.is_explicit:
        return Resolved(cell.label, group, cell.levels[0].set, recipe, cell.label)
    gone = inapplicable_fields(recipe)
    kept = [level for level in cell.levels if not level.set or set(level.set) - set(gone)]
    merged = {name: value for name, value in merged_sets(kept).items() if name not in gone}
    is_renamed = len(kept) < len(cell.levels) and cell.label == label_of(cell.levels)
    label = label_of(kept) if is_renamed else cell.label
    levels = {
        level.factor: level.label
        for level in cell.levels
        if not fields[level.factor] or set(fields[level.factor]) - set(gone)
    }
    return Resolved(label or "base", group, merged, recipe, cell.label, levels)


def _group(levels: Sequence[Level], recipe: BaseModel, group_by: str | None) -> str | None:
    if group_by is None:
        return None
    chosen = next((level.label for level in levels if level.factor == group_by), None)
    return chosen if chosen is not None else str(getattr(recipe, group_by, ""))


def _distinct(rows: Sequence[Resolved], explicit: int, design: Design, *, is_by_level: bool) -> Iterator[Resolved]:
    """All explicit rows, and the first of generated rows with the same recipe; a warning names the others.

    In one_at_a_time (`is_by_level`) a level that equals base's value makes no row and no warning.
    """
    yield from rows[:explicit]
    first: dict[str, str] = {}
    merged: list[str] = []
    places = {(row.group, row.label) for row in rows[:explicit]}
    found = Findings()
    for row in rows[explicit:]:
        content = canonical_json(applicable_values(row.recipe))
        if content in first:
            if not (is_by_level and row.set and first[content] == design.anchor):
                merged.append(f"{quote(row.cell)} into {quote(first[content])}")
            continue
        if (row.group, row.label) in places:
            text = f"row {quote(row.label)} has the label of a generated row; give it another label"
            found.add(Problem("/rows", "duplicate", text))
        first[content] = row.label
        places.add((row.group, row.label))
        yield row
    found.refuse()
    if merged:
        shown = ", ".join(merged[:3]) + (f" and {len(merged) - 3} more" if len(merged) > 3 else "")
        text = f"these cells resolve to the same recipe and were merged: {shown}"
        design.warnings.append(Problem("/factors", "coincide", text))


def _named(rows: Sequence[Resolved], explicit: int) -> list[Resolved]:
    """The rows, each with whether its label needs the group; their names must be unique.

    Args:
        rows: all rows; a label is unique in its group, unless an explicit row got the group from its recipe.
        explicit: number of explicit rows, which come first.

    Raises:
        StudyError: with every name that two rows have.
    """
    groups: dict[str, set[str | None]] = {}
    for row in rows:
        groups.setdefault(row.label, set()).add(row.group)
    named = [replace(row, is_shared=True) if len(groups[row.label]) > 1 else row for row in rows]
    found = Findings()
    first: dict[str, Resolved] = {}
    for index, row in enumerate(named):
        place = f"/rows/{index}/label" if index < explicit else "/factors"
        other = first.setdefault(row.name, row)
        if row.is_shared and None in groups[row.label]:
            text = f"rows of several groups have the label {quote(row.label)}, and one of them has no group"
            found.add(Problem(place, "duplicate", f"{text}; give every row a 'group', or another label"))
        elif other is not row:
            found.add(Problem(place, "duplicate", _same_name(row, other)))
    found.refuse()
    return named


def _same_name(row: Resolved, other: Resolved) -> str:
    if (row.group, row.label) == (other.group, other.label):
        where = "" if row.group is None else f" in group {quote(row.group)}"
        return f"row {quote(row.label)} is repeated{where}; names must be unique"
    what = f"row {quote(row.label)} of group {quote(row.group or '')}" if row.group else f"row {quote(row.label)}"
    return f"{what} has the name of another row, {quote(row.name)} (group / label); give it another label"
