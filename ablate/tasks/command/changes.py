"""What changed in a script since earlier results: its files, and the rest of its `[command]`."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ablate.documents import canonical_json
from ablate.errors import TrialError
from ablate.statistics.words import counted
from ablate.tasks.command.snapshot import files_below
from ablate.tasks.command.stored import store_of_snapshots
from ablate.tasks.command.task import Command
from ablate.trials.registry import COMMAND

MAX_LINES = 80
"""Lines of a diff that are shown."""


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between the code of earlier results and that of now.

    Attributes:
        trials: number of results of that code.
        fields: names of fields of `[command]` that differ.
        files: number of files that differ.
        added, removed: lines.
        diff: the difference, as `diff -u` prints it.
        code: digest of the earlier code.
    """

    trials: int
    fields: tuple[str, ...]
    files: int
    added: int
    removed: int
    diff: tuple[str, ...]
    code: str = ""

    @property
    def summary(self) -> str:
        """What differs, in a few words."""
        parts = []
        if self.files:
            parts.append(f"{counted(self.files, 'file')}, +{self.added} -{self.removed} lines")
        if self.fields:
            parts.append(f"{', '.join(self.fields)} in [command]")
        return "; ".join(parts) or "no file that is kept"

    @property
    def sentence(self) -> str:
        """The change in one line."""
        can_keep = self.code and not self.fields
        keep = f'; keep_results_of = "{self.code[:12]}" in [command] keeps them' if can_keep else ""
        return f"code changed since {counted(self.trials, 'result')}, which will be trained again: {self.summary}{keep}"


def find_changes(task: str, earlier: Iterable[str]) -> Iterator[Change]:
    """The changes since the earlier results of a study.

    Args:
        task: name of the task now.
        earlier: name of the task of each result that is no longer used.
    """
    now = store_of_snapshots() / task.removeprefix(COMMAND)
    for name, count in Counter(earlier).items():
        then = store_of_snapshots() / name.removeprefix(COMMAND)
        if name.startswith(COMMAND) and name != task and then.is_dir():
            yield _compare(then, now, count)


def _compare(then: Path, now: Path, trials: int) -> Change:
    names = sorted({*files_below(then / "files"), *files_below(now / "files")})
    diff: list[str] = []
    files = 0
    for name in names:
        old, new = (_lines_of(folder / "files" / name) for folder in (then, now))
        if old != new:
            files += 1
            diff += difflib.unified_diff(old, new, f"then/{name}", f"now/{name}", lineterm="")
    added = sum(line.startswith("+") and not line.startswith("+++") for line in diff)
    removed = sum(line.startswith("-") and not line.startswith("---") for line in diff)
    fields = _fields_that_differ(then, now)
    return Change(trials, fields, files, added, removed, tuple(diff), _code_of(then))


def _lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="backslashreplace").splitlines() if path.is_file() else []


def _code_of(folder: Path) -> str:
    try:
        return Command(folder).code
    except TrialError:
        return ""


def _fields_that_differ(then: Path, now: Path) -> tuple[str, ...]:
    try:
        old, new = (Command(folder).spec.model_dump(mode="json") for folder in (then, now))
    except TrialError:  # of an older version of ablate, which wrote other fields
        return ()
    return tuple(name for name in new if canonical_json(old[name]) != canonical_json(new[name]))
