"""A trial of several ranks: their processes, their messages, and their end.

Every rank is a separate process, also rank 0. So the trial's process can end all of them at any moment, and never
waits for a rank that waits for a dead one: NCCL cannot be interrupted otherwise. The ranks see all GPUs of the trial,
find each other through a file, and end with the trial's process (`ablate.workers.child`).
"""

from __future__ import annotations

import math
import os
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
from ablate.workers.child import LOOK_S, Child, open_process
from ablate.workers.own_code import arguments_for

START = "from ablate.training.rank_main import main; main()"
GRACE_S = 1.0
"""How long the other ranks have to report their errors after one has failed: the earliest error is the cause."""
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
ON_LOOPBACK = {"GLOO_SOCKET_IFNAME": LOOPBACK, "NCCL_SOCKET_IFNAME": LOOPBACK}


class RankError(RuntimeError):
    """The process of a rank died without a message."""


@dataclass(frozen=True, slots=True)
class Share:
    """The work of a rank's process.

    Attributes:
        store: a file that does not exist yet, through which the ranks find each other.
    """

    ranks: Ranks
    work: Work
    store: Path


@dataclass(frozen=True, slots=True)
class Failed:
    """The last message of a rank that failed.

    Attributes:
        at_s: monotonic time, the same clock in all processes; minus infinity for a process that died without a message.
    """

    error: Exception
    at_s: float


class RankProcess:
    """The process of a rank, and the pipe to it."""

    def __init__(self, share: Share, environment: Mapping[str, str]) -> None:
        self.ranks = share.ranks
        self.pipe, theirs = Pipe()  # processes that the rank forks have it too, so its closing does not tell the end
        with theirs:
            self.child = Child(
                [*arguments_for(START), str(theirs.fileno())],
                {**os.environ, **environment},
                pass_fds=[theirs.fileno()],
            )
        self.sentinel = open_process(self.child.pid)
        with suppress(OSError):  # it died just now, which `receive` reports
            self.pipe.send(share)

    def receive(self) -> Heartbeat | EpochMetrics | Outcome | Failed:
        """Its next message, or its end; call it only where its pipe or its sentinel is ready."""
        with suppress(EOFError, OSError):
            if self.pipe.poll():
                message: Heartbeat | EpochMetrics | Outcome | Failed = self.pipe.recv()
                return message
        how = self.child.how_it_ended()
        self.end()
        text = f"rank {self.ranks.rank} of {self.ranks.count} {how}; its output is in the trial's log"
        return Failed(RankError(text), -math.inf)

    def end(self) -> None:
        """Kill it with everything that it started, and wait for it. Idempotent."""
        self.child.kill()
        if not self.pipe.closed:
            self.pipe.close()
            if self.sentinel is not None:
                os.close(self.sentinel)


def train_together(work: Work, count: int) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """See `ablate.training.loop.carry_out`. It trains on GPUs if there are `count` of them, else on the CPU.

    The ranks share the threads of this process, and each has at least one.
    """
    Ranks(0, count).part(work.recipe.batch_size)  # raises before anything is started
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
    """Start the processes of all ranks. The stack ends them."""
    work.workdir.mkdir(parents=True, exist_ok=True)
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="ablate-ranks-")))
    environment = {**ON_LOOPBACK, "OMP_NUM_THREADS": str(max(torch.get_num_threads() // count, 1))}
    if torch.cuda.device_count() < count:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    needs = {name: path.absolute() for name, path in work.needs.items()}
    work = replace(work, workdir=work.workdir.absolute(), needs=needs)
    members = []
    for rank in range(count):
        share = Share(Ranks(rank, count), work, folder / "store")
        members.append(RankProcess(share, environment))
        stack.callback(members[-1].end)
    return members


def _listen(members: Sequence[RankProcess]) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """Messages of the ranks in their order; raises the error of the first rank that failed."""
    while True:
        for member in _ready(members):
            message = member.receive()
            if isinstance(message, Failed):
                raise _first_cause(message, [other for other in members if other is not member])
            yield message


def _ready(members: Sequence[RankProcess], timeout_s: float | None = None) -> list[RankProcess]:
    """Ranks with a message, or that died; waits for the first."""
    deadline_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
    sentinels = [member.sentinel for member in members if member.sentinel is not None]
    while True:
        # Without a sentinel, which Linux alone has, the process is looked at instead.
        longest_s = min(deadline_s - time.monotonic(), math.inf if len(sentinels) == len(members) else LOOK_S)
        ready = wait(
            [*(member.pipe for member in members), *sentinels], max(longest_s, 0) if longest_s < math.inf else None
        )
        found = [member for member in members if member.pipe in ready or _has_ended(member, ready)]
        if found or time.monotonic() >= deadline_s:
            return found


def _has_ended(member: RankProcess, ready: Sequence[object]) -> bool:
    return member.sentinel in ready if member.sentinel is not None else not member.child.is_alive


def _first_cause(failed: Failed, others: list[RankProcess]) -> Exception:
    """The error that made the others fail too: of a process that died without a message, else the earliest."""
    causes, deadline_s = [failed], time.monotonic() + GRACE_S
    while others and (ready := _ready(others, max(deadline_s - time.monotonic(), 0))):
        for member in ready:
            message = member.receive()
            if isinstance(message, Failed):
                causes.append(message)
                others.remove(member)
    return min(causes, key=lambda cause: cause.at_s).error
