"""Which trial gets which place: arithmetic only, no process."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate.study.resources import Resources
from ablate.trials.trial import Trial
from service.dispatch.interface import Ticket
from service.dispatch.machines import Machine, count_places
from service.dispatch.places import MAX_WARM, Place, Places

ONE, TWO, HALF, THIRD = Resources(), Resources(cpus=2), Resources(gpus=0.5), Resources(gpus=0.3)


class Workers:
    """Numbered workers, in the order in which they were started."""

    def __init__(self, limit: int | None = None, **machines: Machine) -> None:
        self.started = 0
        self.ended: list[int] = []
        self.places: Places[int] = Places(limit, start=self._start, end=self.ended.append)
        self.places.set_machines(machines)
        self._tickets = 0

    def _start(self, place: Place[int]) -> int:
        self.started += 1
        return self.started

    def occupy(self, resources: Resources) -> Place[int]:
        self._tickets += 1
        trial = Trial(key=f"{self._tickets}", task="play", recipe={}, seed=0)
        return self.places.occupy(Ticket(trial, 1, resources, Path()))


def free(place: Place[int]) -> None:
    place.ticket = None


def test_a_warm_worker_is_used_again_for_the_same_demand() -> None:
    workers = Workers(here=Machine(2, 0))
    place = workers.occupy(ONE)
    free(place)
    assert workers.occupy(ONE) is place
    assert workers.started == 1


def test_warm_workers_give_way_to_another_demand_and_are_no_obstacle() -> None:
    workers = Workers(here=Machine(3, 0))
    workers.places.warm(ONE)
    busy = workers.occupy(ONE)
    assert workers.places.room(TWO) == 1
    workers.occupy(TWO)
    assert workers.ended == [2, 3]
    assert busy in workers.places.busy()
    assert workers.places.room(ONE) == workers.places.room(TWO) == 0


def test_no_more_give_way_than_must() -> None:
    workers = Workers(here=Machine(4, 1))
    workers.places.warm(ONE)
    workers.occupy(HALF)
    assert workers.ended == [1]


def test_a_fraction_of_a_gpu_never_spans_two() -> None:
    workers = Workers(here=Machine(16, 2))
    assert workers.places.room(Resources(gpus=0.6)) == 2
    assert [workers.occupy(THIRD).gpus for _ in range(4)] == [(0,), (0,), (0,), (1,)]
    assert workers.places.room(THIRD) == 2
    assert workers.places.room(Resources(gpus=1)) == 0


def test_a_trial_on_several_gpus_has_them_whole_and_on_one_machine() -> None:
    workers = Workers(a=Machine(16, 3), b=Machine(16, 2))
    two = Resources(gpus=2)
    assert workers.places.room(two) == 2
    workers.occupy(HALF)
    assert workers.places.room(two) == 2, "one of the three is shared, two are left"
    held = [workers.occupy(two) for _ in range(2)]
    assert {(place.machine, place.gpus) for place in held} == {("a", (1, 2)), ("b", (0, 1))}
    assert workers.places.room(two) == 0
    assert workers.places.refusal(Resources(gpus=4)) == (
        "no machine is large enough for a trial of 1 CPU and 4 GPUs; "
        "machines: 1 x 16 CPUs and 3 GPUs, 1 x 16 CPUs and 2 GPUs; "
        "ask for less under [resources]"
    )
    assert [count_places(machine, two) for machine in (Machine(16, 3), Machine(16, 4), Machine(1, 4))] == [1, 2, 1]


def test_tenths_of_a_gpu_add_up_to_a_whole_one() -> None:
    workers = Workers(here=Machine(16, 1))
    for _ in range(3):
        workers.occupy(Resources(gpus=0.1))
    assert workers.places.room(Resources(gpus=0.1)) == 7


def test_a_machine_without_the_cpus_of_a_trial_does_not_help_with_its_gpus() -> None:
    workers = Workers(a=Machine(1, 4), b=Machine(8, 0))
    assert workers.places.room(Resources(cpus=2, gpus=1)) == 0
    assert workers.places.refusal(Resources(cpus=2, gpus=1)) == (
        "no machine is large enough for a trial of 2 CPUs and 1 GPU; machines: 1 x 1 CPU and 4 GPUs, 1 x 8 CPUs; "
        "ask for less under [resources]"
    )


def test_two_machines_do_not_add_up_to_a_larger_one() -> None:
    workers = Workers(a=Machine(2, 0), b=Machine(2, 0))
    assert workers.places.room(Resources(cpus=4)) == 0
    assert workers.places.room(TWO) == 2
    assert {workers.occupy(TWO).machine, workers.occupy(TWO).machine} == {"a", "b"}


@pytest.mark.parametrize(
    ("resources", "room"), [(ONE, 3), (TWO, 1), (Resources(cpus=8), 1), (Resources(cpus=4, gpus=0.5), 2)]
)
def test_the_limit_counts_cpus_and_on_gpus_trials(resources: Resources, room: int) -> None:
    workers = Workers(3, here=Machine(8, 2))
    assert workers.places.room(resources) == room


def test_what_is_busy_counts_against_the_limit() -> None:
    workers = Workers(3, here=Machine(8, 2))
    workers.occupy(HALF)
    assert workers.places.room(TWO) == 1
    workers.occupy(TWO)
    assert workers.places.room(ONE) == workers.places.room(HALF) == 0


def test_a_worker_that_is_gone_is_replaced_and_a_machine_that_is_gone_takes_its_places_along() -> None:
    workers = Workers(a=Machine(1, 0))
    place = workers.occupy(ONE)
    workers.places.renew(place)
    assert place.worker == 2
    assert workers.places.room(ONE) == 1
    warm, busy = place, workers.occupy(Resources(cpus=1))
    assert warm is busy
    workers.places.set_machines({})
    assert workers.places.busy() == [busy], "it is lost when its worker says so"
    workers.places.renew(busy)
    assert workers.places.all() == []
    assert (
        workers.places.refusal(ONE)
        == "no machine is large enough for a trial of 1 CPU; machines: none; ask for less under [resources]"
    )


def test_a_large_machine_is_not_filled_with_warm_workers() -> None:
    workers = Workers(here=Machine(256, 0))
    workers.places.warm(ONE)
    assert workers.started == MAX_WARM


def test_a_place_without_room_is_an_error() -> None:
    workers = Workers(here=Machine(1, 0))
    workers.occupy(ONE)
    with pytest.raises(ValueError, match="no room for a trial of 1 CPU"):
        workers.occupy(ONE)
