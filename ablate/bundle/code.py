"""The snapshot of the code of a task that is not built in: the files that its digest in the trials' keys is made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from ablate.errors import TrialError
from ablate.trials.code import code_files, digest_of_code
from ablate.trials.registry import BUILT_IN, STORED, find_module

CODE = "code/"


def snapshot(task: str) -> dict[str, bytes]:
    """Name in the bundle -> content; empty for a built-in task.

    Raises:
        TrialError: the task is not installed any more, or its code is not in files, or it is a script or a function.
    """
    if task.startswith(tuple(STORED)):
        raise TrialError(
            "a study of your own script or function cannot be exported yet; its table and plots are in the folder of "
            "`ablate run`, and its code is in the state directory"
        )
    return (
        {} if task in BUILT_IN else {f"{CODE}{task}/{name}": content for name, content in code_files(find_module(task))}
    )


def digest_of_snapshot(task: str, files: Mapping[str, bytes]) -> str:
    """The digest of a snapshot, as it enters keys."""
    prefix = f"{CODE}{task}/"
    found = {name.removeprefix(prefix): content for name, content in files.items() if name.startswith(prefix)}
    return digest_of_code(sorted(found.items(), key=lambda file: PurePosixPath(file[0])))
