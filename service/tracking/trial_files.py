"""The files that the code of a trial wrote, as artifacts of its run: small ones, up to a sum for each trial.

Those of the built-in tasks are checkpoints and weights; they stay in the trial's folder.
"""

from __future__ import annotations

from pathlib import Path

from ablate.data.regular_files import read_regular
from ablate.errors import DataError
from ablate.statistics.words import counted
from ablate.tasks.files import list_files
from ablate.trials.registry import BUILT_IN

MAX_FILE_BYTES = 10 << 20
MAX_BYTES = 50 << 20
MAX_FILES = 200
MAX_NAMED = 3


def read_files(workdir: Path, task: str, key: str) -> tuple[dict[str, str | bytes], str]:
    """The files of a trial that MLflow shows, and a sentence on those that it does not; empty if it has all.

    Args:
        workdir: the trial's folder, which may not be here.
        task: name of its task.
        key: of the trial.
    """
    found: dict[str, str | bytes] = {}
    left_out: list[str] = []
    room = MAX_BYTES
    for path, size in () if task in BUILT_IN else list_files(workdir, task):
        if size > min(MAX_FILE_BYTES, room) or len(found) == MAX_FILES:
            left_out.append(path)
            continue
        try:
            content, _ = read_regular(workdir / path, (workdir / path).parent, MAX_FILE_BYTES)
        except DataError:  # deleted or replaced meanwhile
            continue
        found[path] = content
        room -= len(content)
    return found, _sentence(left_out, key)


def _sentence(left_out: list[str], key: str) -> str:
    if not left_out:
        return ""
    named = ", ".join(left_out[:MAX_NAMED]) + (", ..." if len(left_out) > MAX_NAMED else "")
    size, verb = counted(len(left_out), "file"), "is" if len(left_out) == 1 else "are"
    return (
        f"{size} of the trial {verb} not here: {named}. MLflow gets files of at most {MAX_FILE_BYTES >> 20} MiB, and "
        f"of each trial at most {MAX_FILES} files and {MAX_BYTES >> 20} MiB. `ablate files {key[:16]}` lists all."
    )
