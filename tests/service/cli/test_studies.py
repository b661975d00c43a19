"""The commands that speak REST: without a service, and with one that does without Ray; test_end_to_end has Ray.

Commands run in this process; those that are interrupted, or watch a restart, in one of their own.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from ablate.cli.app import status_of
from ablate.errors import quote
from ablate.remote import follow
from ablate.remote.client import Client
from ablate.remote.documents.studies import Progress
from ablate.remote.errors import UnreachableError
from service.address import find_address, published, shares_data
from service.cli import main
from tests.service.processes import END_S, Running, install_task, serving, until

INLINE = {"ABLATE_DISPATCHER": "inline", "ABLATE_TRACKING_URI": "off", "ABLATE_WORKERS": "2"}
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ABLATE_URL", raising=False)
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))  # `serve` sets up its own
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    assert main.main
    return tmp_path / "home"


def test_without_a_service_a_command_ends_with_3_and_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert status_of(["list", "--url", f"http://127.0.0.1:{closed.getsockname()[1]}"]) == 3
    assert "ablate serve" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_without_keys_the_service_listens_on_loopback_only(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["serve", "--host", host]) == 2
    assert "loopback only" in capsys.readouterr().err


def test_every_column_and_some_columns_are_not_both_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["table", "some", "--full", "--columns", "params", "--url", "http://127.0.0.1:1"]) == 2
    assert "--full shows every column and --columns some; use only one of them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "choices"),
    [
        (["list", "--state", "x"], "queued"),
        (["table", "some", "--format", "x"], "'md', 'tex', 'csv', 'html', 'json'"),
        (["serve", "--role", "x"], "'all', 'api', 'scheduler'"),
        (["schedule", "add", "n", "s.toml", "--cron", "0 2 * * *", "--mode", "x"], "'verify', 'fresh'"),
        (["schedule", "add", "n", "s.toml", "--cron", "0 2 * * *", "--missed", "x"], "'coalesce', 'skip', 'all'"),
        (["schedule", "add", "n", "s.toml", "--cron", "0 2 * * *", "--overlap", "x"], "'skip', 'queue'"),
    ],
)
def test_a_wrong_choice_is_refused_with_those_that_are_allowed(
    command: list[str], choices: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(command) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert command[-2] in error
    assert all(choice in error for choice in choices.split(", "))  # typing may give them in another order


def test_separate_roles_need_postgresql(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["serve", "--role", "scheduler"]) == 2
    assert "PostgreSQL" in capsys.readouterr().err


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert status_of(["serve", "--port", str(port)]) == 2
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ABLATE_WORKERS", "many")
    assert status_of(["list"]) == 2
    assert "ABLATE_WORKERS" in capsys.readouterr().err


def test_the_address_is_published_while_the_service_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with published(tmp_path, "http://127.0.0.1:1"):
        assert find_address(tmp_path) == "http://127.0.0.1:1"
        assert shares_data(tmp_path, "http://localhost:1")
        assert not shares_data(tmp_path, "http://127.0.0.1:2")
        monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "elsewhere"))
        assert not shares_data(tmp_path, "http://127.0.0.1:1")
    assert find_address(tmp_path) is None
    (tmp_path / "service.json").write_text(json.dumps({"url": "x", "pid": 2**22 + os.getpid()}))
    assert find_address(tmp_path) is None


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://localhost", "nonsense", "http://", "http://a b", "http://x:99999", "http://[::1"]
)
def test_an_address_that_is_none_is_wrong_input(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["list", "--url", url]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: the address of the service is '{url}', which is not an http:// or https:// address")
    assert line.endswith("; give one such as http://127.0.0.1:8080 with --url or ABLATE_URL")
    monkeypatch.setenv("ABLATE_URL", url)
    assert status_of(["watch", "some"]) == 2


@pytest.mark.parametrize("command", ["trial", "logs"])
@pytest.mark.parametrize("key", ["zz", "ABCDEF0123", "0123456", "0" * 65, "../../readyz", "", "a?b"])
def test_what_is_no_key_is_refused_in_one_line(command: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of([command, key]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {quote(key)} is not the key of a trial; a key has 64 hexadecimal digits")


class Clock:
    """Replaces the module `time` in the client: sleeping moves the clock."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(follow, "time", made)
    return made


