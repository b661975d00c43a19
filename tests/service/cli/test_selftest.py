"""`ablate selftest` with real services, each in a child process on a state directory of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from ablate.cli.app import status_of
from service.address import find_address
from service.cli import main
from service.cli.selftest import carry_out
from service.errors import SelftestError
from service.selftest.worlds import build_study
from tests.service.conftest import toy_study

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def other_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory and the settings of the user's own service, which a self-test must not touch."""
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("ABLATE_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("ABLATE_NOTIFY_COMMAND", "/no/such/program")
    assert main.main
    return tmp_path / "other"


def test_a_small_self_test_runs_through_a_service_of_its_own_and_leaves_only_its_folder(
    other_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, before = tmp_path / "kept", set(psutil.Process().children(recursive=True))
    command = ["selftest", "--null", "6", "--planted", "60", "--seed", "1", "--home", str(home), "--json"]
    assert status_of(command) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["decided"]["n"], found["planted"]["n"], found["alpha"]) == (6, 6, 0.05)
    assert found["planted"]["count"] >= 5
    assert found["decided"]["count"] == len(found["where"]) < found["planted"]["count"]
    assert found["trials"] == 4 * (8 + 8 + 6 + 5 + 8 + 8)
    assert (home / "ablate.db").exists()
    assert find_address(home) is None
    assert not other_home.exists()
    assert set(psutil.Process().children(recursive=True)) <= before
    assert status_of(command) == 2
    assert "is not an empty folder; give a new folder" in json.loads(capsys.readouterr().out)["error"]


def test_a_service_that_shows_effects_where_there_should_be_none_ends_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    studies = [build_study(number, seed=0) for number in range(6)]
    for study in studies:
        study["rows"][1]["set"]["effect"] = 60.0
    assert carry_out(studies, None) == 1
    shown = capsys.readouterr().out
    assert "tables show an effect of a row that has none" in shown
    assert "The service does not keep its level: it shows effects where there are none." in shown


def test_a_study_that_fails_ends_the_self_test_with_its_name(toy: str) -> None:
    with pytest.raises(SelftestError, match=r"study 'broken' did not succeed, it is failed: ") as failed:
        carry_out([toy_study("broken", base={"task": toy, "ending": "raises"})], None)
    assert failed.value.exit_status == 1


def test_a_service_that_does_not_start_ends_the_self_test_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "uvicorn.py").write_text("raise RuntimeError('this uvicorn is broken')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert status_of(["selftest", "--null", "1"]) == 1
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "error: the service did not become ready; the end of its log:"
    assert "  RuntimeError: this uvicorn is broken" in shown
