"""The notifier's thread: it posts notices for operators to a URL, passes them to a program, or both.

Each channel delivers a notice until it arrives, so a notice may arrive twice, with the same `id`. URL and program are
the operator's settings and never come from a request. An attempt is a child process, which is killed at its deadline
and when the service stops; it is abandoned then, and the next start tries again.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from ablate.errors import AblateError, quote
from ablate.text import on_one_line
from service.context import Context
from service.errors import UnavailableError
from service.faults.disk import FREE_BYTES
from service.faults.steps import Steps
from service.faults.work import Work
from service.settings import NotifyFormat
from service.store.schedules import notices
from service.store.schedules.notices import CHANNELS, Delivery
from service.store.sql import now

log = logging.getLogger(__name__)

LOOK_S = 2.0
TIMEOUT_S = 10.0
COMMAND_S = 30.0
"""How long one attempt may take in all."""
LOOK_AT_STOP_S = 0.2
LEASE = timedelta(seconds=60)
"""How long a delivery is reserved for the process that attempts it; longer than any attempt."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 3600.0
GIVE_UP = timedelta(days=7)
KEEP = timedelta(days=90)
"""How long a notice is kept. A condition that persists after that, such as an unknown time zone, is reported again."""
LOW_BYTES = 4 * FREE_BYTES
"""Below this free disk space operators are notified once a day."""
MAX_DUE = 20


class DeliveryError(Exception):
    """A notice did not arrive; the message contains neither URL nor content."""


class AbandonedError(Exception):
    """The service stops; the attempt was ended, and counts as not made."""


class Notifier:
    """Delivery of notices; one thread owns it.

    Args:
        context: context of this process.
        clock: current time, for the pauses between attempts.
    """

    def __init__(self, context: Context, clock: Callable[[], datetime] = now) -> None:
        self.context = context
        self._clock = clock
        self._is_stopping: Callable[[], bool] = lambda: False
        url, command = context.settings.notify_url, context.settings.notify_command
        self._send: dict[str, Callable[[Delivery], None]] = {}
        self._absent: dict[str, datetime] = {}
        if url is not None:
            self._send["url"] = lambda delivery: post(
                url.get_secret_value(), delivery, self._is_stopping, context.settings.notify_format
            )
        if command:
            self._send["command"] = lambda delivery: run_command(command, delivery, self._is_stopping)

    def run(self, stop: threading.Event) -> None:
        """Deliver notices until `stop` is set; the rest waits for the next start."""
        self._is_stopping = stop.is_set
        steps = Steps(self.context.faults)
        while not stop.is_set():
            with suppress(UnavailableError):  # the scheduler's thread reports it and its end
                steps.run("delivering notices", self.tick)
            stop.wait(LOOK_S)

    def tick(self) -> None:
        """Check the free disk space, delete old notices, and deliver due ones.

        Raises:
            UnavailableError: the database cannot be read or written.
        """
        at = self._clock()
        self._check_disk(at)
        self._forget(at - KEEP)
        with self.context.store.read() as connection:
            if not notices.has_deliveries(connection):
                return
        if unused := [name for name in CHANNELS if name not in self._send]:
            with self.context.store.write() as connection:
                notices.drop_deliveries(connection, unused)
        for channel in self._send:
            with self.context.store.read() as connection:
                due = notices.list_due(connection, channel, at, MAX_DUE)
            for delivery in due:
                work = Work("notice", f"{delivery.notice_id}:{channel}", f"delivering notice {delivery.uid}")
                self.context.faults.attempt(work, partial(self._deliver, delivery), partial(self._drop, delivery))
                if self._is_stopping() or channel in self._absent:  # if away, the next look tries the next notice
                    break

    def _check_disk(self, at: datetime) -> None:
        free = self.context.free_bytes()
        if free >= LOW_BYTES:
            return
        text = f"{free >> 20} MiB are free on the service's disk; below {FREE_BYTES >> 20} MiB no new trials start"
        with self.context.store.write() as connection:
            notices.queue_notice(
                connection, "disk", f"disk:{at:%Y-%m-%d}", {"free_mib": free >> 20, "sentence": text}, at
            )

    def _forget(self, before: datetime) -> None:
        with self.context.store.read() as connection:
            if not notices.has_old(connection, before):
                return
        with self.context.store.write() as connection:
            notices.forget(connection, before)

    def _deliver(self, delivery: Delivery) -> None:
        """Try once, unless another process does; after each failure the pause is longer."""
        at = self._clock()
        with self.context.store.write() as connection:
            if not notices.take_delivery(connection, delivery, at + LEASE):
                return
        try:
            self._send[delivery.channel](delivery)
        except AbandonedError:
            return
        except DeliveryError as error:
            self._postpone(delivery, str(error), at)
            return
        if (since := self._absent.pop(delivery.channel, None)) is not None:
            log.info("notices by %s arrive again, after %s", delivery.channel, at - since)
        with self.context.store.write() as connection:
            notices.end_delivery(connection, delivery)

    def _drop(self, delivery: Delivery, _: str) -> None:
        with self.context.store.write() as connection:
            notices.end_delivery(connection, delivery)

    def _postpone(self, delivery: Delivery, error: str, at: datetime) -> None:
        pause_s = min(FIRST_PAUSE_S * 2**delivery.tries, LONGEST_PAUSE_S)
        with self.context.store.write() as connection:
            if at - delivery.created_at > GIVE_UP:
                log.error("notice %s was dropped after attempt %d: %s", delivery.uid, delivery.tries + 1, error)
                notices.end_delivery(connection, delivery)
            else:
                if delivery.channel not in self._absent:
                    log.warning("notices by %s do not arrive; trying again: %s", delivery.channel, error)
                    self._absent[delivery.channel] = at
                notices.postpone_delivery(connection, delivery, error, at + timedelta(seconds=pause_s))


