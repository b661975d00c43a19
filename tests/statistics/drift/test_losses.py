from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.drift.losses import Loss, find_loss, find_lossy_part, find_rise, hypergeometric_tail

CHANCE = 0.1 / 600
"""Of each test at each firing, for three rows and one false alarm in 200 firings."""


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_the_tail_is_that_of_the_hypergeometric_distribution(before, after, data):
    lost_before, lost_after = data.draw(st.integers(0, before)), data.draw(st.integers(0, after))
    loss = Loss(0, 0, lost_before, before, lost_after, after)
    expected = stats.hypergeom.sf(lost_after - 1, before + after, lost_before + lost_after, after)
    assert hypergeometric_tail(loss) == pytest.approx(expected, rel=1e-8)


def test_over_all_places_of_the_lost_seeds_an_alarm_at_a_firing_is_as_rare_as_each_test_says():
    firings, seeds, lost, chance = 8, 2, 6, 0.05
    places = list(combinations(range(firings * seeds), lost))
    hits = np.zeros(firings)
    for chosen in places:
        counts = [(sum(one // seeds == firing for one in chosen), seeds) for firing in range(firings)]
        if loss := find_loss(counts, 4, chance):
            hits[loss.place] += 1
    assert 0 < hits.max() / len(places) <= 2 * chance


@pytest.mark.parametrize("good", [7, 20, 60])
def test_a_row_that_loses_all_its_seeds_is_found_at_the_second_firing_at_the_latest(good):
    loss = find_loss([(0, 3)] * good + [(3, 3)] * 4, 4, CHANCE)
    assert loss.place <= good + 1
    assert (loss.changed, loss.lost_before, loss.seeds_before) == (good, 0, 3 * good)
    assert (loss.lost_after, loss.seeds_after) == (3 * (loss.place - good + 1),) * 2


@pytest.mark.parametrize(("good", "firings"), [(4, 18), (7, 8), (10, 6), (20, 4), (60, 3)])
def test_a_row_that_loses_one_of_three_seeds_each_time_is_found_and_dated(good, firings):
    loss = find_loss([(0, 3)] * good + [(1, 3)] * 40, 4, CHANCE)
    assert (loss.place - good + 1, loss.changed) == (firings, good)


def test_a_row_that_always_lost_seeds_has_not_changed_and_one_that_loses_more_has():
    usual = [(1, 3), (0, 3), (2, 3), (0, 3)] * 15
    assert find_loss(usual, 4, CHANCE) is None
    loss = find_loss([*usual, *[(3, 3)] * 10], 4, CHANCE)
    assert (loss.changed, loss.lost_before, loss.seeds_before) == (60, 45, 180)
    assert loss.place < 68
    assert find_loss([(3, 3)] * 10 + [(0, 3)] * 60, 4, CHANCE) is None, "fewer lost seeds are no alarm"


def test_a_change_within_the_reference_is_none():
    assert find_loss([(0, 9), (9, 9), (9, 9), (9, 9), (0, 9)], 4, CHANCE) is None
    assert find_loss([], 4, CHANCE) is None


@pytest.mark.parametrize(
    ("lost", "part"),
    [
        ([2, 2, 2], None),
        ([2, 2, 1, 1], (6, 12, True)),
        ([2, 1, 1, 1], None),
        ([0, 0, 0, 2, 2], (2, 3, False)),
        ([0, 0, 0, 2, 2, 0], None),
        ([0] * 60, None),
    ],
)
def test_half_of_the_seeds_of_the_window_or_of_the_firings_since_is_a_lossy_part(lost, part):
    assert find_lossy_part([(one, 3) for one in lost], 4) == part


def test_without_a_window_all_firings_are_since():
    assert find_lossy_part([(2, 3)], 0) == (2, 3, False)
    assert find_lossy_part([], 0) is None


@pytest.mark.parametrize(("chance", "firings"), [(0.1 / 200, 18), (CHANCE, 30)])
def test_a_seed_lost_at_every_second_firing_is_a_notice_before_it_is_an_alarm(chance, firings):
    counts = [(0, 3)] * 20 + [(0, 3), (1, 3)] * 15
    assert find_loss(counts, 4, chance) is None
    shown = [place for place in range(1, 51) if find_rise(counts[:place], 4, chance)]
    assert shown[0] == 20 + firings
    assert find_rise(counts, 4, chance) == Loss(49, 21, 0, 63, 15, 87)


def test_as_many_lost_seeds_as_before_or_fewer_are_no_notice():
    assert find_rise([(1, 3)] * 60, 4, CHANCE) is None
    assert find_rise([(3, 3)] * 10 + [(1, 3)] * 60, 4, CHANCE) is None
    assert find_rise([], 4, CHANCE) is None
