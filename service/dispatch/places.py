"""Places: capacity of the machines, its use, and the warm worker that a trial gets.

The same for every dispatcher: this module knows neither processes nor Ray. A place is a worker
with the capacity that it occupies. It stays warm after a trial, for the next trial with the same demand. For another
demand, warm places are ended until there is room. GPUs are counted in ten-thousandths, as Ray counts them. A fraction
never spans two GPUs, and a trial on several GPUs has whole ones on one machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ablate.study.resources import Resources
from ablate.trials.messages import MessageCheck
from service.dispatch.interface import Report, Ticket
from service.dispatch.machines import Machine, count_gpus

W = TypeVar("W")

WHOLE_GPU = 10_000
MAX_REPORTS = 1000
"""Most reports in one answer to `poll`: a trial that sends messages without end must not block the scheduler."""
MAX_WARM = 16
"""Workers started before the first trial. Each costs half a gigabyte and seconds of a CPU; more start when needed."""


@dataclass(slots=True, eq=False)
class Place(Generic[W]):
    """A worker, the capacity that it occupies, and its trial.

    Attributes:
        gpus: numbers of its GPUs on its machine; empty without GPUs.
        check: of the messages of its trial.
        last: the last report of its trial, until the trial's code has ended.
    """

    machine: str
    resources: Resources
    gpus: tuple[int, ...]
    worker: W = field(init=False)
    ticket: Ticket | None = None
    check: MessageCheck = field(default_factory=MessageCheck)
    last: Report | None = None


class Places(Generic[W]):
    """All places, with the functions that start and end the workers on them.

    Attributes:
        machines: all machines, by name.

    Args:
        limit: CPUs (for trials on GPUs: trials) that may be busy at the same time.
        start: function that makes the worker of a place.
        end: function that ends a worker.
    """

    def __init__(self, limit: int | None, start: Callable[[Place[W]], W], end: Callable[[W], None]) -> None:
        self.machines: dict[str, Machine] = {}
        self._limit = limit
        self._start_worker = start
        self._end_worker = end
        self._places: list[Place[W]] = []

    def set_machines(self, machines: Mapping[str, Machine]) -> None:
        """Set the current machines. Warm places on lost machines are dropped; busy ones are reported as lost later."""
        self.machines = dict(machines)
        for place in self.all():
            if place.machine not in machines and not place.ticket:
                self.drop(place)

    def all(self) -> list[Place[W]]:
        """Every place."""
        return list(self._places)

    def busy(self) -> list[Place[W]]:
        """Places with a trial."""
        return [place for place in self._places if place.ticket]

    def find(self, ticket: Ticket) -> Place[W] | None:
        """The place of a trial, if it has one."""
        return next((place for place in self.busy() if place.ticket and place.ticket.name == ticket.name), None)

    def refusal(self, resources: Resources) -> str | None:
        """Why no machine is large enough for a trial of this demand; None if one is."""
        if any(self._count(name, resources, ()) for name in self.machines):
            return None
        found = Counter(_amount(machine.cpus, machine.gpus) for machine in self.machines.values())
        there_is = ", ".join(f"{number} x {amount}" for amount, number in found.items()) or "none"
        asked = _amount(resources.cpus, resources.gpus)
        return (
            f"no machine is large enough for a trial of {asked}; machines: {there_is}; ask for less under [resources]"
        )

    def room(self, resources: Resources) -> int:
        """How many trials of this demand would start immediately. Warm places do not count: they end if needed."""
        busy = self.busy()
        count = sum(self._count(name, resources, busy) for name in self.machines)
        if self._limit is None:
            return count
        used = sum(self._weight(place.resources) for place in busy)
        return max(min(count, (self._limit - used) // self._weight(resources)), 0)

    def warm(self, resources: Resources) -> None:
        """Make as many places of this demand as there is room for, up to `MAX_WARM`."""
        for _ in range(min(self.room(resources), MAX_WARM)):
            self._add(resources)

    def occupy(self, ticket: Ticket) -> Place[W]:
        """Assign a place to a trial: a warm one of its demand, else a new one. There must be room."""
        idle = (place for place in self._places if not place.ticket and place.resources == ticket.resources)
        place = next(idle, None) or self._add(ticket.resources)
        place.ticket, place.check, place.last = ticket, MessageCheck(), None
        return place

    def renew(self, place: Place[W]) -> None:
        """Replace a worker that has ended; if its machine is lost too, the place is removed.

        The place moves to the end of the list: the others are warm already.
        """
        place.ticket = None
        self._places.remove(place)
        if place.machine in self.machines:
            with suppress(OSError):  # no descriptors are left: the next trial starts a worker, or reports that
                place.worker = self._start_worker(place)
                self._places.append(place)

    def drop(self, place: Place[W]) -> None:
        """End a worker and remove its place."""
        self._places.remove(place)
        self._end_worker(place.worker)

    def _weight(self, resources: Resources) -> int:
        """How much of the limit a trial uses. A trial that is larger than the limit runs alone."""
        assert self._limit is not None
        return 1 if resources.gpus else min(resources.cpus, self._limit)

    def _add(self, resources: Resources) -> Place[W]:
        name = self._choose(resources)
        for idle in self._in_the_way(name, resources):
            if self._count(name, resources, self._places):
                break
            self.drop(idle)
        place: Place[W] = Place(name, resources, self._choose_gpus(name, resources))
        place.worker = self._start_worker(place)
        self._places.append(place)
        return place

    def _choose(self, resources: Resources) -> str:
        """The machine with the most room, first counted with the warm places in it, then without."""
        for among in (self._places, self.busy()):
            counts = {name: self._count(name, resources, among) for name in self.machines}
            best = max(counts, key=lambda name: counts[name], default=None)
            if best is not None and counts[best]:
                return best
        raise ValueError(f"no room for a trial of {_amount(resources.cpus, resources.gpus)}; `room` says when there is")

    def _in_the_way(self, name: str, resources: Resources) -> list[Place[W]]:
        """Warm places on a machine, the most useful to end first."""
        idle = [place for place in self._places if place.machine == name and not place.ticket]
        return sorted(idle, key=lambda place: not place.gpus) if resources.gpus else idle

    def _choose_gpus(self, name: str, resources: Resources) -> tuple[int, ...]:
        """The GPUs with the least room that still suffices."""
        _, gpus = self._free(name, self._places)
        enough = sorted((free, number) for number, free in enumerate(gpus) if free >= _share(resources))
        return tuple(number for _, number in enough[: count_gpus(resources)])

    def _count(self, name: str, resources: Resources, among: Iterable[Place[W]]) -> int:
        """How many more trials fit on a machine that has the places `among`."""
        cpus, gpus = self._free(name, among)
        by_cpus = max(cpus // resources.cpus, 0)
        if not resources.gpus:
            return by_cpus
        return min(by_cpus, sum(free // _share(resources) for free in gpus) // count_gpus(resources))

    def _free(self, name: str, among: Iterable[Place[W]]) -> tuple[int, list[int]]:
        """CPUs, and ten-thousandths of each GPU, that the places `among` leave free on a machine."""
        machine = self.machines[name]
        cpus, gpus = machine.cpus, [WHOLE_GPU] * int(machine.gpus)
        for place in among:
            if place.machine == name:
                cpus -= place.resources.cpus
                for number in place.gpus:
                    gpus[number] -= _share(place.resources)
        return cpus, gpus


def _share(resources: Resources) -> int:
    """Ten-thousandths that a trial uses of each of its GPUs."""
    return max(round(min(resources.gpus, 1) * WHOLE_GPU), 1)


def _amount(cpus: int, gpus: float) -> str:
    return f"{cpus} CPU{'s' * (cpus != 1)}" + (f" and {gpus:g} GPU{'s' * (gpus != 1)}" if gpus else "")
