"""What a task is: the base class of every task, and the wrapper of installed tasks, which are foreign code.

A task trains one trial: it has a recipe class, metrics, and `run`. Everything else has a default here, so the rest of
ablate calls a task's methods and never asks which of them an object has. The module of a task imports without torch
(plans are made where torch is not installed), so `run` imports what it needs itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, FiniteFloat, InstanceOf, TypeAdapter, ValidationError

from ablate.errors import TrialError, foreign_code, quote
from ablate.recipes.classify import ClassifyRecipe
from ablate.trials.trial import Cost, Measured, Message

A = TypeVar("A")
R = TypeVar("R", bound=BaseModel)
NO_NEEDS: Mapping[str, Path] = MappingProxyType({})

Part = Literal["inspect", "time_steps", "measure", "is_trained"]
"""Methods that only some tasks can answer; `Task.offers` reports which."""
OPTIONAL = ("needs", "check", "counted_network", "inspect", "time_steps", "measure", "is_trained")
"""Methods that a task may leave out."""
NEEDS = TypeAdapter(dict[str, tuple[str, InstanceOf[BaseModel]]])
NETWORK = TypeAdapter(InstanceOf[ClassifyRecipe] | None)
COST, MEASURED = TypeAdapter(Cost), TypeAdapter(list[Measured])
SECONDS, TRUTH, ANYTHING = TypeAdapter(FiniteFloat), TypeAdapter(bool), TypeAdapter(object)
"""What the methods of a task answer."""


class Task(ABC, Generic[R]):
    """What a trial does.

    A subclass sets `Recipe` and `metrics` and implements `run`; it may override the other methods. An operator installs
    an instance under the entry point group `ablate.tasks`, as `NAME = "module:instance"`.

    Attributes:
        Recipe: frozen pydantic model; its fields are those of a study's `[base]`.
        metrics: metric name -> whether lower is better; the first one is the primary metric.
        preload: modules that a worker imports before its first trial.
        folds: number of folds into which it divides the data, see `ablate.study.seeds`; None without folds.
    """

    Recipe: type[R]
    metrics: Mapping[str, bool]
    preload: Sequence[str] = ()
    folds: int | None = None

    @abstractmethod
    def run(self, recipe: R, seed: int, workdir: Path, needs: Mapping[str, Path] = NO_NEEDS) -> Iterator[Message]:
        """Train and evaluate one trial.

        Args:
            recipe: an instance of `Recipe`.
            seed: seed of all random numbers in the trial.
            workdir: the trial's own folder; an interrupted trial resumes from what is in it.
            needs: name of a need -> folder of that trial, for which its task's `is_trained` is true.

        Yields:
            `Heartbeat` and `EpochMetrics` while it trains, and one `Outcome` at the end.
        """

    def needs(self, recipe: R) -> Mapping[str, tuple[str, BaseModel]]:
        """The trials from whose weights a trial of this recipe starts; by default none.

        Returns:
            Name of the need -> (name of a task, recipe of that task), such as
            `{"backbone": ("classify", recipe.backbone_recipe())}`. The name is also the field of this task's recipe
            that describes the need. The needed trial has the same seed and replicate, runs first, is shared like any
            other trial, and may not need another trial itself.
        """
        del recipe
        return {}

    def check(self, recipe: R) -> None:
        """Validate a recipe against its data set, without torch; by default every recipe is accepted.

        Raises:
            DataError: the data set is unknown, made for another task, or smaller than the recipe asks for.
            SiteError: the network cannot be used by this task.
        """
        del recipe

    def counted_network(self, recipe: R) -> ClassifyRecipe | None:
        """The network whose parameters and multiply-adds stand for a recipe; by default None, nothing is counted."""
        del recipe
        return None

    def inspect(self, recipe: R) -> Cost:
        """Parameters and multiply-adds of a recipe, by building its network.

        Raises:
            AblateError: the recipe cannot be trained.
        """
        raise self._not_offered("inspect", recipe)

    def time_steps(self, recipe: R, count: int) -> float:
        """Seconds that a whole trial would take on this machine, estimated from `count` steps."""
        raise self._not_offered("time_steps", recipe, count)

    def measure(self, recipes: Sequence[R]) -> list[Measured]:
        """Inference time and memory of each recipe's network on this machine."""
        raise self._not_offered("measure", recipes)

    def is_trained(self, workdir: Path) -> bool:
        """Whether a folder, which may be missing, contains the finished weights of a trial.

        Which recipe the weights are of is not checked. Only trials of a task that overrides this can be needed by
        others.
        """
        raise self._not_offered("is_trained", workdir)

    def offers(self, part: Part) -> bool:
        """Whether this task overrides a method that has no answer by default."""
        return _overrides(self, part)

    def _not_offered(self, part: str, *given: object) -> NotImplementedError:
        del given
        return NotImplementedError(f"{type(self).__name__} has no {part}; call it only where offers('{part}') is true")


