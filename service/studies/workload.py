"""Machines and queue: what is in use, and for each queued study, which trials are ahead of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.context import Context
from service.dispatch.machines import Machine
from service.health import describe_health
from service.store.heartbeat import find_machines
from service.store.queue.lineup import Load, Wish, count_load, count_queued, list_wishes

MAX_AHEAD = 1000
"""Number of queue positions that are read; a study after them has more than this many trials ahead."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """Trials ahead of a study's first queued trial.

    Attributes:
        trials: number of trials.
        studies: (id, name) of the studies that need them, in the queue's order.
    """

    trials: int
    studies: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """The machines, their load and the queue.

    Attributes:
        scheduler: its state in the health report; `running` is the normal one.
        mlflow: the mirror's state.
        ahead: by study id, for studies within the next `MAX_AHEAD` trials.
    """

    scheduler: str
    mlflow: str
    machines: Sequence[Machine]
    load: Load
    queued: int
    ahead: dict[str, Ahead]

    @property
    def cpus(self) -> int:
        """CPUs of all machines."""
        return sum(machine.cpus for machine in self.machines)

    @property
    def gpus(self) -> float:
        """GPUs of all machines."""
        return sum(machine.gpus for machine in self.machines)


def read_workload(context: Context) -> Workload:
    """The machines and the queue at this moment."""
    parts = describe_health(context)["parts"]
    with context.store.read() as connection:
        return Workload(
            scheduler=parts["scheduler"]["state"],
            mlflow=parts["mlflow"]["state"],
            machines=find_machines(connection),
            load=count_load(connection),
            queued=count_queued(connection),
            ahead=order_wishes(list_wishes(connection, MAX_AHEAD)),
        )


def order_wishes(wishes: Iterable[Wish]) -> dict[str, Ahead]:
    """Trials ahead of each study, from the queue's entries in order."""
    found: dict[str, Ahead] = {}
    before: dict[str, tuple[str, str]] = {}
    for wish in wishes:
        if wish.study_id not in found:
            found[wish.study_id] = Ahead(wish.rank, tuple(before.values()))
        before.setdefault(wish.study_id, (wish.study_id, wish.study_name))
    return found
