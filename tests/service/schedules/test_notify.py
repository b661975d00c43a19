"""Notices on their way to a real HTTP server and a real program, with a clock that the test moves."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from ablate.errors import AblateError
from service import serve
from service.context import Context
from service.schedules import notify
from service.schedules.notify import Notifier, refuse_missing_program
from service.settings import read_settings
from service.store.schedules import notices
from tests.http_servers import Quiet, answering

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class Mailbox:
    """What a server was sent, and the statuses that it answers next; 204 once there are none."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    got: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [one["id"] for one in self.got]


@contextmanager
def receiving() -> Iterator[Mailbox]:
    mailbox = Mailbox()

    class Handler(Quiet):
        def do_POST(self) -> None:
            mailbox.headers.append(dict(self.headers))
            mailbox.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(mailbox.statuses.pop(0) if mailbox.statuses else 204)
            self.send_header("Location", f"{mailbox.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with answering(Handler) as url:
        mailbox.url = f"{url}/hook"
        yield mailbox


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with receiving() as mailbox:
        yield mailbox


class Clock:
    at = START

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def notifier(context: Context, clock: Clock, url: str | None = None, *command: str) -> Notifier:
    """A notifier as a new start of the service makes one."""
    changed = {"notify_url": SecretStr(url) if url else None, "notify_command": command}
    settings = context.settings.model_copy(update=changed)
    return Notifier(replace(context, settings=settings), clock)


def announce(context: Context, about: str, at: datetime = START) -> bool:
    with context.store.write() as connection:
        return notices.queue_notice(connection, "drift", about, {"sentence": f"{about} drifted"}, at)


def waiting(context: Context) -> bool:
    with context.store.read() as connection:
        return notices.has_deliveries(connection)


def test_a_notice_arrives_once_by_each_way_and_is_told_of_once(
    context: Context, clock: Clock, mailbox: Mailbox, tmp_path: Path
) -> None:
    out = tmp_path / "notices"
    program = f"import sys; open({str(out)!r}, 'a').write(sys.stdin.read() + '\\n')"
    assert announce(context, "alarm:1")
    assert not announce(context, "alarm:1")
    for _ in range(3):  # each is a new start of the service
        notifier(context, clock, mailbox.url, sys.executable, "-c", program).tick()
        clock.at += timedelta(hours=2)
    (posted,) = mailbox.got
    (line,) = out.read_text().splitlines()
    assert json.loads(line) == posted
    assert (posted["kind"], posted["sentence"], posted["at"]) == ("drift", "alarm:1 drifted", START.isoformat())
    assert mailbox.headers[0]["Idempotency-Key"] == posted["id"]
    assert not waiting(context)


def test_what_does_not_arrive_is_tried_again_under_the_same_id_with_growing_pauses(
    context: Context, clock: Clock, mailbox: Mailbox
) -> None:
    mailbox.statuses = [500, 503, 404]
    announce(context, "alarm:1")
    tried = []
    for second in range(60):
        clock.at = START + timedelta(seconds=second)
        notifier(context, clock, mailbox.url).tick()
        if len(mailbox.got) > len(tried):
            tried.append(second)
    assert tried == [0, 5, 15, 35]
    assert len(set(mailbox.ids)) == 1
    assert not waiting(context)


def test_a_redirect_is_not_followed(context: Context, clock: Clock, mailbox: Mailbox) -> None:
    mailbox.statuses = [302]
    announce(context, "alarm:1")
    notifier(context, clock, mailbox.url).tick()
    assert len(mailbox.got) == 1
    assert waiting(context)


def test_a_notice_goes_through_the_proxy_unless_no_proxy_names_the_host_or_it_is_this_machine(
    context: Context, clock: Clock, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", mailbox.url)
    for number, host in enumerate(("hooks.invalid", "none.invalid")):
        announce(context, f"alarm:{number}")
        notifier(context, clock, f"http://{host}/hook").tick()
        assert [one["Host"] for one in mailbox.headers] == ["hooks.invalid"]
        monkeypatch.setenv("NO_PROXY", "none.invalid")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    clock.at += timedelta(hours=1)
    notifier(context, clock, mailbox.url).tick()
    assert len(mailbox.got) == 2


@pytest.mark.parametrize("format", ["slack", "teams"])
def test_a_chat_gets_the_sentence_as_text_without_markup_or_mentions(
    context: Context, clock: Clock, mailbox: Mailbox, format: str
) -> None:
    sentence = "<!channel> [x](http://evil) *a* & b\x1b drifted"
    with context.store.write() as connection:
        notices.queue_notice(connection, "drift", "alarm:1", {"sentence": sentence}, START)
    settings = context.settings.model_copy(update={"notify_url": SecretStr(mailbox.url), "notify_format": format})
    Notifier(replace(context, settings=settings), clock).tick()
    text = "ablate: <!channel> [x](http://evil) *a* & b\\x1b drifted"
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    block = {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text}]}
    card = {"type": "AdaptiveCard", "version": "1.2", "body": [block]}
    teams = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    expected = {"slack": {"text": escaped, "mrkdwn": False}, "teams": {"type": "message", "attachments": [teams]}}
    assert mailbox.got == [expected[format]]


