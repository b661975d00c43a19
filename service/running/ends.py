"""How attempts end, in the database: by a report, or because the service that ran them has ended."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ablate.trials.trial import Outcome
from service.context import Context
from service.dispatch.interface import Ticket, TrialLost, TrialMessage
from service.faults.work import Work
from service.running.flights import End
from service.store.queue import claims, outbox
from service.store.queue.claims import Claim
from service.store.queue.states import Finish, Requeue, decide_after_attempt
from service.store.session import Connection
from service.store.sql import now

ENDED = "the service ended while it ran"


def record_end(connection: Connection, end: End) -> list[str]:
    """Record how an attempt ended. Returns the keys of the trials that changed; a late answer changes none."""
    key, fence = end.flight.ticket.name
    ack = decide_after_attempt(end.flight.claim.spent, end.report, end.flight.claim.max_retries)
    provenance = end.report.provenance if isinstance(end.report, TrialMessage) else None
    return claims.end_attempt(connection, key, fence, ack, end.at, curve=end.curve, provenance=provenance)


def fail_trial(context: Context, name: tuple[str, int], reason: str) -> bool:
    """End an attempt as failed, with nothing else that could go wrong. Returns True."""
    ack = Finish("failed", Outcome(status="failed", reason=reason), reason)
    with context.store.write() as connection:
        outbox.announce(connection, claims.end_attempt(connection, *name, ack, now()))
    return True


def recover(context: Context) -> int:
    """Queue the trials that the database has as running, since none runs when a scheduler starts. Returns how many.

    A trial that sent a message costs nothing. One that was claimed and sent none may have killed the service, so it
    counts as lost. One that this version of ablate cannot read fails.
    """
    with context.store.read() as connection:
        left = claims.find_claimed(connection)
    acks = []
    for claimed, has_begun in left:
        work = Work(
            "trial", f"{claimed.key}:{claimed.fence}", f"trial {claimed.key[:12]}, which ran before the restart"
        )
        with context.faults.boundary(work, tries=1, give_up=partial(fail_trial, context, claimed.name)):
            claim = claimed.read()
            lost = TrialLost(make_ticket(context, claim), "stopped" if has_begun else "worker", ENDED)
            acks.append((claimed.name, decide_after_attempt(claim.spent, lost, claim.max_retries)))
    with context.store.write() as connection:
        changed = [key for name, ack in acks for key in claims.end_attempt(connection, *name, ack, now())]
        outbox.announce(connection, changed)
    return len(left)


def requeue(context: Context, names: Iterable[tuple[str, int]]) -> None:
    """Queue trials again that the database has as running although they do not run; that costs them nothing."""
    with context.store.write() as connection:
        for name in names:
            changed = claims.end_attempt(
                connection, *name, Requeue("stopped", None, "it was claimed and not started"), now()
            )
            outbox.announce(connection, changed)


def make_ticket(context: Context, claim: Claim) -> Ticket:
    """The dispatcher's ticket of a claim."""
    workdir, trial = context.settings.workdir, claim.trial
    needs = {name: workdir(key) for name, key in trial.needs.items()}
    return Ticket(trial, claim.fence, claim.resources, workdir(trial.key), needs)
