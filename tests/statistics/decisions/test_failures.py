from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.decisions.failures import compare_failures, mcnemar_p, worst_case_scores
from ablate.statistics.decisions.row_comparison import Runs
from ablate.statistics.decisions.signflip import signflip_p

VALUES = st.integers(-99, 99).map(lambda number: number / 10)
SEEDS = st.integers(0, 9)


@st.composite
def runs(draw):
    values = draw(st.dictionaries(SEEDS, VALUES, max_size=8))
    lost = draw(st.sets(SEEDS, max_size=4))
    return Runs("row", values, diverged=frozenset(lost), failed=frozenset(draw(st.sets(SEEDS, max_size=2))))


@pytest.mark.parametrize(
    ("row_only", "reference_only", "p"), [(0, 0, 1), (1, 0, 1), (5, 0, 2 / 32), (6, 0, 2 / 64), (3, 3, 1)]
)
def test_the_exact_test_of_the_rates(row_only, reference_only, p):
    assert mcnemar_p(row_only, reference_only) == pytest.approx(p, abs=1e-12)


def test_seeds_are_counted_by_who_lost_them():
    row = Runs("row", {0: 1.0, 1: 1.0, 5: 1.0}, diverged={2}, failed={3, 4})
    reference = Runs("reference", {0: 1.0, 2: 1.0, 3: 1.0}, failed={1, 4})
    found = compare_failures(row, reference, lower_is_better=True)
    assert (found.n, found.row_only, found.reference_only, found.both) == (5, 2, 1, 1)


def test_seeds_that_are_still_to_come_are_not_lost():
    found = compare_failures(Runs("row", {0: 1.0}, planned=range(8)), Runs("b", {0: 2.0, 1: 2.0}), lower_is_better=True)
    assert (found.n, found.row_only, found.p_worst, found.worst_sign) == (1, 0, None, 0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e200])
def test_a_value_that_is_no_number_is_a_lost_run(value):
    found = compare_failures(Runs("row", {0: value}), Runs("reference", {0: 1.0}), lower_is_better=True)
    assert (found.n, found.row_only) == (1, 1)


def test_a_value_that_a_diverged_run_left_behind_does_not_count():
    found = compare_failures(Runs("row", {0: 0.5}, diverged={0}), Runs("reference", {0: 1.0}), lower_is_better=True)
    assert (found.row_only, found.worst_sign) == (1, 1)


@pytest.mark.parametrize(("lower_is_better", "sign"), [(True, 1), (False, -1)])
def test_a_lost_run_counts_as_the_worst_value_there_is(lower_is_better, sign):
    row, reference = Runs("row", {0: 1.0, 1: 2.0}, failed={2}), Runs("b", {0: 3.0, 1: 2.5, 2: 0.0})
    scores = worst_case_scores(row, reference, lower_is_better=lower_is_better)
    assert scores == {0: -2.0, 1: -1.0, 2: 3.0 * sign}


def test_lost_in_both_is_a_tie_and_several_lost_runs_share_their_rank():
    row, reference = Runs("row", {0: 1.0}, failed={1, 2, 3}), Runs("b", {0: 2.0, 1: 1.0, 2: 1.0}, failed={3})
    assert worst_case_scores(row, reference, lower_is_better=True) == {0: -2.0, 1: 3.5, 2: 3.5, 3: 0.0}


def test_differences_that_are_equal_but_for_rounding_share_their_rank():
    row, reference = Runs("row", {0: 13.3, 1: 0.3, 2: 5.0}), Runs("b", {0: 13.1, 1: 0.1, 2: 6.0})
    assert 13.3 - 13.1 != 0.3 - 0.1
    assert worst_case_scores(row, reference, lower_is_better=True) == {0: 1.5, 1: 1.5, 2: -3.0}


@settings(deadline=None)
@given(st.lists(st.integers(-999, 999).filter(bool).map(lambda k: k / 100), min_size=1, max_size=10, unique_by=abs))
def test_without_lost_runs_the_worst_case_is_wilcoxons_signed_rank_test(differences):
    row, reference = Runs("row", dict(enumerate(differences))), Runs("b", dict.fromkeys(range(len(differences)), 0.0))
    scores = worst_case_scores(row, reference, lower_is_better=True)
    assert signflip_p(list(scores.values())) == pytest.approx(
        stats.wilcoxon(differences, method="exact").pvalue, abs=1e-12
    )


@settings(deadline=None)
@given(runs(), runs(), st.booleans())
def test_row_and_reference_may_change_places(a, b, lower_is_better):
    there, back = (compare_failures(*pair, lower_is_better=lower_is_better) for pair in ((a, b), (b, a)))
    assert (there.n, there.row_only, there.both, there.p) == (back.n, back.reference_only, back.both, back.p)
    assert (there.p_worst, there.worst_sign) == (back.p_worst, -back.worst_sign)


@settings(deadline=None)
@given(runs(), runs())
def test_a_run_more_that_is_lost_never_speaks_for_its_row(a, b):
    common = sorted((a.usable.keys() - b.lost) & b.usable.keys())
    if common:
        worse = Runs("row", a.values, diverged=a.diverged, failed={*a.failed, common[0]})
        before = sum(worst_case_scores(a, b, lower_is_better=True).values())
        assert sum(worst_case_scores(worse, b, lower_is_better=True).values()) >= before