def test_a_server_that_is_away_delays_and_loses_nothing_and_its_address_is_not_logged(
    context: Context, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    announce(context, "alarm:1")
    with receiving() as gone:
        pass
    notifier(context, clock, gone.url + "?token=secret").tick()
    assert "ABLATE_NOTIFY_URL does not respond" in caplog.text
    assert "secret" not in caplog.text
    clock.at += timedelta(hours=1)
    with receiving() as back:
        notifier(context, clock, back.url).tick()
        assert len(back.got) == 1


def test_the_service_does_not_log_the_address_of_a_notice_that_arrives(
    context: Context, clock: Clock, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("alembic", "httpx", "httpx2", "matplotlib")
    levels = {name: logging.getLogger(name).level for name in names}
    announce(context, "alarm:1")
    try:
        serve.quieten_libraries()
        with caplog.at_level(logging.INFO):
            notifier(context, clock, mailbox.url + "?token=secret").tick()
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    assert len(mailbox.got) == 1
    assert "secret" not in caplog.text


@contextmanager
def dripping(pause_s: float) -> Iterator[tuple[str, threading.Event]]:
    """A server that sends one byte of a header at a time, without end, and an event that is set once somebody asks."""
    asked, gone = threading.Event(), threading.Event()

    def drip(listener: socket.socket) -> None:
        with suppress(OSError):  # the client has gone
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                asked.set()
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not gone.wait(pause_s):
                    connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/", asked
        finally:
            gone.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_server_that_drips_bytes_has_one_deadline(
    context: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notify, "TIMEOUT_S", 1.5)
    announce(context, "alarm:1")
    with dripping(0.05) as (url, asked):
        begun_s = monotonic()
        notifier(context, clock, url).tick()
        assert monotonic() - begun_s < 4
        assert asked.is_set()
    assert "ABLATE_NOTIFY_URL took longer than 1.5 s" in caplog.text
    assert waiting(context)


@pytest.mark.parametrize("by", ["url", "command"])
def test_a_service_that_stops_abandons_an_attempt_and_the_next_start_makes_it_again(
    context: Context, clock: Clock, mailbox: Mailbox, tmp_path: Path, caplog: pytest.LogCaptureFixture, by: str
) -> None:
    announce(context, "alarm:1")
    os.mkfifo(tmp_path / "begun")
    with dripping(0.05) as (url, asked):
        sleepy = ("/bin/sh", "-c", f"echo > {tmp_path / 'begun'}; sleep 600")
        slow = notifier(context, clock, url) if by == "url" else notifier(context, clock, None, *sleepy)
        stop = threading.Event()
        thread = threading.Thread(target=slow.run, args=(stop,))
        thread.start()
        if by == "url":
            assert asked.wait(20)
        else:
            (tmp_path / "begun").read_text()
        begun_s = monotonic()
        stop.set()
        thread.join(10)
        assert not thread.is_alive()
        assert monotonic() - begun_s < 2
    assert caplog.text == ""
    clock.at += notify.LEASE
    if by == "url":
        notifier(context, clock, mailbox.url).tick()
    else:
        notifier(context, clock, None, "/bin/true").tick()
    assert not waiting(context)


def test_an_absence_has_one_line_at_its_begin_and_one_at_its_end(
    context: Context, clock: Clock, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for number in range(3):
        announce(context, f"alarm:{number}")
    one = notifier(context, clock, mailbox.url)
    mailbox.statuses = [500] * 4
    for _ in range(6):
        one.tick()
        clock.at += timedelta(seconds=30)
    assert len(set(mailbox.ids)) == 3
    assert not waiting(context)
    lines = [one.getMessage() for one in caplog.records if one.name == notify.__name__]
    assert lines == [
        "notices by url do not arrive; trying again: ABLATE_NOTIFY_URL returned status 500",
        "notices by url arrive again, after 0:02:00",
    ]


@pytest.mark.parametrize("url", ["http://a..b/", "http://h:99999/", "http://[::1/"])
def test_an_address_that_nobody_checked_ends_one_attempt_and_nothing_else(
    context: Context, clock: Clock, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    announce(context, "alarm:1")
    notifier(context, clock, url).tick()
    assert "ABLATE_NOTIFY_URL does not respond" in caplog.text
    assert waiting(context)


def test_two_services_that_look_at_once_deliver_once(context: Context, clock: Clock, mailbox: Mailbox) -> None:
    for number in range(10):
        announce(context, f"alarm:{number}")
    both = [threading.Thread(target=notifier(context, clock, mailbox.url).tick) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(mailbox.ids) == len(set(mailbox.ids)) == 10


def test_after_a_week_a_notice_is_given_up(context: Context, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    announce(context, "alarm:1")
    clock.at += timedelta(days=7, seconds=1)
    notifier(context, clock, None, "/nowhere/program").tick()
    assert "was dropped after attempt 1" in caplog.text
    assert not waiting(context)


def test_a_notice_is_forgotten_a_quarter_after_it_arrived_and_not_before(
    context: Context, clock: Clock, mailbox: Mailbox
) -> None:
    announce(context, "alarm:1")
    notifier(context, clock, mailbox.url).tick()
    announce(context, "alarm:2")
    clock.at = START + timedelta(days=90)
    notifier(context, clock).tick()
    assert [told(context, about) for about in ("alarm:1", "alarm:2")] == [True, True]
    announce(context, "alarm:3")
    clock.at += timedelta(seconds=1)
    notifier(context, clock, mailbox.url).tick()
    assert [told(context, f"alarm:{number}") for number in (1, 2, 3)] == [False, False, True]
    assert len(mailbox.got) == 2


def told(context: Context, about: str) -> bool:
    with context.store.read() as connection:
        return notices.is_announced(connection, about)


def test_a_way_that_is_not_set_up_keeps_nothing_for_later(context: Context, clock: Clock, mailbox: Mailbox) -> None:
    announce(context, "alarm:1")
    notifier(context, clock).tick()
    notifier(context, clock, mailbox.url).tick()
    assert mailbox.got == []


@pytest.mark.parametrize(
    ("program", "text"),
    [("import sys; sys.exit(3)", "exited with status 3"), ("import os; os.kill(os.getpid(), 9)", "status -9")],
)
def test_a_program_that_fails_is_tried_again(
    context: Context, clock: Clock, caplog: pytest.LogCaptureFixture, program: str, text: str
) -> None:
    announce(context, "alarm:1")
    notifier(context, clock, None, sys.executable, "-c", program).tick()
    assert text in caplog.text
    assert waiting(context)


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(
    context: Context, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notify, "COMMAND_S", 1.0)
    announce(context, "alarm:1")
    pids = tmp_path / "pids"
    program = f"sleep 600 & echo $! $$ > {pids}; wait"
    notifier(context, clock, None, "/bin/sh", "-c", program).tick()
    assert "took longer than 1 s" in caplog.text
    left = [psutil.Process(int(pid)) for pid in pids.read_text().split() if psutil.pid_exists(int(pid))]
    _, alive = psutil.wait_procs(left, timeout=5)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


def test_a_disk_that_is_nearly_full_is_told_of_once_a_day(
    context: Context, clock: Clock, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "LOW_BYTES", 1 << 60)
    for hours in (0, 1, 24):
        clock.at = START + timedelta(hours=hours)
        notifier(context, clock, mailbox.url).tick()
    assert [(one["kind"], one["at"][:10]) for one in mailbox.got] == [("disk", "2026-03-02"), ("disk", "2026-03-03")]


def test_a_finished_study_and_one_with_holes_are_told_of(
    desk: Any, toy_study: Any, clock: Clock, mailbox: Mailbox
) -> None:
    done = desk.finish(desk.submit(toy_study("fine")))
    bad = desk.submit(toy_study("broken", rows=(5.0,), seeds=1))
    desk.tick()
    desk.dispatcher.end(desk.dispatcher.started[-1], "failed", "RuntimeError: as told")
    desk.tick(2)
    clock.at = datetime.now(UTC) + timedelta(minutes=1)
    notifier(desk.context, clock, mailbox.url).tick()
    assert [(one["kind"], one["study_id"]) for one in mailbox.got] == [("finished", done.id), ("holes", bad.id)]
    assert "1 of 1 cells have no result" in mailbox.got[1]["sentence"]


@pytest.mark.parametrize(
    "text",
    [
        "ftp://example.org/x", "example.org", "http://", "http://a b/c", "http://a..b/", "http://.a/", "http://a:99999/",
        "http://a:65536", "http://a:0/", "http://a:x/", "http://[::1/", "http://[::g]/", "http://*/", "http://a/\x1b",
        f"http://{'a' * 64}.org/", f"http://{'a.' * 126}ab/", "http://user@/", "http://%00/", "http://\ud800/",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(os, "environ", os.environ | {"ABLATE_NOTIFY_URL": text})
    with pytest.raises(AblateError, match=r"^ABLATE_NOTIFY_URL should be an address that begins with http"):
        read_settings()


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org", "http://localhost:65535/x?y=z#f", "http://127.0.0.1:1/", "http://[::1]:80/", "http://a_b/",
        "https://user:password@example.org/", "http://b\u00fccher.example/gr\u00fc\u00df", f"http://{'a' * 63}.org./",
        f"http://{'a.' * 126}a/",
    ],
)  # fmt: skip
def test_an_address_with_a_host_and_a_port_is_allowed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ABLATE_NOTIFY_URL", text)
    assert read_settings().notify_url == SecretStr(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("notify-send 'two words' $HOME", ("notify-send", "two words", "$HOME")),
        ('["mail", "-s", "a b"]', ("mail", "-s", "a b")),
        ("", ()),
    ],
)
def test_a_command_is_read_as_arguments_and_no_shell_sees_it(
    monkeypatch: pytest.MonkeyPatch, text: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("ABLATE_NOTIFY_COMMAND", text)
    assert read_settings().notify_command == words


@pytest.mark.parametrize(
    "text",
    ["[1", "'unclosed", '{"a": 1}x\'', "[[]]", '""', '["", "x"]', '["a\\u0000b"]', '["a", "\\u0000"]', "[" * 100_000],
)
def test_a_command_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ABLATE_NOTIFY_COMMAND", text)
    with pytest.raises(AblateError, match=r"^ABLATE_NOTIFY_COMMAND .*should"):
        read_settings()


@pytest.mark.parametrize("program", ["/nowhere/program", "no-such-program", "/etc/passwd", "/"])
def test_the_service_does_not_start_with_a_program_that_cannot_be_executed(context: Context, program: str) -> None:
    settings = context.settings.model_copy(update={"notify_command": (program, "x")})
    with pytest.raises(
        AblateError, match=r"^ABLATE_NOTIFY_COMMAND names a program .*; give its path, or unset"
    ) as found:
        serve.serve(settings, host="127.0.0.1", port=0, role="all", announce=print)
    assert found.value.exit_status == 2
    refuse_missing_program((sys.executable,))
    refuse_missing_program(())


def test_the_settings_do_not_show_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_NOTIFY_URL", "https://example.org/hook/token")
    assert "token" not in repr(read_settings())
