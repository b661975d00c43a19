from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from service.http import garbage
from service.http.garbage import Garbage


class Ring:
    """An object that only the collector frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Seconds that passed, and seconds of them that the process worked."""
    before, times = gc.get_threshold(), [0.0, 0.0]
    monkeypatch.setattr(garbage.time, "monotonic", lambda: times[0])
    monkeypatch.setattr(garbage.time, "process_time", lambda: times[1])
    yield times
    gc.unfreeze()
    gc.set_threshold(*before)


def old_ring() -> weakref.ref[Ring]:
    ring = Ring()
    gc.collect(1)  # it is alive, so it is old now
    return weakref.ref(ring)


def test_old_objects_are_collected_once_the_process_is_idle(clock: list[float]) -> None:
    collector = Garbage()
    ring = old_ring()
    clock[:] = [1.0, 0.9]
    collector.look()
    gc.collect(1)
    assert ring() is not None
    clock[:] = [2.0, 0.95]
    collector.look()
    assert ring() is None


def test_very_many_old_objects_are_collected_also_by_a_busy_process(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Garbage()
    ring = old_ring()
    monkeypatch.setattr(garbage, "MANY", 1)
    clock[:] = [1.0, 1.0]
    collector.look()
    assert ring() is None


def test_python_never_collects_old_objects_by_itself(clock: list[float]) -> None:
    Garbage()
    ring = old_ring()
    for _ in range(20):
        assert [Ring() for _ in range(60_000)]
    assert gc.get_count()[2] > 10
    assert ring() is not None
