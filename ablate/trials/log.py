"""The log of a trial, a file for people in its folder: what its code prints, and how each attempt began and ended.

While code of a task runs, the descriptors of stdout and stderr are those of the log. So it has what libraries in C and
child processes print, and what a process prints that dies by a signal or by `os._exit`. A process that died cannot
write how it ended, so the one that has waited for it does (`note_end`).
"""

from __future__ import annotations

import faulthandler
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from ablate.errors import MachineError
from ablate.text import visible
from ablate.trials.run import TRACEBACK, Message, run_trial
from ablate.trials.trial import EpochMetrics, Outcome, Trial

LOG = "log.txt"
OWN_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 ")
"""Begin of a line of ours."""
TAIL_BYTES, LAST_LINES = 4096, 5
ATTEMPTS = "attempts.txt"
"""File in a trial's folder with the number of its attempts, where no queue counts them."""


def run_logged(trial: Trial, workdir: Path, needs: Mapping[str, Path], attempt: int | None = None) -> Iterator[Message]:
    """Run a trial and write its log.

    Args:
        trial: what to run.
        workdir: the trial's own folder, the same for every attempt.
        needs: see `ablate.trials.run.run_trial`.
        attempt: number of this attempt, from 1; None: the folder counts them.

    Yields:
        Its messages. The outcome comes when no code of the task runs any more.

    Raises:
        MachineError: the machine is at fault, so there is no outcome.
        OSError: the folder or the log cannot be written.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / TRACEBACK).unlink(missing_ok=True)  # of an earlier attempt
    with (workdir / LOG).open("a+", encoding="utf-8", errors="backslashreplace", buffering=1) as log:
        number = _count_attempt(workdir) if attempt is None else attempt
        _write(log, f"attempt {number}, seed {trial.seed}, on {socket.gethostname()}, process {os.getpid()}")
        try:
            for message in _speak(run_trial(trial, workdir, needs, number), log):
                if isinstance(message, EpochMetrics):
                    _write(log, f"step {message.step} of {message.steps}: {_list(message.metrics)}")
                elif isinstance(message, Outcome):
                    _write_end(log, message, workdir)
                yield message
        except (GeneratorExit, KeyboardInterrupt, SystemExit) as end:
            _write(log, "stopped" if isinstance(end, GeneratorExit) else f"broken off by {type(end).__name__}")
            raise
        except MachineError as error:
            _write(log, f"broken off by the machine: {error}")
            raise


def _count_attempt(workdir: Path) -> int:
    """The number of an attempt that begins in this folder."""
    file = workdir / ATTEMPTS
    try:
        number = int(file.read_text(encoding="ascii")) + 1
    except (OSError, ValueError):  # the first one, or the machine died while the number was written
        number = 1
    file.write_text(str(number), encoding="ascii")
    return number


def note_end(workdir: Path, how: str) -> None:
    """Write to the log how an attempt ended whose process cannot write it."""
    with suppress(OSError), (workdir / LOG).open("a+", encoding="utf-8") as log:  # a disk may be full, or elsewhere
        _write(log, how)


def give_up(reason: str, attempts: int) -> str:
    """The reason why a trial failed, with the number of its attempts if there were several."""
    return reason if attempts == 1 else f"{reason}; given up after {attempts} attempts that failed"


def describe_timeout(timeout_s: float, workdir: Path) -> str:
    """Why an attempt was ended that took too long, with the end of what it printed."""
    last = "\n".join(_last_lines(workdir))
    printed = f"; the end of its output: {last}" if last else "; it printed nothing"
    return f"it took longer than timeout_s = {timeout_s:g} in [resources], so it was ended{printed}"


def _last_lines(workdir: Path) -> list[str]:
    """The last lines of the log of an attempt that were printed by the task."""
    try:
        with (workdir / LOG).open("rb") as log:
            log.seek(max(os.fstat(log.fileno()).st_size - TAIL_BYTES, 0))
            text = log.read().decode("utf-8", errors="backslashreplace")
    except OSError:
        return []
    found: list[str] = []
    for line in reversed(text.splitlines()):
        if OWN_LINE.match(line) is None:
            found.append(visible(line.rpartition("\r")[2].strip()))
        elif " attempt " in line:
            break
    return [line for line in found if line][:LAST_LINES][::-1]


def _speak(messages: Iterator[Message], log: TextIO) -> Iterator[Message]:
    """The same messages, while the output of the task goes to the log; the outcome once the task is over."""
    message, last = None, None
    while True:
        with _output_to(log):  # not between two messages, where other code runs
            message = next(messages, None)
        if message is None:
            break
        if isinstance(message, Outcome):
            last = message
        else:
            yield message
    if last is not None:
        yield last


@contextmanager
def _output_to(log: TextIO) -> Iterator[None]:
    """Send everything that is written to stdout and stderr to the log, in this process and its children."""
    with ExitStack() as stack:
        for number, stream, redirected in ((1, sys.stdout, redirect_stdout), (2, sys.stderr, redirect_stderr)):
            stack.enter_context(_descriptor_to(log, number))
            if isinstance(stream, TextIOWrapper) and _number(stream) == number:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
                stack.callback(stream.flush)
            else:
                stack.enter_context(redirected(log))
        if not faulthandler.is_enabled():  # a segmentation fault prints where it happened
            faulthandler.enable(log)
            stack.callback(faulthandler.disable)
        yield


@contextmanager
def _descriptor_to(log: TextIO, number: int) -> Iterator[None]:
    kept = os.dup(number)
    try:
        os.dup2(log.fileno(), number)
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)


def _number(stream: TextIOWrapper) -> int | None:
    with suppress(OSError):
        return stream.fileno()
    return None


def _write(log: TextIO, text: str) -> None:
    """Write a line of ours, on a line of its own whatever the code of the task has printed before it."""
    size = os.fstat(log.fileno()).st_size
    if size and os.pread(log.fileno(), 1, size - 1) != b"\n":
        log.write("\n")
    log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {visible(text)}\n")


def _write_end(log: TextIO, outcome: Outcome, workdir: Path) -> None:
    _write(log, f"{outcome.status}: {outcome.reason or _list(outcome.metrics)}")
    if (workdir / TRACEBACK).exists():
        log.write(visible((workdir / TRACEBACK).read_text(encoding="utf-8"), lines=True))


def _list(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
