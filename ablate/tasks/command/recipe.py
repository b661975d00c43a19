"""The recipe of a script: one field for each field of its `[command]`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, create_model

from ablate.recipes.identity import Recipe
from ablate.study.command import FieldSpec

KINDS: dict[str, Any] = {"int": int, "float": float, "str": str, "bool": bool, "list": list[str | int | float | bool]}


class CommandRecipe(Recipe):
    """Base class of the recipes of scripts. Every field is part of a trial's identity, also at its default."""

    def conditional_defaults(self) -> dict[str, Any]:
        """No value equals its default here, so that an edited default never stands for old results."""
        return dict.fromkeys(type(self).model_fields, object())


def recipe_of(fields: dict[str, FieldSpec]) -> type[CommandRecipe]:
    """The recipe class of these fields."""
    made = {name: (_kind_of(field), _with_default(field)) for name, field in fields.items()}
    return create_model("CommandRecipe", __base__=CommandRecipe, **made)  # type: ignore[call-overload,no-any-return]


def _kind_of(field: FieldSpec) -> Any:
    if field.choices is None:
        return KINDS[field.type]
    if field.type in ("int", "str", "bool"):
        return Literal[tuple(field.choices)]
    return Annotated[KINDS[field.type], AfterValidator(partial(_is_one_of, field.choices))]


def _is_one_of(choices: Sequence[Any], value: Any) -> Any:
    if value not in choices:
        raise ValueError(f"should be one of {', '.join(map(str, choices[:24]))}")
    return value


def _with_default(field: FieldSpec) -> Any:
    default = float(field.default) if field.type == "float" else field.default
    return Field(default, description=field.help or None)
