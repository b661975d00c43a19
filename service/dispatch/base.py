"""What a dispatcher is: it runs claimed trials somewhere and says what it hears of them.

A dispatcher decides nothing and retries nothing. It is used by one thread, the scheduler's, which also starts and
closes it. What it says of a trial carries the trial's ticket, whose fence tells a late answer from a current one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from ablate.study.document import Resources
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome, Trial
from service.dispatch.machines import Machine


@dataclass(frozen=True, slots=True)
class Ticket:
    """One claim of one trial.

    Attributes:
        trial: what to run.
        fence: grows with every claim of this trial; (key, fence) names an attempt.
        resources: what it occupies while it runs.
        workdir: the trial's own folder, the same for every attempt; checkpoints and `log.txt` lie there.
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
    """A trial said something. An `Outcome` is its last word, and its place is free again.

    Attributes:
        provenance: of the process that it comes from (`ablate.trials.provenance`); filled with the outcome, else empty.
    """

    ticket: Ticket
    message: Heartbeat | EpochMetrics | Outcome
    provenance: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrialLost:
    """A trial ended without an outcome; its place is free again.

    Attributes:
        kind: `worker`: its process died or could not be reached; `oom`: it was ended for want of memory, guilty or
            not; `stopped`: we asked for it (`Dispatcher.stop`); `infeasible`: no machine can ever hold it.
        reason: one sentence, without a path.
    """

    ticket: Ticket
    kind: Literal["worker", "oom", "stopped", "infeasible"]
    reason: str


Report = TrialMessage | TrialLost


class DispatcherError(Exception):
    """The dispatcher itself is broken (Ray died): what it ran is lost, and a new one has to be started."""


class Dispatcher(Protocol):
    """See the module's text. The contract suite of `tests/service/dispatch` holds every implementation to it."""

    @property
    def kind(self) -> str:
        """`ray` or `inline`."""

    def start(self) -> None:
        """Make ready: workers warm up in the background; returns as soon as trials may be submitted."""

    def machines(self) -> Sequence[Machine]:
        """What there is, busy or not. A demand that fits no machine is infeasible.

        Raises:
            DispatcherError: see there.
        """

    def room(self, resources: Resources) -> int:
        """How many trials of this demand could be submitted now and start at once."""

    def submit(self, ticket: Ticket) -> None:
        """Start a trial on a free place; returns at once. Call it only where `room` says so."""

    def stop(self, ticket: Ticket) -> None:
        """End a trial; returns at once. Within 2 s `poll` says `Lost(..., "stopped", ...)`, or its outcome, if that
        was faster; the place is then free and nothing of the trial runs any more. Unknown tickets are ignored."""

    def poll(self, timeout_s: float) -> list[Report]:
        """What was heard since the last call; waits up to `timeout_s` for the first report, not at all if nothing runs.

        Reports of one ticket come in their order, and none comes after `TrialLost` or the outcome.

        Raises:
            DispatcherError: see there.
        """

    def close(self) -> None:
        """Stop everything and leave no process, file handle or socket. Idempotent."""
