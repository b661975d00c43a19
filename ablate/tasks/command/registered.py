"""Tasks that an operator registered: a name for a script or a function whose code the state directory keeps.

Code never comes with a request. An operator registers the `[command]` of a study file under a name, on the machine of
the service. The registration is the file `tasks/NAME.json` in the state directory, which the service reads when a study
names the task, so that it need not be started again. Each update is a version; a study that is stored names its version
(`NAME@DIGEST`) and keeps it, whatever is registered later.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from ablate.documents import Document
from ablate.errors import Problem, StudyError, TrialError, nearest, quote
from ablate.machine.locks import explained, file_lock
from ablate.settings import read_library_settings
from ablate.tasks.command.stored import Place, read_place, store_of_snapshots
from ablate.tasks.command.task import load as load_command
from ablate.trials.registry import BUILT_IN, COMMAND, NamedTask, get_task, is_installed

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
ALLOWED = "a name has 1 to 40 lower-case letters, digits, '-' and '_', and begins with a letter"


class Version(Document):
    """What a name stood for from some time on.

    Attributes:
        task: `command@DIGEST` or `function@DIGEST`, the stored code.
        place: where the code was taken from, and its interpreter.
        at: when it was registered.
    """

    task: Annotated[str, Field(pattern="^(command|function)@[0-9a-f]{16}$")]
    place: Place
    at: AwareDatetime

    @property
    def digest(self) -> str:
        """What follows the `@` in the name of this version."""
        return self.task.partition("@")[2]


class RegisteredTask(Document):
    """A registered task.

    Attributes:
        name: its name in studies.
        source: path of the study file that it was registered from, or `FILE.py:FUNCTION`.
        study: that study with the name in place of its `[command]`; an example of how the task is used.
        versions: oldest first.
        is_removed: whether new studies cannot use it any more.
    """

    name: str
    source: str
    study: dict[str, Any]
    versions: Annotated[tuple[Version, ...], Field(min_length=1)]
    is_removed: bool = False

    @property
    def newest(self) -> Version:
        """The version that new studies use."""
        return self.versions[-1]

    @property
    def pinned(self) -> str:
        """The name of the newest version."""
        return f"{self.name}@{self.newest.digest}"


def names() -> list[str]:
    """Names of the registered tasks, in alphabetical order; also of damaged ones, which say so when used."""
    found = sorted(path.stem for path in _folder().glob("*.json") if NAME.fullmatch(path.stem))
    return [name for name in found if _is_damaged(name) or ((one := find_registered(name)) and not one.is_removed)]


def find_registered(name: str) -> RegisteredTask | None:
    """The task of that name, also if it was removed; None if there was never one.

    Raises:
        TrialError: its registration cannot be read.
    """
    if not NAME.fullmatch(name):
        return None
    path = _folder() / f"{name}.json"
    try:
        found = RegisteredTask.model_validate_json(path.read_bytes())
        if found.name != name:
            raise ValueError("it is that of another task")
        return found
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise TrialError(
            f"the registration of task {quote(name)} cannot be read: {what}; register it again: ablate task add {name} "
            "STUDY"
        ) from error


def load(name: str) -> NamedTask | None:
    """The task `NAME`, or a version of it, `NAME@DIGEST`; None if no such name was ever registered.

    Raises:
        TrialError: there is no such version, or the task was removed and no version is named.
    """
    plain, _, digest = name.partition("@")
    found = find_registered(plain)
    if found is None or (found.is_removed and not digest):
        return None
    version = next((one for one in reversed(found.versions) if digest in ("", one.digest)), None)
    if version is None:
        raise TrialError(f"task {quote(plain)} has no version {quote(digest)}; its newest one is {found.pinned}")
    return replace(load_version(version), name=f"{plain}@{version.digest}")


def load_version(version: Version) -> NamedTask:
    """The task of a version, under the name of its stored code.

    Raises:
        TrialError: the state directory does not have the code any more.
    """
    if version.task.startswith(COMMAND):
        return load_command(version.task, version.place)
    return replace(get_task(version.task), origin=version.place.origin)


def pinned(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A new study's document that names the version of its registered task; any other document as it is.

    All metrics of the task are columns of the table, unless the study names its `metrics`.

    Raises:
        StudyError: the task was removed, has no such version, or its registration cannot be read.
    """
    base = document.get("base")
    name = base.get("task") if isinstance(base, Mapping) else None
    if not isinstance(base, Mapping) or not isinstance(name, str):
        return document
    try:
        found = find_registered(name.partition("@")[0])
    except TrialError as error:
        raise StudyError([Problem("/base/task", "unknown_task", str(error))]) from error
    if found is None:
        return document
    if found.is_removed:
        text = f"task {quote(found.name)} was removed{nearest(found.name, names())}"
        raise StudyError([Problem("/base/task", "unknown_task", text)])
    full = name if name.partition("@")[2] else found.pinned
    try:
        named = load(full)
    except TrialError as error:
        raise StudyError([Problem("/base/task", "unknown_task", str(error))]) from error
    assert named is not None  # it was found
    primary = document.get("metric") or named.primary_metric
    columns = [metric for metric in named.task.metrics if metric != primary]
    return {"metrics": columns, **document, "base": {**base, "task": full}}


