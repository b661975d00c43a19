from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.statistics.pareto import pareto_front

METRIC = {"a": 10.0, "b": 8.0, "c": 9.0, "d": 8.0, "e": 7.0}
COST = {"a": 1.0, "b": 3.0, "c": 4.0, "d": 3.0, "e": 9.0}
NUMBERS = st.integers(0, 6).map(float)
TABLES = st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(NUMBERS, NUMBERS), max_size=8)


def front_of(table, sign=1.0, factor=1.0):
    metric = {label: sign * factor * value for label, (value, _) in table.items()}
    cost = {label: factor * cost for label, (_, cost) in table.items()}
    return pareto_front(metric, cost, lower_is_better=sign > 0)


def test_the_front_has_the_rows_that_nothing_beats_in_both_cheapest_first():
    found = pareto_front(METRIC, COST, lower_is_better=True)
    assert found == ("a", "b", "d", "e")


def test_where_higher_is_better_the_front_is_another():
    assert pareto_front(METRIC, COST, lower_is_better=False) == ("a",)


def test_rows_equal_in_both_are_on_the_front_together():
    found = pareto_front({"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 2.0}, lower_is_better=True)
    assert found == ("a", "b")


@pytest.mark.parametrize(("metric", "cost"), [((1.0, 1.0), (2.0, 3.0)), ((1.0, 2.0), (3.0, 3.0))])
def test_a_tie_in_one_is_broken_by_the_other(metric, cost):
    found = pareto_front(dict(zip("ab", metric, strict=True)), dict(zip("ab", cost, strict=True)), lower_is_better=True)
    assert found == ("a",)


def test_rows_without_a_metric_or_a_cost_are_left_out():
    metric = {"a": 1.0, "b": None, "c": 0.5, "d": math.nan, "e": 0.1, "f": -math.inf, "g": 0.0}
    cost = {"a": 1.0, "b": 0.5, "c": None, "d": None, "f": 0.0, "g": math.inf}
    found = pareto_front(metric, cost, lower_is_better=True)
    assert found == ("a",)


def test_no_row_and_one_row_have_a_front():
    assert pareto_front({}, {}, lower_is_better=True) == ()
    assert pareto_front({"a": 1.0}, {"a": 1.0}, lower_is_better=False) == ("a",)


def dominates(one, other) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]


@settings(deadline=None)
@given(TABLES)
def test_the_front_is_what_the_definition_says(table):
    found = front_of(table)
    assert set(found) == {a for a in table if not any(dominates(table[b], table[a]) for b in table)}
    assert [table[label][1] for label in found] == sorted(table[label][1] for label in found)


@settings(deadline=None)
@given(TABLES)
def test_neither_units_nor_the_direction_of_the_metric_matter(table):
    assert front_of(table, factor=1000) == front_of(table)
    assert front_of(table, sign=-1) == front_of(table)


@settings(deadline=None)
@given(TABLES, st.randoms())
def test_the_order_of_the_rows_moves_no_row_onto_the_front_or_off_it(table, random):
    shuffled = {label: table[label] for label in random.sample(sorted(table), len(table))}
    assert set(front_of(shuffled)) == set(front_of(table))
