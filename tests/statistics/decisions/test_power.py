from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.decisions.power import (
    describe_power,
    detectable_effect,
    flip_seeds,
    pick_test,
    seeds_for_effect,
    t_power,
    tost_power,
    tost_seeds,
    upper_sd,
)
from ablate.statistics.decisions.signflip import signflip_p

SAMPLE_SIZES = [(0.3, 90, 152), (0.5, 34, 58), (0.8, 15, 25), (1.0, 10, 18), (1.5, 6, 10), (2.0, 5, 8), (3.0, 4, 6)]
"""Effect in sd, seeds at 5 %, seeds for ten rows: shared/statistics.md, section 3."""

DETECTABLE = [
    (3, 3.25, 9.3), (5, 1.68, 2.98), (8, 1.16, 1.73), (10, 1.00, 1.44), (15, 0.78, 1.07), (20, 0.66, 0.89),
    (30, 0.53, 0.70),
]  # fmt: skip
"""Seeds, smallest effect for one row, for eight rows: the same table."""


@pytest.mark.parametrize(("effect", "one", "ten"), SAMPLE_SIZES)
def test_sample_sizes_of_the_t_test(effect, one, ten):
    assert seeds_for_effect(effect, test="t") == one
    assert seeds_for_effect(effect, comparisons=10, test="t") == ten


@pytest.mark.parametrize(("effect", "one", "ten"), SAMPLE_SIZES)
def test_the_textbook_formula_is_within_one_seed(effect, one, ten):
    for level, exact in ((0.05, one), (0.005, ten)):
        z, z_power = stats.norm.isf(level / 2), stats.norm.ppf(0.8)
        formula = ((z + z_power) / effect) ** 2 + z**2 / 2
        assert abs(math.ceil(formula + (effect >= 2)) - exact) <= 1


@pytest.mark.parametrize(("n", "one", "eight"), DETECTABLE)
def test_effects_that_the_t_test_can_see(n, one, eight):
    assert detectable_effect(n, test="t") == pytest.approx(one, abs=0.03)
    assert detectable_effect(n, comparisons=8, test="t") == pytest.approx(eight, abs=0.05 if n == 3 else 0.03)


@settings(deadline=None)
@given(st.integers(2, 60), st.integers(1, 30), st.sampled_from(["auto", "t", "pooled", "flip"]))
def test_the_effect_that_is_just_seen_takes_those_seeds(n, comparisons, test):
    effect = detectable_effect(n, comparisons=comparisons, test=test)
    if effect is None:
        assert n < (flip_seeds(comparisons) if test == "flip" else 3)
        return
    needed = seeds_for_effect(effect * (1 + 1e-9), comparisons=comparisons, test=test)
    # with few seeds sign flip sees no more with one seed more, so that fewer may do
    assert needed == n if test in ("t", "pooled") else needed <= n


def test_the_power_of_the_t_test_is_the_simulated_one():
    rng = np.random.default_rng(3)
    found = stats.ttest_1samp(rng.normal(0.9, 1, (4000, 8)), 0, axis=1).pvalue <= 0.05
    assert t_power(0.9, 8, 0.05) == pytest.approx(found.mean(), abs=3 * math.sqrt(0.25 / 4000))


def test_power_without_effect_is_the_level_and_does_not_depend_on_the_sign():
    assert t_power(0, 5, 0.05) == pytest.approx(0.05, abs=1e-12)
    assert t_power(-1.3, 5, 0.01) == t_power(1.3, 5, 0.01)


@pytest.mark.parametrize(("comparisons", "n"), [(1, 6), (5, 8), (10, 9), (20, 10)])
def test_seeds_from_which_sign_flip_can_decide(comparisons, n):
    assert flip_seeds(comparisons) == n == math.ceil(1 + math.log2(comparisons / 0.05))
    assert (pick_test(n - 1, comparisons, 0.05), pick_test(n, comparisons, 0.05)) == ("t", "flip")


def test_a_level_that_is_met_exactly_is_met():
    assert flip_seeds(1, 0.0625) == 5


