"""From cells to rows: patches are merged over a study's base and scale and become recipes.

Each value remembers where in the document it was set, so that an error points there, once, however many cells inherit
it. Order: defaults, base, scale, group, the group's scale, row or level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from ablate.documents import canonical_json
from ablate.errors import Problem, StudyError, nearest, quote
from ablate.recipes.classify import EXCLUSIVE, applicable_values, inapplicable_fields
from ablate.recipes.identity import recipe_inside
from ablate.study.designs import Design, DesignCell, Level, label_of
from ablate.study.document import Patch, Study
from ablate.study.problems import pointer_of, sentence


@dataclass(frozen=True, slots=True)
class Resolved:
    """A row's label, what it sets and its recipe.

    Attributes:
        cell: the label before factors that do not apply were dropped.
        levels: of a generated row, factor -> label of its level, without the factors that do not apply.
    """

    label: str
    group: str | None
    set: Mapping[str, Any]
    recipe: BaseModel
    cell: str
    levels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layer:
    """A patch and its place in the document."""

    pointer: str
    values: Patch
    is_bare: bool = False
    """Whether the place holds the value itself, as a level that is no table does."""

    def place_of(self, name: str) -> str:
        """Pointer to one of the values."""
        return self.pointer if self.is_bare else f"{self.pointer}/{name}"


class Resolver:
    """Merges layers into recipes of one class and collects every problem once."""

    def __init__(self, recipe_class: type[BaseModel], study: Study, scale: str | None) -> None:
        self.recipe_class = recipe_class
        self.problems: dict[tuple[str, str], Problem] = {}
        base = {name: value for name, value in study.base.items() if name != "task"}
        self.below = [Layer("/base", base)]
        if scale is not None:
            self.below.append(Layer(f"/scales/{scale}", study.scales[scale]))
        self.of_group = {name: _layers_of_group(study, name, scale) for name in study.groups}

    def resolve(self, layers: Sequence[Layer]) -> BaseModel | None:
        """The recipe of base, scale and these layers; None where a problem was found."""
        values: dict[str, Any] = {}
        origin: dict[str, str] = {}
        is_sound = True
        for layer in [*self.below, *layers]:
            is_sound &= self._merge(layer, values, origin)
        try:
            recipe = self.recipe_class.model_validate(values)
        except ValidationError as error:
            for location, message in findings(error):
                self._report(location, message, origin)
            return None
        return recipe if is_sound else None

    def refuse_what_does_not_apply(self, cell: DesignCell, recipe: BaseModel) -> None:
        """An explicit row must not set a field that means nothing in its recipe."""
        gone = inapplicable_fields(recipe)
        for level in cell.levels:
            for name in level.set.keys() & gone.keys():
                text = f"row {quote(cell.label)}: '{name}' does not apply: {gone[name]}"
                self._add(Problem(f"{level.pointer}/{name}", "does_not_apply", text))

    def _merge(self, layer: Layer, values: dict[str, Any], origin: dict[str, str]) -> bool:
        fields = self.recipe_class.model_fields
        is_sound = True
        for name, value in layer.values.items():
            if name not in fields:
                text = f"no recipe field {quote(name)}{nearest(name, fields)}"
                if name == "task":
                    text = "'task' can only be set in [base]: a study has one task"
                self._add(Problem(layer.pointer + pointer_of((name,)), "unknown_field", text))
                is_sound = False
                continue
            values[name], origin[name] = value, layer.place_of(name)
            inner = recipe_inside(fields[name])
            if inner and inner.model_config.get("extra") == "forbid" and isinstance(value, Mapping):
                values[name], is_whole = self._check_inside(name, inner, value, origin[name])
                is_sound &= is_whole
            for pair in (pair for pair in EXCLUSIVE if name in pair):
                other = pair[1 - pair.index(name)]
                if other in layer.values and other in fields:
                    text = f"'{pair[0]}' and '{pair[1]}' are given together; give one"
                    self._add(Problem(layer.pointer, "exclusive", text))
                    is_sound = False
                values.pop(other, None) if other not in layer.values else None
        return is_sound

    def _check_inside(
        self, name: str, inner: type[BaseModel], value: Mapping[str, Any], pointer: str
    ) -> tuple[dict[str, Any], bool]:
        """Check the names in the value of a field that is itself a recipe. Returns what is known of it, and if all is.

        Like any other value it replaces that of an earlier layer as a whole.
        """
        known = {key: one for key, one in value.items() if key in inner.model_fields}
        for key in value.keys() - known.keys():
            text = f"no field {quote(key)} in {quote(name)}{nearest(key, inner.model_fields)}"
            self._add(Problem(pointer + pointer_of((key,)), "unknown_field", text))
        both = [pair for pair in EXCLUSIVE if known.keys() >= set(pair)]
        for one, other in both:
            self._add(Problem(pointer, "exclusive", f"'{one}' and '{other}' are given together; give one"))
        return known, len(known) == len(value) and not both

    def _report(self, location: tuple[int | str, ...], message: str, origin: Mapping[str, str]) -> None:
        """Add what pydantic found; a validator of a whole recipe names the field before a colon."""
        place, text, fields = list(location), message, self.recipe_class.model_fields
        if place and place[0] in fields and (inner := recipe_inside(fields[str(place[0])])):
            fields = inner.model_fields
        if len(place) < 2 and ": " in message and message.split(": ")[0] in fields:
            name, text = message.split(": ", 1)
            place.append(name)
        field = str(place[0]) if place else ""
        pointer = origin.get(field, "/base")
        deeper = [part for part in place[1:] if isinstance(part, int) or part in fields]
        is_named = not field or pointer.endswith(f"/{field}")
        text = sentence(text) if is_named else f"{field}: {sentence(text)}"
        self._add(Problem(pointer + pointer_of(tuple(deeper)), "invalid", text))

    def _add(self, problem: Problem) -> None:
        self.problems.setdefault((problem.pointer, problem.code), problem)


def resolve_rows(study: Study, scale: str | None, design: Design, recipe_class: type[BaseModel]) -> list[Resolved]:
    """Every row of the design with its recipe.

    Generated cells lose the factors that do not apply; those that then coincide become one row, with a warning in
    `design.warnings`. A grid's label that an explicit row has already is an error.

    Raises:
        StudyError: with every problem of base, the scale, rows and levels.
    """
    problems = [*_wrong_group(study, recipe_class), *_wrong_groups(study)]
    resolver = Resolver(recipe_class, study, scale)
    rows: list[Resolved] = []
    for cell in design.cells:
        of_group = resolver.of_group.get(cell.group or "", [])
        recipe = resolver.resolve([*of_group, *(_layer_of(level) for level in cell.levels)])
        if recipe is None:
            continue
        if cell.is_explicit:
            resolver.refuse_what_does_not_apply(cell, recipe)
        rows.append(_row(cell, recipe, study.table.group_by))
    problems += resolver.problems.values()
    if problems:
        raise StudyError(problems)
    explicit = sum(cell.is_explicit for cell in design.cells)
    return list(_distinct(rows, explicit, design, is_by_level=study.design_or_default == "one_at_a_time"))


def findings(error: ValidationError) -> list[tuple[tuple[int | str, ...], str]]:
    """Location and message of what pydantic found; of a choice between a word and a list, what is wrong in the list."""
    items = error.errors(include_url=False, include_input=False)
    deeper = {item["loc"][0] for item in items if any(isinstance(part, int) for part in item["loc"])}
    return [
        (item["loc"], item["msg"].removeprefix("Value error, "))
        for item in items
        if not (item["type"] == "literal_error" and len(item["loc"]) == 2 and item["loc"][0] in deeper)
    ]


def _layers_of_group(study: Study, name: str, scale: str | None) -> list[Layer]:
    spec, pointer = study.groups[name], pointer_of(("groups", name))
    layers = [Layer(f"{pointer}/set", spec.set)]
    if scale in spec.scales:
        layers.append(Layer(f"{pointer}/scales/{scale}", spec.scales[scale]))
    return layers


def _wrong_groups(study: Study) -> Iterator[Problem]:
    known = {row.group for row in study.rows if row.group is not None}
    for name, spec in study.groups.items():
        pointer = pointer_of(("groups", name))
        if name not in known:
            text = f"no row stands in group {quote(name)}{nearest(name, known)}"
            yield Problem(pointer, "unknown_group", text)
        for scale in spec.scales.keys() - study.scales.keys():
            text = f"the study has no scale {quote(scale)}{nearest(scale, study.scales)}"
            yield Problem(pointer + pointer_of(("scales", scale)), "unknown_scale", text)


def _layer_of(level: Level) -> Layer:
    return Layer(level.pointer, level.set, is_bare=level.pointer.endswith(tuple("0123456789")))


def _wrong_group(study: Study, recipe_class: type[BaseModel]) -> Iterator[Problem]:
    name = study.table.group_by
    allowed = [*(factor.name for factor in study.factors), *recipe_class.model_fields]
    if name is not None and name not in allowed:
        text = f"no recipe field or factor {quote(name)}{nearest(name, allowed)}"
        yield Problem("/table/group_by", "unknown_field", text)


def check_base(study: Study, recipe_class: type[BaseModel]) -> None:
    """Base as it stands and under every scale, whichever is asked for, by itself and in every group.

    Raises:
        StudyError: with every problem found.
    """
    found: dict[Problem, None] = {}
    for name in (None, *study.scales):
        resolver = Resolver(recipe_class, study, name)
        for layers in ((), *resolver.of_group.values()):
            resolver.resolve(layers)
        found |= dict.fromkeys(resolver.problems.values())
    if found:
        raise StudyError(list(found))


def _row(cell: DesignCell, recipe: BaseModel, group_by: str | None) -> Resolved:
    group = cell.group if cell.group is not None else _group(cell.levels, recipe, group_by)
    if cell.is_explicit:
        return Resolved(cell.label, group, cell.levels[0].set, recipe, cell.label)
    gone = inapplicable_fields(recipe)
    kept = [level for level in cell.levels if not level.set or set(level.set) - set(gone)]
    merged = {name: value for level in kept for name, value in level.set.items() if name not in gone}
    is_renamed = len(kept) < len(cell.levels) and not cell.label.startswith("- ")
    label = label_of(kept) if is_renamed else cell.label
    levels = {level.factor: level.label for level in kept}
    return Resolved(label or "base", group, merged, recipe, cell.label, levels)


def _group(levels: Sequence[Level], recipe: BaseModel, group_by: str | None) -> str | None:
    if group_by is None:
        return None
    chosen = next((level.label for level in levels if level.factor == group_by), None)
    return chosen if chosen is not None else str(getattr(recipe, group_by, ""))


def _distinct(rows: Sequence[Resolved], explicit: int, design: Design, *, is_by_level: bool) -> Iterator[Resolved]:
    """Explicit rows as they are; of generated rows with one recipe the first, with a warning that names the others.

    In one_at_a_time (`is_by_level`) a level that is base's own is no row, and nothing to warn of.
    """
    yield from rows[:explicit]
    first: dict[str, str] = {}
    met: list[str] = []
    labels = {row.label for row in rows[:explicit]}
    problems = []
    for row in rows[explicit:]:
        content = canonical_json(applicable_values(row.recipe))
        if content in first:
            if not (is_by_level and row.set and first[content] == design.anchor):
                met.append(f"{quote(row.cell)} as {quote(first[content])}")
            continue
        if row.label in labels:
            problems.append(Problem("/rows", "duplicate", f"row {quote(row.label)} has the label of a generated row"))
        first[content] = row.label
        labels.add(row.label)
        yield row
    if problems:
        raise StudyError(problems)
    if met:
        shown = ", ".join(met[:3]) + (f" and {len(met) - 3} more" if len(met) > 3 else "")
        text = f"cells that do not differ in anything that applies became one row: {shown}"
        design.warnings.append(Problem("/factors", "coincide", text))
