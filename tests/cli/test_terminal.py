"""What the commands print reaches every terminal: any encoding, any width, and text that looks like markup."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ablate.cli.output import show_json

COMMAND = [sys.executable, "-P", "-m", "ablate"]
ROOT = Path(__file__).parents[2]


def study_file(tmp_path: Path, *labels: str) -> Path:
    path = tmp_path / "study.json"
    rows = [{"label": label, "set": {"effect": number / 8}} for number, label in enumerate(labels)]
    document = {"name": "drawn", "seeds": 1, "base": {"task": "null"}, "rows": rows}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def ablate(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, env=environment, timeout=120)


def test_a_terminal_that_lacks_characters_gets_escapes_and_the_files_are_utf_8(tmp_path: Path) -> None:
    path, out = study_file(tmp_path, "3×3 ↓", "中文 😀"), tmp_path / "out"
    done = ablate("run", path, "--out", out, PYTHONIOENCODING="latin-1")
    assert done.returncode == 0, done.stderr
    assert "3×3 \\u2193" in done.stdout.decode("latin-1")
    for name in ("table.md", "table.csv", "table.html", "table.json", "run.json"):
        assert "3×3 ↓" in (out / name).read_text(encoding="utf-8")


def test_json_stays_json_on_a_terminal_that_lacks_characters(capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.dup(1), "w", encoding="latin-1") as narrow:
        monkeypatch.setattr(sys, "stdout", narrow)
        show_json({"label": "é ↓ 😀"})
    assert json.loads(capfd.readouterr().out) == {"label": "é ↓ 😀"}
