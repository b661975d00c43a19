from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.statistics.agreement.order import PairOrder, order_of_pairs
from ablate.statistics.decisions.any_two_rows import analyse_pair
from ablate.statistics.decisions.evidence import DecisionRule
from ablate.statistics.decisions.row_comparison import Runs

PRINTED = {"a": 1.0, "b": 2.0, "c": 3.0}


def table(*means: float, n: int, sd: float = 0.1, seed: int = 0) -> dict[str, dict[int, float]]:
    rng = np.random.default_rng(seed)
    block = rng.normal(0, 3, n)
    return {
        label: dict(enumerate((mean + block + rng.normal(0, sd, n)).tolist()))
        for label, mean in zip("abcdefgh", means, strict=False)
    }


def ordered(printed: dict[str, float], values: dict[str, dict[int, float]], **options) -> PairOrder:
    rows = [Runs(label, of_row) for label, of_row in values.items()]
    return order_of_pairs(printed, rows, **{"lower_is_better": True, **options})


def test_decided_pairs_are_concordant_or_discordant_and_the_others_open():
    found = ordered(PRINTED, table(1, 5, 4.99, n=12, sd=0.2))
    assert found.concordant == (("a", "b"), ("a", "c"))
    assert found.undecided == (("b", "c"),)
    found = ordered(PRINTED, table(1, 5, 4, n=12, sd=0.2))
    assert found.discordant == (("b", "c"),)
    assert found.text == (
        "Of 3 pairs of rows, 2 stand in the printed order, 1 in the reverse order, and none is undecided (sign flip, "
        "Holm over all pairs)."
    )


def test_a_decided_pair_that_is_printed_as_equal_is_neither():
    found = ordered({"a": 1.0, "b": 1.0}, table(1, 5, n=12))
    assert found.printed_equal == (("a", "b"),)
    assert found.text == (
        "Of 1 pair of rows, none stands in the printed order, none in the reverse order, none is undecided, and 1 is "
        "decided but printed as equal (sign flip, Holm over all pairs)."
    )


@pytest.mark.parametrize(("n", "test"), [(3, "paired t"), (6, "paired t"), (7, "sign flip"), (12, "sign flip")])
def test_the_test_is_sign_flip_where_it_can_decide_three_pairs(n, test):
    # 3 pairs: the smallest corrected p is 6 / 2^n, .094 at 6 seeds and .047 at 7
    assert ordered(PRINTED, table(1, 2, 3, n=n)).test == test


def test_a_pair_is_decided_exactly_if_comparing_the_two_rows_decides_it():
    values = table(1, 1.3, 1.2, 2, n=6, sd=0.3, seed=3)
    rows = [Runs(label, of_row) for label, of_row in values.items()]
    found = ordered(PRINTED | {"d": 0.0}, values)
    design = DecisionRule(lower_is_better=True)
    decided = {
        pair
        for pair in itertools.combinations("abcd", 2)
        if analyse_pair(rows, *pair, design=design).analysis.decision != "undecided"
    }
    assert 0 < len(decided) < 6
    assert {*found.concordant, *found.discordant} == decided


def test_identical_rows_are_seldom_put_in_an_order():
    printed = dict(zip("abcde", range(5), strict=True))
    found = [ordered(printed, table(*[0.0] * 5, n=8, seed=seed)) for seed in range(250)]
    assert np.mean([len(one.undecided) < 10 for one in found]) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 250)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(8)), st.permutations("abcd"))
def test_names_order_units_and_direction_do_not_matter(seed, names, labels):
    printed = dict(zip("abcd", (1.0, 2.0, 2.0, 4.0), strict=True))
    values = table(1, 2, 3, 1.5, n=8, sd=1.0, seed=seed)
    plain = ordered(printed, values)
    renamed = {label: {names[seed]: -1000 * value for seed, value in values[label].items()} for label in labels}
    negated = {label: -1000 * value for label, value in printed.items()}
    found = ordered(negated, renamed, lower_is_better=False)
    for name in ("concordant", "discordant", "undecided", "printed_equal"):
        assert set(map(frozenset, getattr(found, name))) == set(map(frozenset, getattr(plain, name)))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"a": {0: 1.0}},
        {"a": {0: 1.0}, "b": {0: 2.0}},
        {"a": {0: 1.0}, "b": {1: 2.0}},
        {"a": {}, "b": {}},
        {"a": {0: 1.0, 1: 2.0}, "b": {0: 1.0, 1: 2.0}},
        {"a": {0: 1.0, 1: 2.0}, "b": {0: 2.0, 1: 3.0}},
    ],
)
def test_where_nothing_can_be_decided_every_pair_is_open(values):
    found = ordered(PRINTED, values)
    assert (found.concordant, found.discordant) == ((), ())
    assert len(found.undecided) == (1 if len(values) == 2 else 0)
    assert found.text


def test_a_pair_whose_order_depends_on_failed_runs_is_open_and_the_number_of_seeds_is_named():
    values = table(1, 2, 3, n=12)
    complete = [Runs(label, of_row, range(12)) for label, of_row in values.items()]
    found = order_of_pairs(PRINTED, complete, lower_is_better=True)
    assert len(found.concordant) == 3
    assert found.text.endswith("(sign flip, Holm over all pairs).")
    best = {seed: value for seed, value in values["a"].items() if seed > 3}
    rows = [Runs("a", best, range(12), diverged=range(4)), *complete[1:]]
    found = order_of_pairs(PRINTED, rows, lower_is_better=True)
    assert (found.concordant, found.undecided) == ((("b", "c"),), (("a", "b"), ("a", "c")))
    assert found.text.endswith("(sign flip, Holm over all pairs; 8 to 12 of 12 seeds a pair).")
    found = order_of_pairs(PRINTED, rows, lower_is_better=False)
    assert len(found.concordant) == 3, "where a higher value is better, the failed row was worse anyway"


def test_pairs_of_a_row_that_was_tried_before_are_open():
    values = table(1, 5, 9, n=12, sd=0.2)
    assert len(ordered(PRINTED, values).concordant) == 3
    found = ordered(PRINTED, values, tried_before=["a"])
    assert (found.concordant, found.undecided) == ((("b", "c"),), (("a", "b"), ("a", "c")))
