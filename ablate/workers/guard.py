"""Runs one foreign program so that nothing of it is left, however it or its caller ends, and reports how it ended.

A guard is a `Child`: it dies with its parent, and what it started dies with it. It adopts the processes that the
program leaves behind, and kills them when the program has ended. Started by `command_of`.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ablate.workers.child import end_with_parent

START = "import sys; sys.path.insert(0, sys.argv[1]); from ablate.workers.guard import main; main(sys.argv[2:])"
PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 10.0
"""How long a program has after SIGTERM before it is killed."""


def command_of(arguments: Sequence[str], folder: Path, report: int, lock: Path) -> list[str]:
    """Arguments of the Python that guards a program.

    Args:
        arguments: of the program, whose name comes first.
        folder: in which it starts.
        report: descriptor, passed to the guard, to which it writes how the program ended: a line of JSON with `status`
            (negative: number of a signal), `peak_memory_bytes` and `left` (number of processes that it left), or with
            `error`, why it could not be started.
        lock: file that the guard locks while the program runs. A program of an earlier attempt may still be ending,
            if its caller was killed; until then the next one waits.
    """
    root = str(Path(__file__).parents[2])
    return ["-I", "-S", "-c", START, root, str(report), str(lock), str(folder), *arguments]


def main(given: Sequence[str]) -> None:
    """The program of a guard."""
    report, lock, folder, *arguments = given
    os.set_inheritable(int(report), False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _ignore)  # a handler, unlike SIG_IGN, is not inherited by the program
    end_with_parent(GRACE_S)
    with suppress(OSError, AttributeError):  # only Linux has it; elsewhere the caller kills the group
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with suppress(OSError):  # a file system without locks
        fcntl.flock(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)  # until this process has ended
    try:
        program = subprocess.Popen(arguments, cwd=folder, stdin=subprocess.DEVNULL)
    except OSError as error:
        found: dict[str, object] = {"error": error.strerror or type(error).__name__}
    else:
        _, status, usage = os.wait4(program.pid, 0)
        scale = 1 if sys.platform == "darwin" else 1024
        found = {
            "status": os.waitstatus_to_exitcode(status),
            "peak_memory_bytes": usage.ru_maxrss * scale,
            "left": _kill_the_rest(),
        }
    os.write(int(report), json.dumps(found).encode() + b"\n")
    os._exit(0)


def _ignore(*_: object) -> None:
    """Signals go to the whole group; the guard stays until the program has ended."""


def _kill_the_rest() -> int:
    """Kill the processes that the program left behind, and those which these leave in turn. Returns their number."""
    count = 0
    while children := _children():
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        count += len(children)
    return count


def _children() -> list[int]:
    """Numbers of the processes whose parent is this one; empty where the system does not list them."""
    found: list[int] = []
    for file in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found.extend(map(int, file.read_text(encoding="ascii").split()))
    return found
