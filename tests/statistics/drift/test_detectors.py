from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.statistics.drift.detectors import Crossing, Thresholds, find_crossing, jumps, thresholds
from ablate.statistics.drift.sequential_ranks import cusum, rank_scores

NEVER = {"shift": math.inf, "apart": 1e-9, "lost": 0.0, "jump": math.inf}


def crossing(values, reference=4, **at):
    return find_crossing(values, cusum(rank_scores(values)[reference:]), Thresholds(**(NEVER | at)))


@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=30))
def test_a_jump_is_counted_in_standard_errors_of_a_prediction(values):
    *before, last = values
    spread = np.std(before, ddof=1)
    found = jumps(values)[-1]
    if len(set(before)) == 1:
        assert found is None
    elif spread > 1e-6:
        expected = (last - np.mean(before)) / (spread * math.sqrt(1 + 1 / len(before)))
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_values_that_lie_apart_are_an_alarm_when_that_is_unlikely_enough():
    values = [3.0, 1.0, 2.0, 4.0, *[5.5, 9.0, 6.0, 7.0, 8.0, 5.0]]
    assert (math.comb(10, 6), math.comb(9, 5)) == (210, 126)
    assert crossing(values, apart=1 / 200) == Crossing(9, 4, "apart")
    assert crossing([-value for value in values], apart=1 / 200) == Crossing(9, 4, "apart")
    assert crossing(values[:-1], apart=1 / 200) is None
    assert crossing([*values[:-1], 3.5], apart=1 / 200) is None
    assert crossing([*values[:-1], 4.0], apart=1 / 200) is None, "a tie with the highest before is not apart"


def test_over_all_orders_values_lie_apart_as_often_as_it_says():
    orders = list(permutations(range(7)))
    found = [crossing(order, apart=1 / 35) for order in orders]
    assert set(found) == {None, Crossing(6, 4, "apart")}
    assert sum(one is not None for one in found) / len(orders) == pytest.approx(2 / math.comb(7, 3))


def test_long_series_and_tiny_chances_end():
    assert crossing([*range(4), *([9.0] * 2000)], apart=1e-11).detector == "apart"
    assert crossing([*range(4), *range(5, 20)], apart=1e-300) is None


@pytest.mark.parametrize(
    ("others", "place"),
    [([6.0, 6.0, 6.0], 7), ([6.0, 4.0, 7.0], 7), ([6.0, 5.0, 6.0, 6.0], None), ([6.0, 6.0], None)],
)
def test_three_in_a_row_that_are_not_what_all_before_were_to_the_bit_are_a_change(others, place):
    found = crossing([5.0] * 5 + others)
    assert found == (Crossing(place, 5, "constant") if place else None)


def test_a_reference_that_is_not_all_equal_is_no_constant():
    assert crossing([5.0, 5.0, 5.0, 6.0, 6.0, 6.0, 6.0]) is None


def test_a_shift_is_dated_to_where_the_ranks_part():
    values = [1.0, 5.0, 3.0, 4.0, 2.0, 3.5, 2.5, 9.0, 8.0, 9.5, 8.5, 9.2]
    assert crossing(values, shift=3).detector == "shift"
    assert crossing(values, shift=3).changed == 7


def test_a_longer_time_makes_every_detector_less_eager():
    found = [thresholds(time) for time in (20, 200, 2000, 1e6)]
    assert [one.shift for one in found] == sorted(one.shift for one in found)
    assert [one.jump for one in found] == sorted(one.jump for one in found)
    assert [one.lost for one in found] == sorted((one.lost for one in found), reverse=True)
    assert [one.apart for one in found] == sorted((one.apart for one in found), reverse=True)


def test_a_jump_is_a_finite_number_of_standard_errors_or_unknown():
    series = [0.0, 1e-160, 0.0, 1e-160, 9.9e149, -9.9e149, 5e-324]
    assert jumps(series)[:5] == [None] * 5, "the squares of the first distances are below the smallest float"
    assert all(math.isfinite(distance) for distance in jumps(series)[5:])
