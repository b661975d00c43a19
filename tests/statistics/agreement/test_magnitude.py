from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.agreement.row_agreement import magnitude, prediction_interval


@settings(deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.integers(2, 30))
def test_the_prediction_interval_is_that_of_the_textbook(mean, sd, n):
    expected = stats.t.interval(0.95, n - 1, mean, sd * math.sqrt(1 + 1 / n))
    assert prediction_interval(mean, sd, n) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_without_spread_one_further_value_is_expected_at_a_point():
    assert prediction_interval(0.5, 0.0, 4) == (0.5, 0.5)


def test_one_seed_predicts_nothing():
    with pytest.raises(ValueError, match="n >= 2"):
        prediction_interval(0.5, 0.1, 1)
    found = magnitude(0.5, None, 1, 2.0, at_paper_scale=True)
    assert (found.ratio, found.standardised, found.low, found.is_inside) == (0.25, None, None, None)


def test_a_printed_difference_of_zero_has_no_ratio_but_lies_somewhere():
    found = magnitude(0.5, 0.1, 4, 0.0, at_paper_scale=True)
    assert found.ratio is None
    assert found.is_inside is False


def test_no_spread_gives_no_standardised_effect():
    assert magnitude(0.5, 0.0, 4, 1.0, at_paper_scale=False).standardised is None
