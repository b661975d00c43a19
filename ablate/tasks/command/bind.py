"""From a study file with `[command]` to a task: the code is copied, and `[base]` names the task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablate.errors import Findings, Problem, StudyError, TrialError
from ablate.study.command import CommandSpec
from ablate.study.problems import problems_of
from ablate.tasks.command.snapshot import NOT_CODE, Code, find_code, store
from ablate.tasks.command.stored import (
    COMMAND_FILE,
    Place,
    StoredCommand,
    find_python,
    name_of_command,
    store_of_snapshots,
    write_place,
)
from ablate.tasks.command.template import PYTHONS, Word, find_problems, program_of, words_of
from ablate.trials.registry import COMMAND


def with_command(document: Any, folder: Path) -> Any:
    """A document whose `[command]` is stored as a task, which `[base]` names; any other document as it is.

    All metrics of the command are columns of the table, unless the study names its `metrics`.

    Args:
        document: as it was read.
        folder: of its file; paths in the command are relative to it.

    Raises:
        StudyError: with every problem of the command.
        TrialError: the code is too large, or cannot be read.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("command"), Mapping):
        return document
    base = document.get("base", {})
    found = Findings()
    if isinstance(base, Mapping) and "task" in base:
        text = "the study has a [command], which is its task; remove 'task', or the command"
        found.add(Problem("/base/task", "exclusive", text))
    spec = _read_spec(document["command"], found)
    if spec is None or found or not isinstance(base, Mapping):
        raise found.error() if found else StudyError([Problem("/base", "invalid", "should be a table")])
    primary = document.get("metric") or next(iter(spec.metrics))
    columns = [name for name in spec.metrics if name != primary]
    return {"metrics": columns, **document, "base": {**base, "task": COMMAND + _keep(spec, folder.resolve())}}


def _read_spec(value: object, found: Findings) -> CommandSpec | None:
    try:
        spec = CommandSpec.validated(value)
    except ValidationError as error:
        inside = problems_of(value, error, CommandSpec, {})
        found.extend((Problem(f"/command{one.pointer}", one.code, one.message) for one in inside.problems), inside.more)
        return None
    found.extend(find_problems(spec))
    return spec


def _keep(spec: CommandSpec, folder: Path) -> str:
    """Store a command with its code. Returns the digest that is its name."""
    words = words_of(spec.run)
    script = find_script(words, folder)
    try:
        code = find_code(folder, script, spec.code, spec.files)
        digest = code.digest()
    except OSError as error:
        raise TrialError(f"the code of the command cannot be read: {error.filename}: {error.strerror}") from error
    name = name_of_command(spec, digest)
    target = store_of_snapshots() / name
    stored = StoredCommand(spec=spec, folder=code.folder.as_posix(), digest=digest)
    store(code, target, {COMMAND_FILE: stored.model_dump_json(indent=1) + "\n"})
    origin = str(script) if script else f"{folder}: {' '.join(word.text for word in words if not word.names)}"
    place = Place(root=str(code.root), python=find_python(spec.python, folder), origin=origin)
    write_place(target, place)
    return name


def find_script(words: list[Word], folder: Path) -> Path | None:
    """The file that a command runs: the first word that names a script; None for `python -m package` and programs.

    Raises:
        StudyError: the command runs Python with a file that is not there.
    """
    plain = [word.text for word in words if not word.names]
    module = next((plain.index(option) for option in ("-m", "-c") if option in plain), len(plain))
    files = [text for text in plain[:module] if (folder / text).is_file()]  # after `-m package` are options of it
    scripts = [folder / text for text in files if not NOT_CODE & {*Path(text).parts} and not _is_program(folder / text)]
    found = next((path for path in scripts if path.suffix == ".py"), next(iter(scripts), None))
    if found is not None:
        return found.resolve() if not found.is_symlink() else found.parent.resolve() / found.name
    program = program_of(["=" if word.names else word.text for word in words])
    if words and words[program].text in PYTHONS:
        missing = next((text for text in plain[1:module] if text.endswith(".py")), None)
        if missing is not None:
            text = f"there is no file '{missing}' in the folder of the study; paths are relative to the study's file"
            raise StudyError([Problem("/command/run", "invalid", text)])
    return None


def _is_program(path: Path) -> bool:
    """Whether a file is an interpreter, and not the script that it runs."""
    with path.open("rb") as file:
        return b"\0" in file.read(4096)


__all__ = ["Code", "find_script", "with_command"]
