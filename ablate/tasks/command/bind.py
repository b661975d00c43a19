"""From a study file with `[command]` to a task: the code is copied, and `[base]` names the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablate.errors import Findings, Problem, StudyError, TrialError
from ablate.study.command import CommandSpec
from ablate.study.problems import problems_of
from ablate.tasks.command.events import MARK, NEEDED, is_installed
from ablate.tasks.command.registered import pinned
from ablate.tasks.command.shared import NOT_CODE
from ablate.tasks.command.snapshot import Code, find_code, store
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
    """A document whose `[command]` is stored as a task, which `[base]` names; see also `pinned`.

    All metrics of the command are columns of the table, unless the study names its `metrics`.

    Args:
        document: as it was read.
        folder: of its file; paths in the command are relative to it.

    Raises:
        StudyError: with every problem of the command.
        TrialError: the code is too large, or cannot be read.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("command"), Mapping):
        return pinned(document) if isinstance(document, Mapping) else document
    base = document.get("base", {})
    found = Findings()
    given = base.get("task", COMMAND) if isinstance(base, Mapping) else COMMAND
    if not str(given).startswith(COMMAND):  # such a name is that of an earlier run, in its run.json or a bundle
        text = "the study has a [command], which is its task; remove 'task', or the command"
        found.add(Problem("/base/task", "exclusive", text))
    if "folds" in document["command"]:
        text = "'folds' belongs at the top of the study; move it there"
        raise StudyError([Problem("/command/folds", "unknown_field", text)])
    folds = {"folds": document["folds"]} if document.get("folds") is not None else {}
    spec = _read_spec({**document["command"], **folds}, found)
    if spec is None or found or not isinstance(base, Mapping):
        raise found.error() if found else StudyError([Problem("/base", "invalid", "should be a table")])
    kept = spec.model_copy(update={"keep_results_of": None})
    primary = document.get("metric") or next(iter(spec.metrics))
    columns = [name for name in spec.metrics if name != primary]
    return {"metrics": columns, **document, "base": {**base, "task": COMMAND + _keep(kept, folder.resolve())}}


def _read_spec(value: object, found: Findings) -> CommandSpec | None:
    try:
        spec = CommandSpec.validated(value)
    except ValidationError as error:
        inside = problems_of(value, error, CommandSpec, {})
        places = {"/folds": "/folds"}
        problems = (replace(one, pointer=places.get(one.pointer, f"/command{one.pointer}")) for one in inside.problems)
        found.extend(problems, inside.more)
        return None
    found.extend(find_problems(spec))
    if any(MARK in name for name in spec.files) and not is_installed():
        found.add(Problem("/command/files", "invalid", NEEDED))
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
