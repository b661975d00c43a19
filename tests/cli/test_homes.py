"""A state directory, or a folder of results, that cannot be used: one sentence with what to set, and status 2."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from service.cli.main import main

STUDY = """
name = "small"
seeds = 2
base = { task = "null" }
rows = [{ label = "a", set = { row = 0 } }, { label = "b", set = { row = 1 } }]
"""
READING = (["list"], ["table", "small"], ["data", "list"], ["today"], ["logs", "0123456789abcdef"])
WRITING = (["run", "STUDY", "--out", "OUT"], ["serve", "--port", "0"], ["data", "fetch", "fashion-mnist"])


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    study = tmp_path / "small.toml"
    study.write_text(STUDY)
    monkeypatch.delenv("ABLATE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str]:
        places = {"STUDY": str(study), "OUT": str(tmp_path / "out")}
        level, handlers = logging.root.level, list(logging.root.handlers)
        try:
            with pytest.raises(SystemExit) as end:
                main([places.get(word, word) for word in words])
        finally:
            logging.captureWarnings(False)
            logging.root.setLevel(level)
            logging.root.handlers[:] = handlers
        return int(end.value.code or 0), capsys.readouterr().err

    return call


@pytest.mark.parametrize("home", ["FILE", "FILE/below", "~nobody-of-this-name/home", "LONG", "CIRCLE"])
def test_no_command_starts_with_a_home_that_cannot_be_a_folder(
    home: str,
    call,  # type: ignore[no-untyped-def]
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "FILE").write_text("")
    (tmp_path / "CIRCLE").symlink_to(tmp_path / "CIRCLE")
    found = home if home.startswith("~") else str(tmp_path / ("x" * 300 if home == "LONG" else home))
    monkeypatch.setenv("ABLATE_HOME", found)
    for words in (*READING, *WRITING, ["check", "STUDY"]):
        status, text = call(*words)
        assert status == 2, (words, text)
        assert text.startswith("error: ABLATE_HOME: '"), (words, text)
        assert text.endswith("; set ABLATE_HOME to a folder that you can write to\n"), (words, text)
        assert text.count("\n") == 1


def test_a_home_that_cannot_be_written_stops_only_what_writes(
    call,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ABLATE_HOME", "/proc/ablate")  # not even root can make a folder there
    assert call("check", "STUDY")[0] == 0
    assert call("data", "list")[0] == 0
    for words in (*WRITING, ["selftest", "--null", "1", "--home", "/proc/ablate"]):
        status, text = call(*words)
        last = text.splitlines()[-1]
        assert status == 2, text
        assert last.startswith("error: "), text
        assert "set ABLATE_HOME to" in last or "set ABLATE_DATA to" in last, text
        assert "Traceback" not in text


def test_the_folder_of_the_data_sets_is_named_by_its_own_variable(
    call,  # type: ignore[no-untyped-def]
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "FILE").write_text("")
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "FILE"))
    status, text = call("data", "list")
    expected = f"error: ABLATE_DATA: '{tmp_path / 'FILE'}' is a file, and should be a folder; set ABLATE_DATA to"
    assert (status, text.startswith(expected)) == (2, True), text


@pytest.mark.parametrize("out", ["/proc/out", "small.toml", "small.toml/out"])
def test_a_folder_of_results_that_cannot_be_written_is_named(
    out: str,
    call,  # type: ignore[no-untyped-def]
) -> None:
    status, text = call("run", "STUDY", "--out", out)
    assert status == 2
    assert f"error: cannot write to {out}: " in text
    assert "choose another folder with --out" in text
    assert "Traceback" not in text
