from __future__ import annotations

import pytest
from scipy.stats import binomtest

from ablate.statistics.decisions.row_comparison import clopper_pearson


@pytest.mark.parametrize("n", [1, 2, 5, 9, 40])
def test_the_interval_of_a_share_is_that_of_scipy(n: int) -> None:
    for count in range(n + 1):
        found = binomtest(count, n).proportion_ci(0.95, method="exact")
        assert clopper_pearson(count, n) == pytest.approx((found.low, found.high), abs=1e-12)
