"""What the commands print reaches every terminal: any encoding, any width, and text that looks like markup."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ablate.cli.output import show_json
from ablate.cli.terminal import Terminal
from tests.traps import folder_of_traps

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-P", "-m", "ablate"]
"""As the console script: -P, since that does not take the working directory."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[bytes], Path]:
    """`ablate run` in a folder of traps, with a folder for the results that looks like markup, in latin-1."""
    here, site = folder_of_traps(tmp_path_factory.mktemp("here")), tmp_path_factory.mktemp("site")
    (site / "service").mkdir()
    (site / "service" / "__init__.py").write_text("raise SystemExit('imported service of PYTHONPATH')")
    document = {"name": "drawn", "seeds": 1, "base": {"task": "null"}, "rows": [{"label": "3×3 ↓"}, LABELLED]}
    (here / "study.json").write_text(json.dumps(document), encoding="utf-8")
    path = os.pathsep.join([str(site), str(ROOT), ""])  # "" is the working directory
    done = subprocess.run(
        [*COMMAND, "run", "study.json", "--out", "[exp1]/o[/b]"],
        capture_output=True,
        cwd=here,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "latin-1", "ABLATE_HOME": str(here / "home")},
        timeout=240,
    )
    return done, here / "[exp1]" / "o[/b]"


LABELLED = {"label": "中文 😀", "set": {"effect": 1.0}}


def test_a_command_and_its_workers_run_whatever_lies_in_the_working_directory(ran: Any) -> None:
    done, _ = ran
    assert done.returncode == 0, done.stderr.decode("latin-1")
    assert b"[2/2]" in done.stderr


def test_a_terminal_that_lacks_characters_gets_escapes_and_the_files_are_utf_8(ran: Any) -> None:
    done, out = ran
    assert "3×3 \\u2193" in done.stdout.decode("latin-1")
    for name in ("table.md", "table.csv", "table.html", "table.json", "run.json"):
        assert "3×3 ↓" in (out / name).read_text(encoding="utf-8")


def test_a_folder_with_brackets_in_its_name_is_used_and_named(ran: Any) -> None:
    done, out = ran
    assert b" [exp1]/o[/b]/table.md" in done.stderr
    assert (out / "table.md").exists()


def test_json_stays_json_on_a_terminal_that_lacks_characters(capfd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with os.fdopen(os.dup(1), "w", encoding="latin-1") as narrow:
        monkeypatch.setattr(sys, "stdout", narrow)
        show_json({"label": "é ↓ 😀"})
    assert json.loads(capfd.readouterr().out) == {"label": "é ↓ 😀"}


@pytest.mark.parametrize("text", ["[exp1]/o", "o[/b]", "[link=x]y", ":smile:", "\\[red]", "[@click=app.bell]x"])
def test_text_that_looks_like_markup_is_printed_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.say(text)
    terminal.show_rows((text,), ((text,),))
    bars = terminal.build_bars()
    bars.add_task(text, total=1, note=text)
    terminal.print(bars.get_renderable())
    assert capsys.readouterr().out.count(text) == 5


def test_a_narrow_terminal_leaves_out_columns_by_their_worth_and_keeps_ids_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    headings = ("id", "name", "state", "cells", "created")
    row = (
        "01m8rrewtdh9rnx9zc3v",
        "window-size",
        "succeeded",
        "12: 9 succeeded, 2 running, 1 queued",
        "2026-12-01 12:14",
    )
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    for columns in (200, 60, 30):
        monkeypatch.setenv("COLUMNS", str(columns))
        Terminal().show_rows(headings, [row], spare=("created",))
        lines = re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out).splitlines()
        assert max(len(line.rstrip()) for line in lines if "left out" not in line) <= columns
        words = " ".join(lines).split()
        shown = [heading for heading in headings if heading in words[: len(headings)]]
        assert shown == {200: [*headings], 60: [*headings[:4]], 30: ["id"]}[columns]
        for heading, cell in zip(headings, row, strict=True):
            assert heading not in shown or set(cell.split()) <= set(words), "no word is broken"
    assert "left out: name, state, cells, created" in " ".join(words)


def test_a_file_has_all_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    Terminal().show_rows(("id", "name"), [("0" * 20, "window-size")], spare=("name",))
    assert "window-size" in capsys.readouterr().out
