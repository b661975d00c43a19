"""Child processes that end with this process, with everything that they started, and that report how they ended.

A child leads its own process group. It has the read end of a pipe, its lifeline, whose write end exists only in
the parent. The kernel closes that end however the parent ends, and the child then kills its group. PR_SET_PDEATHSIG
is not enough: it does not reach the child's own children, and it fires when the *thread* that started the child ends.
What Linux alone has (`pidfd_open`, `waitid`) is replaced by a look every `LOOK_S` where it is missing.
Imports nothing of ablate, so that every package may use it.
"""

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

LIFELINE = "ABLATE_LIFELINE"
"""Variable with the number of the descriptor whose closing ends a child; see `end_with_parent`."""
LOOK_S = 0.02
"""How often a process is looked at where the system cannot wait for it; seconds."""
OPTIONS = ("-P", "-u")
"""Of Python: nothing is imported from the working directory, and what is printed does not wait in a buffer."""
EXIT_S = 1.0
"""How long a child whose pipes are closed may take to end by itself: its exit status shows why it ended."""


class Child:
    """A running Python process in its own group. Its code has to call `end_with_parent`.

    Args:
        arguments: of this Python's command line, as `ablate.workers.own_code.arguments_for` gives them.
        environment: all variables of the child; None: those of this process.
        options: further arguments of `subprocess.Popen`; without `stdin` the child has an empty one.

    Attributes:
        process: the process itself. Read its pipes; to end it use `signal` and `kill`.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None, **options: Any) -> None:
        self._is_killed = False
        lifeline, self._lifeline = os.pipe()
        options = {"stdin": subprocess.DEVNULL, **options}
        try:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, *OPTIONS, *arguments],
                env={**(os.environ if environment is None else environment), LIFELINE: str(lifeline)},
                start_new_session=True,
                **{**options, "pass_fds": [lifeline, *options.get("pass_fds", ())]},
            )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(lifeline)

    @property
    def pid(self) -> int:
        """Number of the process and of its group."""
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        if self.process.returncode is not None:
            return False
        if not hasattr(os, "waitid"):  # macOS
            return self.process.poll() is None
        # It stays a zombie until `kill` reaps it, so that its number cannot pass on to another group.
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the process ends. What it started may still run; `kill` ends that.

        Args:
            timeout_s: how long to wait; None: without a limit.

        Returns:
            Whether it has ended.
        """
        if self.process.returncode is None:
            ended = open_process(self.pid)
            if ended is None:
                self._look_until_it_ends(timeout_s)
            else:
                wait([ended], timeout_s)
                os.close(ended)
        return not self.is_alive

    def _look_until_it_ends(self, timeout_s: float | None) -> None:
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while self.is_alive and time.monotonic() < deadline:
            time.sleep(LOOK_S)

    def signal(self, number: int) -> None:
        """Send a signal to the whole group; nothing happens after `kill`."""
        if not self._is_killed:
            with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
                os.killpg(self.pid, number)

    def kill(self) -> None:
        """End the whole group, wait for the process, and close its pipes. Idempotent."""
        if not self._is_killed:
            self.signal(signal.SIGKILL)
            self._is_killed = True
            self.process.communicate()  # waits, and closes the pipes
            os.close(self._lifeline)

    def how_it_ended(self) -> str:
        """Kill what still runs of a child that is ending, and describe its end, as in "ended with status 1"."""
        self.wait(EXIT_S)
        self.kill()
        return describe_end(self.process.returncode)


def open_process(pid: int) -> int | None:
    """A descriptor that becomes readable when a process ends; None where the system has none.

    Some builds of Python, old kernels, macOS and some sandboxes have none.

    Raises:
        ProcessLookupError: there is no such process.
    """
    try:
        return os.pidfd_open(pid)
    except AttributeError:
        return None
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM, errno.EINVAL):
            return None
        raise


def end_with_parent(grace_s: float = 0.0) -> threading.Thread:
    """Called in a `Child`: from now on its group ends when the parent closes the lifeline, for any reason.

    Args:
        grace_s: how long the group has after SIGTERM before it gets SIGKILL; 0 sends SIGKILL alone.

    Returns:
        The thread that watches; it never ends by itself.
    """
    lifeline = int(os.environ.pop(LIFELINE))

    def end_group() -> None:
        wait([lifeline])
        if grace_s:
            os.killpg(0, signal.SIGTERM)
            time.sleep(grace_s)
        os.killpg(0, signal.SIGKILL)

    thread = threading.Thread(target=end_group, name="end-with-parent", daemon=True)
    thread.start()
    return thread


def describe_end(status: int | None) -> str:
    """How a process ended, as the rest of a sentence that begins with its name.

    Args:
        status: exit status; negative: number of the signal that ended it.
    """
    if status is None or status >= 0:
        return f"ended with status {status}"
    hint = " (out of memory?)" if status == -signal.SIGKILL else ""
    return f"was ended by {signal.Signals(-status).name}{hint}"
