from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.drift.sequential_ranks import cusum, find_split, rank_scores, threshold

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


def test_over_all_orders_every_score_has_mean_0_and_variance_1_and_knows_nothing_of_those_before():
    scores = np.array([rank_scores(order) for order in permutations([2.0, 3.0, 5.0, 7.0, 11.0, 13.0])])
    assert scores.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert (scores**2).mean(axis=0) == pytest.approx([0, 1, 1, 1, 1, 1])
    for last in np.unique(scores[:, -1].round(9)):
        before = scores[scores[:, -1].round(9) == last, -2]
        assert before.mean() == pytest.approx(0, abs=1e-12)


def test_a_score_is_that_of_the_rank_among_what_came_before():
    spread = math.sqrt(np.mean(stats.norm.ppf([1 / 6, 3 / 6, 5 / 6]) ** 2))
    assert rank_scores([5.0, 9.0, 1.0])[-1] == pytest.approx(stats.norm.ppf(1 / 6) / spread)
    assert rank_scores([]) == []


@given(VALUES)
def test_any_increasing_map_of_the_values_has_the_same_scores(values):
    ranks = {value: rank for rank, value in enumerate(sorted(set(values)))}
    assert rank_scores([ranks[value] for value in values]) == rank_scores(values)


@given(VALUES)
def test_mirrored_values_have_mirrored_scores_and_sums(values):
    scores, mirrored = rank_scores(values), rank_scores([-value for value in values])
    assert mirrored == pytest.approx([-score for score in scores], abs=1e-9)
    swapped = [(down, up) for up, down in cusum(mirrored)]
    assert np.array(swapped) == pytest.approx(np.array(cusum(scores)), abs=1e-9)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=40))
def test_a_tie_is_scored_between_what_a_little_more_and_a_little_less_would_give(values):
    tied = rank_scores(values)[-1]
    below, above = (rank_scores([*values[:-1], values[-1] + side])[-1] for side in (-0.5, 0.5))
    assert below - 1e-12 <= tied <= above + 1e-12


def test_equal_values_say_nothing():
    assert rank_scores([4.0] * 9) == [0.0] * 9


@pytest.mark.parametrize(("height", "time"), [(3, 59), (4, 168), (5, 465)])
def test_thresholds_are_those_of_the_printed_run_lengths_of_a_normal_cusum(height, time):
    """Average run lengths of the two-sided CUSUM with k = 1/2, as textbooks of process control print them."""
    assert threshold(time) == pytest.approx(height, abs=0.02)


def test_a_longer_time_has_a_higher_threshold():
    heights = [threshold(time) for time in (2.1, 10, 200, 1e4, 1e9, 1e100)]
    assert heights == sorted(heights)


@pytest.mark.parametrize("time", [2, 0, -1, math.inf, math.nan])
def test_a_time_that_no_threshold_has_is_refused(time):
    with pytest.raises(ValueError, match="must be above 2 and finite"):
        threshold(time)


def test_a_clear_change_is_split_where_it_is():
    values = [1.0, 3.0, 2.0, 1.5, 2.5, 8.0, 9.0, 7.0]
    assert find_split(values, 4, is_upward=True) == 5
    assert find_split([-value for value in values], 4, is_upward=False) == 5
    assert find_split(values, 6, is_upward=True) == 6
