"""Scripts of a user, in a folder of their own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of a user who has a script, next to the one of ablate's results."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def write(project: Path) -> Write:
    """Writes a file of the project."""

    def write(name: str, text: str) -> Path:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


def study(run: str, rows: Mapping[str, Mapping[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """A study with a command; further keys are those of `[command]`, or of the study if they begin with `study_`."""
    command = {"run": run, "metrics": {"acc": "max"}} | {
        name: value for name, value in more.items() if not name.startswith("study_")
    }
    of_study = {name.removeprefix("study_"): value for name, value in more.items() if name.startswith("study_")}
    labels = rows or {"base": {}}
    return {
        "name": "mine",
        "seeds": 1,
        "command": command,
        "rows": [{"label": label, "set": dict(patch)} for label, patch in labels.items()],
    } | of_study
