from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.decisions.evidence import DecisionRule
from ablate.statistics.decisions.family import analyse_family, seeds_to_decide
from ablate.statistics.decisions.power import detectable_effect, seeds_for_effect, tost_seeds
from ablate.statistics.decisions.row_comparison import Runs, compare_runs
from ablate.statistics.decisions.sentences import describe_decision, describe_spread, describe_test
from ablate.statistics.estimate import t_interval

LOWER = DecisionRule(lower_is_better=True)
TESTS = ("auto", "flip", "t", "pooled")
OPPOSITE = {"better": "worse", "worse": "better"}
THOUSANDTHS = st.integers(0, 9_999).map(lambda number: number / 1000)
SEEDS = st.integers(0, 8)


def runs(label, values, **lost):
    return Runs(label, dict(enumerate(values)), **{name: frozenset(seeds) for name, seeds in lost.items()})


def shifted(label, by, n=8):
    """A row whose differences to `BASE` are near `by` and all of one sign."""
    return runs(label, [value + by * (1 + 0.02 * k) for k, value in enumerate(BASE[:n])])


BASE = [13.2, 13.5, 12.9, 13.4, 13.1, 13.3, 13.7, 12.8]
REFERENCE = runs("A", BASE)


@st.composite
def some_runs(draw, label="row", values=THOUSANDTHS):
    return Runs(
        label,
        draw(st.dictionaries(SEEDS, values, max_size=9)),
        planned=frozenset(range(9)),
        diverged=draw(st.frozensets(SEEDS, max_size=2)),
        failed=draw(st.frozensets(SEEDS, max_size=1)),
    )


@st.composite
def families(draw, values=THOUSANDTHS):
    rows = [draw(some_runs(label, values)) for label in "BCD"[: draw(st.integers(0, 3))]]
    return rows, draw(some_runs("A", values))


DESIGNS = st.builds(
    DecisionRule,
    lower_is_better=st.booleans(),
    alpha=st.sampled_from([0.05, 0.2]),
    margin=st.sampled_from([None, 0.5, 5.0]),
    test=st.sampled_from(TESTS),
)


# --- single answers ---------------------------------------------------------------------------------------------------


def test_a_row_that_is_better_in_every_seed_is_decided_by_sign_flip():
    family = analyse_family([shifted("B", -0.5), shifted("C", 0.4)], REFERENCE, LOWER)
    b, c = family.rows
    assert (family.evidence.test, family.evidence.n, family.evidence.comparisons) == ("flip", 8, 2)
    assert (b.decision, c.decision, b.reason) == ("better", "worse", None)
    assert (b.evidence.p, b.evidence.p_adj) == (2 / 256, 4 / 256)
    assert (b.better.share, c.better.share) == (1.0, 0.0)
    assert (
        analyse_family([shifted("B", -0.5)], REFERENCE, DecisionRule(lower_is_better=False)).rows[0].decision == "worse"
    )


