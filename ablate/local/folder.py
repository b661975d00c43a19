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

from filelock import FileLock, Timeout
from pydantic import ValidationError

from ablate.errors import TrialError
from ablate.study.preregistration import Preregistration, changes
from ablate.trials.trial import TrialRecord

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
            pid.write_text(str(os.getpid()), encoding="ascii")
            self._cut_off_a_torn_line()
            yield

    def read(self) -> dict[str, TrialRecord]:
        """The latest record of every trial, by key; an incomplete last line is ignored.

        Raises:
            TrialError: a line cannot be read.
        """
        return {record.trial.key: record for record in _read(self.trials_file)}

    def read_set_aside(self) -> list[TrialRecord]:
        """The records that `set_aside` moved; somebody may have seen them.

        Raises:
            TrialError: a line cannot be read.
        """
        files = sorted(self.path.glob(f"{ASIDE}*/{self.trials_file.name}"))
        return [record for file in files for record in _read(file)]

    def _cut_off_a_torn_line(self) -> None:
        """Move an incomplete last line, left by a crash, into `trials.torn`. Call it with the lock held."""
        if not self.trials_file.exists():
            return
        content = self.trials_file.read_bytes()
        torn = content.rpartition(b"\n")[2]
        if torn:
            with (self.path / "trials.torn").open("ab") as file:
                file.write(torn + b"\n")
            with self.trials_file.open("r+b") as file:
                file.truncate(len(content) - len(torn))

    def append(self, record: TrialRecord) -> None:
        """Append a record; it is on disk when this returns."""
        line = json.dumps(record.model_dump(mode="json"), separators=(",", ":"), allow_nan=False)
        with self.trials_file.open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def register(self, registration: Preregistration) -> None:
        """Append the study's design, unless it equals the last registered one."""
        history = self.registrations(registration.study)
        if not history or changes(history[-1], registration):
            with self.registrations_file.open("a", encoding="utf-8") as file:
                file.write(registration.model_dump_json() + "\n")

    def registrations(self, study: str) -> list[Preregistration]:
        """The registered designs of the study of that name, oldest first."""
        if not self.registrations_file.exists():
            return []
        lines = self.registrations_file.read_text(encoding="utf-8").splitlines()
        found = [Preregistration.model_validate_json(line) for line in lines]
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


def _read(file: Path) -> Iterator[TrialRecord]:
    """The records of a file, in order; an incomplete last line is ignored."""
    whole = file.read_bytes().rpartition(b"\n")[0] if file.exists() else b""
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            yield TrialRecord.model_validate_json(line)
        except ValidationError as error:
            text = f"line {number} of {file} is not a trial record; delete the line to train its trial again"
            raise TrialError(text) from error
