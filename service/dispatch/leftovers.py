"""Processes that outlive a service which was killed: written down while it runs, ended when the next one starts.

Ray's helpers live on for up to a minute after a kill -9, and their command lines do not name us. A process is known by
its number and its start time together, so another that got the number since is left alone. Nothing is ever found by
name.
"""

from __future__ import annotations

import json
import os
import select
import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

FILE = "leftovers.json"
ENDED_WITHIN_S = 3.0
"""SIGKILL takes milliseconds, unless the kernel is busy giving back gigabytes."""


def record(home: Path) -> None:
    """Write down every process below this one, and those written down before that still live. Safe at any time."""
    found = {process.pid: process for process in [*_recorded(home), *family(psutil.Process())[1:]]}
    started = {}
    for pid, process in found.items():
        with suppress(psutil.NoSuchProcess):
            started[pid] = _started_s(process)
    _write(home / FILE, json.dumps({"boot": _boot(), "started_s": started}))


def sweep(home: Path) -> int:
    """End what an earlier service wrote down and left, with everything below it.

    Returns:
        How many processes were ended; 0 where nothing was written down.
    """
    count = end(_recorded(home))
    (home / FILE).unlink(missing_ok=True)
    return count


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all below it; only itself where it is gone."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return [process]


def end(processes: Iterable[psutil.Process]) -> int:
    """Kill processes and all below them, and wait until they are gone.

    Returns:
        How many of them were alive.
    """
    # Parents first, so that they cannot answer the end of a child with a new one.
    whole = dict.fromkeys(member for process in processes for member in family(process) if is_alive(member))
    with ExitStack() as stack:
        held = [stack.enter_context(_held(process)) for process in whole]
        for descriptor in held:
            if descriptor is not None:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        for descriptor in held:
            _wait(descriptor, ENDED_WITHIN_S)
    return len(whole)


def wait_for_end(process: psutil.Process, timeout_s: float) -> None:
    """Wait until a process is gone, but not longer than that."""
    with _held(process) as descriptor:
        _wait(descriptor, timeout_s)


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; a zombie, which only waits to be counted out by its parent, does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def _held(process: psutil.Process) -> Iterator[int | None]:
    """A descriptor of a process; None where it is gone.

    It stands for that process for ever, where a number may pass on to another before it is used. It also tells the end
    of a process that no parent counts out, as in a container without an init.
    """
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield descriptor if process.is_running() else None
    finally:
        os.close(descriptor)


def _wait(descriptor: int | None, timeout_s: float) -> None:
    if descriptor is not None:
        select.select([descriptor], [], [], timeout_s)


def _recorded(home: Path) -> list[psutil.Process]:
    """What was written down and is still the same process."""
    try:
        content = json.loads((home / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    if content["boot"] != _boot():
        return []
    found = []
    for pid, started_s in content["started_s"].items():
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(pid))
            if abs(_started_s(process) - started_s) < 0.005:  # its unit is a hundredth
                found.append(process)
    return found


def _started_s(process: psutil.Process) -> float:
    """When a process started, in seconds since the machine did: unlike the time of day, this cannot be set."""
    boot_at: float = psutil.boot_time()  # first: this is what psutil then adds to what the kernel says
    started_at: float = process.create_time()
    return started_at - boot_at


def _boot() -> str:
    """Names the time since the machine started."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole, on the disk."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
