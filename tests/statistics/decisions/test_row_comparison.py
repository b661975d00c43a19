from __future__ import annotations

import pytest
from scipy.stats import binomtest, ttest_rel

from ablate.statistics.decisions.row_comparison import Runs, clopper_pearson, compare_runs


@pytest.mark.parametrize("n", [1, 2, 5, 9, 40])
def test_the_interval_of_a_share_is_that_of_scipy(n: int) -> None:
    for count in range(n + 1):
        found = binomtest(count, n).proportion_ci(0.95, method="exact")
        assert clopper_pearson(count, n) == pytest.approx((found.low, found.high), abs=1e-12)


def test_differences_below_the_smallest_float_of_full_precision_count_as_ties() -> None:
    row, reference = Runs("row", {0: 1e-310, 1: 3e-310, 2: 0.0}), Runs("reference", {0: 5e-324, 1: 0.0, 2: 0.0})
    found = compare_runs(row, reference)
    assert (found.mean, found.sd, found.p_t, found.p_flip) == (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**-500, 2.0**490])
def test_the_unit_of_the_metric_changes_no_p_value(unit: float) -> None:
    ours, theirs = [1.3, 0.4, 2.9, 1.1], [0.2, 0.5, 1.4, 0.3]
    runs = [Runs("row", {seed: value * unit for seed, value in enumerate(values)}) for values in (ours, theirs)]
    found = compare_runs(*runs)
    assert found.p_t == pytest.approx(ttest_rel(ours, theirs).pvalue, rel=1e-12)
    assert found.mean is not None
    assert found.mean / unit == pytest.approx(0.825, rel=1e-12)
