"""The snapshot of the code of a task that is not built in: the files that its digest in the trials' keys is made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from ablate.bundle.scripts import CODE, script_files
from ablate.tasks.command.task import Command
from ablate.tasks.function.task import Function
from ablate.trials.code import code_files, digest_of_code
from ablate.trials.registry import BUILT_IN, find_module, get_task


def snapshot(task: str, *, code: bool = True) -> dict[str, bytes]:
    """Name in the bundle -> content; empty for a built-in task.

    Args:
        task: name of the task.
        code: False leaves out the files of the code.

    Raises:
        TrialError: the task is not installed any more, or its code is not in files or not in the state directory.
    """
    if task in BUILT_IN:
        return {}
    found = get_task(task).task
    if isinstance(found, Command | Function):
        return script_files(task, found, code=code)
    return {f"{CODE}{task}/{name}": content for name, content in code_files(find_module(task))} if code else {}


def digest_of_snapshot(task: str, files: Mapping[str, bytes]) -> str:
    """The digest of a snapshot, as it enters keys."""
    prefix = f"{CODE}{task}/"
    found = {name.removeprefix(prefix): content for name, content in files.items() if name.startswith(prefix)}
    return digest_of_code(sorted(found.items(), key=lambda file: PurePosixPath(file[0])))