@contextmanager
def streams(*answers: str, end: threading.Event | None = None) -> Iterator[str]:
    """The address of a server of event streams; each connection gets the next text, and a quiet one waits for `end`."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for text in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall((head + text).encode())
                    if end is not None and text == QUIET:
                        end.wait(END_S)
            listener.close()

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


COUNTS = dict.fromkeys(Progress.model_fields, 0) | {"state": "running", "eta_s": None}
PROGRESS, QUIET = f"event: progress\ndata: {json.dumps(COUNTS)}\nid: 3\n\n", ": nothing new\n\n"
DONE = 'event: done\ndata: {"id": "some", "state": "succeeded"}\n\n'


@pytest.mark.usefixtures("clock")
def test_a_service_that_stays_away_is_given_up_after_a_while() -> None:
    told: list[str] = []
    kinds = []
    with streams(PROGRESS) as url, Client(url) as ours, pytest.raises(UnreachableError) as lost:
        kinds += [event.kind for event in ours.events("s" * 20, told.append)]
    assert kinds == []
    assert lost.value.exit_status == 3
    assert f"for {follow.RECONNECT_S:g} s" in str(lost.value)
    assert "ablate serve" in str(lost.value)
    assert told == [f"the service closed the event stream; reconnecting for up to {follow.RECONNECT_S:g} s"]


def test_the_time_without_a_service_is_counted_anew_after_each_connection(clock: Clock) -> None:
    told: list[str] = []
    end = threading.Event()

    def tell(sentence: str) -> None:
        told.append(sentence)
        if sentence == "connected again":
            clock.now_s += 2 * follow.RECONNECT_S
            end.set()

    with streams(PROGRESS, QUIET, DONE, end=end) as url, Client(url) as ours:
        assert [event.kind for event in ours.events("s" * 20, tell)] == ["progress", "done"]
    assert [text.split()[0] for text in told] == ["the", "connected", "the", "connected"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with serving(folder / "home", install_task(folder / "site"), **INLINE) as running:
        yield running


@pytest.fixture
def call(running: Running, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command against the service: exit status, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = status_of([*arguments, "--url", running.client.url])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a study of two rows that no other has, of which the second has some fields more, and gives its path."""

    def write(name: str, **fields: Any) -> str:
        rows = [{"label": "plain"}, {"label": "other", "set": {"offset": 1.0, **fields}}]
        path, seed = tmp_path / f"{name}.json", crc32(name.encode())
        path.write_text(json.dumps({"name": name, "seeds": [seed], "base": {"task": "gated"}, "rows": rows}))
        return str(path)

    return write


@pytest.mark.slow
def test_json_is_one_value_for_every_command(running: Running, call: Call, write: Callable[..., str]) -> None:
    def ask(*arguments: str, status: int = 0) -> Any:
        found, out, err = call(*arguments, "--json")
        assert found == status, err
        return json.loads(out)

    assert ask("submit", write("ended"), "--wait")["study"] == "ended"
    including = Path(write("replaced")).with_suffix(".toml")
    including.write_text('include = "replaced.json"\n')
    status, text, _ = call("submit", str(including), "--set", "offset=0.5", "--wait")
    assert (status, "With offset = 0.5 instead of its default (--set). 'other' sets offset itself" in text) == (0, True)
    assert ask("table", "replaced")["summary"][-1].startswith("With offset = 0.5")
    study = ask("submit", write("gated", gate="json"))
    key = running.client.get(f"/studies/{study['id']}/trials")["items"][0]["key"]
    until(lambda: bool(running.client.get(f"/trials/{key}")["outcome"]), "the first trial has ended", running.log)
    assert [item["name"] for item in ask("list")["items"]] == ["gated", "replaced", "ended"]
    assert ask("show", "gated")["id"] == study["id"]
    assert ask("trial", key[:8])["key"] == key
    assert "the task says hello" in ask("logs", key[:8])["log"]
    assert "the task says hello" in call("logs")[1], "without a key it is a trial of the newest study that has begun"
    status, log, _ = call("logs", "--follow", key[:8])
    assert (status, log) == (0, ask("logs", key[:8])["log"])
    assert ask("table", "gated")["provisional"] is True
    folder = Path(write("x")).parent / "out"
    assert ask("table", "gated", "--out", str(folder)) == {"folder": str(folder)}
    status, text, _ = call("table", "ended", "--rows", "other,!plain", "--label", "tab:mine")
    assert (status, "\\label{tab:mine}" in text, "\nplain & " in text) == (0, True, False)
    assert ask("table")["study"] == ask("show")["name"] == "gated", "without ID it is the newest study"
    assert call("show")[2] == f"newest study: gated ({study['id']})\n"
    assert call("compare", "plain", "plain")[2].endswith("row 'plain' cannot be compared with itself; name two rows\n")
    ended = f"ended ({ask('show', 'ended')['id']}): nothing changed: the study has ended (succeeded)"
    assert call("cancel", "ended")[::2] == (0, f"{ended}, so there is nothing to cancel\n")
    assert ask("pause", "gated")["state"] == "paused"
    assert ask("resume", "gated")["state"] == "running"
    assert ask("extend", "gated", "--seeds", "2")["progress"]["trials"] == 6
    assert ask("cancel", "gated")["state"] == "cancelled"
    assert ask("retry", "gated")["id"] == study["id"]
    running.open_gate("json")
    assert ask("watch", "gated")["provisional"] is False
    for wrong in (("show", "nothing"), ("trial", "zz"), ("trial", "0" * 64), ("submit", write("bad", gate=3))):
        assert set(ask(*wrong, status=2)) == {"error", "errors"}


