"""The studies of `studies/own/`: their tables are what their scripts print."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ablate
from ablate.study.text import read_document

OWN = Path(__file__).parents[3] / "studies" / "own"


def run(name: str, tmp_path: Path, labels: tuple[str, ...], base: dict[str, Any]) -> Any:
    """The table of some rows of a study with one seed."""
    document = read_document(OWN / name / f"{name}.toml")
    folder = tmp_path / name
    folder.mkdir()
    for file in (OWN / name).glob("*.py"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / f"{name}.json").write_text(json.dumps({**document, "seeds": 1, "base": base}))
    table = ablate.run(folder / f"{name}.json", progress=False, workers=2, out=tmp_path / "out")
    return {row.label: row for row in table.rows if row.label in labels}


def printed(name: str, *arguments: str) -> dict[str, float]:
    """What the script itself prints."""
    command = [sys.executable, f"{name}.py", *arguments]
    done = subprocess.run(command, cwd=OWN / name, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_feature_ablation_shows_what_its_script_prints(tmp_path: Path) -> None:
    rows = run("features", tmp_path, ("full", "- worst values", "without worst values"), {})
    full, ablated = rows.values()
    for row, arguments in ((full, ()), (ablated, ("--drop", "worst"))):
        said = printed("features", "--seed", "0", *arguments)
        assert {name: cell.values[0] for name, cell in row.cells.items()} == said


def test_the_language_model_reports_from_inside(tmp_path: Path) -> None:
    (row,) = run("charlm", tmp_path, ("full",), {"steps": 2}).values()
    assert 4 < row.cells["bits_per_character"].values[0] < 8


@pytest.mark.parametrize("name", ["features", "charlm", "retrieval"])
def test_all_of_them_can_be_planned(name: str) -> None:
    plan = ablate.plan(OWN / name / f"{name}.toml")
    assert len(plan.rows) == 4
    assert len(plan.trials) == 4 * len(plan.seeds)
