"""Layers: patches of recipe fields with their places in the document, merged into recipes.

Each value remembers where in the document it was set. An error then points to that place, and is reported once even if
many cells inherit the value. Order: defaults, base, scale, overrides, group, the group's scale, row or level. Tables
inside a recipe, such as `backbone`, are merged field by field too: a row that sets only `backbone.lr` keeps the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from ablate.errors import Code, Findings, Problem, quote
from ablate.limits import MAX_ITEMS
from ablate.recipes.classify import EXCLUSIVE, inapplicable_fields
from ablate.recipes.identity import in_recipe, recipe_inside
from ablate.study.designs import DesignCell
from ablate.study.document import OTHER_PLACES, Patch, Study
from ablate.study.levels import Level, merged_value
from ablate.study.problems import place_of, pointer_of, sentence_of


@dataclass(frozen=True, slots=True)
class Layer:
    """A patch and its place in the document.

    Attributes:
        pointer: JSON pointer to the patch.
        values: recipe field -> value.
        is_bare: whether the place is the value itself, as for a level that is not a table.
    """

    pointer: str
    values: Patch
    is_bare: bool = False

    def place_of(self, name: str) -> str:
        """Pointer to one of the values."""
        return self.pointer if self.is_bare else f"{self.pointer}/{name}"


@dataclass(frozen=True, slots=True)
class Inherited:
    """What every row inherits from base, scale and overrides.

    Attributes:
        values: recipe field -> value, without the wrong ones.
        origin: recipe field -> pointer to its value.
        is_sound: whether there was no wrong one.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    is_sound: bool = True


class Resolver:
    """Merges layers into recipes of one class and collects every problem once.

    Args:
        recipe_class: the task's recipe.
        study: the document.
        scale: name of a scale of the study; None for base alone.
    """

    def __init__(self, recipe_class: type[BaseModel], study: Study, scale: str | None) -> None:
        self.recipe_class = recipe_class
        self.found = Findings()
        self._study = study
        self._places: set[tuple[str, str]] = set()
        base = {name: value for name, value in study.base.items() if name != "task"}
        self._base = self._merged(Layer("/base", base), Inherited())
        self.use_scale(scale)

    def use_scale(self, scale: str | None) -> None:
        """Resolve at this scale from now on; the problems of all scales are collected together."""
        self._inherited = self._base
        if scale is not None:
            self._inherited = self._merged(Layer(pointer_of(("scales", scale)), self._study.scales[scale]), self._base)
        if self._study.overrides:
            self._inherited = self._merged(Layer("/overrides", self._study.overrides), self._inherited)
        self.of_group = {name: layers_of_group(self._study, name, scale) for name in self._study.groups}

    def resolve(self, layers: Sequence[Layer]) -> BaseModel | None:
        """The recipe of base, scale and these layers; None if there is a problem, which is then in `found`."""
        below = self._inherited
        values, origin = dict(below.values), dict(below.origin)
        is_sound = all([below.is_sound, *(self._merge(layer, values, origin) for layer in layers)])
        recipe, _ = self._validated(values, origin, is_whole=below.is_sound)
        return recipe if is_sound else None

    def _merged(self, layer: Layer, below: Inherited) -> Inherited:
        """What rows inherit, with one more layer. Its problems are reported here, so its wrong values are left out."""
        values, origin = dict(below.values), dict(below.origin)
        is_sound = self._merge(layer, values, origin) and below.is_sound
        recipe, wrong = self._validated(values, origin, is_whole=below.is_sound)
        kept = {name: value for name, value in values.items() if name not in wrong}
        return Inherited(kept, origin, is_sound and recipe is not None)

    def _validated(
        self, values: Mapping[str, Any], origin: Mapping[str, str], *, is_whole: bool
    ) -> tuple[BaseModel | None, set[object]]:
        """The recipe, or None and the names of the wrong fields.

        Unless `is_whole`, values were left out, and what the recipe says about several fields together is not reported.
        """
        try:
            with in_recipe(self.recipe_class, ValidationError):
                return self.recipe_class.model_validate(values), set()
        except ValidationError as error:
            faults = [(location, message) for location, message in findings(values, error) if location or is_whole]
        for location, message in faults:
            self._report(location, message, origin)
        return None, {location[0] for location, _ in faults if location}

    def refuse_what_does_not_apply(self, cell: DesignCell, recipe: BaseModel) -> None:
        """Report the fields that an explicit row sets and that do not apply to its recipe."""
        gone = inapplicable_fields(recipe)
        for level in cell.levels:
            for name in level.set.keys() & gone.keys():
                text = f"row {quote(cell.label)}: '{name}' does not apply: {gone[name]}; remove it"
                self._add(f"{level.pointer}/{name}", "does_not_apply", text)

    def _merge(self, layer: Layer, values: dict[str, Any], origin: dict[str, str]) -> bool:
        fields = self.recipe_class.model_fields
        is_sound = True
        for name, value in layer.values.items():
            if name not in fields:
                pointer = layer.pointer + pointer_of((name,))
                if name == "task":
                    text = "'task' can only be set in [base], since a study has one task; move it there"
                    self._add(pointer, "unknown_field", text)
                else:
                    self._add_unknown(pointer, f"no recipe field {quote(name)}", name, fields)
                is_sound = False
                continue
            place = layer.place_of(name)
            if _count_items(value) > MAX_ITEMS:
                self._add(place, "too_many", f"should have at most {MAX_ITEMS:,} items")
                is_sound = False
                continue
            inner = recipe_inside(fields[name])
            if inner and inner.model_config.get("extra") == "forbid" and isinstance(value, Mapping):
                value, is_whole = self._check_inside(name, inner, value, place)
                is_sound &= is_whole
            origin |= {name: place} | _places_inside(name, value, place)
            values[name] = merged_value(values.get(name), value)
            for pair in (pair for pair in EXCLUSIVE if name in pair):
                other = pair[1 - pair.index(name)]
                if other in layer.values and other in fields:
                    text = f"'{pair[0]}' and '{pair[1]}' exclude each other; give one of them"
                    self._add(layer.pointer, "exclusive", text)
                    is_sound = False
                values.pop(other, None) if other not in layer.values else None
        return is_sound

    def _check_inside(
        self, name: str, inner: type[BaseModel], value: Mapping[str, Any], pointer: str
    ) -> tuple[dict[str, Any], bool]:
        """Validate the names in the value of a field that is itself a recipe.

        Returns:
            The fields that the inner recipe has, and whether all are known and none exclude each other.
        """
        known = {key: one for key, one in value.items() if key in inner.model_fields}
        for key in (key for key in value if key not in known):
            text = f"no field {quote(key)} in {quote(name)}"
            self._add_unknown(pointer + pointer_of((key,)), text, key, inner.model_fields)
        both = [pair for pair in EXCLUSIVE if known.keys() >= set(pair)]
        for one, other in both:
            self._add(pointer, "exclusive", f"'{one}' and '{other}' exclude each other; give one of them")
        return known, len(known) == len(value) and not both

    def _report(self, location: tuple[int | str, ...], message: str, origin: Mapping[str, str]) -> None:
        """Add a finding of pydantic. A validator of a whole recipe puts the field's name before a colon."""
        place, text, fields = list(location), message, self.recipe_class.model_fields
        if place and place[0] in fields and (inner := recipe_inside(fields[str(place[0])])):
            fields = inner.model_fields
        if len(place) < 2 and ": " in message and message.split(": ")[0] in fields:
            name, text = message.split(": ", 1)
            place.append(name)
        name = str(place[0]) if place else ""
        pointer, rest = origin.get(name, "/base"), place[1:]
        if rest and (inside := origin.get(f"{name}/{rest[0]}")):  # a field of a table may be of an earlier layer
            name, pointer, rest = str(rest[0]), inside, rest[1:]
        is_named = not name or pointer.endswith(f"/{name}")
        self._add(pointer + pointer_of(tuple(rest)), "invalid", text if is_named else f"{name}: {text}")

    def _add_unknown(self, pointer: str, text: str, name: str, allowed: Iterable[str]) -> None:
        if (pointer, "unknown_field") not in self._places:
            self._add(pointer, "unknown_field", text + self.found.nearest(name, allowed, OTHER_PLACES))

    def _add(self, pointer: str, code: Code, text: str) -> None:
        """Report a problem, once for each place; cells that inherit a value have the same problem."""
        if (pointer, code) not in self._places and not self.found.is_full:
            self._places.add((pointer, code))
            self.found.add(Problem(pointer, code, text))


