"""The state machine of a trial, as a pure function: the next state after the end of an attempt.

            submit                 claim                     outcome
    (none) --------> queued -------------------> running ----------------> succeeded
                      ^  |                        |  |  |                   diverged
                      |  | cancel                 |  |  | own failure,
                      |  v                        |  |  | budget spent       failed
                      | cancelled <---------------+  |  +-----------------> failed
                      |              cancel          |
                      +------------------------------+
            lost worker, out of memory, own failure, budget left; stopped by us, full disk

    failed, cancelled --> queued by a new submit or a retry, with new budgets; succeeded and diverged are final.

    A trial that needs others (`service.store.queue.needs`) may be claimed once each of them has succeeded, and waits
    until then, also after restarts. Without an attempt, in the transaction in which the other one ends:

              one of them failed                      one of them diverged
    queued ---------------------> failed      queued ----------------------> diverged

A claim is counted when it is made, in the attempt's row, so a trial that kills its worker cannot loop. Every arrow is
one UPDATE that names the state it leaves and the fence of the claim (`service.store.queue.claims`); this module only
chooses the arrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ablate.trials.log import give_up
from ablate.trials.trial import Outcome
from service.dispatch.interface import TrialLost, TrialMessage

LOST_WORKERS, OUT_OF_MEMORY = 3, 2
"""How many attempts may end this way before a trial fails; with `max_retries` of its study, at least one more than
that. After its own failure (an exception) a trial fails immediately, unless `max_retries` says otherwise: most failures
are deterministic, so another attempt would end the same way; `retry` is for other causes, such as a full disk."""

FinalState = Literal["succeeded", "diverged", "failed"]
Budget = Literal["losses", "ooms", "failures"]


@dataclass(frozen=True, slots=True)
class Spent:
    """How much of a trial's budgets its earlier attempts have used."""

    losses: int = 0
    ooms: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    """The trial is over."""

    state: FinalState
    outcome: Outcome
    reason: str | None


@dataclass(frozen=True, slots=True)
class Requeue:
    """The trial waits for another attempt.

    Attributes:
        attempt: end of this attempt: `lost`, `oom`, `failed` or `stopped`.
        budget: the budget that it used; None: none.
    """

    attempt: Literal["lost", "oom", "failed", "stopped"]
    budget: Budget | None
    reason: str


Ack = Finish | Requeue


def decide_after_attempt(spent: Spent, report: TrialMessage | TrialLost, max_retries: int = 0) -> Ack:
    """The next state of a trial whose attempt ended.

    Args:
        spent: budgets used by the attempts before this one.
        report: the outcome, or how the attempt was lost.
        max_retries: how often the trial is tried again after its own failure.

    Raises:
        ValueError: the report ends no attempt.
    """
    if isinstance(report, TrialMessage):
        if not isinstance(report.message, Outcome):
            raise ValueError(f"a {type(report.message).__name__} ends no attempt")
        return _finish(report.message, spent.failures, max_retries)
    if report.kind in ("stopped", "environment"):
        return Requeue("stopped", None, report.reason)
    if report.kind == "infeasible":
        return _give_up(report.reason)
    if report.kind == "oom":
        return _requeue_or_give_up("oom", "ooms", spent.ooms, max(OUT_OF_MEMORY, 1 + max_retries), report.reason)
    return _requeue_or_give_up("lost", "losses", spent.losses, max(LOST_WORKERS, 1 + max_retries), report.reason)


def _finish(outcome: Outcome, failures: int, max_retries: int) -> Ack:
    reason = outcome.reason
    if outcome.status == "failed" and failures < max_retries:
        return Requeue("failed", "failures", reason or "it failed")
    if outcome.status == "failed" and failures:
        reason = give_up(reason or "it failed", failures + 1)
        outcome = outcome.model_copy(update={"reason": reason})
    return Finish(outcome.status, outcome, reason)


def _requeue_or_give_up(attempt: Literal["lost", "oom"], budget: Budget, before: int, limit: int, reason: str) -> Ack:
    if before + 1 < limit:
        return Requeue(attempt, budget, reason)
    return _give_up(f"{reason}; given up after {before + 1} attempts that ended this way")


def _give_up(reason: str) -> Finish:
    return Finish("failed", Outcome(status="failed", reason=reason), reason)
