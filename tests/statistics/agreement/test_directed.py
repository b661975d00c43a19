from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.agreement.directed import DirectedEffect, bounds_above, bounds_below, seeds_to_decide

EFFECTS = st.builds(DirectedEffect, st.floats(-5, 5), st.floats(0.1, 5), st.integers(2, 12))
FAMILIES = st.lists(st.none() | EFFECTS, min_size=1, max_size=6)


def test_a_single_lower_bound_is_the_one_of_scipys_t_test():
    sample = [0.4, 1.1, -0.2, 0.9, 0.7]
    [bound] = bounds_above([DirectedEffect(float(np.mean(sample)), float(np.std(sample, ddof=1)), 5)], 0, 0.05)
    expected = stats.ttest_1samp(sample, 0, alternative="greater")
    assert bound.value == pytest.approx(expected.confidence_interval(0.95).low, rel=1e-12)
    assert bound.p == pytest.approx(expected.pvalue, rel=1e-12)


def test_a_single_upper_bound_is_the_one_of_scipys_t_test():
    sample = [0.4, 1.1, -0.2, 0.9, 0.7]
    sd = float(np.std(sample, ddof=1))
    [bound] = bounds_below([DirectedEffect(float(np.mean(sample)), sd, 5)], 1.205, 0.05)
    expected = stats.ttest_1samp(sample, 1.205 * sd, alternative="less")
    assert bound.value == pytest.approx(expected.confidence_interval(0.95).high, rel=1e-12)
    assert (bound.p, bound.limit) == pytest.approx((expected.pvalue, 1.205 * sd), rel=1e-12)


@settings(deadline=None)
@given(FAMILIES, st.sampled_from([0.0, 1.205]))
def test_a_bound_lies_beyond_its_limit_exactly_if_holm_rejects(effects, limit):
    for bound in bounds_above(effects, limit, 0.05):
        if bound is not None and abs(bound.p - 0.05) > 1e-9:
            assert (bound.value > bound.limit) == (bound.p <= 0.05)
    for bound in bounds_below(effects, limit, 0.05):
        if bound is not None and abs(bound.p - 0.05) > 1e-9:
            assert (bound.value < bound.limit) == (bound.p <= 0.05)


@settings(deadline=None)
@given(FAMILIES)
def test_upper_bounds_are_lower_bounds_of_the_negated_effects(effects):
    negated = [effect and DirectedEffect(-effect.mean, effect.sd, effect.n) for effect in effects]
    for below, above in zip(bounds_below(effects, 0, 0.05), bounds_above(negated, 0, 0.05), strict=True):
        assert (below is None) == (above is None)
        if below is not None:
            assert (below.value, below.p) == pytest.approx((-above.value, above.p), rel=1e-12)


def test_a_row_that_cannot_be_tested_counts_in_the_family():
    effect = DirectedEffect(1.0, 1.0, 8)
    [alone] = bounds_above([effect], 0, 0.05)
    beside, untested = bounds_above([effect, None], 0, 0.05)
    assert untested is None
    assert beside.p == pytest.approx(2 * alone.p)


def test_rows_with_equal_p_have_equal_bounds():
    one, other, _ = bounds_above(
        [DirectedEffect(1.0, 1.0, 8), DirectedEffect(1.0, 1.0, 8), DirectedEffect(0.1, 1.0, 8)], 0, 0.05
    )
    assert one == other


def test_no_evidence_is_so_strong_that_p_is_zero():
    [bound] = bounds_above([DirectedEffect(1e9, 1e-3, 200)], 0, 0.05)
    assert 0 < bound.p < 1e-300


def power(n: int, effect: float, level: float, absent_below: float | None) -> float:
    samples = np.random.default_rng(7).normal(effect, 1, (20_000, n))
    mean, sd = samples.mean(axis=1), samples.std(axis=1, ddof=1)
    half = stats.t.ppf(1 - level, n - 1) * sd / np.sqrt(n)
    powers = [np.mean(mean - half > 0), np.mean(mean + half < 0)]
    return float(max([*powers, *([] if absent_below is None else [np.mean(mean + half < absent_below * sd)])]))


@pytest.mark.parametrize("level", [0.05, 0.005])
@pytest.mark.parametrize(
    ("effect", "absent_below"), [(0.0, 1.205), (0.5, 1.205), (0.9, 1.205), (0.9, None), (-0.6, None)]
)
def test_so_many_seeds_have_the_power_that_was_asked_for_and_fewer_have_not(effect, absent_below, level):
    needed = seeds_to_decide(DirectedEffect(effect, 1.0, 2), absent_below, level)
    slack = max(2, round(needed / 10))
    assert power(needed + slack, effect, level, absent_below) > 0.8
    assert power(needed - slack, effect, level, absent_below) < 0.8


def test_more_seeds_than_now_are_asked_for():
    assert seeds_to_decide(DirectedEffect(3.0, 1.0, 40), None, 0.05) == 41


def test_no_number_of_seeds_gives_a_sign_to_no_effect():
    assert seeds_to_decide(DirectedEffect(0.0, 1.0, 8), None, 0.05) is None
    assert seeds_to_decide(DirectedEffect(0.01, 1.0, 8), None, 0.05) is None


@pytest.mark.parametrize("mean", [5e-324, 1e-200, -1e-200])
def test_an_effect_whose_square_is_no_float_is_decided_by_no_number_of_seeds(mean):
    assert seeds_to_decide(DirectedEffect(mean, 1.0, 8), None, 0.05) is None
