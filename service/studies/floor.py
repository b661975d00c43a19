"""What waits for what: for each study of the queue, how many trials stand before its first one and whose they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.context import Context
from service.dispatch.machines import Machine
from service.health import describe_health
from service.store.board import find_machines
from service.store.queue.lineup import Load, Wish, count_load, count_queued, list_wishes

FAR = 1000
"""Places of the queue that are looked at; a study behind them waits behind more than so many trials."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What stands before a study's first queued trial.

    Attributes:
        trials: how many.
        studies: (id, name) of those that want them, in the queue's order.
    """

    trials: int
    studies: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Floor:
    """Where trials run: what there is, what is in use, what waits.

    Attributes:
        scheduler: its state as health tells it, `running` when all is well.
        mlflow: the mirror's state.
        ahead: by study id, for those that are among the next `FAR` trials.
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


def look_at_floor(context: Context) -> Floor:
    """The machines and the queue at this moment."""
    parts = describe_health(context)["parts"]
    with context.store.read() as connection:
        return Floor(
            scheduler=parts["scheduler"]["state"],
            mlflow=parts["mlflow"]["state"],
            machines=find_machines(connection),
            load=count_load(connection),
            queued=count_queued(connection),
            ahead=order_wishes(list_wishes(connection, FAR)),
        )


def order_wishes(wishes: Iterable[Wish]) -> dict[str, Ahead]:
    """What stands before each study, from the wishes in the queue's order."""
    found: dict[str, Ahead] = {}
    before: dict[str, tuple[str, str]] = {}
    for wish in wishes:
        if wish.study_id not in found:
            found[wish.study_id] = Ahead(wish.rank, tuple(before.values()))
        before.setdefault(wish.study_id, (wish.study_id, wish.study_name))
    return found
