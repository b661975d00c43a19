"""The output of a script in the trial's log (`ablate.trials.log`), kept to a limit: its beginning and its end."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress

HEAD_BYTES, TAIL_BYTES = 1 << 20, 1 << 20
MAX_LINE_BYTES = 1 << 20
LAST_LINES, LAST_CHARACTERS = 5, 800


class Output:
    """The lines of a script's output, which also goes to this process's stdout: the log of the trial."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "wb", buffering=0)
        self._room = HEAD_BYTES
        self._tail: deque[bytes] = deque()
        self._tail_bytes = self._left_out = 0
        self._open = b""
        self._has_open_line = False
        self.last: deque[str] = deque(maxlen=LAST_LINES)

    def add(self, part: bytes) -> list[str]:
        """Keep a part of the output. Returns the lines that it completes."""
        self._keep(part)
        *lines, self._open = (self._open + part).split(b"\n")
        if len(self._open) > MAX_LINE_BYTES:
            self._open = b""
        return [self._decoded(line) for line in lines]

    def end(self) -> list[str]:
        """Close the log. Returns the last line, if it was not complete. Idempotent."""
        if self._file.closed:
            return []
        rest = [self._decoded(self._open)] if self._open else []
        self._open = b""
        with suppress(BrokenPipeError):
            if self._left_out:
                self._file.write(f"\n... {self._left_out:,} bytes are left out ...\n".encode())
            self._file.writelines(self._tail)
        self._file.close()
        self._tail.clear()
        self._has_open_line = bool(rest)
        return rest

    def note(self, sentence: str) -> None:
        """Write a sentence of ablate to the log, after the output has ended, on a line of its own."""
        with suppress(BrokenPipeError):
            os.write(1, f"{chr(10) if self._has_open_line else ''}{sentence}\n".encode())

    @property
    def ending(self) -> str:
        """The last lines, for a sentence; empty if there was no output."""
        lines = [line.strip() for line in self.last if line.strip()]
        return "\n".join(lines)[-LAST_CHARACTERS:]

    def _decoded(self, line: bytes) -> str:
        text = line.rpartition(b"\r")[2] if b"\r" in line.rstrip(b"\r") else line  # a progress bar: its last state
        found = text.decode("utf-8", errors="backslashreplace").rstrip("\r")
        if found.strip():
            self.last.append(found)
        return found

    def _keep(self, part: bytes) -> None:
        head, rest = part[: self._room], part[self._room :]
        self._room -= len(head)
        if head:
            with suppress(BrokenPipeError):  # of a reader such as `head`, which ends no training
                self._file.write(head)
        if rest:
            self._tail.append(rest)
            self._tail_bytes += len(rest)
        while self._tail_bytes > TAIL_BYTES and len(self._tail) > 1:
            dropped = len(self._tail.popleft())
            self._tail_bytes -= dropped
            self._left_out += dropped
