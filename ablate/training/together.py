"""A trial of several ranks: their processes, what they say, and their end.

The ranks are processes of their own, also rank 0, so that the trial's process can end all of them at any moment, and
never waits for a rank that waits for a dead one: NCCL cannot be interrupted otherwise. They see all GPUs of the trial,
meet through a file, and end with all they started when a pipe closes, which it does however the trial's process ends.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from ablate.training.practice import Work
from ablate.training.ranks import Ranks
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome

LOG = "ranks.txt"
"""What the ranks' processes print, in the trial's folder."""
GRACE_S = 1.0
"""How long the other ranks have to say what went wrong with them, once one has: the first cause is looked for."""
ON_LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}


class RankError(RuntimeError):
    """The process of a rank died without a word."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a rank's process is told.

    Attributes:
        store: a file that does not exist yet, by which the ranks meet.
    """

    ranks: Ranks
    work: Work
    store: Path


@dataclass(frozen=True, slots=True)
class Failed:
    """A rank's last word.

    Attributes:
        at_s: monotonic time, the same clock in all processes; minus infinity for a process that died without a word.
    """

    error: Exception
    at_s: float


class RankProcess:
    """The process of a rank, and the pipe to it."""

    def __init__(self, share: Share, environment: Mapping[str, str], log: int) -> None:
        self.ranks = share.ranks
        self.pipe, theirs = Pipe()  # also open in processes that the rank forks, so its closing says too little
        command = [sys.executable, "-P", "-m", "ablate.training.member", str(theirs.fileno())]
        with theirs:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), **environment},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.sentinel = os.pidfd_open(self.process.pid)
        with suppress(OSError):  # it died just now, which `hear` tells
            self.pipe.send(share)

    def hear(self) -> Heartbeat | EpochMetrics | Outcome | Failed:
        """What it says, or that it died; ask only where its pipe or its sentinel is ready."""
        with suppress(EOFError, OSError):
            if self.pipe.poll():
                said: Heartbeat | EpochMetrics | Outcome | Failed = self.pipe.recv()
                return said
        self.end()
        return Failed(RankError(self._how_it_died()), -math.inf)

    def end(self) -> None:
        """Kill it with what it started, and wait for it."""
        if self.process.returncode is None:  # else its number may be another's by now
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.pipe.close()
            os.close(self.sentinel)

    def _how_it_died(self) -> str:
        code = self.process.returncode
        who = f"rank {self.ranks.rank} of {self.ranks.count}"
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        hint = " (out of memory?)" if code == -signal.SIGKILL else ""
        return f"{who} was ended {how}{hint}; what it printed is in the trial's {LOG}"


def train_together(work: Work, count: int) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """See `ablate.training.loop.carry_out`. On GPUs where there are `count` of them, else on the CPU.

    The ranks divide this process' threads among them, and have at least one each.
    """
    Ranks(0, count).part(work.recipe.batch_size)  # refuses, before anything is started
    outcome = None
    with ExitStack() as stack:
        for message in _listen(_start(work, count, stack)):
            if isinstance(message, Outcome):
                outcome = message
                break
            yield message
    assert outcome is not None
    yield outcome


def _start(work: Work, count: int, stack: ExitStack) -> list[RankProcess]:
    """Start the processes of all ranks; the stack ends them."""
    work.workdir.mkdir(parents=True, exist_ok=True)
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="ablate-ranks-")))
    log = stack.enter_context((work.workdir / LOG).open("ab"))
    environment = {**ON_LOOPBACK, "OMP_NUM_THREADS": str(max(torch.get_num_threads() // count, 1))}
    if torch.cuda.device_count() < count:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    needs = {name: path.absolute() for name, path in work.needs.items()}
    work = replace(work, workdir=work.workdir.absolute(), needs=needs)
    members = []
    for rank in range(count):
        share = Share(Ranks(rank, count), work, folder / "store")
        members.append(RankProcess(share, environment, log.fileno()))
        stack.callback(members[-1].end)
    return members


def _listen(members: Sequence[RankProcess]) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """What the ranks say, as it comes; raises what the first one that fails has raised."""
    while True:
        for member in _ready(members):
            said = member.hear()
            if isinstance(said, Failed):
                raise _first_cause(said, [other for other in members if other is not member])
            yield said


def _ready(members: Sequence[RankProcess], timeout_s: float | None = None) -> list[RankProcess]:
    """Those that have something to say, or died; waits for the first."""
    ready = wait([thing for member in members for thing in (member.pipe, member.sentinel)], timeout_s)
    return [member for member in members if member.pipe in ready or member.sentinel in ready]


def _first_cause(failed: Failed, others: list[RankProcess]) -> Exception:
    """The error that made the others fail too: of a process that died without a word, else the earliest."""
    causes, deadline_s = [failed], time.monotonic() + GRACE_S
    while others and (ready := _ready(others, max(deadline_s - time.monotonic(), 0))):
        for member in ready:
            said = member.hear()
            if isinstance(said, Failed):
                causes.append(said)
                others.remove(member)
    return min(causes, key=lambda cause: cause.at_s).error
