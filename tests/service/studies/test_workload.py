from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.store.queue.lineup import Wish
from service.studies.workload import order_wishes, read_workload


def test_a_study_waits_for_the_trials_before_its_first_one() -> None:
    wishes = [Wish(0, "1", "one"), Wish(1, "1", "one"), Wish(1, "2", "two"), Wish(2, "3", "three")]
    found = order_wishes(wishes)
    assert [(ahead.trials, [name for _, name in ahead.studies]) for ahead in found.values()] == [
        (0, []),
        (1, ["one"]),  # its first trial is shared, and only the one before it is in its way
        (2, ["one", "two"]),
    ]


@pytest.fixture
def submit(desk: Any, toy_study: Callable[..., Any]) -> Callable[..., Any]:
    return lambda name, *rows, **fields: desk.submit(toy_study(name, rows=rows, seeds=1, **fields))


def test_the_queue_is_told_in_the_order_in_which_it_is_claimed(desk: Any, submit: Callable[..., Any]) -> None:
    low, high = submit("low", 0.0, 1.0), submit("high", 2.0, 3.0, priority=5)
    sharing = submit("sharing", 1.0, 4.0)
    workload = read_workload(desk.context)
    assert workload.queued == 5
    assert workload.ahead[high.id].trials == 0
    assert (workload.ahead[low.id].trials, workload.ahead[low.id].studies) == (2, ((high.id, "high"),))
    assert workload.ahead[sharing.id].trials == 3
    assert workload.load.trials == 0


def test_what_runs_is_in_use_and_waits_no_more(desk: Any, submit: Callable[..., Any]) -> None:
    one, two = submit("one", 0.0, 1.0), submit("two", 2.0)
    desk.tick()
    workload = read_workload(desk.context)
    assert (workload.load.trials, workload.load.cpus, workload.load.gpus) == (2, 2, 0)
    assert (workload.cpus, workload.gpus) == (2, 0)
    assert one.id not in workload.ahead
    assert workload.ahead[two.id].trials == 0


def test_a_paused_study_is_in_nobodys_way(desk: Any, submit: Callable[..., Any]) -> None:
    from service.studies import lifecycle

    first, second = submit("first", 0.0), submit("second", 1.0)
    lifecycle.pause(desk.context, first.id)
    workload = read_workload(desk.context)
    assert set(workload.ahead) == {second.id}
    assert workload.ahead[second.id].trials == 0
    assert workload.queued == 1
