"""One list of commands in environments that break other tools; tests/README.md explains how a case is added.

Each environment is one process, since most of the time goes into imports. All of them run at the same time.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.http_servers import Quiet, answering

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NOWHERE = "/proc/nowhere"
"""A home in which nobody can write, not even root."""
DEAD = "http://127.0.0.1:9"
"""An address at which nothing answers."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")

COMMANDS: dict[str, int] = {
    "--version": 0,
    "check --help": 0,
    "check study.json": 0,
    "check study.json --json": 0,
    "check --fields": 0,
    "data list": 0,
    "run study.json --out out": 0,
    "list --url {url}": 0,
    "list --url {dead}": 3,
    "run missing.toml": 2,
    "run study.json --seeds many": 2,
}
"""Command -> the exit status that it has in every environment."""
ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "LC_ALL=C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": None},
    "60 columns": {"COLUMNS": "60", "TERM": "xterm"},
    "no HOME": {"HOME": None},
    "read-only home": {"HOME": NOWHERE},
    "proxies": dict.fromkeys(PROXIES, DEAD) | {"NO_PROXY": None, "no_proxy": None},
}
"""Environment -> what it changes; None removes a variable."""
ON_A_TERMINAL = "60 columns"

DRIVER = """
import json, sys
from pathlib import Path
from service.cli.main import main
statuses = {}
for command in json.loads(sys.argv[1]):
    try:
        main(command.split())
    except SystemExit as end:
        statuses[command] = end.code
Path("statuses.json").write_text(json.dumps(statuses), encoding="utf-8")
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the commands did in an environment: their statuses, all that they printed, and the folder they ran in."""

    statuses: dict[str, int]
    text: str
    folder: Path


class NoStudies(Quiet):
    """A service without studies."""

    def do_GET(self) -> None:
        body = b'{"items": [], "next": null}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with answering(NoStudies) as url:
        yield url


@pytest.fixture(scope="module")
def shown(url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shown]:
    """Every environment with what happened in it."""
    folders = {name: tmp_path_factory.mktemp("environment") for name in ENVIRONMENTS}
    commands = [command.format(url=url, dead=DEAD) for command in COMMANDS]
    terminal, end = pty.openpty()
    running = {name: start(folders[name], ENVIRONMENTS[name], commands, end) for name in ENVIRONMENTS}
    os.close(end)
    (folders[ON_A_TERMINAL] / "shown.txt").write_bytes(read_terminal(terminal))
    found = {}
    for name, process in running.items():
        process.wait(200)
        text = (folders[name] / "shown.txt").read_text(encoding="utf-8", errors="replace")
        assert process.returncode == 0, text
        statuses = json.loads((folders[name] / "statuses.json").read_text(encoding="utf-8"))
        found[name] = Shown(dict(zip(COMMANDS, statuses.values(), strict=True)), text, folders[name])
    return found


def start(folder: Path, changes: dict[str, str | None], commands: list[str], terminal: int) -> subprocess.Popen[bytes]:
    rows = [{"label": "3×3 ↓"}, {"label": "[b]window-of-21-letters[/b]", "set": {"effect": 1.0}}]
    study = {"name": "hostile", "title": "Größe", "seeds": 1, "base": {"task": "null"}, "rows": rows}
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    variables = os.environ | {"ABLATE_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)} | changes
    given = {name: value for name, value in variables.items() if value is not None}
    with (folder / "shown.txt").open("wb") as file:
        out = terminal if "COLUMNS" in changes else file
        command = [sys.executable, "-P", "-c", DRIVER, json.dumps(commands)]
        return subprocess.Popen(command, cwd=folder, env=given, stdin=subprocess.DEVNULL, stdout=out, stderr=out)


def read_terminal(descriptor: int) -> bytes:
    """All that is written to a terminal, until the last process has closed it."""
    parts = []
    with suppress(OSError):
        while part := os.read(descriptor, 1 << 16):
            parts.append(part)
    os.close(descriptor)
    return b"".join(parts)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_command_ends_with_its_status_and_no_traceback(name: str, shown: dict[str, Shown]) -> None:
    assert shown[name].statuses == COMMANDS, shown[name].text
    assert "Traceback" not in shown[name].text
    assert "Warning" not in shown[name].text


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_files_are_the_same_in_every_environment(name: str, shown: dict[str, Shown]) -> None:
    for file in ("table.md", "table.csv", "table.tex"):
        expected = (shown["proxies"].folder / "out" / file).read_text(encoding="utf-8")
        assert "3×3" in expected
        assert (shown[name].folder / "out" / file).read_text(encoding="utf-8") == expected


def test_a_narrow_terminal_breaks_no_word_and_a_file_gets_no_cursor_movements(shown: dict[str, Shown]) -> None:
    movement = re.compile(r"\x1b\[\d*[A-LK]|\r(?!\n)")
    narrow = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown[ON_A_TERMINAL].text)
    assert "[b]window-of-21-letters[/b]" in narrow
    for name, one in shown.items():
        assert name == ON_A_TERMINAL or not movement.search(one.text), name


def test_a_home_that_cannot_be_written_is_named_in_a_sentence(shown: dict[str, Shown]) -> None:
    folder = shown["read-only home"].folder
    variables = {name: value for name, value in os.environ.items() if name != "ABLATE_HOME"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "ablate", "run", "study.json", "--out", "other"],
        cwd=folder, env=variables | {"HOME": NOWHERE, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert NOWHERE in done.stderr
    assert "Traceback" not in done.stderr