class ForeignTask(Task[BaseModel]):
    """An installed task, with a boundary around every call of it.

    What it raises, except the errors of ablate, is a `TrialError` that names the task and the method; so is an answer
    of the wrong type. `run` has its boundary in `ablate.trials.run`. A plain object without the base class is called as
    `run(recipe, seed, workdir, needs)` where it has `needs`, else as `run(recipe, seed, workdir)`.

    Args:
        name: its name in a study.
        task: a `Task`, or an object with `Recipe`, `metrics`, `run` and any of the methods in `OPTIONAL`.
    """

    PRELOAD: ClassVar = ("torch",)
    """For a plain task that builds networks, as one with `inspect` does."""

    def __init__(self, name: str, task: Any) -> None:
        self.Recipe, self.metrics = task.Recipe, dict(task.metrics)
        self._name, self._task = name, task
        is_plain = not isinstance(task, Task)
        self._takes_needs = not is_plain or hasattr(task, "needs")
        self._offered = {part for part in OPTIONAL if (hasattr(task, part) if is_plain else _overrides(task, part))}
        self.preload = (self.PRELOAD if self.offers("inspect") else ()) if is_plain else tuple(task.preload)

    def offers(self, part: Part) -> bool:
        """See `Task.offers`."""
        return part in self._offered

    def run(
        self, recipe: BaseModel, seed: int, workdir: Path, needs: Mapping[str, Path] = NO_NEEDS
    ) -> Iterator[Message]:
        """See `Task.run`."""
        folders = (needs,) if self._takes_needs else ()
        messages: Iterator[Message] = self._task.run(recipe, seed, workdir, *folders)
        return messages

    def needs(self, recipe: BaseModel) -> dict[str, tuple[str, BaseModel]]:
        """See `Task.needs`."""
        return self._ask("needs", NEEDS, recipe) if "needs" in self._offered else {}

    def check(self, recipe: BaseModel) -> None:
        """See `Task.check`."""
        if "check" in self._offered:
            self._ask("check", ANYTHING, recipe)

    def counted_network(self, recipe: BaseModel) -> ClassifyRecipe | None:
        """See `Task.counted_network`."""
        return self._ask("counted_network", NETWORK, recipe) if "counted_network" in self._offered else None

    def inspect(self, recipe: BaseModel) -> Cost:
        """See `Task.inspect`."""
        return self._ask("inspect", COST, recipe)

    def time_steps(self, recipe: BaseModel, count: int) -> float:
        """See `Task.time_steps`."""
        return self._ask("time_steps", SECONDS, recipe, count)

    def measure(self, recipes: Sequence[BaseModel]) -> list[Measured]:
        """See `Task.measure`."""
        return self._ask("measure", MEASURED, recipes)

    def is_trained(self, workdir: Path) -> bool:
        """See `Task.is_trained`."""
        return self._ask("is_trained", TRUTH, workdir)

    def _ask(self, part: str, answer: TypeAdapter[A], *given: object) -> A:
        """The answer of a method; without it that of `Task`, which raises."""
        if part not in self._offered:
            raise self._not_offered(part, *given)
        handled = (ValidationError,) if part == "needs" else ()  # of the recipe that it makes
        with foreign_code(f"task {quote(self._name)}, its {part}", *handled):
            found = getattr(self._task, part)(*given)
        try:
            return answer.validate_python(found)
        except ValidationError as error:
            raise TrialError(
                f"task {quote(self._name)}, its {part}: the answer is a {type(found).__name__} that is not allowed"
            ) from error


def _overrides(task: Any, part: str) -> bool:
    return getattr(getattr(task, part), "__func__", None) is not getattr(Task, part)
