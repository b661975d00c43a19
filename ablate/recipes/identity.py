"""Recipes of any task: which of their fields apply, and which of them are a trial's identity.

A field *applies* or not (`window` means nothing to ReLU). Fields that do not apply, and fields at their default, are
not part of a trial's identity. This module never imports torch.
"""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo


class Recipe(BaseModel):
    """Base of recipes: frozen, strict, no unknown field, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def inapplicable(self) -> dict[str, str]:
        """Fields that mean nothing in this recipe, each with the reason; they are not part of its identity."""
        return {}

    def conditional_defaults(self) -> dict[str, Any]:
        """Defaults that depend on other fields, where they differ from the declared default."""
        return {}


def inapplicable_fields(recipe: BaseModel) -> dict[str, str]:
    """Fields of any task's recipe that do not apply, with reasons; a recipe that is not ours has none."""
    return recipe.inapplicable() if isinstance(recipe, Recipe) else {}


def applicable_values(recipe: BaseModel) -> dict[str, Any]:
    """The resolved recipe as JSON values, without the fields that do not apply. Sets are sorted.

    A field that is itself a recipe is a mapping of its own fields that apply.
    """
    gone = inapplicable_fields(recipe)
    values = recipe.model_dump(mode="json", exclude=set(gone))
    return {name: _as_value(getattr(recipe, name), dumped) for name, dumped in values.items()}


def identity_of(recipe: BaseModel) -> dict[str, Any]:
    """The fields of a recipe that enter a trial's key: those that apply and differ from their default.

    The same holds inside a field that is itself a `Recipe`; any other model enters as a whole.
    """
    defaults = recipe.conditional_defaults() if isinstance(recipe, Recipe) else {}
    fields = type(recipe).model_fields
    declared = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
    return {
        name: identity_of(chosen) if isinstance(chosen := getattr(recipe, name), Recipe) else value
        for name, value in applicable_values(recipe).items()
        if getattr(recipe, name) != {**declared, **defaults}[name]
    }


def recipe_inside(field: FieldInfo) -> type[BaseModel] | None:
    """The class of a field that is itself a recipe, or may be one instead of null; None for any other field."""
    choices = (field.annotation, *get_args(field.annotation))
    models = [one for one in choices if isinstance(one, type) and issubclass(one, BaseModel)]
    return models[0] if len(models) == 1 else None


def _as_value(chosen: object, dumped: Any) -> Any:
    if isinstance(chosen, BaseModel):
        return applicable_values(chosen)
    return sorted(dumped) if isinstance(chosen, (set, frozenset)) else dumped
