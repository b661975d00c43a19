"""`[command]`: a script that trains a study's trials, with its fields, its metrics and the files that are its code."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from ablate.limits import MAX_ITEMS
from ablate.recipes.identity import Recipe
from ablate.study.seeds import Folds
from ablate.study.strict import StrictDocument

RESERVED = ("seed", "workdir")
"""Placeholders of a command that are no fields of a recipe."""
FOLD = "fold"
"""One more where the study has folds."""
FIELD = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"
LAST, BEST, MEAN_OF_LAST = "last", "best", re.compile(r"mean_of_last_([1-9][0-9]{0,3})")
TYPES = {"int": int, "float": float, "str": str, "bool": bool, "list": list}
MAX_METRICS = 64


def is_taken(name: str) -> bool:
    """Whether a name cannot be that of a field: it has a meaning of its own, here or for every recipe."""
    return name in (*RESERVED, "task") or name.startswith("_") or hasattr(Recipe, name)


def _is_take(text: str) -> str:
    if text not in (LAST, BEST) and not MEAN_OF_LAST.fullmatch(text):
        raise ValueError("should be 'last', 'best' or 'mean_of_last_5' (or another number)")
    return text


def _compiles(text: str) -> str:
    try:
        found = re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    if not found.groupindex:
        raise ValueError("has no named group; write the number as (?P<val_acc>[-+.0-9eE]+), named after its metric")
    return text


class MetricSpec(StrictDocument):
    """A metric of a script.

    Attributes:
        goal: whether a higher value is better (`max`) or a lower one (`min`).
        split: data that it is measured on, such as `val` or `test`.
        take: which of the values that a trial reported counts: the last one, the mean of the last k, or the one at the
            step at which another metric was best.
        by: that other metric, for `best`; it has another split, since the best of many values on the same data is
            too good.
    """

    goal: Literal["min", "max"]
    split: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    take: Annotated[str, AfterValidator(_is_take)] = LAST
    by: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_goal(cls, value: Any) -> Any:
        """A goal alone stands for a metric with the defaults."""
        return {"goal": value} if isinstance(value, str) else value

    @property
    def last(self) -> int:
        """Of how many of the last values the mean is taken."""
        found = MEAN_OF_LAST.fullmatch(self.take)
        return int(found[1]) if found else 1


class FieldSpec(StrictDocument):
    """A field of a script's recipe.

    Attributes:
        default: its value where neither base nor row sets it.
        type: `int`, `float`, `str`, `bool` or `list`; default: the type of the default.
        choices: the values that are allowed; all, if there is none.
        flag: for a bool: what its placeholder stands for if it is true; nothing if it is false.
        help: what it is for.
    """

    default: Any
    type: Literal["int", "float", "str", "bool", "list"]
    choices: list[Any] | None = Field(None, min_length=1, max_length=MAX_ITEMS)
    flag: str | None = Field(None, min_length=1, max_length=200)
    help: str = Field("", max_length=1000)

    @model_validator(mode="before")
    @classmethod
    def _of_default(cls, value: Any) -> Any:
        """A plain value stands for a field with that default; the type follows from the default."""
        table = value if isinstance(value, dict) else {"default": value}
        if "type" in table or "default" not in table:
            return table
        return {**table, "type": type(table["default"]).__name__}

    @model_validator(mode="after")
    def _has_its_type(self) -> FieldSpec:
        for value in (self.default, *(self.choices or ())):
            if not self.allows(value):
                raise ValueError(f"a value is not of type {self.type}, as the default and all choices have to be")
        if self.choices is not None and self.default not in self.choices:
            raise ValueError("the default is not one of the choices; add it, or choose another default")
        if self.flag is not None and self.type != "bool":
            raise ValueError("'flag' is for fields of type bool, whose default is true or false")
        return self

    def allows(self, value: Any) -> bool:
        """Whether a value has the type of the field; a whole number is a float, too."""
        kind = type(value)
        return kind is TYPES[self.type] or (self.type == "float" and kind is int)


class CommandSpec(StrictDocument):
    """How a script is run, and how its metrics are read.

    Attributes:
        run: the command, as in a shell; `{name}` stands for a field, `{seed}` for the seed and `{workdir}` for a folder
            of the trial. It is not run by a shell: each word is an argument of its own.
        metrics: name -> `"max"`, `"min"`, or a table; see `MetricSpec`. The first one is tested, unless the study's
            `metric` names another.
        fields: name -> default, or a table; see `FieldSpec`. They are the fields of the recipe.
        python: the interpreter that `python` stands for; a path is relative to the study's file. Default: that of the
            active environment, else the one that runs ablate.
        code: patterns of the files that decide the result, relative to the study's file. Default: what git tracks below
            the folder of the script, and new `.py` files; without git all `.py` files there.
        pattern: regular expressions whose named groups are metrics (or `step`, `epoch`) in the output.
        keep_results_of: digest of earlier code, or its begin: known results of that code fill their cells. It decides
            nothing else, and is not part of a key.
        folds: the folds of the study, which writes them at its top; they decide the results, too.
        files: files that the script writes and that contain metrics: `.csv`, `.json`, `.jsonl` or event files of
            TensorBoard (by the extra `tensorboard`), relative to the folder in which the command runs; patterns are
            allowed.
    """

    run: str = Field(min_length=1, max_length=10_000)
    metrics: dict[Annotated[str, Field(min_length=1, max_length=128)], MetricSpec] = Field(
        min_length=1, max_length=MAX_METRICS
    )
    fields: dict[Annotated[str, Field(pattern=FIELD)], FieldSpec] = Field(default_factory=dict, max_length=1000)
    python: str | None = Field(None, min_length=1, max_length=4096)
    code: list[str] | None = Field(None, min_length=1, max_length=1000)
    pattern: Annotated[str, AfterValidator(_compiles)] | None = Field(None, max_length=10_000)
    files: list[str] = Field(default_factory=list, max_length=100)
    keep_results_of: str | None = Field(None, pattern="^[0-9a-f]{8,64}$", exclude_if=lambda digest: digest is None)
    folds: Folds | None = Field(None, exclude_if=lambda folds: folds is None)

    @property
    def reserved(self) -> tuple[str, ...]:
        """The placeholders of this command that are no fields of its recipe."""
        return (*RESERVED, FOLD) if self.folds else RESERVED

    @model_validator(mode="after")
    def _is_sound(self) -> CommandSpec:
        if self.folds and FOLD in self.fields:
            raise ValueError("fields: 'fold' is the number of the fold, since the study has folds; remove the field")
        for name in self.fields:
            if is_taken(name):
                other = f"{name.strip('_')}_"
                text = f"'{name}' has a meaning of its own; give the field another name, such as '{other}'"
                raise ValueError(f"fields: {text}")
        for name, metric in self.metrics.items():
            check_take(name, metric, self.metrics)
        return self


def check_take(name: str, metric: MetricSpec, metrics: dict[str, MetricSpec]) -> None:
    """Raise ValueError if the values that a metric takes are not sound."""
    if metric.take != BEST:
        if metric.by is not None:
            raise ValueError(f"metrics: '{name}' has 'by', which is for take = 'best' only; remove it")
        return
    other = metrics.get(metric.by or "")
    if other is None or other is metric:
        raise ValueError(
            f"metrics: '{name}' takes the best value by itself, which is too good: the best of many values on the same "
            "data. Name a metric of another split as 'by', whose best step is taken, or take 'last'"
        )
    if metric.split is None or other.split is None or metric.split == other.split:
        raise ValueError(
            f"metrics: '{name}' is taken where '{metric.by}' is best, so the two need different splits; give each its "
            "'split', such as 'val' and 'test'"
        )
