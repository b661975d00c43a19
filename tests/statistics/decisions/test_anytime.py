"""The symmetry e-process: a fair game under any signs, and valid after any number of looks and tries."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest

from ablate.statistics.decisions.anytime import LAMBDAS, answer_at_any_time
from ablate.statistics.decisions.evidence import DecisionRule
from ablate.statistics.decisions.family import analyse_family
from ablate.statistics.decisions.row_comparison import Runs

RULE = DecisionRule(lower_is_better=True)


def process(differences: Sequence[float]) -> list[float]:
    """E after each difference, as section A of the method writes it: one difference at a time."""
    up, down, squares, values = [0.0] * 3, [0.0] * 3, 0.0, []
    for n, difference in enumerate(differences, start=1):
        squares += difference**2
        z = difference / (math.sqrt(squares / n) or 1.0)
        for index, factor in enumerate(LAMBDAS):
            up[index] += math.log(2) - math.log1p(math.exp(-2 * factor * z))
            down[index] += math.log(2) - math.log1p(math.exp(2 * factor * z))
        values.append((sum(map(math.exp, up)) + sum(map(math.exp, down))) / 6)
    return values


def test_the_batch_gives_the_largest_value_of_the_stream() -> None:
    differences = list(np.random.default_rng(1).normal(0.4, 1, 40))
    values = process(differences)
    answer = answer_at_any_time(differences, RULE, 3)
    assert answer.e == pytest.approx(max(values), rel=1e-12)
    assert (answer.n, answer.lost, answer.needed) == (40, 0, 60)
    assert answer.p == pytest.approx(1 / max(values))
    assert answer.p_adj == pytest.approx(3 / max(values))


def test_it_is_a_fair_game_whatever_the_sizes_are() -> None:
    sizes = np.abs(np.random.default_rng(2).standard_t(2, 9))
    last = [process(sizes * signs)[-1] for signs in itertools.product((1, -1), repeat=9)]
    assert np.mean(last) == pytest.approx(1, abs=1e-12)


def test_seven_equal_signs_decide_one_comparison_and_six_do_not() -> None:
    assert [answer_at_any_time([-1.0] * n, RULE).decision for n in (6, 7)] == ["undecided", "better"]
    assert answer_at_any_time([1.0] * 7, RULE).decision == "worse"
    assert answer_at_any_time([1.0] * 7, RULE, 5).decision == "undecided"
    short = answer_at_any_time([1.0] * 6, RULE)
    assert (short.low, short.high) == (None, None)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_the_interval_is_what_the_process_does_not_reject(shift: float) -> None:
    differences = np.random.default_rng(3).normal(1, 1, 30) + shift
    answer = answer_at_any_time(list(differences), RULE)
    assert answer.low is not None
    assert answer.high is not None
    for end, inwards in ((answer.low, 1), (answer.high, -1)):
        assert max(process(differences - end - inwards * 1e-3)) < 20
        assert max(process(differences - end + inwards * 1e-3)) >= 20


def test_units_and_directions_change_nothing_else() -> None:
    differences = np.random.default_rng(4).normal(1, 1, 20)
    one = answer_at_any_time(list(differences), RULE)
    other = answer_at_any_time(list(-1e140 * differences), DecisionRule(lower_is_better=False))
    assert (other.e, other.decision) == (pytest.approx(one.e), one.decision)
    assert one.low is not None
    assert other.high == pytest.approx(-1e140 * one.low)


def test_equivalent_needs_the_whole_interval_within_the_margin() -> None:
    differences = list(np.random.default_rng(5).normal(0, 0.1, 60))
    assert answer_at_any_time(differences, DecisionRule(True, margin=1.0)).decision == "equivalent"
    assert answer_at_any_time(differences, DecisionRule(True, margin=0.01)).decision == "undecided"


def test_nothing_and_ties_decide_nothing() -> None:
    assert answer_at_any_time([], RULE).mean is None
    ties = answer_at_any_time([0.0] * 50, RULE)
    assert (ties.e, ties.decision) == (1.0, "undecided")


def test_whoever_stops_the_runs_that_look_bad_gains_nothing() -> None:
    """Each block is lost if it would have been against the wish; without the penalty all would be decided."""
    draws = np.random.default_rng(6)
    decided = 0
    for _ in range(200):
        values = draws.normal(0, 1, 40)
        decided += answer_at_any_time(list(np.where(values > 0, math.nan, values)), RULE).decision != "undecided"
        kept = values[values < 0]
        assert len(kept) < 8 or answer_at_any_time(list(kept), RULE).decision == "better"
    assert decided / 200 <= 0.05


def test_a_row_that_alone_diverges_is_worse_and_one_that_was_not_finished_is_against_both() -> None:
    assert answer_at_any_time([math.inf] * 7, RULE).decision == "worse"
    assert answer_at_any_time([-math.inf] * 7, RULE).decision == "better"
    lost = answer_at_any_time([math.nan] * 7, RULE)
    assert (lost.n, lost.lost, lost.e) == (7, 7, 1.0)
    with_one = answer_at_any_time([-1.0] * 9 + [math.nan], RULE)
    assert with_one.e == answer_at_any_time([-1.0] * 9, RULE).e, "what was shown before stays shown"
    assert answer_at_any_time([math.nan] + [-1.0] * 9, RULE).e < with_one.e / 5


@pytest.mark.parametrize("noise", ["normal", "t2", "lattice"])
def test_trying_again_until_it_works_does_not_work(noise: str) -> None:
    """25 tries of 8 seeds: each try's own test decides in most worlds, the process in at most 5 % + 3 se."""
    worlds, tries, seeds = 300, 25, 8
    draws = np.random.default_rng(7)
    by_test = by_process = better = missed = 0
    for _ in range(worlds):
        values = {
            "normal": lambda: draws.normal(0, 1, (tries, seeds)),
            "t2": lambda: draws.standard_t(2, (tries, seeds)),
            "lattice": lambda: draws.integers(-2, 3, (tries, seeds)).astype(float),
        }[noise]()
        by_test += any(_decides(one) for one in values)
        answer = answer_at_any_time(list(values.ravel()), RULE)
        by_process += answer.decision != "undecided"
        better += answer.decision == "better"
        missed += not (-math.inf if answer.low is None else answer.low) <= 0 <= (answer.high or math.inf)
    assert by_test / worlds > 0.3
    assert by_process / worlds <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / worlds)
    assert better / worlds <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / worlds)
    assert missed <= by_process


def _decides(differences: Sequence[float]) -> bool:
    runs = Runs("row", dict(enumerate(map(float, differences)))), Runs("base", dict.fromkeys(range(8), 0.0))
    found = analyse_family([runs[0]], runs[1], RULE)
    return found.rows[0].decision in ("better", "worse")
