"""Processes that outlive a killed service: recorded while it runs, and killed when the next one starts.

Ray's helpers run for up to a minute after a kill -9, and their command lines do not name us. A process is identified by
its number and its start time together, so another process that got the same number is left alone. Nothing is found by
name.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ablate.workers.child import LOOK_S, open_process

log = logging.getLogger(__name__)

FILE = "leftovers.json"
ENDED_WITHIN_S = 3.0
"""SIGKILL takes milliseconds, unless the kernel has to free gigabytes."""


def record(home: Path) -> None:
    """Record every process below this one, and recorded ones that still run. It may be called at any time.

    On a full disk the earlier record stays: a service that ends in order needs none.
    """
    found = {process.pid: process for process in [*_recorded(home), *family(psutil.Process())[1:]]}
    started = {}
    for pid, process in found.items():
        with suppress(psutil.NoSuchProcess):
            started[pid] = _started_s(process)
    try:
        _write(home / FILE, json.dumps({"boot": _boot(), "started_s": started}))
    except OSError as error:
        log.warning("the processes of this service cannot be recorded: %s", error.strerror)


def sweep(home: Path) -> int:
    """Kill the processes that an earlier service recorded and left, with everything below them.

    Returns:
        The number of killed processes; 0 if nothing was recorded.
    """
    count = end(_recorded(home))
    (home / FILE).unlink(missing_ok=True)
    return count


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all below it; only the process itself if it has ended."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return [process]


def end(processes: Iterable[psutil.Process]) -> int:
    """Kill processes and all below them, and wait until they have ended.

    Returns:
        The number of those that were alive.
    """
    # Parents first, so that they cannot replace a child that ended.
    whole = dict.fromkeys(member for process in processes for member in family(process) if is_alive(member))
    with ExitStack() as stack:
        held = [stack.enter_context(_held(process)) for process in whole]
        for one in held:
            one.kill()
        for one in held:
            one.wait(ENDED_WITHIN_S)
    return len(whole)


def wait_for_end(process: psutil.Process, timeout_s: float) -> None:
    """Wait until a process has ended, at most this long."""
    with _held(process) as held:
        held.wait(timeout_s)


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; a zombie, which only waits to be reaped by its parent, does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True, slots=True)
class _Held:
    """A process that may have ended.

    Attributes:
        descriptor: of the process; None where the system has none, or if it has ended. It always refers to this
            process, while the system may give a process id to another one. It also shows the end of a process that no
            parent reaps, as in a container without an init.
    """

    process: psutil.Process
    descriptor: int | None

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if self.descriptor is None:
                self.process.kill()  # psutil compares the start time before
            else:
                signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)

    def wait(self, timeout_s: float) -> None:
        """Wait until it has ended, at most this long."""
        if self.descriptor is not None:
            select.select([self.descriptor], [], [], timeout_s)
            return
        deadline_s = time.monotonic() + timeout_s
        while is_alive(self.process) and time.monotonic() < deadline_s:
            time.sleep(LOOK_S)


@contextmanager
def _held(process: psutil.Process) -> Iterator[_Held]:
    try:
        descriptor = open_process(process.pid) if hasattr(signal, "pidfd_send_signal") else None
    except ProcessLookupError:
        descriptor = None
    try:
        yield _Held(process, descriptor if descriptor is not None and process.is_running() else None)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _recorded(home: Path) -> list[psutil.Process]:
    """The recorded processes that still are the same processes; none if the file is damaged."""
    try:
        content = json.loads((home / FILE).read_text(encoding="utf-8"))
        recorded = {int(pid): float(started_s) for pid, started_s in content["started_s"].items()}
        is_of_this_boot = content["boot"] == _boot()
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, AttributeError):
        log.warning("%s is damaged; processes that an earlier service left may still run", FILE)
        return []
    if not is_of_this_boot:
        return []
    found = []
    for pid, started_s in recorded.items():
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if abs(_started_s(process) - started_s) < 0.005:  # its unit is a hundredth
                found.append(process)
    return found


def _started_s(process: psutil.Process) -> float:
    """Start of a process, in seconds since the boot: unlike the time of day, this cannot be set."""
    boot_at: float = psutil.boot_time()  # first: psutil adds this to the value of the kernel
    started_at: float = process.create_time()
    return started_at - boot_at


def _boot() -> str:
    """The id of this boot of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # not on Linux
        return f"{psutil.boot_time():.0f}"


def _write(path: Path, text: str) -> None:
    """Replace a file atomically, synced to the disk. Nothing is left of one that cannot be written."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
