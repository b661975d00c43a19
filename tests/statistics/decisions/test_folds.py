"""Folds of one data set depend on each other: the t test of Nadeau and Bengio (2003)."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from ablate.bundle.reviewer import verify
from ablate.statistics.decisions.any_two_rows import analyse_pair
from ablate.statistics.decisions.anytime import answer_at_any_time
from ablate.statistics.decisions.evidence import DecisionRule
from ablate.statistics.decisions.family import analyse_family, seeds_to_decide, seeds_to_equivalence
from ablate.statistics.decisions.paired import paired_difference
from ablate.statistics.decisions.row_comparison import Runs, compare_runs
from ablate.statistics.decisions.sentences import describe_test

FOLDS = 5
ROW = {0: 1.3, 1: 2.9, 2: 3.1, 3: 4.6, 4: 5.2, 5: 1.1, 6: 2.4, 7: 3.4, 8: 4.2, 9: 5.9}
BASE = {0: 1.1, 1: 2.2, 2: 3.2, 3: 4.1, 4: 5.0, 5: 1.0, 6: 2.1, 7: 3.0, 8: 4.3, 9: 5.1}


def rule(test: str = "auto", margin: float | None = None) -> DecisionRule:
    return DecisionRule(lower_is_better=False, test=test, margin=margin, folds=FOLDS)  # type: ignore[arg-type]


def test_interval_and_p_are_those_of_the_corrected_resampled_t_test() -> None:
    differences = [ROW[block] - BASE[block] for block in ROW]
    n, mean, sd = len(differences), statistics.mean(differences), statistics.stdev(differences)
    error = sd * math.sqrt(1 / n + 1 / (FOLDS - 1))  # n_test / n_train of 5 folds
    half = stats.t.ppf(0.975, n - 1) * error
    found = compare_runs(Runs("a", ROW), Runs("b", BASE), FOLDS)
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half))
    assert found.p_t == pytest.approx(2 * stats.t.sf(mean / error, n - 1))
    assert compare_runs(Runs("a", ROW), Runs("b", BASE)).p_t == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    ours, theirs = verify.Row("a", ROW, set(), FOLDS), verify.Row("b", BASE, set(), FOLDS)
    outcome = verify.compare(ours, theirs)
    assert (outcome.low, outcome.high, outcome.p_t) == pytest.approx((found.low, found.high, found.p_t))


@pytest.mark.parametrize("test", ["auto", "flip", "t", "pooled"])
def test_every_test_of_a_study_becomes_the_corrected_one(test: str) -> None:
    rows = [Runs("a", ROW), Runs("c", {block: value + 0.1 for block, value in ROW.items()})]
    found = analyse_family(rows, Runs("b", BASE), rule(test, margin=9.0))
    assert found.evidence.test == "t"
    assert found.evidence.pooled is None
    assert [row.evidence.p for row in found.rows] == [row.evidence.comparison.p_t for row in found.rows]
    assert "Nadeau and Bengio (2003)" in describe_test(found)
    assert "not possible" not in describe_test(found)
    assert seeds_to_decide(found.rows[0], 0.1, found.design) is None, "more seeds on the same data help little"
    assert seeds_to_equivalence(found.rows[0], found.design) is None
    pair = analyse_pair([*rows, Runs("b", BASE)], "b", "a", design=found.design, planned=["a", "c"])
    assert pair.analysis.evidence.p == found.rows[0].evidence.p
    assert pair.analysis.evidence.comparison.sd == found.rows[0].evidence.comparison.sd
    reviewed = verify.test_family(
        [verify.Row(row.label, dict(row.values), set(), FOLDS) for row in rows],
        verify.Row("b", BASE, set(), FOLDS),
        verify.Rule(False, 0.05, None, test),
    )
    assert [one.p for one in reviewed] == pytest.approx([row.evidence.p for row in found.rows])


def test_equal_differences_are_not_tested_by_their_signs() -> None:
    shifted = Runs("a", {block: value + 1.0 for block, value in BASE.items()})
    (row,) = analyse_family([shifted], Runs("b", BASE), rule()).rows
    assert (row.decision, row.reason, row.evidence.test) == ("undecided", "no spread", None)
    assert row.pairing is not None
    assert row.pairing.rho == pytest.approx(1.0)


def test_the_gain_of_pairing_does_not_depend_on_the_correction() -> None:
    with_folds, without = (
        analyse_family([Runs("a", ROW)], Runs("b", BASE), DecisionRule(lower_is_better=False, folds=folds)).rows[0]
        for folds in (FOLDS, None)
    )
    assert with_folds.pairing == without.pairing


def test_on_the_folds_of_one_sample_the_correction_keeps_the_level_and_the_plain_test_does_not() -> None:
    random = np.random.default_rng(7)
    found = dict.fromkeys((FOLDS, None), 0)
    tables = 200
    for _ in range(tables):
        x, y = random.normal(size=(40, 8)), random.normal(size=40)
        losses = np.zeros((2, FOLDS * 4))
        for seed in range(4):
            order = random.permutation(40).reshape(FOLDS, -1)
            for fold, test in enumerate(order):
                train = np.setdiff1d(np.arange(40), test)
                for row, columns in enumerate((slice(0, 4), slice(4, 8))):  # two models that are equally good
                    weights = np.linalg.lstsq(x[train, columns], y[train], rcond=None)[0]
                    losses[row, seed * FOLDS + fold] = np.mean((y[test] - x[test, columns] @ weights) ** 2)
        ours, theirs = (dict(enumerate(one.tolist())) for one in losses)
        for folds in found:
            pair = paired_difference(ours, theirs, folds=folds)
            assert pair is not None
            assert pair.low is not None
            assert pair.high is not None
            found[folds] += not pair.low <= 0 <= pair.high
    assert found[FOLDS] / tables <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / tables)
    assert (found[None] or 0) / tables > 0.1


def test_folds_of_several_tries_decide_nothing() -> None:
    """Twenty equal signs would decide if the folds were independent, which they are not."""
    differences = [1.0 + 0.01 * block for block in range(20)]
    found = answer_at_any_time(differences, rule(margin=9.0))
    assert (found.decision, found.p_adj, found.low, found.high) == ("undecided", 1.0, None, None)
    assert answer_at_any_time(differences, DecisionRule(lower_is_better=False)).decision == "better"


def test_a_lost_fold_undoes_the_decision_that_it_could_weaken() -> None:
    """With independent seeds the worst case of one lost run of twenty still decides; of folds it has no valid level."""
    base = {block: 0.01 * block for block in range(20)}
    row = {block: value + 1.0 + 0.001 * (block % 3) for block, value in base.items() if block != 7}
    decisions = {}
    for folds in (None, FOLDS):
        design = DecisionRule(lower_is_better=False, folds=folds)
        (better,) = analyse_family([Runs("a", row, diverged={7})], Runs("b", base), design).rows
        (worse,) = analyse_family([Runs("a", base)], Runs("b", row, diverged={7}), design).rows
        (unharmed,) = analyse_family([Runs("a", base, diverged={7})], Runs("b", {**row, 7: 2.0}), design).rows
        decisions[folds] = [better.decision, worse.decision, unharmed.decision]
        reviewed = verify.analyse(
            [verify.Row("a", row, {7}, folds)],
            verify.Row("b", base, set(), folds),
            verify.Rule(False, 0.05, None, "auto"),
        )
        assert [fields["decision"] for _, fields in reviewed] == [better.decision]
    assert decisions == {None: ["better", "worse", "worse"], FOLDS: ["undecided", "undecided", "worse"]}
