"""The notifier's thread: it posts notices for operators to a URL, passes them to a program, or both.

Each channel delivers a notice until it arrives, so a notice may arrive twice, with the same `id`. URL and program are
the operator's settings and never come from a request. Response bodies are not read.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx2

from service.context import Context
from service.errors import UnavailableError
from service.faults.disk import FREE_BYTES
from service.store.schedules import notices
from service.store.schedules.notices import CHANNELS, Delivery
from service.store.sql import now

log = logging.getLogger(__name__)

LOOK_S = 2.0
TIMEOUT_S = 10.0
COMMAND_S = 30.0
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
        if url is not None:
            self._send["url"] = lambda delivery: post(url.get_secret_value(), delivery)
        if command:
            self._send["command"] = lambda delivery: run_command(command, delivery)

    def run(self, stop: threading.Event) -> None:
        """Deliver notices until `stop` is set; the rest waits for the next start."""
        self._is_stopping = stop.is_set
        while not stop.is_set():
            try:
                self.tick()
            except UnavailableError as error:
                log.error("notices cannot be read or written; trying again: %s", error)
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
                if self._is_stopping():
                    return
                self._deliver(delivery)

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
        except DeliveryError as error:
            self._postpone(delivery, str(error), at)
            return
        with self.context.store.write() as connection:
            notices.end_delivery(connection, delivery)

    def _postpone(self, delivery: Delivery, error: str, at: datetime) -> None:
        pause_s = min(FIRST_PAUSE_S * 2**delivery.tries, LONGEST_PAUSE_S)
        with self.context.store.write() as connection:
            if at - delivery.created_at > GIVE_UP:
                log.error("notice %s was dropped after attempt %d: %s", delivery.uid, delivery.tries + 1, error)
                notices.end_delivery(connection, delivery)
            else:
                log.warning("notice %s did not arrive, trying again in %.0f s: %s", delivery.uid, pause_s, error)
                notices.postpone_delivery(connection, delivery, error, at + timedelta(seconds=pause_s))


def body_of(delivery: Delivery) -> Mapping[str, Any]:
    """The delivered document: `id` (stable), `kind`, `at`, the notice's fields, and a `sentence` for people."""
    return {"id": delivery.uid, "kind": delivery.kind, "at": delivery.created_at.isoformat(), **delivery.document}


def post(url: str, delivery: Delivery) -> None:
    """Post a notice. Redirects are not followed: the operator configured one URL.

    Raises:
        DeliveryError: no response, or a status other than 2xx.
    """
    headers = {"Idempotency-Key": delivery.uid, "User-Agent": "ablate"}
    try:
        with (
            httpx2.Client(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False) as client,
            client.stream("POST", url, json=body_of(delivery), headers=headers) as answer,
        ):
            status = answer.status_code
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DeliveryError(f"ABLATE_NOTIFY_URL does not respond ({type(error).__name__})") from error
    if not 200 <= status < 300:
        raise DeliveryError(f"ABLATE_NOTIFY_URL returned status {status}")


def run_command(command: tuple[str, ...], delivery: Delivery) -> None:
    """Run a program with a notice on stdin, for at most `COMMAND_S`, in its own session that ends with it.

    Raises:
        DeliveryError: it does not start, takes too long, or exits with a status other than 0.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise DeliveryError(f"ABLATE_NOTIFY_COMMAND does not start: {error.strerror}") from error
    try:
        process.communicate(json.dumps(body_of(delivery)), timeout=COMMAND_S)
    except subprocess.TimeoutExpired as error:
        raise DeliveryError(f"ABLATE_NOTIFY_COMMAND took longer than {COMMAND_S:g} s") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        raise DeliveryError(f"ABLATE_NOTIFY_COMMAND exited with status {process.returncode}")
