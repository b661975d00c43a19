"""The task of a function: it is imported from the snapshot of its code and called in the worker."""

from __future__ import annotations

import hashlib
import importlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from ablate.documents import Document, canonical_json
from ablate.errors import TrialError, quote
from ablate.study.command import FieldSpec, MetricSpec
from ablate.tasks.command.attempts import POINTS, Attempts
from ablate.tasks.command.points import Point, Series, point_of
from ablate.tasks.command.recipe import CommandRecipe, recipe_of
from ablate.tasks.command.snapshot import files_below, find_code, store
from ablate.tasks.command.stored import STORE_AGAIN, Place, folder_of, read_place, store_of_snapshots, write_place
from ablate.tasks.command.task import script_seed
from ablate.tasks.function.declare import read_function
from ablate.trials.registry import FUNCTION, NamedTask
from ablate.trials.task import NO_NEEDS, Task
from ablate.trials.trial import EpochMetrics, Heartbeat, Message, Outcome

FUNCTION_FILE = "function.json"


class StoredFunction(Document):
    """A function in the store of snapshots: `function.json`.

    Attributes:
        name: of the function.
        module: path of its file, below the files of the snapshot.
        fields: its parameters, without those in `passes`.
        passes: `seed` and `workdir`, if it has them.
        metrics: its metrics.
        digest: of the code.
    """

    name: str
    module: str
    fields: dict[str, FieldSpec]
    passes: tuple[str, ...]
    metrics: dict[str, MetricSpec]
    digest: str


def keep_function(function: Callable[..., Any], metrics: Mapping[str, Any] | None) -> tuple[str, StoredFunction]:
    """Store a function with its code.

    Returns:
        Name of its task, and what is stored.

    Raises:
        TrialError: it cannot be a task, or its code cannot be stored.
    """
    declared = read_function(function, metrics)
    code = find_code(declared.file.parent, declared.file, None)
    stored = StoredFunction(
        name=declared.name, module=declared.file.relative_to(code.root).as_posix(), fields=declared.fields,
        passes=declared.passes, metrics=declared.metrics, digest=code.digest(),
    )  # fmt: skip
    name = hashlib.sha256(canonical_json(stored.model_dump(mode="json")).encode()).hexdigest()[:16]
    target = store_of_snapshots() / name
    store(code, target, {FUNCTION_FILE: stored.model_dump_json(indent=1) + "\n"})
    write_place(target, Place(root=str(code.root), python=sys.executable, origin=f"{declared.file}:{declared.name}"))
    return FUNCTION + name, stored


def identity_of_function(stored: StoredFunction) -> str:
    """Digest of all that decides a result besides the values of its parameters."""
    content = {
        "name": stored.name, "module": stored.module, "digest": stored.digest,
        "metrics": {name: metric.model_dump(mode="json") for name, metric in stored.metrics.items()},
    }  # fmt: skip
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:16]


class Function(Task[CommandRecipe]):
    """A function as a task.

    Args:
        folder: of its snapshot in the store.

    Raises:
        TrialError: the snapshot is not there, or damaged.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._stored = StoredFunction.model_validate_json((folder / FUNCTION_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrialError(
                f"the code of this function is not in the state directory ({folder.name}); {STORE_AGAIN['function']}"
            ) from error
        self.folder, self.files = folder, folder / "files"
        self.identity = identity_of_function(self._stored)
        self.Recipe = recipe_of(self._stored.fields)
        self.metrics = {name: metric.goal == "min" for name, metric in self._stored.metrics.items()}

    def run(
        self, recipe: CommandRecipe, seed: int, workdir: Path, needs: Mapping[str, Path] = NO_NEEDS
    ) -> Iterator[Message]:
        """See `Task.run`; the function's own files are in `workdir/files`."""
        function = import_function(self.files, self._stored.module, self._stored.name)
        files = workdir.absolute() / "files"
        files.mkdir(exist_ok=True)
        given = {"seed": script_seed(seed), "workdir": files}
        yield Heartbeat(step=0, steps=0)
        began = time.monotonic()
        answer = function(**dict(recipe), **{name: given[name] for name in self._stored.passes})
        rows = iter([answer]) if isinstance(answer, Mapping) else iter(answer) if hasattr(answer, "__iter__") else None
        if rows is None:
            raise TrialError(f"returned a {type(answer).__name__}; return a dict of metrics, or yield dicts")
        series, step = Series(self._stored.metrics), 0
        with closing(Attempts(workdir / POINTS, self.metrics)) as attempts:
            for point in _points_of(rows, attempts, began):
                new = {name: value for name, value in series.add(point).items() if math.isfinite(value)}
                step = max(step + 1 if point.step is None else int(point.step), step)
                if new:
                    epoch = float(step) if point.epoch is None else point.epoch
                    yield EpochMetrics(step=step, steps=max(step, int(point.steps or 0)), epoch=epoch, metrics=new)
            train_s = attempts.earlier_s + time.monotonic() - began
        found = series.results()
        bad = [name for name, value in found.items() if not math.isfinite(value)]
        if bad:
            yield Outcome(status="diverged", reason=f"metric {quote(bad[0])} is not finite", train_s=train_s)
        else:
            yield Outcome(status="succeeded", metrics=found, train_s=train_s)


def _points_of(rows: Iterator[Mapping[str, object]], attempts: Attempts, began: float) -> Iterator[Point]:
    """The points that a function gives, after those of earlier attempts that count."""
    for row in rows:
        point = point_of({name: _plain(value) for name, value in row.items()}) or Point({})
        yield from attempts.with_earlier(point, time.monotonic() - began)


def _plain(value: object) -> object:
    """A number of numpy or a tensor of one element as a float."""
    return value.item() if hasattr(value, "item") else value


@cache
def import_function(files: Path, module: str, name: str) -> Callable[..., Any]:
    """The function from the snapshot; modules of another snapshot of the same names are forgotten before."""
    for known, loaded in list(sys.modules.items()):
        place = getattr(loaded, "__file__", None)
        if place and files.parent.parent in Path(place).parents:
            del sys.modules[known]
    folder = str((files / module).parent)
    sys.path[:] = [
        folder,
        *(one for one in sys.path if Path(one).parent.parent != files.parent.parent and one != folder),
    ]
    found: Callable[..., Any] = getattr(importlib.import_module(Path(module).stem), name)
    return found


def load(name: str) -> NamedTask:
    """The task of a stored function, `function@DIGEST`.

    Raises:
        TrialError: the state directory does not have it.
    """
    task = _read_function(folder_of(name))
    origin, files = read_place(task.files.parent).origin, tuple(files_below(task.files))
    return NamedTask(name, FUNCTION + task.identity, task, origin, files, stored=name)


@cache
def _read_function(folder: Path) -> Function:
    return Function(folder)
