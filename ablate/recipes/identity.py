"""Recipes of any task: which of their fields apply, and which are part of a trial's identity.

A field may not *apply*: `window` has no meaning for ReLU. Fields that do not apply, and fields at their default, are
not part of a trial's identity. This module never imports torch.

The recipe of an installed task is foreign code: whatever it raises is a `TrialError` that names its class.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from ablate.errors import foreign_code, quote


class Recipe(BaseModel):
    """Base class of recipes: frozen and strict; unknown fields and NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def inapplicable(self) -> dict[str, str]:
        """Field -> reason, for the fields that do not apply to this recipe; they are not part of its identity."""
        return {}

    def conditional_defaults(self) -> dict[str, Any]:
        """Field -> default, for defaults that depend on other fields and differ from the declared one."""
        return {}


def inapplicable_fields(recipe: BaseModel) -> dict[str, str]:
    """Field -> reason, for the fields that do not apply; empty for a recipe that is not a `Recipe`."""
    with in_recipe(type(recipe)):
        return recipe.inapplicable() if isinstance(recipe, Recipe) else {}


def in_recipe(recipe_class: type[BaseModel], *allowed: type[Exception]) -> AbstractContextManager[None]:
    """The boundary around calls of a recipe's code; see `ablate.errors.foreign_code`."""
    return foreign_code(f"recipe {quote(recipe_class.__name__)}", *allowed)


def applicable_values(recipe: BaseModel) -> dict[str, Any]:
    """The resolved recipe as JSON values, without the fields that do not apply. Sets are sorted.

    The value of a field that is itself a recipe is a mapping of the fields that apply to it.
    """
    gone = inapplicable_fields(recipe)
    with in_recipe(type(recipe)):
        values = recipe.model_dump(mode="json", exclude=set(gone))
        special = {name: value for name, value in vars(recipe).items() if isinstance(value, SPECIAL) and name in values}
        return values | {name: _as_value(value, values[name]) for name, value in special.items()}


def identity_of(recipe: BaseModel) -> dict[str, Any]:
    """The part of a recipe that enters a trial's key: the fields that apply and differ from their default.

    A field that is itself a `Recipe` is reduced in the same way; any other model enters as a whole.
    """
    gone = inapplicable_fields(recipe)
    with in_recipe(type(recipe)):
        conditional = recipe.conditional_defaults() if isinstance(recipe, Recipe) else {}
        defaults = _declared_defaults(type(recipe)) | conditional
        chosen = {
            name: value
            for name, default in defaults.items()
            if name not in gone and (value := getattr(recipe, name)) != default
        }
        values = recipe.model_dump(mode="json", include=set(chosen))
        special = {name: value for name, value in chosen.items() if isinstance(value, SPECIAL)}
        return values | {
            name: identity_of(value) if isinstance(value, Recipe) else _as_value(value, values[name])
            for name, value in special.items()
        }


@cache
def _declared_defaults(kind: type[BaseModel]) -> dict[str, Any]:
    return {name: field.get_default(call_default_factory=True) for name, field in kind.model_fields.items()}


def recipe_inside(field: FieldInfo) -> type[BaseModel] | None:
    """Class of a field that is a recipe or an optional recipe; None for any other field."""
    choices = (field.annotation, *get_args(field.annotation))
    models = [one for one in choices if isinstance(one, type) and issubclass(one, BaseModel)]
    return models[0] if len(models) == 1 else None


SPECIAL = (BaseModel, set, frozenset)
"""Values that pydantic does not dump as they enter a trial's key."""


def _as_value(chosen: object, dumped: Any) -> Any:
    return applicable_values(chosen) if isinstance(chosen, BaseModel) else sorted(dumped)