def post(url: str, delivery: Delivery, is_stopping: Callable[[], bool], format: NotifyFormat = "json") -> None:
    """Post a notice by a child process; see `service.schedules.post`.

    Args:
        url: where to.
        delivery: the notice.
        is_stopping: whether the service stops, so that the attempt is abandoned.
        format: how it is written.

    Raises:
        DeliveryError: no response, or a status other than 2xx.
        AbandonedError: the service stops.
    """
    document = {"url": url, "key": delivery.uid, "body": body_for(format, delivery)}
    command = (sys.executable, "-P", str(Path(__file__).with_name("post.py")))
    _, answer = _run(command, document, TIMEOUT_S, "ABLATE_NOTIFY_URL", is_stopping, stdout=subprocess.PIPE)
    if not answer.isdecimal():
        raise DeliveryError(f"ABLATE_NOTIFY_URL does not respond ({answer or 'no answer'})")
    if not 200 <= int(answer) < 300:
        raise DeliveryError(f"ABLATE_NOTIFY_URL returned status {answer}")


def run_command(command: tuple[str, ...], delivery: Delivery, is_stopping: Callable[[], bool]) -> None:
    """Run a program with a notice on stdin, for at most `COMMAND_S`, in its own session that ends with it.

    Args:
        command: the program and its arguments.
        delivery: the notice.
        is_stopping: whether the service stops, so that the attempt is abandoned.

    Raises:
        DeliveryError: it does not start, takes too long, or exits with a status other than 0.
        AbandonedError: the service stops.
    """
    status, _ = _run(command, body_of(delivery), COMMAND_S, "ABLATE_NOTIFY_COMMAND", is_stopping)
    if status:
        raise DeliveryError(f"ABLATE_NOTIFY_COMMAND exited with status {status}")


def _run(
    command: tuple[str, ...],
    document: Mapping[str, Any],
    limit_s: float,
    name: str,
    is_stopping: Callable[[], bool],
    *,
    stdout: int = subprocess.DEVNULL,
) -> tuple[int, str]:
    """Run a program with a document on stdin; one deadline is for everything. Returns its status and its output."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise DeliveryError(f"{name}: {command[0]} does not start: {error.strerror}") from error
    deadline, text = time.monotonic() + limit_s, json.dumps(document)
    try:
        while time.monotonic() < deadline:
            if is_stopping():
                raise AbandonedError
            with suppress(subprocess.TimeoutExpired):
                output, _ = process.communicate(text, timeout=LOOK_AT_STOP_S)
                return process.returncode, (output or "").strip()
            text = ""  # it has been passed
        raise DeliveryError(f"{name} took longer than {limit_s:g} s")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def refuse_missing_program(command: tuple[str, ...]) -> None:
    """Raise AblateError if the program that receives notices does not exist, or cannot be executed."""
    if command and shutil.which(command[0]) is None:
        raise AblateError(
            f"ABLATE_NOTIFY_COMMAND names a program that cannot be executed: {quote(command[0])}; give its path, or "
            "unset the variable"
        )


MAX_CHARACTERS = 3000
"""Longest text of a message; Slack and Teams refuse or cut longer ones."""
ADAPTIVE_CARD = "application/vnd.microsoft.card.adaptive"


def body_of(delivery: Delivery) -> Mapping[str, Any]:
    """All of a notice: `id` (stable), `kind`, `at`, the notice's fields, and a `sentence` for people."""
    return {"id": delivery.uid, "kind": delivery.kind, "at": delivery.created_at.isoformat(), **delivery.document}


def body_for(format: NotifyFormat, delivery: Delivery) -> Mapping[str, Any]:
    """What is posted: `body_of`, or the message of an incoming webhook of Slack or of a workflow of Teams.

    Names of schedules, studies and rows are text of others. In a chat they must not call everybody or become a link, so
    markup is switched off.
    """
    if format == "json":
        return body_of(delivery)
    text = on_one_line(f"ablate: {delivery.document.get('sentence') or delivery.kind}")
    text = text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 3]}..."
    if format == "slack":
        return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), "mrkdwn": False}
    runs = {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text}]}  # a TextBlock would read Markdown
    card = {"type": "AdaptiveCard", "version": "1.2", "body": [runs]}
    return {"type": "message", "attachments": [{"contentType": ADAPTIVE_CARD, "content": card}]}