def test_for_very_many_comparisons_random_flips_never_decide():
    assert (flip_seeds(500), flip_seeds(501)) == (15, None)
    assert seeds_for_effect(5.0, comparisons=501, test="flip") is None
    assert seeds_for_effect(5.0, comparisons=501) == seeds_for_effect(5.0, comparisons=501, test="t")


@pytest.mark.parametrize(("n", "comparisons"), [(6, 1), (8, 5), (9, 5), (12, 8), (16, 3)])
def test_the_effect_that_sign_flip_can_see_is_seen_four_times_in_five(n, comparisons):
    effect = detectable_effect(n, comparisons=comparisons, test="flip")
    draws = np.random.default_rng(n).normal(effect, 1, (600, n))
    power = np.mean([signflip_p(draw.tolist()) <= 0.05 / comparisons for draw in draws])
    assert 0.73 - 0.04 < power < 0.83 + 0.04


def test_below_its_floor_sign_flip_sees_nothing():
    assert detectable_effect(5, test="flip") is None
    assert detectable_effect(5, test="auto") == detectable_effect(5, test="t")


def test_one_seed_sees_nothing():
    assert [detectable_effect(1, test=test) for test in ("auto", "flip", "t", "pooled")] == [None] * 4


def test_no_effect_takes_no_number_of_seeds():
    assert seeds_for_effect(0.0) is seeds_for_effect(math.nan) is seeds_for_effect(1e-4) is None


def test_an_effect_beyond_all_noise_takes_the_fewest_seeds_there_are():
    assert [seeds_for_effect(1e6, comparisons=5, test=test) for test in ("auto", "t", "pooled", "flip")] == [3, 3, 3, 8]


@pytest.mark.parametrize(("margin", "n"), [(0.5, 37), (1.0, 11), (1.205, 8), (1.5, 6), (2.0, 4)])
def test_seeds_for_equivalence(margin, n):
    assert abs(tost_seeds(margin) - n) <= (1 if margin == 0.5 else 0)


def test_the_power_of_the_equivalence_test_is_the_simulated_one():
    draws = np.random.default_rng(4).normal(0, 1, (4000, 6))
    half = stats.t.ppf(0.95, 5) * draws.std(axis=1, ddof=1) / math.sqrt(6)
    shown = np.abs(draws.mean(axis=1)) + half < 1.5
    assert tost_power(1.5, 6) == pytest.approx(shown.mean(), abs=3 * math.sqrt(0.25 / 4000))


def test_no_margin_shows_nothing():
    assert tost_seeds(0.0) is None


def test_the_upper_limit_of_a_spread_is_above_the_true_one_four_times_in_five():
    draws = np.random.default_rng(6).normal(0, 2, (3000, 5)).std(axis=1, ddof=1)
    covered = np.mean([upper_sd(sd, 4) >= 2 for sd in draws])
    assert covered == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / 3000))


def test_the_95_percent_factors_of_a_pilots_spread():
    factors = [(upper_sd(1, n - 1, 0.025), upper_sd(1, n - 1, 0.975)) for n in (3, 5, 10)]
    assert factors == [pytest.approx(f, rel=0.02) for f in ((0.52, 6.3), (0.60, 2.9), (0.69, 1.8))]


def test_what_cannot_decide_is_said_before_the_trials_run():
    assert describe_power(5, 5, test="flip") == [
        "the exact test cannot decide with 5 seeds and 5 comparisons (smallest adjusted p .31); 8 seeds can"
    ]
    assert describe_power(3, 1)[0] == (
        "the exact test cannot decide with 3 seeds and 1 comparison (smallest adjusted p .25); 6 seeds can"
    )


def test_auto_states_that_t_is_used_what_it_assumes_and_what_it_detects():
    first, second = describe_power(5, 8)
    assert first.startswith("the exact test cannot decide with 5 seeds and 8 comparisons")
    assert second == (
        "5 seeds can only detect differences above 3.0 standard deviations of a paired difference (80 % power), by the "
        "paired t test, which assumes that differences over seeds are normally distributed"
    )


