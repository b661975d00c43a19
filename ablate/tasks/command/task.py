"""The task of a script: each trial runs the command once and reads what it reports."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from ablate.errors import TrialError, quote
from ablate.tasks.command.attempts import POINTS, Attempts
from ablate.tasks.command.files import Files
from ablate.tasks.command.output import Output
from ablate.tasks.command.points import Point, Series
from ablate.tasks.command.process import Script
from ablate.tasks.command.recipe import CommandRecipe, recipe_of
from ablate.tasks.command.shared import Shared
from ablate.tasks.command.snapshot import files_below, is_output, lay_out
from ablate.tasks.command.sources import Lines, Reports, read_mlflow
from ablate.tasks.command.stored import (
    COMMAND_FILE,
    STORE_AGAIN,
    Place,
    StoredCommand,
    folder_of,
    identity_of_command,
    read_place,
)
from ablate.tasks.command.template import PYTHONS, arguments_of, program_of, words_of
from ablate.trials.registry import COMMAND, NamedTask
from ablate.trials.task import NO_NEEDS, Task
from ablate.trials.trial import REPLICATE_BITS, EpochMetrics, Heartbeat, Message, Outcome

REPORTS, DATABASE, LOCK = "reports.jsonl", "mlflow.db", "script.lock"
"""Files in a trial's folder: what `ablate.report` wrote, what was logged to MLflow, and the lock."""
NO_MODULE = "ModuleNotFoundError: "
NOT_FOUND = (
    " because a module is missing: if it is installed, name its interpreter as `python` in [command]; if it is a file "
    "outside of the script's folder, name it in `code`, as ['*.py', '../lib/**']"
)
LARGEST_SEED = 2**32 - 1
"""Of numpy's legacy generator, which most scripts seed."""


class Command(Task[CommandRecipe]):
    """A script as a task.

    Args:
        folder: of its snapshot in the store.
        place: where its code was taken from; None: where it was taken from last.

    Raises:
        TrialError: the snapshot is not there, or damaged.
    """

    def __init__(self, folder: Path, place: Place | None = None) -> None:
        try:
            self._stored = StoredCommand.model_validate_json((folder / COMMAND_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrialError(
                f"the code of this command is not in the state directory ({folder.name}); {STORE_AGAIN['command']}"
            ) from error
        self._folder, self._place = folder, place
        self.spec = self._stored.spec
        self.Recipe = recipe_of(self.spec.fields)
        self.folds = self.spec.folds
        self.metrics = {name: metric.goal == "min" for name, metric in self.spec.metrics.items()}

    @property
    def identity(self) -> str:
        """What decides its results besides the values of fields; a changed default alone changes no result."""
        return identity_of_command(self.spec, self._stored.digest)

    @property
    def code(self) -> str:
        """Digest of its code."""
        return self._stored.digest

    @property
    def stored(self) -> StoredCommand:
        """What is stored beside its code."""
        return self._stored

    @property
    def folder(self) -> Path:
        """Folder of its snapshot in the store."""
        return self._folder

    def place(self) -> Place:
        """Where the code was taken from."""
        return self._place or read_place(self._folder)

    def files(self) -> list[str]:
        """The files that decide its results, relative to the folder that contains them all."""
        return files_below(self._folder / "files")

    def run(
        self, recipe: CommandRecipe, seed: int, workdir: Path, needs: Mapping[str, Path] = NO_NEEDS
    ) -> Iterator[Message]:
        """See `Task.run`. The script runs in `workdir/run`, and its own files are in `workdir/files`."""
        workdir = workdir.absolute()
        place = self.place()
        files = workdir / "files"
        files.mkdir(exist_ok=True)
        original = Path(place.root)
        beside = lay_out(
            self._folder / "files", original if original.is_dir() else None, workdir / "run", self._is_written
        )
        (workdir / "run" / self._stored.folder).mkdir(parents=True, exist_ok=True)  # it may have no code
        seed, fold = split_block(seed, self.folds)
        values = {"fold": fold, **dict(recipe), "seed": script_seed(seed), "workdir": str(files)}
        arguments = arguments_of(words_of(self.spec.run), self.spec.fields, values)
        program = program_of(arguments)
        if arguments[program] in PYTHONS:
            arguments[program] = place.python
        attempts = Attempts(workdir / POINTS, self.metrics, _points_left(workdir))
        for name in (REPORTS, DATABASE):  # of an earlier attempt, whose points would count twice
            (workdir / name).unlink(missing_ok=True)
        block = {"ABLATE_SEED": str(script_seed(seed))} | ({"ABLATE_FOLD": str(fold)} if self.folds else {})
        try:
            yield from _Attempt(self._stored, arguments, workdir, block, original, beside, attempts).messages()
        finally:
            attempts.close()
            beside.remove_copies()

    def _is_written(self, path: Path) -> bool:
        """Whether `[command] files` names a path, relative to the code: the trial writes it itself."""
        return is_output(Path(os.path.relpath(path, self._stored.folder)), self.spec.files)


def _points_left(workdir: Path) -> list[Point]:
    """What the last attempt reported by `ablate.report` and to MLflow, and was not read any more."""
    logged: list[Point] = []
    with suppress(TrialError):  # its database may be damaged
        logged = list(read_mlflow(workdir / DATABASE))
    return [*Reports(workdir / REPORTS).read(), *logged]


def split_block(seed: int, folds: int | None) -> tuple[int, int]:
    """Seed and fold of a trial; see `ablate.study.seeds`. The seed of a replicate keeps its replicate."""
    replicate, block = divmod(seed, 1 << REPLICATE_BITS)
    return (replicate << REPLICATE_BITS) | block // (folds or 1), block % (folds or 1)


def script_seed(seed: int) -> int:
    """The seed that a script gets: the trial's; for a replicate a number below 2^31 that depends on all of it."""
    return seed if seed <= LARGEST_SEED else int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4], "big") >> 1


