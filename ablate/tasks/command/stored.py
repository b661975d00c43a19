"""The store of commands: what is kept of each one beside its code, and how it is identified."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

from ablate.documents import Document, canonical_json
from ablate.errors import TrialError, quote
from ablate.settings import read_library_settings
from ablate.study.command import CommandSpec

COMMAND_FILE, PLACE_FILE = "command.json", "place.json"
DIGEST = re.compile("[0-9a-f]{16}")
"""Of a command or function: the name of its snapshot."""
STORE_AGAIN = {
    "command": "run the study again from its file, which stores it",
    "function": "call ablate.run again, which stores it",
}


class StoredCommand(Document):
    """A command in the store of snapshots: `command.json`.

    Attributes:
        spec: the command as it was written.
        folder: folder in which it runs, below the files of the snapshot.
        digest: of the code.
    """

    spec: CommandSpec
    folder: str
    digest: str


class Place(Document):
    """Where the code of a snapshot was last taken from: `place.json`. It is not part of the trial's identity.

    Attributes:
        root: folder that contains the original files.
        python: the interpreter that `python` stands for.
        origin: what stays when the code is edited: the path of the script, or the command. It tells whether a study
            tries rows again.
    """

    root: str
    python: str
    origin: str


def store_of_snapshots() -> Path:
    """Folder of the snapshots in the state directory."""
    return read_library_settings().home / "code"


def folder_of(task: str) -> Path:
    """Folder of the stored code of a task.

    Args:
        task: `command@DIGEST` or `function@DIGEST`. Somebody else may have written it, so it is never taken for a path.

    Raises:
        TrialError: the state directory does not have it.
    """
    kind, _, digest = task.partition("@")
    folder = store_of_snapshots() / digest
    if not DIGEST.fullmatch(digest) or not folder.is_dir():
        raise TrialError(
            f"the code of this {kind} is not in the state directory ({quote(digest)}); {STORE_AGAIN[kind]}"
        )
    return folder


def identity_of_command(spec: CommandSpec, code: str) -> str:
    """Digest of all that decides a result besides the recipe's values: the command, its metrics, and its code."""
    content = {
        "run": spec.run, "python": spec.python, "pattern": spec.pattern, "files": spec.files, "code": code,
        "metrics": {name: metric.model_dump(mode="json") for name, metric in spec.metrics.items()},
        "flags": {name: field.flag for name, field in spec.fields.items() if field.flag},
        **({"folds": spec.folds} if spec.folds else {}),
    }  # fmt: skip
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:16]


def name_of_command(spec: CommandSpec, code: str) -> str:
    """Digest of a command with its fields, their types and defaults: the name of its snapshot, and of its task."""
    content = {"spec": spec.model_dump(mode="json"), "code": code}
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:16]


def read_place(folder: Path) -> Place:
    """Where the code of a snapshot was last taken from.

    Raises:
        TrialError: that file is missing or damaged.
    """
    try:
        return Place.model_validate_json((folder / PLACE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        text = f"{PLACE_FILE} of the stored code {folder.name} cannot be read; store the code again, from its file"
        raise TrialError(text) from error


def write_place(folder: Path, place: Place) -> None:
    """Keep where a snapshot was taken from."""
    text = json.dumps(place.model_dump())
    path = folder / PLACE_FILE
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(text, encoding="utf-8")
        new.replace(path)


def find_python(asked: str | None, folder: Path) -> str:
    """The interpreter that `python` stands for in a command.

    Args:
        asked: of `[command] python`: a path relative to `folder`, or a name on the path.
        folder: of the study's file.

    Raises:
        TrialError: there is none.
    """
    if asked is None:
        active = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
        found = shutil.which("python", path=str(Path(active) / "bin")) if active else None
        return found or sys.executable
    found = shutil.which(str(folder / asked) if "/" in asked else asked)
    if found is None:
        raise TrialError(f"python {quote(asked)} is not a program; give a path relative to the study's file, or a name")
    return os.path.abspath(found)  # noqa: PTH100 - a link to an interpreter is what makes a virtual environment
