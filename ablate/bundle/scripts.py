"""The code of a user's own script or function in a bundle: what is written, and the task as the bundle has it.

`code/TASK/` has `command.json` or `function.json` as the state directory has it, `files/` with the code, and
`executable.json`, since an unpacked file does not tell whether it could be executed. Nothing of the code is run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ablate.bundle.archive import Archive, BundleError
from ablate.errors import quote
from ablate.study.command import CommandSpec
from ablate.tasks.command.recipe import recipe_of
from ablate.tasks.command.snapshot import digest_of_files, files_below
from ablate.tasks.command.stored import COMMAND_FILE, StoredCommand, identity_of_command
from ablate.tasks.command.task import Command
from ablate.tasks.function.task import FUNCTION_FILE, Function, StoredFunction, identity_of_function
from ablate.trials.registry import COMMAND, FUNCTION, NamedTask
from ablate.trials.task import NO_NEEDS, Task
from ablate.trials.trial import Message

CODE = "code/"
FILES, EXECUTABLE = "files/", "executable.json"
NAMES = TypeAdapter(list[str])


class RecordedRecipe(BaseModel):
    """A recipe of a task that is not built in, as the bundle has it."""

    model_config = ConfigDict(frozen=True, extra="allow")


class RecordedTask(Task[BaseModel]):
    """A task that is not built in, as the bundle has it: its trials are not trained again."""

    def __init__(self, recipe: type[BaseModel] = RecordedRecipe, metrics: Mapping[str, bool] | None = None) -> None:
        self.Recipe, self.metrics = recipe, metrics or {}

    def run(
        self, recipe: BaseModel, seed: int, workdir: Path, needs: Mapping[str, Path] = NO_NEEDS
    ) -> Iterator[Message]:
        """Refuse: see the class."""
        raise self._not_offered("run", recipe, seed, workdir, needs)


def script_files(name: str, task: Command | Function, *, code: bool) -> dict[str, bytes]:
    """Name in the bundle -> content, of a script or a function.

    Args:
        name: of the task.
        task: the script or function.
        code: False leaves out the files of the code; their digest stays.
    """
    document = COMMAND_FILE if isinstance(task, Command) else FUNCTION_FILE
    prefix, files = f"{CODE}{name}/", task.folder / "files"
    found = {prefix + document: (task.folder / document).read_bytes()}
    if not code:
        return found
    names = [one for one in files_below(files) if "__pycache__" not in one.split("/")]
    can_run = [one for one in names if os.access(files / one, os.X_OK)]
    found[prefix + EXECUTABLE] = (json.dumps(can_run, ensure_ascii=False, indent=1) + "\n").encode()
    return found | {f"{prefix}{FILES}{one}": (files / one).read_bytes() for one in names}


@dataclass(frozen=True, slots=True)
class Script:
    """A script or a function, as the bundle has it.

    Attributes:
        named: its task, whose identity is computed from the bundle alone.
        digest: of its code, as `command.json` or `function.json` has it.
        folder: in which it runs, below its files.
        spec: the command; None of a function.
    """

    named: NamedTask
    digest: str
    folder: str
    spec: CommandSpec | None


def read_script(archive: Archive, task: str) -> Script | None:
    """The script or function of that name; None if it is another kind of task, or not in the bundle.

    Raises:
        BundleError: its document is damaged.
    """
    for document, read in ((COMMAND_FILE, _command), (FUNCTION_FILE, _function)):
        name = f"{CODE}{task}/{document}"
        if name in archive.entries:
            try:
                return read(task, archive.read(name))
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                place = "/".join(map(str, first["loc"]))
                raise BundleError(f"{quote(name)} in the bundle is damaged at /{place}: {first['msg']}") from error
    return None


def _command(task: str, content: bytes) -> Script:
    stored = StoredCommand.model_validate_json(content)
    metrics = {name: metric.goal == "min" for name, metric in stored.spec.metrics.items()}
    recorded = RecordedTask(recipe_of(stored.spec.fields), metrics)
    identity = COMMAND + identity_of_command(stored.spec, stored.digest)
    return Script(NamedTask(task, identity, recorded), stored.digest, stored.folder, stored.spec)


def _function(task: str, content: bytes) -> Script:
    stored = StoredFunction.model_validate_json(content)
    metrics = {name: metric.goal == "min" for name, metric in stored.metrics.items()}
    recorded = RecordedTask(recipe_of(stored.fields), metrics)
    folder = PurePosixPath(stored.module).parent.as_posix()
    return Script(NamedTask(task, FUNCTION + identity_of_function(stored), recorded), stored.digest, folder, None)


def check_script(archive: Archive, script: Script, identity: str, written: CommandSpec | None) -> Iterator[str]:
    """What does not belong together, as sentences: the keys, the script's document, its code, and the study.

    Args:
        archive: the bundle.
        script: of the bundle.
        identity: name that enters the keys of its trials.
        written: the command in the study's document; None of a function.
    """
    prefix = f"{CODE}{script.named.name}/"
    if script.named.identity != identity:
        yield f"{prefix} has another command, metric or digest of the code than the one that is in the keys"
    if written is not None and script.spec is not None and written != script.spec:
        yield f"study.json has another [command] than {prefix}{COMMAND_FILE}"
    if has_code(archive, script) and _digest(archive, script, prefix) != script.digest:
        yield f"the code in {prefix}{FILES} is not the code whose digest is in the keys: a file was changed"


def has_code(archive: Archive, script: Script) -> bool:
    """Whether the code was not left out."""
    prefix = f"{CODE}{script.named.name}/"
    return any(name.startswith((prefix + FILES, prefix + EXECUTABLE)) for name in archive.entries)


def _digest(archive: Archive, script: Script, prefix: str) -> str:
    try:
        can_run = frozenset(NAMES.validate_json(archive.read(prefix + EXECUTABLE)))
    except ValidationError as error:
        raise BundleError(f"{prefix}{EXECUTABLE} in the bundle is not a list of names") from error
    start = prefix + FILES
    names = [name.removeprefix(start) for name in archive.entries if name.startswith(start)]
    files = ((name, name in can_run, archive.read(start + name)) for name in sorted(names, key=PurePosixPath))
    return digest_of_files(script.folder, files)