def _places_inside(name: str, value: object, pointer: str) -> dict[str, str]:
    """The places of the fields of a table, by `field/name inside`."""
    keys = value if isinstance(value, Mapping) else ()
    return {f"{name}/{key}": pointer + pointer_of((key,)) for key in keys}


def _count_items(value: object) -> int:
    """Number of values in lists and tables inside each other; pydantic reports each one that is wrong."""
    if not isinstance(value, dict | list):
        return 0
    return sum(1 + _count_items(one) for one in (value.values() if isinstance(value, dict) else value))


def layers_of_group(study: Study, name: str, scale: str | None) -> list[Layer]:
    """The layers of a group: its own, then that of the scale if the group has one."""
    spec, pointer = study.groups[name], pointer_of(("groups", name))
    layers = [Layer(f"{pointer}/set", spec.set)]
    if scale in spec.scales:
        layers.append(Layer(f"{pointer}/scales/{scale}", spec.scales[scale]))
    return layers


def layer_of(level: Level) -> Layer:
    """The layer of a row or level."""
    return Layer(level.pointer, level.set, is_bare=level.pointer.endswith(tuple("0123456789")))


def findings(values: Mapping[str, Any], error: ValidationError) -> list[tuple[tuple[int | str, ...], str]]:
    """Location and message of each pydantic error; for a choice between a word and a list, those in the list."""
    items = error.errors(include_url=False)
    deeper = {item["loc"][0] for item in items if any(isinstance(step, int) for step in item["loc"])}
    return [
        (place_of(values, item), sentence_of(item))
        for item in items
        if not (item["type"] == "literal_error" and len(item["loc"]) == 2 and item["loc"][0] in deeper)
    ]
