"""The formulas of `verify.py` against those of ablate, on families of every kind: two programs, the same answers."""

from __future__ import annotations

import math
import random

import pytest

from ablate.bundle.reviewer import verify as reviewer
from ablate.statistics.decisions.dunnett import dunnett_p
from ablate.statistics.decisions.evidence import DecisionRule
from ablate.statistics.decisions.family import analyse_family
from ablate.statistics.decisions.row_comparison import Runs


def draw_runs(draws: random.Random, label: str, n: int, level: float, losses: float) -> Runs:
    """A row with ties now and then, and lost seeds."""
    digits, spread = draws.choice([1, 12]), draws.choice([0.0, 0.3, 1.0])
    values = {seed: round(level + spread * draws.gauss(0, 1), digits) for seed in range(n) if draws.random() >= losses}
    lost = [seed for seed in range(n) if seed not in values]
    return Runs(label, values, range(n), lost[::2], lost[1::2])


def close(ours: float | None, theirs: float | None, tolerance: float = 1e-7) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=1e-13)


@pytest.mark.parametrize("seed", range(150))
def test_both_programs_decide_a_random_family_in_the_same_way(seed: int) -> None:
    draws = random.Random(seed)
    n, losses = draws.randint(1, 11), draws.choice([0.0, 0.0, 0.2, 0.6])
    rows = [draw_runs(draws, f"row {k}", n, draws.choice([0.0, 0.4, 3.0]), losses) for k in range(draws.randint(1, 5))]
    base = draw_runs(draws, "base", n, 0.0, losses)
    lower, alpha = draws.random() < 0.5, draws.choice([0.05, 0.2])
    margin = draws.choice([None, 0.5, 5.0])
    test = draws.choice(["auto", "flip", "t", "pooled"])
    theirs = analyse_family(rows, base, DecisionRule(lower, alpha, margin, test))
    plain = [reviewer.Row(one.label, one.usable, set(one.lost)) for one in (*rows, base)]
    ours = dict(reviewer.analyse(plain[:-1], plain[-1], reviewer.Rule(lower, alpha, margin, test)))
    for row in theirs.rows:
        found, evidence = ours[row.label], row.evidence
        assert found["decision"] == row.decision
        assert found["tested/test"] == evidence.test
        assert close(found["p"], evidence.p)
        assert close(found["p_flip"], evidence.comparison.p_flip)
        assert close(found["p_adj"], evidence.p_adj, 1e-5)
        assert close(found["tested/p_t"], evidence.comparison.p_t)
        assert close(found["tested/p_worst"], evidence.failures.p_worst)
        if evidence.interval:
            assert close(found["tested/simultaneous/low"], evidence.interval[0], 1e-6)
            assert close(found["tested/simultaneous/high"], evidence.interval[1], 1e-6)
        if row.better:
            assert close(found["tested/p_better/share"], row.better.share)
            assert close(found["tested/p_better/low"], row.better.low)
            assert close(found["tested/p_better/high"], row.better.high)


@pytest.mark.parametrize(("t", "m", "df"), [(1.0, 3, 6), (3.0, 3, 2), (12.0, 4, 6), (2.5, 10, 90), (60.0, 3, 6)])
def test_the_two_integrals_of_dunnetts_test_agree(t: float, m: int, df: int) -> None:
    assert reviewer.dunnett(t, m, df) == pytest.approx(dunnett_p(t, m, df), rel=1e-6)
