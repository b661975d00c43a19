from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.decisions.paired import paired_difference

VALUES = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
ROUNDING = 2e-6
"""A difference of values up to 1e6 that may count as 0 before a shift and not after it."""
BY_SEED = st.dictionaries(st.integers(0, 15), VALUES, max_size=10)


def test_only_common_seeds_count():
    found = paired_difference({0: 3.0, 1: 5.0, 2: 9.0}, {2: 4.0, 0: 1.0, 7: 8.0})
    assert found.differences == {0: 2.0, 2: 5.0}


def test_without_a_common_seed_there_is_no_difference():
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def test_one_common_seed_gives_a_difference_without_interval():
    found = paired_difference({0: 3.0, 1: 9.0}, {0: 1.0})
    assert (found.n, found.mean, found.sd, found.low, found.high) == (1, 2.0, None, None, None)


def test_the_interval_is_that_of_a_paired_t_test():
    row, reference = [22.9, 23.4, 22.7, 23.8], [22.1, 22.9, 22.6, 22.5]
    found = paired_difference(dict(enumerate(row)), dict(enumerate(reference)))
    expected = stats.ttest_rel(row, reference).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_rounding_of_large_values_is_no_difference_and_no_spread():
    row = {seed: 1e15 + 0.125 * (seed % 3) for seed in range(6)}
    assert set(paired_difference(row, dict.fromkeys(range(6), 1e15)).differences.values()) == {0.0}
    found = paired_difference(row, dict.fromkeys(range(6), 2.0))
    assert found.sd == 0
    assert found.low == found.mean == found.high == pytest.approx(1e15)


def test_a_constant_difference_has_an_interval_of_one_point():
    found = paired_difference({0: 1.5, 1: 2.5, 2: 3.5}, {0: 1.0, 1: 2.0, 2: 3.0})
    assert (found.low, found.mean, found.high) == (0.5, 0.5, 0.5)


@given(BY_SEED, BY_SEED)
def test_the_difference_is_antisymmetric(a, b):
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert (there is None) == (back is None)
    if there is not None:
        assert (there.n, there.mean, there.sd) == (back.n, -back.mean, back.sd)
        if there.low is not None:
            assert (there.low, there.high) == (-back.high, -back.low)


@given(BY_SEED, BY_SEED, st.permutations(range(16)))
def test_the_names_of_the_seeds_do_not_matter(a, b, names):
    renamed = [{names[seed]: value for seed, value in values.items()} for values in (a, b)]
    there, here = paired_difference(*renamed), paired_difference(a, b)
    assert (there is None) == (here is None)
    if here is not None:
        assert (there.mean, there.sd, there.low, there.high) == (here.mean, here.sd, here.low, here.high)
        assert there.differences == {names[seed]: value for seed, value in here.differences.items()}


@given(BY_SEED, BY_SEED, st.floats(-1e3, 1e3))
def test_a_shift_of_both_rows_changes_nothing(a, b, shift):
    before = paired_difference(a, b)
    after = paired_difference({s: v + shift for s, v in a.items()}, {s: v + shift for s, v in b.items()})
    if before is None:
        assert after is None
    else:
        assert after.mean == pytest.approx(before.mean, abs=ROUNDING)
        assert (before.low is None) == (after.low is None)
        if before.low is not None:
            # the interval widens by at most about 13 sd of rounding noise per value (t at n = 2)
            assert (after.low, after.high) == pytest.approx((before.low, before.high), abs=30 * ROUNDING)


@given(BY_SEED, BY_SEED, st.floats(-1e3, 1e3))
def test_a_shift_of_one_row_shifts_its_difference(a, b, shift):
    before, after = paired_difference(a, b), paired_difference({s: v + shift for s, v in a.items()}, b)
    if before is not None:
        assert after.mean == pytest.approx(before.mean + shift, abs=ROUNDING)
