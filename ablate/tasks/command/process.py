"""The process of a script: started under a guard, read while it runs, ended when it is no longer wanted."""

from __future__ import annotations

import json
import os
import selectors
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ablate.errors import MachineError, quote
from ablate.workers.child import Child, describe_end
from ablate.workers.guard import GRACE_S, command_of

BEAT_S = 1.0
"""Longest time between two parts: each is a moment at which the caller can stop."""
CHUNK_BYTES = 1 << 16


class Script:
    """A running script.

    Args:
        arguments: of the program, whose name comes first.
        folder: in which it starts.
        environment: its variables.
        lock: file that is locked while it runs, so that two attempts of a trial never run together.

    Attributes:
        status: its exit status, negative for a signal; None while it runs, and if it could not be started.
        error: why it could not be started.
        peak_memory_bytes: largest resident set of the program itself.
        left: number of processes that it left behind.
        wall_s: seconds from the start to the end.

    Raises:
        MachineError: no process can be started.
    """

    def __init__(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], lock: Path) -> None:
        self.status: int | None = None
        self.error: str | None = None
        self.peak_memory_bytes = self.left = 0
        self._program = arguments[0]
        self._began = time.monotonic()
        self.wall_s = 0.0
        self._output, output = os.pipe()
        self._report, report = os.pipe()
        try:
            self._child = Child(
                command_of(arguments, folder, report, lock), environment,
                stdout=output, stderr=output, pass_fds=[report],
            )  # fmt: skip
        except OSError as error:
            os.close(self._output)
            os.close(self._report)
            raise MachineError(f"no process can be started: {error.strerror}") from error
        finally:
            os.close(output)
            os.close(report)

    def parts(self) -> Iterator[bytes]:
        """The output as it comes, and an empty part each second without any; ends when the program has ended."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            selector.register(self._report, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select(BEAT_S)}
                if self._output in ready:
                    part = os.read(self._output, CHUNK_BYTES)
                    if part:
                        yield part
                        continue
                    selector.unregister(self._output)  # the script has closed it, and may still run
                elif self._report in ready:
                    self._hear(os.read(self._report, CHUNK_BYTES))
                    return
                yield b""

    @property
    def ending(self) -> str:
        """How it ended, as the rest of a sentence that begins with its name."""
        if self.error is not None:
            return f"could not be started: {quote(self._program)}: {self.error}"
        return describe_end(self.status)

    def stop(self) -> None:
        """End it with everything that it started: SIGTERM, and SIGKILL after ten seconds. Idempotent."""
        if self._output < 0:
            return
        if self.status is None and self.error is None:
            self._child.signal(signal.SIGTERM)
            self._child.wait(GRACE_S)
        self._child.kill()
        os.close(self._output)
        os.close(self._report)
        self._output = -1

    def _hear(self, line: bytes) -> None:
        self.wall_s = time.monotonic() - self._began
        if not line:  # the guard itself was killed
            self.error = f"the process that watches it {self._child.how_it_ended()}"
            return
        found = json.loads(line)
        self.error, self.status = found.get("error"), found.get("status")
        self.peak_memory_bytes, self.left = found.get("peak_memory_bytes", 0), found.get("left", 0)