@pytest.mark.parametrize(
    ("n", "rows", "test"), [(8, 5, "auto"), (8, 5, "flip"), (3, 5, "t"), (3, 5, "pooled"), (1, 0, "t")]
)
def test_nothing_is_said_where_the_test_can_decide(n, rows, test):
    assert describe_power(n, rows, test=test) == []


@pytest.mark.parametrize("test", ["auto", "t", "pooled"])
def test_two_seeds_are_said_to_decide_nothing(test):
    assert describe_power(2, 4, test=test) == ["2 seeds: nothing is decided, because every test needs at least 3 seeds"]


@pytest.mark.parametrize("test", ["auto", "flip", "t", "pooled"])
def test_one_seed_is_always_said(test):
    (sentence,) = describe_power(1, 4, test=test)
    assert sentence == "1 seed: nothing is decided, because every test needs at least 3 seeds"


def test_a_family_that_no_number_of_flips_decides_is_named_so():
    assert describe_power(20, 600, test="flip")[0].endswith("no number of seeds can")


@pytest.mark.parametrize("margin_sd", [0.01, 0.1, 0.3])
def test_at_a_level_of_one_half_the_mean_alone_shows_equivalence(margin_sd):
    assert tost_power(margin_sd, 9, 0.5) == pytest.approx(2 * stats.norm.cdf(3 * margin_sd) - 1, rel=1e-12)
    assert tost_seeds(margin_sd, alpha=0.5) == math.ceil((stats.norm.ppf(0.9) / margin_sd) ** 2)
    assert tost_seeds(margin_sd, alpha=0.4999999) == tost_seeds(margin_sd, alpha=0.5)


@pytest.mark.parametrize("level", [0.4999, 0.05, 0.0001, 2e-8])
@pytest.mark.parametrize("margin_sd", [1e4, 1e8, 1e300, math.inf])
def test_a_margin_far_above_the_spread_is_shown_by_few_seeds(margin_sd, level):
    assert tost_power(margin_sd, 12, level) == pytest.approx(1, abs=1e-12)
    assert tost_seeds(margin_sd, comparisons=1, alpha=level) <= 6


@pytest.mark.parametrize("margin_sd", [5e-324, 1e-300, 1e-9])
def test_a_margin_far_below_the_spread_is_shown_by_no_number_of_seeds(margin_sd):
    assert tost_seeds(margin_sd) is None
    assert tost_seeds(margin_sd, alpha=0.5) is None


@pytest.mark.parametrize("n", [2, 3, 5, 30, 4000, 100_000])
@pytest.mark.parametrize("margin_sd", [0.02, 0.3, 1.0, 4.0])
def test_the_power_of_equivalence_is_an_integral_over_the_spread(n, margin_sd):
    df, t = n - 1, stats.t.isf(0.05, n - 1)
    ends = stats.chi.ppf([1e-13, 1 - 1e-13], df) / math.sqrt(df)
    sd = np.linspace(ends[0], max(ends[0], min(ends[1], math.sqrt(n) * margin_sd / t)), 200_001)
    inside = 2 * stats.norm.cdf(math.sqrt(n) * margin_sd - t * sd) - 1
    expected = np.trapezoid(stats.chi.pdf(sd * math.sqrt(df), df) * math.sqrt(df) * inside, sd)
    assert tost_power(margin_sd, n) == pytest.approx(expected, abs=1e-8)


def test_an_effect_that_is_detected_at_a_tiny_level_has_the_power_that_was_asked_for():
    # at 3 seeds, |T| > c is chi2(2) / 2 < (shift / c)^2 for a shift far above 1, and chi2(2) / 2 is exponential
    level = 0.0001 / 5000
    expected = math.sqrt(-math.log(0.2)) * stats.t.isf(level / 2, 2) / math.sqrt(3)
    assert detectable_effect(3, comparisons=5000, alpha=0.0001, test="t") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("test", ["auto", "flip", "t", "pooled"])
def test_the_seeds_of_effects_at_the_ends_of_the_floats_are_found_or_none(test):
    needed = seeds_for_effect(math.inf, test=test)
    assert needed is not None
    assert needed == seeds_for_effect(1e300, test=test) <= 6
    assert seeds_for_effect(5e-324, test=test) is None
