from __future__ import annotations

import math

import numpy as np
import pytest

from ablate.statistics.decisions.anytime import evidence_now
from ablate.statistics.decisions.corrections import find_discoveries


def test_the_shares_of_alpha_add_up_to_alpha_without_a_discovery() -> None:
    needed = [one.needed for one in find_discoveries([1.0] * 100_000, 0.05)]
    assert sum(1 / one for one in needed) == pytest.approx(0.05, rel=1e-4)
    assert needed[0] == pytest.approx(math.pi**2 / 0.3)


def test_a_discovery_makes_the_next_ones_easier() -> None:
    first, second, third = find_discoveries([1e6, 200.0, 1.0], 0.05)
    assert (first.is_found, second.is_found, third.is_found) == (True, True, False)
    assert second.needed == pytest.approx(4 * first.needed / 2)
    assert third.needed == pytest.approx(9 * first.needed / 3)


def test_no_hypothesis_no_discovery() -> None:
    assert find_discoveries([], 0.05) == []


def test_the_share_of_false_discoveries_is_below_alpha() -> None:
    draws = np.random.default_rng(5)
    shares = []
    for _ in range(150):
        is_null = draws.random(20) < 0.7
        rows = [draws.normal(0.0 if null else 2.0, 1.0, 14) for null in is_null]
        found = [one.is_found for one in find_discoveries([evidence_now(row.tolist()) for row in rows], 0.1)]
        shares.append(sum(np.array(found) & is_null) / max(1, sum(found)))
    assert np.mean(shares) <= 0.1 + 3 * np.std(shares) / math.sqrt(len(shares))
    assert any(found), "the planted effects are found"


def test_without_differences_the_evidence_is_one() -> None:
    assert evidence_now([]) == 1.0
    assert evidence_now([0.0, 0.0]) == pytest.approx(1.0)
    assert evidence_now([1.0] * 12) == evidence_now([-1e9] * 12) > 50
