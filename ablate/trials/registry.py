"""Tasks: what a trial does. A small registry, open to an operator's own code, closed to requests.

Built in is what `BUILT_IN` lists; further tasks are those installed under the entry point group `ablate.tasks`, as
`NAME = "module:task"`. A task is any object with

* `Recipe`: a frozen pydantic model; its fields stand in a study's `[base]`,
* `metrics`: a mapping from metric name to whether lower is better, the first one primary,
* `run(recipe, seed, workdir)`: an iterator of `Heartbeat` and `EpochMetrics`, and last one `Outcome`,
* optionally `inspect(recipe)`: a `Cost`, by counting; raises an `AblateError` for a recipe that cannot be trained,
* optionally `time_steps(recipe, count)`: seconds that a whole trial would take, from `count` steps,
* optionally `measure(recipes)`: a `Measured` for each, where it makes sense to time what was trained,
* optionally `is_trained(workdir)`: whether the folder, which may be missing, holds the finished weights of a trial;
  what it was to train is not looked at. Only trials of a task that has it can be needed by others,
* optionally `needs(recipe)`: the trials from whose weights one of this recipe starts, as a mapping from a name to
  (name of a task, recipe of that task), such as `{"backbone": ("classify", recipe.backbone_recipe())}`; empty where it
  starts from none. The name is also the field of this task's recipe that describes the need. The trial that is needed
  has the same seed and replicate, runs before, is shared like any other, and may need none itself. A task with `needs`
  is called as `run(recipe, seed, workdir, needs)`, where `needs` maps each name to the folder of that trial, for which
  `is_trained` is true.

Its module imports without torch (plans are made where torch is not), so `run` imports what it needs itself.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel

from ablate.errors import TrialError, nearest, quote
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome

ENTRY_POINT_GROUP = "ablate.tasks"
BUILT_IN = {
    "classify": "ablate.tasks.classify.task:task",
    "detect": "ablate.tasks.detect.task:task",
    "segment": "ablate.tasks.segment.task:task",
}


class Task(Protocol):
    """See the module's text."""

    @property
    def Recipe(self) -> type[BaseModel]:
        """The recipe's class."""

    @property
    def metrics(self) -> Mapping[str, bool]:
        """Metric name -> lower is better."""

    def run(self, recipe: Any, seed: int, workdir: Path) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
        """Train and evaluate; yield signs of life and, last, the outcome."""


@dataclass(frozen=True, slots=True)
class NamedTask:
    """A task with the name under which trials are keyed.

    Attributes:
        name: as it stands in a study.
        identity: the name; with a digest of the task's code where the task is not built in.
        task: the task itself.
    """

    name: str
    identity: str
    task: Task

    @property
    def primary_metric(self) -> str:
        """The metric that is tested unless a study names another."""
        return next(iter(self.task.metrics))


def list_tasks() -> list[str]:
    """Names of all tasks, built in and installed."""
    return [*BUILT_IN, *sorted(_installed())]


@cache
def get_task(name: str) -> NamedTask:
    """The task of that name.

    Raises:
        TrialError: there is none, or its code does not load or lacks a part.
    """
    if name in BUILT_IN:
        module, attribute = BUILT_IN[name].split(":")
        return NamedTask(name, name, getattr(import_module(module), attribute))
    point = _installed().get(name)
    if point is None:
        raise TrialError(f"no task {quote(name)}{nearest(name, list_tasks())}")
    try:
        task = point.load()
    except (ImportError, AttributeError) as error:
        raise TrialError(f"task {quote(name)} ({point.value}) does not load: {error}") from error
    _check(name, task)
    return NamedTask(name, f"{name}@{code_digest(point.module)}", task)


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name not in BUILT_IN}


def _check(name: str, task: object) -> None:
    lacking = [part for part in ("Recipe", "metrics", "run") if not hasattr(task, part)]
    if lacking:
        raise TrialError(f"task {quote(name)} lacks {', '.join(lacking)}; a task has Recipe, metrics and run")
    recipe = task.Recipe  # type: ignore[attr-defined]
    if not (isinstance(recipe, type) and issubclass(recipe, BaseModel) and recipe.model_config.get("frozen")):
        raise TrialError(f"task {quote(name)}: Recipe is no frozen pydantic model")
    if not task.metrics:  # type: ignore[attr-defined]
        raise TrialError(f"task {quote(name)} declares no metric")


def code_digest(module: str) -> str:
    """First 16 digits of the SHA-256 of a module's code: its file, or every `.py` file of its top-level package."""
    package = sys.modules[module.split(".")[0]]
    file = Path(package.__file__ or "")
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(file.parent).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