def test_both_p_values_are_those_of_scipy():
    row = runs("B", [13.0, 13.6, 12.7, 13.5, 12.9, 13.2, 13.1, 12.9])
    found = compare_runs(row, REFERENCE)
    expected = stats.ttest_rel(list(row.values.values()), BASE)
    interval = expected.confidence_interval(0.95)
    assert found.p_t == pytest.approx(expected.pvalue, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-12)
    pairs = (np.array(list(row.values.values())), np.array(BASE))
    permuted = stats.permutation_test(
        pairs, lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    assert found.p_flip == pytest.approx(permuted.pvalue, abs=1e-12)


def test_the_simultaneous_interval_is_bonferronis():
    rows = [shifted("B", -0.5), shifted("C", 0.4), runs("D", [])]
    (b, _, _) = analyse_family(rows, REFERENCE, LOWER).rows
    found = b.evidence.comparison
    assert b.evidence.interval == t_interval(found.mean, found.sd, 8, 1 - 0.05 / 3)


def test_correlation_and_gain_are_those_of_the_definitions():
    row = runs("B", [13.0, 13.6, 12.7, 13.5, 12.9, 13.2, 13.1, 12.9])
    (b,) = analyse_family([row], REFERENCE, LOWER).rows
    ours = np.array(list(row.values.values()))
    assert b.pairing.rho == pytest.approx(np.corrcoef(ours, BASE)[0, 1], rel=1e-12)
    gain = 1 - np.var(ours - BASE, ddof=1) / (np.var(ours, ddof=1) + np.var(BASE, ddof=1))
    assert b.pairing.gain == pytest.approx(gain, rel=1e-12)


@pytest.mark.parametrize("test", ["auto", "t", "pooled"])
def test_nothing_is_decided_below_three_pairs_however_close_these_are(test):
    near = Runs("B", {0: BASE[0] - 5, 1: BASE[1] - 5.001})
    family = analyse_family([near], REFERENCE, replace(LOWER, test=test, margin=10.0))
    (b,) = family.rows
    assert (b.decision, b.reason, b.equivalence) == ("undecided", "two seeds", None)
    assert (b.evidence.test, b.evidence.p, b.evidence.p_adj, b.evidence.interval) == (None, None, None, None)
    assert b.evidence.comparison.p_t is None
    assert b.evidence.comparison.low < -5 < b.evidence.comparison.high  # an interval with a width is one
    assert describe_decision(b, LOWER) == "undecided: the two rows have only 2 common seeds, and a test needs 3"
    assert (family.evidence.test, family.evidence.n) == (None, 0)


def test_two_pairs_that_are_equal_have_no_interval():
    (b,) = analyse_family([runs("B", [value + 1 for value in BASE[:2]])], REFERENCE, LOWER).rows
    assert (b.evidence.comparison.sd, b.evidence.comparison.low, b.evidence.comparison.high) == (0.0, None, None)


def test_a_row_of_two_pairs_leaves_the_test_of_the_others():
    few, many = analyse_family([shifted("B", -0.5, n=2), shifted("C", -0.5)], REFERENCE, LOWER).rows
    assert (many.evidence.test, many.decision, many.evidence.comparisons) == ("flip", "better", 2)
    assert (few.evidence.test, few.decision, few.reason) == ("flip", "undecided", "too few seeds")


def test_no_number_below_three_seeds_is_called_enough():
    assert seeds_for_effect(1000.0) >= 3
    assert seeds_for_effect(1000.0, test="pooled", comparisons=9) == 3
    assert tost_seeds(1000.0) == 3
    assert detectable_effect(2) is None


def test_two_seeds_say_nothing_about_correlation():
    (b,) = analyse_family([shifted("B", 1, n=2)], REFERENCE, LOWER).rows
    assert b.pairing is None


def test_ties_count_half_for_the_share_and_widen_its_interval_both_ways():
    row = runs("B", [13.0, 13.0, 12.9, 13.4, 14.0, 14.0, 14.0, 14.0])  # 2 better, 2 equal, 4 worse
    (b,) = analyse_family([row], REFERENCE, LOWER).rows
    assert (b.better.wins, b.better.ties, b.better.n, b.better.share) == (2, 2, 8, 3 / 8)
    assert b.better.low == pytest.approx(stats.beta.ppf(0.025, 2, 7), rel=1e-6)
    assert b.better.high == pytest.approx(stats.beta.ppf(0.975, 5, 4), rel=1e-6)


def test_auto_takes_t_for_the_whole_family_where_one_row_has_too_few_seeds():
    rows = [shifted("B", -0.5), shifted("C", 0.4, n=5)]
    family = analyse_family(rows, REFERENCE, LOWER)
    assert (family.evidence.test, family.evidence.n) == ("t", 5)
    assert [row.evidence.test for row in family.rows] == ["t", "t"]
    assert "paired t" in describe_test(family)


def test_rows_that_cannot_be_tested_do_not_choose_the_test_but_are_counted():
    rows = [shifted("B", -0.5), runs("C", [], failed=range(8)), runs("D", [13.0])]
    family = analyse_family(rows, REFERENCE, LOWER)
    assert (family.evidence.test, family.evidence.n, family.evidence.comparisons) == ("flip", 8, 3)
    assert family.rows[0].evidence.p_adj == 3 * 2 / 256


def test_the_choice_of_the_test_counts_rows_without_results():
    rows = [shifted("B", -0.5, n=7), shifted("C", 0.4, n=7), shifted("D", 0.1, n=7), runs("E", []), runs("F", [])]
    assert analyse_family(rows[:3], REFERENCE, LOWER).evidence.test == "flip"
    assert analyse_family(rows, REFERENCE, LOWER).evidence.test == "t"


def test_a_row_that_failed_altogether_does_not_make_the_others_easier():
    three = [shifted("B", -0.5), shifted("C", 0.0001), shifted("D", 0.3)]
    gone = [three[0], three[1], runs("D", [], failed=range(8))]
    (before, *_), (after, *_) = (analyse_family(rows, REFERENCE, LOWER).rows for rows in (three, gone))
    assert after.evidence.p_adj >= before.evidence.p_adj
    assert after.evidence.interval == before.evidence.interval


def test_the_smallest_effect_is_given_in_both_units():
    (b,) = analyse_family([shifted("B", -0.5)], REFERENCE, DecisionRule(lower_is_better=True, test="t")).rows
    assert b.mde_sd == detectable_effect(8, test="t")
    assert b.mde == pytest.approx(b.mde_sd * b.evidence.comparison.sd)


def test_seeds_are_planned_with_the_upper_limit_of_the_spread():
    row = runs("B", [13.0, 13.6, 12.7, 13.5, 12.9, 13.2, 13.1, 12.9])
    design = DecisionRule(lower_is_better=True, test="t")
    (b,) = analyse_family([row], REFERENCE, design).rows
    upper = b.evidence.comparison.sd * math.sqrt(7 / stats.chi2.ppf(0.2, 7))
    n = seeds_to_decide(b, 0.3, design)
    assert detectable_effect(n, test="t") <= 0.3 / upper < detectable_effect(n - 1, test="t")
    assert seeds_to_decide(b, -0.3, design) == n
    assert seeds_to_decide(b, 0.0, design) is None


def test_equivalence_is_claimed_with_a_margin_only():
    row = runs("B", [value + 0.01 * (-1) ** k for k, value in enumerate(BASE)])
    without, within = (analyse_family([row], REFERENCE, replace(LOWER, margin=m)).rows[0] for m in (None, 0.1))
    assert (without.decision, without.reason, without.equivalence) == ("undecided", "no clear difference", None)
    assert (within.decision, within.reason) == ("equivalent", None)
    assert describe_decision(within, replace(LOWER, margin=0.1)) == "equivalent (within \u00b10.1)"
    in_points = replace(LOWER, margin=0.1, unit="points")
    assert describe_decision(within, in_points) == "equivalent (within \u00b10.1 points)"


def test_equivalence_is_corrected_for_the_rows_too():
    row = runs("B", [value + 0.06 * (-1) ** k for k, value in enumerate(BASE)])
    design = replace(LOWER, margin=0.06)
    (alone,) = analyse_family([row], REFERENCE, design).rows
    among = analyse_family([row, *(shifted(label, 0.5) for label in "CDEF")], REFERENCE, design).rows[0]
    assert (alone.decision, among.decision) == ("equivalent", "undecided")


def test_a_clear_difference_inside_the_margin_is_still_a_difference():
    (b,) = analyse_family([shifted("B", -0.01)], REFERENCE, replace(LOWER, margin=0.1)).rows
    assert (b.decision, b.equivalence.is_shown) == ("better", True)


def test_pooled_is_dunnetts_test_with_its_own_interval():
    rows = [shifted("B", -0.5), runs("C", [value + 0.1 * math.sin(k) for k, value in enumerate(BASE)])]
    family = analyse_family(rows, REFERENCE, replace(LOWER, test="pooled"))
    b, c = family.rows
    assert {b.evidence.test, c.evidence.test} == {"pooled"}
    assert b.evidence.df == 14
    assert b.evidence.interval[0] < b.evidence.difference < b.evidence.interval[1]
    assert b.decision == "better"
    assert c.evidence.p < c.evidence.p_adj
    assert b.mde_sd == detectable_effect(8, comparisons=2, test="pooled")
    assert "Levene" in describe_spread(family.evidence.pooled)
    assert "Dunnett" in describe_test(family)


def test_the_spread_of_a_pooled_difference_is_that_of_two_runs():
    rows = [shifted("B", -0.5), runs("C", [value + 0.1 * math.sin(k) for k, value in enumerate(BASE)])]
    family = analyse_family(rows, REFERENCE, replace(LOWER, test="pooled"))
    assert {row.evidence.sd for row in family.rows} == {math.sqrt(2) * family.evidence.pooled.sd}


def test_where_pooling_is_impossible_auto_decides_and_says_so():
    rows = [shifted("B", -0.5, n=3), Runs("C", {5: 13.0, 6: 13.9, 7: 13.1})]
    family = analyse_family(rows, REFERENCE, replace(LOWER, test="pooled"))
    assert family.evidence.pooled is None
    assert family.evidence.test == "t"
    assert describe_test(family).endswith("The pooled test was not possible.")


# --- lost runs --------------------------------------------------------------------------------------------------------


def without(row, seeds):
    return replace(row, values={s: v for s, v in row.values.items() if s not in seeds}, failed=frozenset(seeds))


def test_a_better_row_that_lost_a_run_is_undecided_if_the_worst_case_is():
    row = without(shifted("B", -0.5), {3})
    (b,) = analyse_family([row], REFERENCE, LOWER).rows
    assert b.evidence.p_adj == 2 / 128  # by the seven that are left
    assert (b.decision, b.reason) == ("undecided", "failures")
    assert b.evidence.failures.p_worst > 0.05
    assert describe_decision(b, LOWER) == "undecided: the decision depends on the failed runs"


def test_a_better_row_stays_better_where_even_the_worst_case_says_so():
    base = [13 + 0.1 * math.sin(k) for k in range(14)]
    row = without(runs("B", [value - 1 - 0.01 * k for k, value in enumerate(base)]), {3})
    (b,) = analyse_family([row], runs("A", base), LOWER).rows
    assert b.evidence.failures.p_worst <= 0.05
    assert b.decision == "better"


def test_lost_runs_of_a_row_that_is_worse_do_not_save_it():
    (b,) = analyse_family([without(shifted("B", 0.5), {3})], REFERENCE, LOWER).rows
    assert (b.decision, b.evidence.failures.row_only) == ("worse", 1)


def test_lost_runs_that_speak_for_the_decision_need_no_worst_case():
    row = without(shifted("B", 0.5, n=5), {3})  # four seeds left: t decides, a rank test never could
    (b,) = analyse_family([row], REFERENCE, LOWER).rows
    assert (b.evidence.test, b.decision) == ("t", "worse")
    assert b.evidence.failures.p_worst > 0.05


def test_the_worst_case_is_corrected_for_the_rows_too():
    base = [13 + 0.1 * math.sin(k) for k in range(10)]
    lost = without(runs("B", [value - 1 - 0.01 * k for k, value in enumerate(base)]), {3})
    nulls = [
        runs(label, [value + 0.1 * math.cos(5 * k + j) for k, value in enumerate(base)])
        for j, label in enumerate("CDEF")
    ]
    (alone,) = analyse_family([lost], runs("A", base), replace(LOWER, alpha=0.1)).rows
    among = analyse_family([lost, *nulls], runs("A", base), replace(LOWER, alpha=0.1)).rows[0]
    assert alone.evidence.failures.p_worst == among.evidence.failures.p_worst <= 0.1
    assert (alone.decision, among.decision, among.reason) == ("better", "undecided", "failures")


def test_a_row_is_not_worse_for_what_its_reference_lost():
    (b,) = analyse_family([shifted("B", 0.5)], without(REFERENCE, {3}), LOWER).rows
    assert (b.decision, b.reason) == ("undecided", "failures")
    (b,) = analyse_family([shifted("B", -0.5)], without(REFERENCE, {3}), LOWER).rows
    assert b.decision == "better"


def test_runs_lost_in_both_change_nothing():
    row, reference = without(shifted("B", -0.5), {3}), without(REFERENCE, {3})
    (b,) = analyse_family([row], reference, LOWER).rows
    assert (b.decision, b.evidence.failures.both, b.evidence.failures.p_worst) == ("better", 1, None)


def test_a_row_that_diverges_is_not_equivalent():
    row = without(runs("B", [value + 0.01 * (-1) ** k for k, value in enumerate(BASE)]), {0})
    (b,) = analyse_family([row], REFERENCE, replace(LOWER, margin=0.5)).rows
    assert b.equivalence.is_shown
    assert (b.decision, b.reason) == ("undecided", "failures")


def test_failures_that_decide_in_the_worst_case_are_named_as_the_reason():
    (b,) = analyse_family([runs("B", [], diverged=range(8))], REFERENCE, LOWER).rows
    assert (b.decision, b.reason, b.evidence.p) == ("undecided", "failures", None)
    assert b.evidence.failures.p == 2 / 256


def decided_better(analyse, replicates=200):
    """Share of single null rows called better whose runs diverge where they would have been bad."""
    rng = np.random.default_rng(15)
    found = 0
    for row, reference in rng.normal(size=(replicates, 2, 10)):
        bad = {int(seed) for seed in np.flatnonzero(row > 0.5)}
        found += analyse(without(runs("B", row.tolist()), bad), runs("A", reference.tolist())) == "better"
    return found / replicates


def most(replicates=200):
    return 0.05 + 3 * math.sqrt(0.05 * 0.95 / replicates)


def test_a_row_that_loses_its_bad_seeds_is_not_called_better():
    assert decided_better(lambda row, reference: analyse_family([row], reference, LOWER).rows[0].decision) <= most()


def test_dropping_failed_seeds_does_not_pass_that_check():
    def dropping(row, reference):
        return analyse_family([replace(row, failed=frozenset())], reference, LOWER).rows[0].decision

    assert decided_better(dropping) > most()


# --- nothing to say, said ---------------------------------------------------------------------------------------------

EMPTY = {
    "one seed": ([13.0], "undecided", "one seed"),
    "no seed": ([], "undecided", "no common seed"),
    "all tie": (BASE, "undecided", "all seeds tie"),
    "not finite": ([math.inf] * 8, "undecided", "failures"),
    "nan": ([math.nan, 13.0], "undecided", "no common seed"),
}


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("case", EMPTY)
def test_there_is_always_a_word(case, test):
    values, decision, reason = EMPTY[case]
    row = runs("B", values)
    reference = REFERENCE if case != "nan" else runs("A", [1.0])
    (b,) = analyse_family([row], reference, replace(LOWER, test=test)).rows
    assert (b.decision, b.reason) == (decision, reason)
    assert b.evidence.p in (None, 1.0)


@pytest.mark.parametrize("test", ["auto", "t", "flip", "pooled"])
@pytest.mark.parametrize(("n", "decision"), [(3, "undecided"), (5, "undecided"), (8, "better")])
def test_equal_differences_are_decided_by_their_number_alone(n, decision, test):
    values = [0.3, 64.7, 3.1, 7.9, 13.2, 16.4, 33.1, 1.7][:n]
    row = runs("B", [value - 0.1 for value in values])  # equal but for rounding: t would be in the millions
    assert len({ours - theirs for ours, theirs in zip(row.values.values(), values, strict=True)}) > 1
    (b,) = analyse_family([row], runs("A", values), replace(LOWER, test=test)).rows
    found = b.evidence.comparison
    assert (found.sd, found.p_t, b.evidence.test, b.evidence.p) == (0.0, None, "flip", 2 / 2**n)
    assert found.low == found.high == found.mean
    assert b.decision == decision
    assert b.reason == (None if decision == "better" else "too few seeds")


def test_seeds_that_tie_leave_fewer_to_decide_with():
    row = runs("B", [value - 0.1 * (k + 1) * (k < 5) for k, value in enumerate(BASE)])
    (b,) = analyse_family([row], REFERENCE, LOWER).rows
    assert (b.evidence.comparison.n, b.evidence.p, b.reason) == (8, 2 / 32, "too few seeds")


def test_rounding_noise_is_a_tie():
    (b,) = analyse_family([runs("B", [0.1 + 0.2] * 8)], runs("A", [0.3] * 8), replace(LOWER, margin=0.1)).rows
    assert (b.evidence.p, b.decision, b.better.ties) == (1.0, "equivalent", 8)


def test_a_t_beyond_all_floats_has_no_p_of_zero():
    row = runs("B", [value + 1e9 + 1e-1 * k for k, value in enumerate(np.resize(BASE, 60).tolist())])
    (b,) = analyse_family([row], runs("A", np.resize(BASE, 60).tolist()), replace(LOWER, test="t")).rows
    assert 0 < b.evidence.p < 1e-300
    assert b.decision == "worse"


def test_a_reference_without_results_leaves_every_row_undecided():
    family = analyse_family([shifted("B", 1), shifted("C", -1)], runs("A", []), LOWER)
    assert [row.reason for row in family.rows] == ["no common seed"] * 2
    assert describe_test(family) == "Nothing is tested, because no row has 3 seeds in common with 'A'."


def test_a_reference_alone_is_a_family_without_rows():
    assert analyse_family([], REFERENCE, LOWER).rows == ()


def simulated_power(difference, sd, n):
    """How often a two-sided paired t test at 5 % finds a mean difference of that size in normal differences."""
    drawn = np.random.default_rng(3).normal(difference, sd, (200_000, n))
    t = drawn.mean(axis=1) / drawn.std(axis=1, ddof=1) * math.sqrt(n)
    return float((np.abs(t) > stats.t.ppf(0.975, n - 1)).mean())


@pytest.mark.parametrize(
    ("values", "unit", "words"),
    [
        ([13.0, 13.6, 12.7], "", "differences above 0.57 (80 % power)"),
        ([13.0, 13.6, 12.7], "points", "differences above 0.57 points (80 % power)"),
        ([11.0, 15.0, 13.6], "points", "differences above 6.4 points (80 % power)"),
        ([-1.0, 42.0, 20.0], "points", "differences above 70 points (80 % power)"),
    ],
)
def test_an_undecided_row_states_the_difference_that_it_can_detect_in_units_of_the_metric(values, unit, words):
    design = replace(LOWER, unit=unit)
    (b,) = analyse_family([runs("B", values)], REFERENCE, design).rows
    assert describe_decision(b, design) == f"undecided: 3 seeds can only detect {words}"
    stated = float(words.split()[2])
    assert simulated_power(stated, float(np.std(np.subtract(values, BASE[:3]), ddof=1)), 3) == pytest.approx(
        0.8, abs=0.01
    )


def test_an_undecided_row_states_why_the_exact_test_cannot_decide():
    flip = replace(LOWER, test="flip")
    (b,) = analyse_family([runs("B", [13.0, 13.6, 12.7])], REFERENCE, flip).rows
    assert describe_decision(b, flip) == "undecided: the exact test cannot decide with 3 seeds and 1 comparison"
    (b, _) = analyse_family([runs("B", [13.2, 13.6, 12.7]), runs("C", [])], REFERENCE, flip).rows
    expected = "undecided: the exact test cannot decide with 3 seeds (1 tie) and 2 comparisons"
    assert describe_decision(b, flip) == expected


@pytest.mark.parametrize(
    ("field", "value"), [("alpha", 0.0), ("alpha", 1.0), ("margin", 0.0), ("margin", math.inf), ("test", "wilcoxon")]
)
def test_a_design_without_sense_is_refused(field, value):
    with pytest.raises(ValueError, match=field):
        replace(LOWER, **{field: value})


WILD = st.one_of(st.floats(), st.sampled_from([0.0, 1e-320, 1e149, -1e149, 1e308, 0.3, 0.1 + 0.2]))


@settings(max_examples=150, deadline=None)
@given(families(values=WILD), DESIGNS)
def test_whatever_the_numbers_there_is_a_word_and_no_p_of_zero(family, design):
    rows, reference = family
    found = analyse_family(rows, reference, design)
    assert describe_test(found)
    for row in found.rows:
        evidence = row.evidence
        for p in (evidence.p, evidence.p_adj, evidence.comparison.p_t, evidence.comparison.p_flip, evidence.failures.p):
            assert p is None or 0 < p <= 1
        assert describe_decision(row, design).startswith(row.decision)
        assert (row.reason is None) == (row.decision != "undecided")
        assert seeds_to_decide(row, 1.0, design) is None or seeds_to_decide(row, 1.0, design) >= 2


# --- laws -------------------------------------------------------------------------------------------------------------


def outcome(row):
    """What must not change, floats to nine digits."""
    evidence = row.evidence
    numbers = (evidence.p, evidence.p_adj, evidence.p_worst_adj, row.mde_sd, row.better and row.better.share)
    return row.label, row.decision, row.reason, evidence.test, *(n and float(f"{n:.9g}") for n in numbers)


@settings(max_examples=60, deadline=None)
@given(families(), DESIGNS, st.permutations(range(9)), st.randoms())
def test_neither_the_names_of_the_seeds_nor_the_order_of_the_rows_matter(family, design, names, random):
    def renamed(runs):
        return Runs(
            runs.label, {names[s]: v for s, v in runs.values.items()},
            *(frozenset(names[s] for s in seeds) for seeds in (runs.planned, runs.diverged, runs.failed)),
        )  # fmt: skip

    rows, reference = family
    shuffled = random.sample(rows, len(rows))
    there = analyse_family(rows, reference, design)
    back = analyse_family([renamed(row) for row in shuffled], renamed(reference), design)
    assert sorted(map(outcome, there.rows)) == sorted(map(outcome, back.rows))


def scaled(runs, factor):
    return replace(runs, values={seed: factor * value for seed, value in runs.values.items()})


@settings(max_examples=60, deadline=None)
@given(families(), DESIGNS)
def test_the_unit_does_not_matter(family, design):
    rows, reference = family
    there = analyse_family(rows, reference, design)
    margin = design.margin and 1000 * design.margin
    back = analyse_family([scaled(row, 1000) for row in rows], scaled(reference, 1000), replace(design, margin=margin))
    assert list(map(outcome, there.rows)) == list(map(outcome, back.rows))
    for here, thousand in zip(there.rows, back.rows, strict=True):
        assert (here.mde is None) == (thousand.mde is None)
        assert here.mde is None or thousand.mde == pytest.approx(1000 * here.mde, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(families(), DESIGNS)
def test_a_metric_and_its_direction_turned_round_together_change_nothing(family, design):
    rows, reference = family
    turned = replace(design, lower_is_better=not design.lower_is_better)
    there = analyse_family(rows, reference, design)
    back = analyse_family([scaled(row, -1) for row in rows], scaled(reference, -1), turned)
    assert list(map(outcome, there.rows)) == list(map(outcome, back.rows))


@settings(max_examples=60, deadline=None)
@given(families(), DESIGNS)
def test_a_direction_turned_round_swaps_better_and_worse_only(family, design):
    rows, reference = ([replace(row, diverged=(), failed=()) for row in family[0]], family[1])
    reference = replace(reference, diverged=(), failed=())
    there, back = (
        analyse_family(rows, reference, replace(design, lower_is_better=lower)).rows for lower in (True, False)
    )
    for a, b in zip(there, back, strict=True):
        assert OPPOSITE.get(a.decision, a.decision) == b.decision
        assert (a.reason, a.evidence, a.equivalence, a.mde) == (b.reason, b.evidence, b.equivalence, b.mde)


@settings(max_examples=60, deadline=None)
@given(some_runs("a"), some_runs("b"), DESIGNS)
def test_row_and_reference_may_change_places(a, b, design):
    (there,), (back,) = (analyse_family([row], reference, design).rows for row, reference in ((a, b), (b, a)))
    assert OPPOSITE.get(there.decision, there.decision) == back.decision
    assert there.reason == back.reason
    if there.evidence.interval:  # there is none for two seeds whose differences are equal
        assert there.evidence.p == pytest.approx(back.evidence.p, rel=1e-9)
        mirrored = back.evidence.interval and tuple(-end for end in back.evidence.interval[::-1])
        assert there.evidence.interval == (mirrored and pytest.approx(mirrored, rel=1e-9, abs=1e-9))
