"""How often families of rows without any difference are decided, and how often intervals miss: checks 2, 10 and 17."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy import stats

from ablate.statistics.decisions.corrections import holm
from ablate.statistics.decisions.evidence import DecisionRule, gather_evidence
from ablate.statistics.decisions.row_comparison import Runs
from ablate.statistics.estimate import t_interval

LOWER = DecisionRule(lower_is_better=True)


def most(replicates):
    return 0.05 + 3 * math.sqrt(0.05 * 0.95 / replicates)


@cache
def coverage(interval, n, replicates=2500):
    """Share of intervals over n normal seeds that contain the true mean."""
    draws = np.random.default_rng(n).normal(1, 2, (replicates, n))
    low, high = interval(draws)
    return np.mean((low <= 1) & (high >= 1))


def by_t(draws):
    found = [t_interval(float(d.mean()), float(d.std(ddof=1)), len(d)) for d in draws]
    return np.array(found).T


def by_percentile_bootstrap(draws):
    n = draws.shape[1]
    picks = np.random.default_rng(0).integers(0, n, (400, n))
    return np.quantile(draws[:, picks].mean(axis=2), [0.025, 0.975], axis=1)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_t_interval_covers_what_it_says(n):
    assert coverage(by_t, n) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("n", "covered"), [(3, 0.73), (5, 0.83), (10, 0.90)])
def test_the_percentile_bootstrap_does_not_pass_that_check(n, covered):
    assert coverage(by_percentile_bootstrap, n) != pytest.approx(0.95, abs=0.015)
    assert coverage(by_percentile_bootstrap, n) == pytest.approx(covered, abs=0.03)


def skewed_null_families(replicates, n):
    """8 null rows that share a skewed reference, as runs."""
    noise = np.random.default_rng(n).exponential(size=(replicates, 9, n)) ** 1.5
    for reference, *rows in noise.tolist():
        yield (
            [Runs(f"row {k}", dict(enumerate(values))) for k, values in enumerate(rows)],
            Runs("reference", dict(enumerate(reference))),
        )


def any_decided(rows, reference, design=LOWER):
    found = gather_evidence([(row, reference) for row in rows], design, shared=reference)
    return any(evidence.p_adj <= design.alpha for evidence in found.found)


def test_families_of_eight_null_rows_invent_few_findings():
    rate = np.mean([any_decided(rows, reference) for rows, reference in skewed_null_families(400, 12)])
    assert rate <= most(400)


def test_with_three_seeds_the_t_test_invents_few_findings_too():
    rate = np.mean([any_decided(rows, reference) for rows, reference in skewed_null_families(400, 3)])
    assert rate <= most(400)


def test_looking_after_every_seed_does_not_pass_that_check():
    draws = np.random.default_rng(16).normal(size=(600, 20))
    looks = [stats.ttest_1samp(draws[:, :n], 0, axis=1).pvalue <= 0.05 for n in range(3, 21)]
    rate = np.any(looks, axis=0).mean()
    assert rate > most(600)
    assert rate == pytest.approx(0.21, abs=3 * math.sqrt(0.21 * 0.79 / 600))


def test_holm_over_the_rows_is_what_the_family_reports():
    rows, reference = next(skewed_null_families(1, 12))
    found = gather_evidence([(row, reference) for row in rows], LOWER).found
    assert [evidence.p_adj for evidence in found] == holm([evidence.p for evidence in found])
