"""What is due in a tick, from the time and from what happened."""

from __future__ import annotations

import pytest

from service.running.due import BEAT_S, FIRE_S, IDLE_S, TickWork, Timers

ALL, NOTHING = TickWork(True, True, True, True, True), TickWork(False, False, False, False, False)


def due(timers: Timers, at_s: float, **happened: bool) -> TickWork:
    return timers.find_due(at_s, **{"is_woken": False, "has_ends": False, "has_begun": False} | happened)


def test_everything_is_due_at_first_and_nothing_immediately_after() -> None:
    timers = Timers()
    assert due(timers, 100.0) == ALL
    assert due(timers, 100.0) == NOTHING


def test_each_kind_of_work_has_its_period() -> None:
    timers = Timers()
    due(timers, 0.0)
    assert due(timers, IDLE_S) == TickWork(True, True, False, False, False)
    assert due(timers, FIRE_S) == TickWork(True, True, False, False, True)
    assert due(timers, BEAT_S) == ALL
    assert due(timers, BEAT_S + IDLE_S / 2) == NOTHING


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        ("is_woken", TickWork(True, False, False, False, False)),
        ("has_ends", TickWork(True, True, False, False, False)),
        ("has_begun", TickWork(False, True, False, False, False)),
    ],
)
def test_what_happened_makes_work_due_before_its_time(happened: str, expected: TickWork) -> None:
    timers = Timers()
    due(timers, 0.0)
    assert due(timers, IDLE_S / 2, **{happened: True}) == expected
