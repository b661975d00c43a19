"""What a worker process of `ablate.workers.pool` executes: one job after the other, whose items it sends."""

from __future__ import annotations

import base64
import json
import os
import pickle
import signal
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from ablate.text import print_every_character
from ablate.workers.child import end_with_parent
from ablate.workers.pool import Job


def work(pipe: Connection) -> None:
    """The main loop of a worker, which leads its own process group. The parent handles Ctrl-C.

    A parent that needs nothing more has closed the pipe, which ends the worker when its job yields the next item.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print_every_character()
    end_with_parent()
    try:
        warm, is_trusted = pipe.recv()
        for module in warm:
            with suppress(ImportError, OSError):  # the job that needs it raises the error, where it is reported
                __import__(module)
        while True:
            _carry_out(pipe.recv(), pipe, is_trusted=is_trusted)
    except (EOFError, ConnectionError):  # of the pipe alone: the parent has ended, or needs nothing more
        return


def _carry_out(job: Job, pipe: Connection, *, is_trusted: bool) -> None:
    """Send the items of a job, and how it ended."""
    items: Iterator[Any] | None = None
    while True:
        try:
            items = iter(job.function(*job.args)) if items is None else items
            item = next(items)
            line = _line("said", base64.b64encode(pickle.dumps(item)).decode() if is_trusted else item)
        except StopIteration:
            return _send(pipe, _line("ended", None))
        except Exception as error:  # reported to the caller, who decides; the worker stays
            return _send(pipe, _line("lost", f"{type(error).__name__}: {error}"))
        _send(pipe, line)


def _line(kind: str, item: Any) -> bytes:
    return json.dumps([kind, item], separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _send(pipe: Connection, line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(pipe.fileno(), rest) :]