@pytest.mark.slow
def test_a_key_that_no_trial_has_is_told_in_one_line(call: Call) -> None:
    assert call("trial", "0" * 64) == (
        2,
        "",
        "error: no trial with that key; `ablate show ID`, or over REST the list of a study's trials, has the keys\n",
    )


@pytest.mark.slow
def test_a_study_with_holes_ends_with_1_and_names_them(call: Call, write: Callable[..., str]) -> None:
    for command in (("submit", write("holes", fails=True), "--wait"), ("watch", "holes")):
        status, out, err = call(*command)
        assert status == 1
        assert "| other " in out
        assert re.search(r"^\[\d\] other, seed \d+: failed: RuntimeError: as told", err, re.MULTILINE), err
        assert err.endswith("failed: 1 of 2 cells have no result: 1 failed; retry the study to queue them again\n")


@pytest.mark.slow
def test_a_study_that_is_cancelled_ends_with_1(running: Running, call: Call, write: Callable[..., str]) -> None:
    def cancel() -> None:
        with Client(running.client.url) as other:
            until(lambda: bool(other.studies(name="ends").items), "it is there", running.log)
            other.cancel("ends")

    canceller = threading.Thread(target=cancel)
    canceller.start()
    status, out, err = call("submit", write("ends", gate="never"), "--wait")
    canceller.join()
    assert status == 1
    assert "| other " in out
    assert "cancelled: cancelled on request" in err
    assert call("watch", "ends")[0] == 1


@contextmanager
def command(running: Running, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Path, Path]]:
    """A command in its own process, and the files that get its output."""
    out, err = (running.home.parent / f"{arguments[0]}.{name}" for name in ("out", "err"))
    environment = os.environ | {"ABLATE_URL": running.client.url, "ABLATE_HOME": str(running.home)}
    with out.open("wb") as first, err.open("wb") as second:
        program = [sys.executable, "-m", "service.cli.main", *arguments]
        process = subprocess.Popen(program, stdout=first, stderr=second, env=environment)
    try:
        yield process, out, err
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_ctrl_c_while_waiting_leaves_the_study_running_and_says_how_to_go_on(
    running: Running, write: Callable[..., str]
) -> None:
    with command(running, "submit", write("left", gate="left"), "--wait") as (process, out, err):
        until(lambda: "[1]" in err.read_text(), "it shows the first trial", running.log)
        process.send_signal(signal.SIGINT)
        assert process.wait(END_S) == 130
    (study,) = running.client.get("/studies", name="left")["items"]
    study_id = study["id"]
    assert f"the study keeps running; `ablate watch {study_id}` shows its progress again" in err.read_text()
    assert "Traceback" not in err.read_text()
    assert out.read_text() == ""
    assert running.client.get(f"/studies/{study_id}")["state"] == "running"
    running.open_gate("left")
    running.wait_for({"id": study_id}, "succeeded")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGKILL])
def test_watch_goes_on_across_a_restart_of_the_service(
    tmp_path: Path, write: Callable[..., str], end: signal.Signals
) -> None:
    home, site, port = tmp_path / "home", install_task(tmp_path / "site"), free_port()
    with serving(home, site, port, **INLINE) as first:
        assert first.ablate("submit", write("long", gate="restart")).returncode == 0
        with command(first, "watch", "long") as (process, out, err):
            until(lambda: "[1]" in err.read_text(), "it shows the first trial", first.log)
            first.process.send_signal(end)
            assert first.process.wait(END_S) == (0 if end == signal.SIGHUP else -end)
            until(lambda: "reconnecting" in err.read_text(), "it waits", first.log)
            with serving(home, site, port, **INLINE) as second:
                until(lambda: "connected again" in err.read_text(), "it is back", second.log)
                second.open_gate("restart")
                assert process.wait(END_S) == 0, err.read_text()
    assert "| other " in out.read_text()
    assert [line[:3] for line in err.read_text().splitlines() if line.startswith("[")] == ["[1]", "[2]"]
