from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.decisions.corrections import bonferroni_level, holm
from ablate.statistics.decisions.signflip import signflip_p

P = st.floats(1e-12, 1.0)


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.02, 0.03, 0.04], [0.04, 0.06, 0.06, 0.06]),
        ([0.04, 0.01, 0.03], [0.06, 0.03, 0.06]),
        ([0.01, 0.01], [0.02, 0.02]),
        ([0.6, 0.9], [1.0, 1.0]),
        ([0.01, 1.0, 1.0], [0.03, 1.0, 1.0]),
    ],
)
def test_known_answers(raw, adjusted):
    assert holm(raw) == pytest.approx(adjusted, abs=1e-15)


@settings(deadline=None)
@given(st.lists(P, min_size=1, max_size=12), st.randoms())
def test_the_order_given_is_kept_and_does_not_matter(raw, random):
    places = random.sample(range(len(raw)), len(raw))
    adjusted = holm(raw)
    assert holm([raw[place] for place in places]) == [adjusted[place] for place in places]


@settings(deadline=None)
@given(st.lists(P, min_size=1, max_size=12))
def test_adjusted_values_are_monotone_and_between_raw_and_bonferroni(raw):
    adjusted = holm(raw)
    assert all(p <= q <= min(1.0, len(raw) * p) for p, q in zip(raw, adjusted, strict=True))
    in_order = [q for _, q in sorted(zip(raw, adjusted, strict=True))]
    assert in_order == sorted(in_order)


@settings(deadline=None)
@given(st.lists(P, min_size=1, max_size=6), st.floats(0.01, 0.2))
def test_it_decides_as_holms_step_down_does(raw, alpha):
    rejected = [False] * len(raw)
    for rank, index in enumerate(sorted(range(len(raw)), key=raw.__getitem__)):
        if raw[index] * (len(raw) - rank) > alpha:
            break
        rejected[index] = True
    assert [q <= alpha for q in holm(raw)] == rejected


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p):
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        holm([0.2, p])


def test_the_level_of_one_comparison():
    assert [bonferroni_level(0.05, m) for m in (0, 1, 5)] == pytest.approx([0.05, 0.05, 0.01])


def family_wise_error(p_values_of, replicates=500):
    """Share of families of 8 null rows, 12 seeds, whose skewed reference is shared, with any finding at 5 %."""
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(replicates):
        values = rng.exponential(size=(9, 12)) ** 1.5
        found += min(holm(p_values_of(values[1:], values[0]))) <= 0.05
    return found / replicates


def most(replicates=500):
    return 0.05 + 3 * math.sqrt(0.05 * 0.95 / replicates)


def test_eight_null_rows_with_a_shared_skewed_reference_give_few_findings():
    rate = family_wise_error(lambda rows, reference: [signflip_p((row - reference).tolist()) for row in rows])
    assert rate <= most()


def test_forgetting_that_the_reference_is_one_sample_for_all_does_not_pass_that_check():
    rate = family_wise_error(lambda rows, reference: stats.ttest_1samp(rows, reference.mean(), axis=1).pvalue.tolist())
    assert rate > most()


def test_leaving_the_correction_out_does_not_pass_that_check():
    rate = family_wise_error(
        lambda rows, reference: [min(1.0, signflip_p((row - reference).tolist()) / len(rows)) for row in rows]
    )
    assert rate > most()
