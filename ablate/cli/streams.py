"""The standard streams of a command, before anything is printed.

A stream that the caller has closed becomes the null device: otherwise the next file that is opened, such as a database,
gets its number, and text is printed into it. What cannot be printed on stderr is lost, and the command goes on:
stderr has progress and warnings, and a full disk below a log must not end a training.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from ablate.text import print_every_character

STDERR = 2


class _Forgiving(io.FileIO):
    """A file whose bytes are lost if they cannot be written."""

    def write(self, data: Any, /) -> int:
        """Write bytes, or lose them. Returns their number."""
        try:
            return super().write(data)
        except BlockingIOError:
            raise
        except OSError:
            return memoryview(data).nbytes


def prepare_streams() -> None:
    """Make stdin, stdout and stderr usable, whatever the caller did with them. Call it once, at the start."""
    null = os.open(os.devnull, os.O_RDWR)
    while null <= STDERR:  # the lowest number that is free
        os.set_inheritable(null, True)
        null = os.open(os.devnull, os.O_RDWR)
    os.close(null)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open until the end
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(STDERR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stderr, io.TextIOWrapper) and _number(sys.stderr) == STDERR:
        file = io.BufferedWriter(_Forgiving(STDERR, "w", closefd=False))
        sys.stderr = io.TextIOWrapper(file, encoding=sys.stderr.encoding, line_buffering=True)
    print_every_character()


def _number(stream: io.TextIOWrapper) -> int | None:
    """The descriptor of a stream; None for one in memory."""
    try:
        return stream.fileno()
    except OSError:
        return None


def drop_output() -> None:
    """Lose what is left to print on stdout, so that the end of the process does not fail on it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
