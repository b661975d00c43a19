"""Trials that need others: they start from the weights of other trials, which run first and are shared.

A task declares it by `needs(recipe)`; see `ablate.trials.task`. A need has the seed and the replicate of the trial that
needs it. In the identity of that trial, the need's key replaces the recipe's field of the same name. This module
imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from ablate.errors import TrialError, quote
from ablate.recipes.identity import applicable_values, identity_of
from ablate.trials.registry import NamedTask, get_task
from ablate.trials.trial import Outcome, Trial, trial_key


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A trial without its seed and replicate.

    Attributes:
        task: the task that trains it.
        recipe: an instance of the task's `Recipe`.
        identity: the recipe's fields that enter the key, without those of needs.
        values: the recipe as it is stored in a trial.
        needs: name -> the trial that it starts from.
    """

    task: NamedTask
    recipe: BaseModel
    identity: Mapping[str, Any]
    values: dict[str, Any]
    needs: Mapping[str, Blueprint] = field(default_factory=dict)

    def at(self, seed: int, replicate: int = 0, repeat: int = 0) -> Trial:
        """The trial of a seed, replicate and repeat; the trials that it needs have the same ones."""
        needs = {name: need.at(seed, replicate, repeat).key for name, need in self.needs.items()}
        return Trial(
            key=trial_key(self.task.identity, self.identity, seed, replicate, repeat=repeat, needs=needs),
            task=self.task.name,
            recipe=self.values,
            seed=seed,
            replicate=replicate,
            repeat=repeat,
            needs=needs,
        )

    def is_in(self, folder: Path) -> bool:
        """Whether the folder contains this trial's finished weights."""
        return self.task.task.is_trained(folder)


def build_blueprint(named: NamedTask, recipe: BaseModel) -> Blueprint:
    """The blueprint of a recipe, with those of its needs.

    Raises:
        TrialError: the task declares an invalid need.
        ValidationError: the recipe of a need is invalid.
    """
    needs = {name: _build_need(named, recipe, name, declared) for name, declared in named.task.needs(recipe).items()}
    identity = {name: value for name, value in identity_of(recipe).items() if name not in needs}
    return Blueprint(named, recipe, identity, applicable_values(recipe), needs)


def _build_need(named: NamedTask, child: BaseModel, name: str, declared: tuple[str, BaseModel]) -> Blueprint:
    task, recipe = declared
    where = f"task {quote(named.name)} needs {quote(name)} of task {quote(task)}"
    if name not in type(child).model_fields:
        raise TrialError(f"{where}, but its recipe has no field of that name to describe it")
    parent = get_task(task)
    if not isinstance(recipe, parent.task.Recipe):
        allowed = f"a recipe of {quote(task)} is a {parent.task.Recipe.__name__}"
        raise TrialError(f"{where}, but gives a {type(recipe).__name__}; {allowed}")
    if not parent.task.offers("is_trained"):
        raise TrialError(f"{where}, which has no `is_trained`; only tasks that have it can be needed by another")
    if parent.task.needs(recipe):
        raise TrialError(f"{where}, which needs another trial itself; a needed trial cannot need another one")
    return Blueprint(parent, recipe, identity_of(recipe), applicable_values(recipe))


def label_of_need(name: str, row: str) -> str:
    """Label in a study of the trials that a row needs; it is not a row of the table."""
    return f"({name}) {row}"


def inherit(name: str, key: str, status: Literal["diverged", "failed"], reason: str | None) -> Outcome:
    """How a trial ends whose need did not succeed: in the same way.

    Args:
        name: name of the need.
        key: key of the needed trial.
        status: how that trial ended.
        reason: why it ended so.
    """
    return Outcome(status=status, reason=f"its {name}, trial {key[:12]}, {status}: {reason or 'no reason given'}")
