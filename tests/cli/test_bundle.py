"""`ablate run`, `export` and `verify`, one after the other, as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ablate.cli.app import status_of
from service.cli import main
from tests.bundle.conftest import read_all, write_all

assert main  # `export` is a command of the service's console script
STUDY: dict[str, Any] = {
    "name": "drawn", "seeds": 6, "base": {"task": "null"},
    "rows": [{"label": f"row {k}", "set": {"row": k, "effect": k / 2}} for k in range(3)],
    "scales": {"loud": {"effect": 3.0}},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of `ablate run` whose study file is gone."""
    monkeypatch.chdir(tmp_path)
    Path("study.json").write_text(json.dumps(STUDY))
    command = ["run", "study.json", "--scale", "loud", "--seeds", "4", "--workers", "1", "--out", "results"]
    assert status_of(command) == 0
    Path("study.json").unlink()
    return Path("results")


@pytest.mark.slow
def test_a_folder_becomes_a_bundle_that_is_verified(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {"seeds.csv", "run.json", "table.csv"} <= {path.name for path in folder.iterdir()}
    capsys.readouterr()
    assert status_of(["export", str(folder), "out.zip"]) == 0
    assert "`ablate verify out.zip`" in capsys.readouterr().err
    assert status_of(["verify", "out.zip"]) == 0
    assert capsys.readouterr().out.startswith("equal: ")
    files = read_all(Path("out.zip"))
    assert files["seeds.csv"] == (folder / "seeds.csv").read_bytes()
    assert files["table.csv"] == (folder / "table.csv").read_bytes()
    resolved = json.loads(files["resolved.json"])
    assert (resolved["scale"], resolved["seeds"]) == ("loud", [0, 1, 2, 3])


@pytest.mark.slow
def test_what_differs_is_listed_and_the_exit_status_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["export", str(folder), "out.zip"]) == 0
    files = read_all(Path("out.zip"))
    table = json.loads(files["table.json"])
    table["rows"][1]["cells"]["error"]["mean"] = 1.5
    files["table.json"] = json.dumps(table).encode()
    write_all(Path("forged.zip"), files, signed=True)
    capsys.readouterr()
    assert status_of(["verify", "forged.zip"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("differs: ")
    assert "row 1, error, mean: stored 1.5, recomputed " in shown
    assert status_of(["verify", "forged.zip", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["differences"][0]["row"] == "row 1"
    Path("nothing.zip").write_bytes(b"nothing")
    assert status_of(["verify", "nothing.zip"]) == 2


@pytest.mark.slow
def test_an_export_that_cannot_be_says_what_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out.zip").write_text("mine")
    for arguments, words in (
        ([str(folder), "out.zip"], "--force"),
        ([str(folder), "other.zip", "--weights"], "export it without --weights"),
        ([str(folder), "nowhere/out.zip"], "cannot write nowhere/out.zip"),
    ):
        assert status_of(["export", *arguments]) == 2
        assert words in capsys.readouterr().err
    (folder / "run.json").unlink()
    assert status_of(["export", str(folder), "other.zip"]) == 2
    assert "run `ablate run STUDY` with the same --out again" in capsys.readouterr().err
    assert Path("out.zip").read_text() == "mine"
    assert not Path("other.zip").exists()