def register(name: str, source: Path, document: Mapping[str, Any], task: str, *, replaces: bool) -> RegisteredTask:
    """Give a stored command, or function, a name.

    Args:
        name: of the task.
        source: the study file, or `FILE.py:FUNCTION`.
        document: a study of the task.
        task: the name of the stored command, `command@DIGEST`, or function.
        replaces: whether the task exists, and gets a new version; else the name must be free.

    Returns:
        The registered task; without a new version if the newest one is the same.

    Raises:
        TrialError: the name is not allowed, is taken, or is not there to be replaced.
        OSError: the state directory cannot be written.
    """
    if not NAME.fullmatch(name):
        raise TrialError(f"{quote(name)} is not a name for a task; {ALLOWED}")
    if name in BUILT_IN or is_installed(name):
        raise TrialError(f"{quote(name)} is a task that comes with ablate or a package; choose another name")
    _folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    with explained(_lock()), file_lock(_lock(), timeout=60):
        known = None if _is_damaged(name) else find_registered(name)
        exists = known is not None and not known.is_removed
        if exists and not replaces:
            raise TrialError(f"task {quote(name)} is registered; `ablate task update {name}` gives it a new version")
        if replaces and not exists:
            raise TrialError(f"no task {quote(name)}{nearest(name, names())}")
        place = read_place(store_of_snapshots() / task.partition("@")[2])
        version = Version(task=task, place=place, at=datetime.now(UTC))
        versions = known.versions if known else ()
        if not versions or (versions[-1].task, versions[-1].place) != (version.task, version.place):
            versions = (*versions, version)
        new = RegisteredTask(
            name=name, source=str(source.absolute()), study=_example(name, document), versions=versions
        )
        _write(new)
    return new


def remove(name: str) -> RegisteredTask:
    """Refuse new studies of a task. Studies that are stored keep their version and its code.

    Raises:
        TrialError: no task has that name.
        OSError: the state directory cannot be written.
    """
    with explained(_lock()), file_lock(_lock(), timeout=60):
        known = find_registered(name)
        if known is None or known.is_removed:
            raise TrialError(f"no task {quote(name)}{nearest(name, names())}")
        removed = known.model_copy(update={"is_removed": True})
        _write(removed)
    return removed


def _is_damaged(name: str) -> bool:
    try:
        find_registered(name)
    except TrialError:
        return True
    return False


def _example(name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    base = {**document.get("base", {}), "task": name}
    return {field: value for field, value in document.items() if field not in ("command", "base")} | {"base": base}


def _write(task: RegisteredTask) -> None:
    path = _folder() / f"{task.name}.json"
    new = path.with_name(f".{task.name}.{os.getpid()}")
    new.write_text(task.model_dump_json(indent=1) + "\n", encoding="utf-8")
    new.replace(path)


def _folder() -> Path:
    return read_library_settings().home / "tasks"


def _lock() -> Path:
    return _folder() / ".lock"
