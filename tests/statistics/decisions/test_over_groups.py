from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from ablate.statistics.decisions.over_groups import (
    MIN_GROUPS,
    decide_over_groups,
    describe_power_over_groups,
    mean_ranks,
    ranks,
)
from ablate.statistics.decisions.signflip import smallest_p

WHOLE = st.integers(-1000, 1000).map(float)
TABLES = st.integers(2, 6).flatmap(
    lambda groups: st.lists(st.lists(WHOLE, min_size=groups, max_size=groups), min_size=1, max_size=7)
)


def decide(differences: list[list[float] | None], alpha: float = 0.05, *, lower: bool = True) -> list[str | None]:
    found = decide_over_groups(differences, alpha=alpha, lower_is_better=lower)
    return [one.decision if one else None for one in found]


def test_three_data_sets_by_hand() -> None:
    values = [[20.0, 3.0, 40.0], [18.0, 4.0, 40.0], [19.0, 5.0, 30.0]]
    assert mean_ranks(values, lower_is_better=True) == [(3 + 1 + 2.5) / 3, (1 + 2 + 2.5) / 3, (2 + 3 + 1) / 3]
    assert mean_ranks(values, lower_is_better=False) == [(1 + 3 + 1.5) / 3, (3 + 2 + 1.5) / 3, (2 + 1 + 3) / 3]


def test_equal_values_and_values_that_differ_by_rounding_share_their_mean_rank() -> None:
    assert ranks([2.0, 1.0, 2.0, 2.0]) == [3.0, 1.0, 3.0, 3.0]
    assert ranks([0.1 + 0.2, 0.3, 0.0]) == [2.5, 2.5, 1.0]
    assert ranks([]) == []


@given(st.lists(WHOLE, min_size=1))
def test_ranks_are_those_of_scipy(values: list[float]) -> None:
    assert ranks(values) == rankdata(values).tolist()


def test_six_data_sets_decide_one_row_exactly_if_all_signs_agree() -> None:
    assert MIN_GROUPS == 6
    assert smallest_p(6) <= 0.05 < smallest_p(5)
    found = decide_over_groups([[-1.0, -2.0, -0.1, -3.0, -0.5, -9.0]], alpha=0.05, lower_is_better=True)[0]
    assert found is not None
    assert found.p == found.p_adj == 2 / 64
    assert found.decision == "better"
    assert found.mean == pytest.approx(-2.6)
    assert decide([[-1.0, -2.0, 0.1, -3.0, -0.5, -9.0]]) == ["undecided"]
    assert decide([[1.0] * 6]) == ["worse"]
    assert decide([[1.0] * 6], lower=False) == ["better"]
    assert decide([[0.0] * 6]) == ["undecided"]


def test_seven_data_sets_decide_two_rows_and_six_do_not() -> None:
    assert decide([[-1.0] * 6, [-2.0] * 6]) == ["undecided", "undecided"]
    assert decide([[-1.0] * 7, [-2.0] * 7]) == ["better", "better"]


def test_holm_counts_rows_that_cannot_be_tested() -> None:
    found = decide_over_groups([[-1.0] * 8, None, [1.0] * 7 + [-1.0], None], alpha=0.05, lower_is_better=True)
    first, second, third, fourth = found
    assert second is None
    assert fourth is None
    assert first is not None
    assert first.p_adj == 4 * 2 / 256
    assert third is not None
    assert third.p_adj == 3 * third.p


def test_the_sign_flip_over_data_sets_keeps_its_level_where_no_row_does_anything() -> None:
    """Skewed differences of very different size: random signs make them symmetric, as exchangeable rows are."""
    draws = random.Random(3)
    hits = 0
    for _ in range(2000):
        group = [draws.choice((-1, 1)) * draws.lognormvariate(0, 2) for _ in range(7)]
        hits += decide([group]) != ["undecided"]
    assert hits / 2000 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_groups_and_of_rows_changes_nothing(table: list[list[float]], draws: random.Random) -> None:
    groups = draws.sample(range(len(table[0])), len(table[0]))
    rows = draws.sample(range(len(table)), len(table))
    mixed = [[table[row][group] for group in groups] for row in rows]
    ranked, tested = (
        mean_ranks(table, lower_is_better=True),
        decide_over_groups(table, alpha=0.05, lower_is_better=True),
    )
    assert mean_ranks(mixed, lower_is_better=True) == [ranked[row] for row in rows]
    assert decide_over_groups(mixed, alpha=0.05, lower_is_better=True) == [tested[row] for row in rows]


@given(TABLES, WHOLE)
def test_a_constant_added_to_all_rows_of_a_group_changes_no_rank_and_no_p(table: list[list[float]], add: float) -> None:
    moved = [[row[0] + add, *row[1:]] for row in table]
    assert mean_ranks(moved, lower_is_better=True) == mean_ranks(table, lower_is_better=True)
    against, other = ([[a - b for a, b in zip(row, one[0], strict=True)] for row in one[1:]] for one in (table, moved))
    assert decide_over_groups(against, alpha=0.05, lower_is_better=True) == decide_over_groups(
        other, alpha=0.05, lower_is_better=True
    )


@given(TABLES)
def test_the_other_direction_swaps_better_and_worse(table: list[list[float]]) -> None:
    swapped = {"better": "worse", "worse": "better", "undecided": "undecided"}
    assert [swapped[word or ""] for word in decide(list(table), 0.5)] == decide(list(table), 0.5, lower=False)
    lower, higher = (mean_ranks(table, lower_is_better=flag) for flag in (True, False))
    assert [a + b for a, b in zip(lower, higher, strict=True)] == pytest.approx([len(table) + 1] * len(table))


@pytest.mark.parametrize(
    ("groups", "rows", "text"),
    [
        (3, 2, "no test over data sets: there are 3, and the exact test needs 6"),
        (6, 1, ""),
        (8, 0, ""),
        (7, 2, ""),
        (
            6,
            4,
            "6 data sets, 4 comparisons: the test over data sets cannot decide (smallest corrected p .12); "
            "8 data sets can",
        ),
    ],
)
def test_a_test_that_cannot_decide_says_so(groups: int, rows: int, text: str) -> None:
    assert describe_power_over_groups(groups, rows, 0.05, "data sets") == text
