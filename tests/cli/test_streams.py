"""Standard streams that the caller has closed, or that cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUDY = {"name": "streams", "seeds": 1, "base": {"task": "null"}, "rows": [{"label": "a"}]}


def run(command: str, redirected: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A command of ablate in a shell, with its streams redirected by the shell."""
    (home / "study.json").write_text(json.dumps(STUDY), encoding="utf-8")
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -P -m ablate {command} {redirected}', sys.executable],
        cwd=home, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "ABLATE_HOME": str(home / "home")},
    )  # fmt: skip


def test_a_full_disk_below_the_output_is_said_in_a_sentence(tmp_path: Path) -> None:
    done = run("check study.json --json", ">/dev/full", tmp_path)
    assert done.stderr.splitlines()[-1].startswith("error: the output, or a file, cannot be written: the disk is full")
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize(
    "redirected",
    [pytest.param("2>/dev/full", id="a full disk below stderr"), pytest.param("<&- >&- 2>&-", id="all closed")],
)
def test_a_training_goes_on_where_progress_cannot_be_printed(redirected: str, tmp_path: Path) -> None:
    done = run("run study.json --out out", redirected, tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "out" / "table.md").exists()
    assert len((tmp_path / "out" / "trials.jsonl").read_text(encoding="utf-8").splitlines()) == 1
