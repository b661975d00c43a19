"""The folder of `ablate run`: `trials.jsonl` with every finished trial, checkpoints of the others, tables.

A record is appended and synced before anything else happens with it. A line that a crash cut off is moved to another
file at the next start. Only one process at a time can use a folder.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from ablate.documents import Document
from ablate.errors import MachineError, TrialError
from ablate.study.preregistration import Preregistration, changes
from ablate.trials.machine import describe_os_error
from ablate.trials.trial import TrialRecord

D = TypeVar("D", bound=Document)

ASIDE = "before-"
"""Start of the names of folders with results that `Folder.set_aside` moved."""


class Folder:
    """The state of one study at one scale on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def trials_file(self) -> Path:
        """Finished trials, one JSON document per line."""
        return self.path / "trials.jsonl"

    @property
    def registrations_file(self) -> Path:
        """The registered designs, at the start and after each change; see `ablate.study.preregistration`."""
        return self.path / "registrations.jsonl"

    def workdir(self, key: str) -> Path:
        """The folder of one trial, with its checkpoint and traceback."""
        return self.path / "trials" / key[:16]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for this process.

        Raises:
            TrialError: another process uses it, or it cannot be written.
            MachineError: the disk is full, or the like.
        """
        pid = self.path / ".pid"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock").acquire(blocking=False)
        except Timeout as error:
            holder = pid.read_text(encoding="ascii") if pid.exists() else "unknown"
            raise TrialError(
                f"another process (pid {holder}) uses {self.path}; wait for it, or give another --out"
            ) from error
        except OSError as error:
            raise TrialError(
                f"cannot write to {self.path}: {error.strerror}; choose another folder with --out"
            ) from error
        with lock:
            with self.writing():
                pid.write_text(str(os.getpid()), encoding="ascii")
                for file in (self.trials_file, self.registrations_file):
                    _cut_off_a_torn_line(file)
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around everything that writes into the folder.

        Raises:
            MachineError: it cannot be written, or read.
        """
        try:
            yield
        except OSError as error:
            raise MachineError(f"cannot write to {self.path}: {describe_os_error(error)}") from error

    def read(self) -> dict[str, TrialRecord]:
        """The latest record of every trial, by key; an incomplete last line is ignored.

        Raises:
            TrialError: a line cannot be read.
        """
        return {record.trial.key: record for record in _read_records(self.trials_file)}

    def read_set_aside(self) -> list[TrialRecord]:
        """The records that `set_aside` moved; somebody may have seen them.

        Raises:
            TrialError: a line cannot be read.
        """
        files = sorted(self.path.glob(f"{ASIDE}*/{self.trials_file.name}"))
        return [record for file in files for record in _read_records(file)]

    def append(self, record: TrialRecord) -> None:
        """Append a record; it is on disk when this returns."""
        line = json.dumps(record.model_dump(mode="json"), separators=(",", ":"), allow_nan=False)
        with self.trials_file.open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def register(self, registration: Preregistration) -> None:
        """Append the study's design, unless it equals the last registered one.

        Raises:
            TrialError: a line cannot be read.
        """
        history = self.registrations(registration.study)
        if not history or changes(history[-1], registration):
            with self.registrations_file.open("a", encoding="utf-8") as file:
                file.write(registration.model_dump_json() + "\n")

    def registrations(self, study: str) -> list[Preregistration]:
        """The registered designs of the study of that name, oldest first; an incomplete last line is ignored.

        Raises:
            TrialError: a line cannot be read.
        """
        remedy = "a registered design; restore the file from a backup, or choose another folder with --out"
        found = _read(self.registrations_file, Preregistration, remedy)
        return [one for one in found if one.study in ("", study)]

    def set_aside(self) -> Path | None:
        """Move the known results to a new folder, so that every trial is trained again. Returns that folder."""
        if not self.trials_file.exists():
            return None
        taken = [int(match[1]) for path in self.path.iterdir() if (match := re.fullmatch(ASIDE + r"(\d+)", path.name))]
        aside = self.path / f"{ASIDE}{max(taken, default=0) + 1}"
        aside.mkdir()
        for path in (self.trials_file, self.path / "trials"):
            if path.exists():
                path.rename(aside / path.name)
        return aside


def _read(file: Path, kind: type[D], wanted: str) -> Iterator[D]:
    """The documents of a file, one a line, in order; an incomplete last line is ignored."""
    whole = file.read_bytes().rpartition(b"\n")[0] if file.exists() else b""
    for number, line in enumerate(whole.split(b"\n") if whole else (), start=1):
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:
            raise TrialError(f"line {number} of {file} is not {wanted}") from error


def _read_records(file: Path) -> Iterator[TrialRecord]:
    return _read(file, TrialRecord, "a trial record; delete the line to train its trial again")


def _cut_off_a_torn_line(file: Path) -> None:
    """Move an incomplete last line, left by a crash, into `NAME.torn`. Call it with the lock held."""
    content = file.read_bytes() if file.exists() else b""
    torn = content.rpartition(b"\n")[2]
    if torn:
        with file.with_suffix(".torn").open("ab") as aside:
            aside.write(torn + b"\n")
        with file.open("r+b") as whole:
            whole.truncate(len(content) - len(torn))
