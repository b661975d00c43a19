from __future__ import annotations

import math

import pytest
from scipy import stats

from ablate.statistics.grids.contributions import NOT_IMPORTANCE, contributions

FULL = {0: 10.0, 1: 11.0, 2: 12.5, 3: 10.5}
WITHOUT = {"- norm": {0: 12.0, 1: 13.5, 2: 13.0, 3: 12.0}, "- augment": {0: 9.0, 1: 11.0}}


def test_a_contribution_is_full_minus_the_row_without_with_its_paired_interval():
    norm, augment = contributions(FULL, WITHOUT, lower_is_better=True)
    expected = stats.ttest_rel(list(FULL.values()), list(WITHOUT["- norm"].values())).confidence_interval(0.95)
    assert (norm.difference.low, norm.difference.high) == pytest.approx((expected.low, expected.high))
    assert (norm.label, norm.difference.mean, norm.difference.n) == ("- norm", -1.625, 4)
    assert (augment.label, augment.difference.n) == ("- augment", 2)


def test_a_gain_is_positive_where_the_component_makes_the_metric_better():
    lower = contributions(FULL, WITHOUT, lower_is_better=True)
    higher = contributions(FULL, WITHOUT, lower_is_better=False)
    assert [one.gain for one in lower] == [1.625, -0.5]
    assert [one.gain for one in higher] == [-1.625, 0.5]


def test_rows_without_a_common_seed_contribute_nothing_that_is_known():
    rows = {"- a": {9: 1.0}, "- b": {}, "- c": {0: math.nan, 1: math.inf}}
    assert [(one.difference, one.gain) for one in contributions(FULL, rows, lower_is_better=True)] == [(None, None)] * 3
    assert contributions({}, {}, lower_is_better=True) == ()


def test_one_common_seed_contributes_without_an_interval():
    [found] = contributions(FULL, {"- a": {1: 12.0}}, lower_is_better=True)
    assert (found.gain, found.difference.low) == (1.0, None)


def test_contributions_of_components_that_interact_do_not_add_up():
    # either component alone gives all of the gain: the method loses nothing without one of them, and all without both
    one_of_two = {0: 5.0, 1: 5.0}
    found = contributions(one_of_two, {"- a": one_of_two, "- b": one_of_two}, lower_is_better=False)
    assert [one.gain for one in found] == [0, 0]
    assert "contributions are not importances" in NOT_IMPORTANCE
    assert "do not add up" in NOT_IMPORTANCE
