"""The folder of `ablate run`: `trials.jsonl` with every finished trial, checkpoints of the others, tables.

A record is appended and synced before anything else happens with it. A line that a crash cut off is moved to another
file at the next start. Only one process at a time can use a folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import Timeout

from ablate.documents import Document
from ablate.errors import MachineError, TrialError
from ablate.local.lines import append_lines, cut_off_a_torn_line, read_lines
from ablate.machine.locks import describe_holder, explained, file_lock
from ablate.study.preregistration import Preregistration, changes
from ablate.trials.machine import FAULTS, describe_os_error
from ablate.trials.trial import TrialRecord

ASIDE = "before-"
"""Start of the names of folders with results that `Folder.set_aside` moved."""


class RunOfStudy(Document):
    """What a folder was last used for: `run.json`.

    Attributes:
        study: the study document with the number of seeds that were asked for.
        scale: name of the scale; None for the base of the study.
    """

    study: dict[str, Any]
    scale: str | None


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

    @property
    def run_file(self) -> Path:
        """The study that was last run in the folder, and its scale."""
        return self.path / "run.json"

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
            with explained(self.path):
                lock = file_lock(self.path / ".lock").acquire(blocking=False)
        except Timeout as error:
            raise TrialError(f"{describe_holder(pid)} uses {self.path}; wait for it, or give another --out") from error
        except OSError as error:
            reason = FAULTS.get(error.errno or 0) or error.strerror
            raise TrialError(f"cannot write to {self.path}: {reason}; choose another folder with --out") from error
        with lock:
            with self.writing():
                pid.write_text(str(os.getpid()), encoding="ascii")
                for file in (self.trials_file, self.registrations_file):
                    cut_off_a_torn_line(file)
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
        append_lines(self.trials_file, [record])

    def register(self, registration: Preregistration) -> None:
        """Append the study's design, unless it equals the last registered one.

        Raises:
            TrialError: a line cannot be read.
        """
        history = self.registrations(registration.study, has_decisions=registration.has_decisions)
        if not history or changes(history[-1], registration):
            append_lines(self.registrations_file, [registration])

    def registrations(self, study: str, *, has_decisions: bool = True) -> list[Preregistration]:
        """The registered designs of the study of that name, oldest first; an incomplete last line is ignored.

        Those of pilots are apart from those that decide: a pilot fixes nothing for the study after it.

        Raises:
            TrialError: a line cannot be read.
        """
        remedy = "a registered design; restore the file from a backup, or choose another folder with --out"
        found = read_lines(self.registrations_file, Preregistration, remedy)
        return [one for one in found if one.study in ("", study) and one.has_decisions == has_decisions]

    def keep_study(self, run: RunOfStudy) -> None:
        """Store which study is run, so that the folder can be exported without its file."""
        self.run_file.write_text(run.model_dump_json(indent=1) + "\n", encoding="utf-8")

    def read_study(self) -> RunOfStudy:
        """The study that was last run in the folder.

        Raises:
            TrialError: the folder has no such file, or the file cannot be read.
        """
        advice = "run `ablate run STUDY` with the same --out again, which trains nothing twice"
        try:
            return RunOfStudy.model_validate_json(self.run_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise TrialError(f"{self.path} has no {self.run_file.name}, so its study is unknown; {advice}") from None
        except (OSError, ValueError) as error:
            raise TrialError(f"{self.run_file} cannot be read; {advice}") from error

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


def _read_records(file: Path) -> Iterator[TrialRecord]:
    return read_lines(file, TrialRecord, "a trial record; delete the line to train its trial again")
