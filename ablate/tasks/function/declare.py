"""`@ablate.task`: a training function whose parameters are the fields of a recipe."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints, overload

from pydantic import ValidationError

from ablate.errors import TrialError, quote
from ablate.study.command import RESERVED, FieldSpec, MetricSpec, check_take, is_taken

F = TypeVar("F", bound=Callable[..., Any])
ATTRIBUTE = "ablate_metrics"
"""Attribute of a function that is a task: its metrics, or None."""


@overload
def task(function: F) -> F: ...
@overload
def task(*, metrics: Mapping[str, Any]) -> Callable[[F], F]: ...
def task(function: Any = None, *, metrics: Mapping[str, Any] | None = None) -> Any:
    """Make a training function a task, which `ablate.run` trains with any values of its parameters.

    The parameters with defaults are the fields of the recipe. `seed` and `workdir`, if the function has them, get the
    seed of the trial and its folder. The function returns a mapping of metrics, or yields such mappings while it
    trains; the last one counts, and `step` in it is the step.

    Args:
        function: of a module in a file; a function in the cell of a notebook cannot be found by worker processes.
        metrics: name -> `"max"` or `"min"`; the first one is tested. It can be given to `ablate.run` instead.

    Returns:
        The function, which can be called as before.

    Raises:
        TrialError: by `ablate.run`, which reads the signature.

    Example:
        >>> @ablate.task(metrics={"val_acc": "max"})
        ... def train(lr: float = 0.1, width: int = 64, *, seed: int, workdir: Path) -> dict[str, float]:
        ...     return {"val_acc": 0.9}
    """
    if function is None:
        return lambda one: task_of(one, metrics)
    return task_of(function, metrics)


def task_of(function: F, metrics: Mapping[str, Any] | None) -> F:
    """The function itself, marked as a task."""
    setattr(function, ATTRIBUTE, dict(metrics) if metrics else None)
    return function


@dataclass(frozen=True, slots=True)
class Declared:
    """A function as a task.

    Attributes:
        name: of the function.
        file: of its module.
        fields: its parameters.
        passes: those of `seed` and `workdir` that it has.
        metrics: its metrics.
    """

    name: str
    file: Path
    fields: dict[str, FieldSpec]
    passes: tuple[str, ...]
    metrics: dict[str, MetricSpec]


def read_function(function: Callable[..., Any], metrics: Mapping[str, Any] | None) -> Declared:
    """What a function declares by its signature.

    Raises:
        TrialError: it is not in a file, or a parameter has no default or no type that a study can have.
    """
    name = getattr(function, "__name__", "")
    where = f"function {quote(name)}"
    file = _file_of(function, where)
    if function.__qualname__ != name:
        raise TrialError(f"{where} is inside of another function or class; move it to the top of its file")
    hints = get_type_hints(function)
    fields: dict[str, FieldSpec] = {}
    passes = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in RESERVED:
            passes.append(parameter.name)
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TrialError(f"{where}: parameter {quote(parameter)} cannot be a field; name each field")
        elif is_taken(parameter.name):
            other = f"{parameter.name.strip('_')}_"
            raise TrialError(
                f"{where}: parameter {quote(parameter.name)} has a name of ablate's; call it {quote(other)}"
            )
        elif parameter.default is parameter.empty:
            raise TrialError(f"{where}: parameter {quote(parameter.name)} has no default; give it one")
        else:
            fields[parameter.name] = _field_of(parameter, hints.get(parameter.name), where)
    declared = metrics or getattr(function, ATTRIBUTE, None)
    if not declared:
        raise TrialError(f'{where} declares no metric; write @ablate.task(metrics={{"val_acc": "max"}}) above it')
    try:
        found = {key: MetricSpec.model_validate(value) for key, value in declared.items()}
    except ValidationError as error:
        raise TrialError(f"{where}: its metrics: {error.errors()[0]['msg']}") from error
    try:
        for key, metric in found.items():
            check_take(key, metric, found)
    except ValueError as error:
        raise TrialError(f"{where}: {error}") from error
    return Declared(name, file, fields, tuple(passes), found)


def _file_of(function: Callable[..., Any], where: str) -> Path:
    code = getattr(inspect.unwrap(function), "__code__", None)
    file = Path(code.co_filename) if isinstance(code, types.CodeType) else None
    if file is None or not file.is_file() or file.suffix != ".py":
        raise TrialError(
            f"{where} is not in a file, so worker processes cannot import it; write it to one, such as train.py, and "
            f"write `from train import {getattr(function, '__name__', 'train')}`"
        )
    return file.resolve()


def _field_of(parameter: inspect.Parameter, hint: Any, where: str) -> FieldSpec:
    default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
    table: dict[str, Any] = {"default": default}
    if get_origin(hint) is Literal:
        table["choices"] = list(get_args(hint))
    if hint is float:
        table["type"] = "float"
    try:
        return FieldSpec.model_validate(table)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise TrialError(
            f"{where}: parameter {quote(parameter.name)}: {message}; a field is a number, text, a truth value or a list"
        ) from error
