"""The interface of a dispatcher: it runs claimed trials somewhere and reports their messages.

A dispatcher decides nothing and retries nothing. One thread, the scheduler's, starts, uses and closes it. Each report
contains the trial's ticket, whose fence distinguishes a late report from a current one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from ablate.study.resources import Resources
from ablate.trials.messages import MessageCheck, MessageError
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome, Trial
from service.dispatch.machines import Machine


@dataclass(frozen=True, slots=True)
class Ticket:
    """One claim of one trial.

    Attributes:
        trial: the trial to run.
        fence: number that grows with every claim of this trial; (key, fence) names an attempt.
        resources: CPUs and GPUs that it occupies while it runs.
        workdir: the trial's own folder, the same for every attempt; it contains checkpoints and `log.txt`.
        needs: name -> folder of the trial from whose weights this one starts.
    """

    trial: Trial
    fence: int
    resources: Resources
    workdir: Path
    needs: Mapping[str, Path] = field(default_factory=dict)

    @property
    def name(self) -> tuple[str, int]:
        """(key, fence)."""
        return self.trial.key, self.fence


@dataclass(frozen=True, slots=True)
class TrialMessage:
    """A message of a trial. An `Outcome` is its last one, and its place is free again.

    Attributes:
        provenance: of the process that sent it (`ablate.trials.provenance`); empty except with the outcome.
    """

    ticket: Ticket
    message: Heartbeat | EpochMetrics | Outcome
    provenance: dict[str, Any] = field(default_factory=dict)


LossKind = Literal["worker", "oom", "stopped", "infeasible", "environment"]


@dataclass(frozen=True, slots=True)
class TrialLost:
    """A trial ended without an outcome; its place is free again.

    Attributes:
        kind: `worker`: its process died, could not be reached, or sent what is not allowed; `oom`: it was killed
            because the machine ran out of memory, no matter what used it; `stopped`: by `Dispatcher.stop`;
            `infeasible`: no machine is large enough; `environment`: the machine is at fault, as with a full disk
            (`ablate.trials.machine`), so that it should cost the trial nothing.
        reason: one sentence, without a path.
    """

    ticket: Ticket
    kind: LossKind
    reason: str


Report = TrialMessage | TrialLost


def open_report(ticket: Ticket, check: MessageCheck, text: object) -> Report:
    """The report of what a worker has sent. A worker is foreign code: what is not allowed loses its trial.

    Args:
        ticket: of the trial in that worker.
        check: of the messages of this attempt.
        text: what was sent.
    """
    try:
        envelope = check.open_received(text)
    except MessageError as error:
        return TrialLost(ticket, "worker", f"its worker {error}")
    if envelope.message is None:
        return TrialLost(ticket, "environment", str(envelope.fault))
    return TrialMessage(ticket, envelope.message, envelope.provenance)


def is_last(report: Report) -> bool:
    """Whether a report is the last one of its ticket."""
    return isinstance(report, TrialLost) or isinstance(report.message, Outcome)


class DispatcherError(Exception):
    """The dispatcher itself is broken (Ray died): its trials are lost, and a new one has to be started."""


class Dispatcher(Protocol):
    """See the module's text. The contract suite in `tests/service/dispatch` checks every implementation."""

    @property
    def kind(self) -> str:
        """`ray` or `inline`."""

    def start(self) -> None:
        """Start workers in the background; returns as soon as trials may be submitted."""

    def machines(self) -> Sequence[Machine]:
        """All machines, busy or not. A demand that fits no machine is infeasible.

        Raises:
            DispatcherError: see there.
        """

    def room(self, resources: Resources) -> int:
        """How many trials of this demand could be submitted now and start immediately."""

    def submit(self, ticket: Ticket) -> None:
        """Start a trial on a free place; returns immediately. Call it only where `room` is above 0."""

    def stop(self, ticket: Ticket) -> None:
        """End a trial; returns immediately. Within 2 s `poll` reports `TrialLost(..., "stopped", ...)`, or its outcome
        if that came first; then its place is free and none of its processes runs. Unknown tickets are ignored."""

    def poll(self, timeout_s: float) -> list[Report]:
        """Reports since the last call; waits up to `timeout_s` for the first one, not at all if nothing runs.

        Reports of one ticket come in their order, and none comes after `TrialLost` or the outcome.

        Raises:
            DispatcherError: see there.
        """

    def close(self) -> None:
        """Stop everything and leave no process, file handle or socket. Idempotent."""