class _Attempt:
    """One run of the script."""

    def __init__(
        self,
        stored: StoredCommand,
        arguments: list[str],
        workdir: Path,
        block: Mapping[str, str],
        original: Path,
        beside: Shared,
        attempts: Attempts,
    ) -> None:
        spec = stored.spec
        self._spec, self._arguments, self._workdir, self._block = spec, arguments, workdir, block
        self._original, self._beside = original, beside
        self._folder = workdir / "run" / stored.folder
        self._lines = Lines(spec.pattern)
        self._series, self._names = Series(spec.metrics), frozenset(spec.metrics)
        self._step = 0
        self._attempts, self._began = attempts, time.monotonic()

    def messages(self) -> Iterator[Message]:
        output = Output()
        reports = Reports(self._workdir / REPORTS)
        files = Files(self._spec.files, self._folder, self._workdir)
        script = Script(self._arguments, self._folder, self._environment(), self._workdir / LOCK)
        try:
            yield Heartbeat(step=0, steps=0)
            for part in script.parts():
                points = [point for line in output.add(part) for point in self._lines.read(line)]
                yield from self._told([*points, *reports.read()])
                yield from self._shown(files.look())
                yield Heartbeat(step=self._step, steps=self._step)
            points = [point for line in output.end() for point in self._lines.read(line)]
            yield from self._told([*points, *reports.read()])
            if script.status == 0:
                yield from self._read(files)
            yield from self._told([*read_mlflow(self._workdir / DATABASE)])
            if script.left:
                word = "process" if script.left == 1 else "processes"
                output.note(f"ablate ended {script.left} {word} that the script left behind")
            yield self._outcome(script, output)
        except TrialError as error:
            yield Outcome(status="failed", reason=self._sentence(str(error), output), train_s=script.wall_s)
        finally:
            script.stop()
            output.end()

    def _told(self, points: list[Point]) -> Iterator[EpochMetrics]:
        """The points of the curve that new reports make; before the first one, those of earlier attempts that count."""
        for new in points:
            for point in self._attempts.with_earlier(new, time.monotonic() - self._began):
                yield from self._curve(point, self._series.add(point))

    def _shown(self, points: list[Point]) -> Iterator[EpochMetrics]:
        """The points of the curve in a file that the script still writes; they count when it has ended."""
        for point in points:
            yield from self._curve(point, {name: value for name, value in point.values.items() if name in self._names})

    def _read(self, files: Files) -> Iterator[EpochMetrics]:
        """The points of the curve in the files of the script, without those that were shown."""
        for point, is_new in files.read():
            values = self._series.add(point)
            yield from self._curve(point, values if is_new else {})

    def _curve(self, point: Point, values: Mapping[str, float]) -> Iterator[EpochMetrics]:
        """A point of the curve, if there are values; what is NaN or infinite is not part of a curve."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        if finite:
            step = self._step + 1 if point.step is None else int(point.step)
            self._step = max(self._step, step)
            steps = max(int(point.steps or 0), self._step)
            epoch = point.epoch if point.epoch is not None else float(self._step)
            yield EpochMetrics(step=self._step, steps=steps, epoch=epoch, metrics=finite)

    def _outcome(self, script: Script, output: Output) -> Outcome:
        train_s = self._attempts.earlier_s + script.wall_s
        spent: dict[str, Any] = {"train_s": train_s, "peak_memory_bytes": script.peak_memory_bytes or None}
        if script.error is not None or script.status != 0:
            return Outcome(status="failed", reason=self._sentence(script.ending, output), **spent)
        changed = self._beside.changed()
        if changed is not None:
            raise TrialError(
                f"or another one at the same time has changed {quote(os.path.relpath(changed, self._original))}, which "
                "lies beside the script and which all trials share; write into {workdir} instead, or move the file "
                "away if an earlier run has left it"
            )
        found = self._series.results()
        bad = [name for name, value in found.items() if not math.isfinite(value)]
        if bad:
            return Outcome(status="diverged", reason=f"metric {quote(bad[0])} is not finite", **spent)
        return Outcome(status="succeeded", metrics=found, **spent)

    def _sentence(self, what: str, output: Output) -> str:
        last = f"; the end of its output: {output.ending}" if output.ending else "; it printed nothing"
        return f"the script {what}{NOT_FOUND if NO_MODULE in output.ending else ''}{last}"

    def _environment(self) -> dict[str, str]:
        folder = self._workdir
        return {
            **os.environ,
            "ABLATE_WORKDIR": str(folder / "files"),
            **self._block,
            "ABLATE_REPORT": str(folder / REPORTS),
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder / DATABASE}",
            "PYTHONUNBUFFERED": "1",
            **self._search_path(),
        }

    def _search_path(self) -> dict[str, str]:
        """`PYTHONPATH` with the copies of the code in place of the folders that they were copied from."""
        text = os.environ.get("PYTHONPATH")
        if not text:
            return {}
        root = self._original.resolve()
        folders = [Path(part).resolve() if Path(part).is_absolute() else None for part in text.split(os.pathsep)]
        copies = [
            str(self._workdir / "run" / folder.relative_to(root)) if folder and folder.is_relative_to(root) else part
            for folder, part in zip(folders, text.split(os.pathsep), strict=True)
        ]
        return {"PYTHONPATH": os.pathsep.join(copies)}


def load(name: str, place: Place | None = None) -> NamedTask:
    """The task of a stored command, `command@DIGEST`.

    Args:
        name: see above.
        place: where a registered task was taken from; None: where the code was taken from last.

    Raises:
        TrialError: the state directory does not have it.
    """
    task = _read_command(folder_of(name), place)
    return NamedTask(name, COMMAND + task.identity, task, task.place().origin, tuple(task.files()), stored=name)


@cache
def _read_command(folder: Path, place: Place | None) -> Command:
    return Command(folder, place)
