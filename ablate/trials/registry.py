"""The registry of tasks: open to an operator's own code, closed to requests.

Built-in tasks are in `BUILT_IN`; those in `HIDDEN` are for tests of ablate
itself, and for values that `ablate import` reads. Further tasks are those installed
under the entry point group `ablate.tasks`, as `NAME = "module:task"`. What a task is: `ablate.trials.task`. An
installed one, or a plain object with `Recipe`, `metrics`, `run` and any of the optional methods, is wrapped here, once,
so that everything else works with `Task`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import BaseModel

from ablate.errors import TrialError, foreign_code, nearest, quote
from ablate.trials.code import code_files, digest_of_code
from ablate.trials.messages import MAX_NAME_CHARACTERS, MAX_NAMES, is_metric_name
from ablate.trials.task import ForeignTask, Task

ENTRY_POINT_GROUP = "ablate.tasks"
BUILT_IN = {
    "classify": "ablate.tasks.classify.task:task",
    "detect": "ablate.tasks.detect.task:task",
    "segment": "ablate.tasks.segment.task:task",
    "null": "ablate.tasks.null:task",
    "imported": "ablate.study.imported:task",
}
HIDDEN = ("null", "imported")
COMMAND = "command@"
FUNCTION = "function@"
"""Start of the name of a task that is a user's script, or function; a digest follows."""
STORED = {COMMAND: "ablate.tasks.command.task", FUNCTION: "ablate.tasks.function.task"}
"""Start of a name -> module whose `load` finds the task in the state directory."""
REGISTERED = "ablate.tasks.command.registered"
"""Module of the tasks that an operator registered under a name; imported when one may be meant."""


@dataclass(frozen=True, slots=True)
class NamedTask:
    """A task with the name under which trials are keyed.

    Attributes:
        name: its name in a study.
        identity: the name; for an installed task, with a digest of its code.
        task: the task itself.
        origin: `module:attribute` of an installed task, which stays when its code or its name in studies changes.
        code: names of the files that the digest covers; see `ablate.trials.code`.
        stored: `command@DIGEST` or `function@DIGEST`, where its code is in the state directory.
    """

    name: str
    identity: str
    task: Task[Any]
    origin: str = ""
    code: tuple[str, ...] = ()
    stored: str = ""

    @property
    def primary_metric(self) -> str:
        """The metric that is tested, unless a study names another one."""
        return next(iter(self.task.metrics))


_lent: ContextVar[NamedTask | None] = ContextVar("lent", default=None)


@contextmanager
def lending(task: NamedTask | None) -> Iterator[None]:
    """A block in which `get_task` knows one more task, such as one that a bundle describes."""
    token = _lent.set(task)
    try:
        yield
    finally:
        _lent.reset(token)


def list_tasks() -> list[str]:
    """Names of the tasks: built in, without the hidden ones, installed, and registered."""
    registered: list[str] = import_module(REGISTERED).names()
    return [*(name for name in BUILT_IN if name not in HIDDEN), *sorted(_installed()), *registered]


def get_task(name: str) -> NamedTask:
    """The task of that name.

    Raises:
        TrialError: there is none, its code does not load, or it lacks a required attribute.
    """
    lent = _lent.get()
    if lent is not None and lent.name == name:
        return lent
    for start, module in STORED.items():
        if name.startswith(start):  # each state directory has its own, so they are not kept here
            found: NamedTask = import_module(module).load(name)
            return found
    if not is_installed(name) and name not in BUILT_IN:
        registered: NamedTask | None = import_module(REGISTERED).load(name)
        if registered is not None:
            return registered
    return get_installed(name)


def is_installed(name: str) -> bool:
    """Whether a package declares a task of that name."""
    return name in _installed()


@cache
def get_installed(name: str) -> NamedTask:
    """The built-in or installed task of that name; see `get_task`."""
    if name in BUILT_IN:
        module, attribute = BUILT_IN[name].split(":")
        return NamedTask(name, name, getattr(import_module(module), attribute))
    point = _installed().get(name)
    if point is None:
        raise TrialError(f"no task {quote(name)}{nearest(name, list_tasks())}")
    with foreign_code(f"task {quote(name)} cannot be loaded"):
        task = _as_task(name, point.load())
        files = code_files(point.module)
        return NamedTask(name, f"{name}@{digest_of_code(files)}", task, point.value, tuple(path for path, _ in files))


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name not in BUILT_IN}


def _as_task(name: str, task: Any) -> Task[Any]:
    """An installed object as a `Task`; this is the only place that asks an object for its attributes."""
    if isinstance(task, type) and issubclass(task, Task):
        raise TrialError(
            f"task {quote(name)} is the class {task.__name__}; install an instance: task = {task.__name__}()"
        )
    lacking = [part for part in ("Recipe", "metrics", "run") if not hasattr(task, part)]
    if lacking:
        raise TrialError(f"task {quote(name)} lacks {', '.join(lacking)}; a task has Recipe, metrics and run")
    recipe = task.Recipe
    if not (isinstance(recipe, type) and issubclass(recipe, BaseModel) and recipe.model_config.get("frozen")):
        raise TrialError(f"task {quote(name)}: Recipe is not a frozen pydantic model")
    if not task.metrics:
        raise TrialError(f"task {quote(name)} declares no metric")
    metrics = dict(task.metrics)
    if len(metrics) > MAX_NAMES or not all(map(is_metric_name, metrics)) or {*map(type, metrics.values())} != {bool}:
        raise TrialError(
            f"task {quote(name)}: metrics is not a mapping of at most {MAX_NAMES} names, of 1 to {MAX_NAME_CHARACTERS} "
            "printable characters each, to true (lower is better) or false"
        )
    return ForeignTask(name, task)


def find_module(task: str) -> str:
    """The module of an installed task.

    Raises:
        TrialError: the task is not installed.
    """
    point = _installed().get(task)
    if point is None:
        raise TrialError(f"no task {quote(task)}{nearest(task, list_tasks())}")
    return point.module
