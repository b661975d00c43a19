from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.agreement.rank import critical_tau, rank_agreement

CRITICAL = {4: 1.0, 5: 0.8, 6: 0.73, 8: 0.57, 10: 0.47, 12: 0.39}


def steady(values, seeds: int = 5) -> dict[str, dict[int, float]]:
    """The same value in every seed of a row."""
    return {f"r{k}": dict.fromkeys(range(seeds), float(value)) for k, value in enumerate(values)}


def told(values) -> dict[str, float]:
    return {f"r{k}": float(value) for k, value in enumerate(values)}


def score(a, b) -> int:
    """Concordant less discordant pairs, by the definition."""
    pairs = itertools.combinations(range(len(a)), 2)
    return sum(int(np.sign(a[i] - a[j]) * np.sign(b[i] - b[j])) for i, j in pairs)


def enumerated_p(printed, ours, *, two_sided: bool = False) -> float:
    """Share of all orders of our rows whose score is at least ours, by going through them."""
    seen = score(printed, ours)
    scores = [score(printed, order) for order in itertools.permutations(ours)]
    return sum(abs(one) >= abs(seen) if two_sided else one >= seen for one in scores) / len(scores)


# ---- tau and its p


@pytest.mark.parametrize("rows", range(2, 7))
def test_the_exact_p_is_the_share_of_orders_that_agree_as_much(rows):
    rng = np.random.default_rng(rows)
    for _ in range(4):
        ours = rng.permutation(rows).tolist()
        found = rank_agreement(told(range(rows)), steady(ours))
        assert found.p == pytest.approx(enumerated_p(range(rows), ours), abs=1e-12)
        assert found.method == "exact"


@pytest.mark.parametrize(
    ("printed", "ours"),
    [
        ([1, 1, 2, 3], [1, 2, 3, 4]),
        ([1, 2, 3, 4, 5], [1, 2, 2, 4, 3]),
        ([1, 1, 1, 4, 5], [1, 2, 2, 4, 4]),
        ([3, 2, 2, 1, 0, 0], [2, 2, 3, 1, 0, 1]),
        ([5, 5], [1, 2]),
        ([1, 2, 3, 4, 4, 6, 7], [2, 1, 3, 4, 5, 6, 7]),
    ],
)
def test_with_ties_all_orders_are_gone_through(printed, ours):
    found = rank_agreement(told(printed), steady(ours))
    if len(set(printed)) == 1:
        assert (found.word, found.tau) == ("no order", None)
        return
    assert found.method == "exact over ties"
    assert found.p == pytest.approx(enumerated_p(printed, ours), abs=1e-12)
    assert found.tau == pytest.approx(stats.kendalltau(printed, ours).statistic)


def test_seven_rows_without_ties_agree_with_enumeration():
    ours = [1, 0, 2, 4, 3, 6, 5]
    assert rank_agreement(told(range(7)), steady(ours)).p == pytest.approx(enumerated_p(range(7), ours), abs=1e-12)


def test_many_rows_with_ties_have_an_asymptotic_p_and_say_so():
    printed, ours = [*range(9), 8], [*range(10)]
    found = rank_agreement(told(printed), steady(ours))
    expected = stats.kendalltau(printed, ours, method="asymptotic", alternative="greater")
    assert (found.method, found.tau) == ("asymptotic", pytest.approx(expected.statistic))
    assert found.p == pytest.approx(expected.pvalue)


def test_a_two_sided_p_would_not_be_the_one_of_the_enumeration():
    ours = [0, 1, 2, 4, 3]
    found = rank_agreement(told(range(5)), steady(ours))
    assert (found.p, found.word) == (pytest.approx(5 / 120), "agrees")
    assert enumerated_p(range(5), ours, two_sided=True) > 0.05


def test_the_opposite_order_is_called_reversed_where_it_is_sure_enough():
    found = rank_agreement(told(range(6)), steady(range(6, 0, -1)))
    assert (found.tau, found.p, found.word) == (-1, 1, "reversed")
    assert rank_agreement(told(range(6)), steady([6, 4, 5, 2, 3, 0])).word == "reversed"
    assert rank_agreement(told(range(6)), steady([4, 2, 3, 0, 1, 5])).word == "undecided"
    assert rank_agreement(told(range(3)), steady([2, 1, 0])).word == "too few rows"


def test_means_that_differ_by_rounding_only_are_tied():
    values = {"a": {0: 0.1 + 0.2}, "b": {0: 0.3}, "c": {0: 0.4}, "d": {0: 0.5}}
    assert rank_agreement({"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}, values).method == "exact over ties"


# ---- how little a few rows can show


@pytest.mark.parametrize(("rows", "tau"), CRITICAL.items())
def test_the_critical_tau_is_that_of_the_table(rows, tau):
    assert critical_tau(rows) == pytest.approx(tau, abs=0.005)


@pytest.mark.parametrize("rows", range(2, 8))
def test_the_critical_tau_is_the_smallest_that_enumeration_allows(rows):
    pairs = rows * (rows - 1) // 2
    scores = np.array([score(range(rows), order) for order in itertools.permutations(range(rows))])
    reach = [one / pairs for one in sorted(set(scores.tolist())) if np.mean(scores >= one) <= 0.05]
    assert critical_tau(rows) == (pytest.approx(min(reach)) if reach else None)


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_three_rows_and_fewer_can_never_show_agreement(rows):
    assert critical_tau(rows) is None
    assert rank_agreement(told(range(rows)), steady(range(rows))).word == "too few rows"


def test_the_critical_tau_goes_on_smoothly_where_it_is_approximated():
    assert critical_tau(100) == pytest.approx(critical_tau(101), abs=0.002)


# ---- noise


def noisy(sd: float, rows: int = 6, seeds: int = 10) -> dict[str, dict[int, float]]:
    rng = np.random.default_rng(1)
    block = rng.normal(0, 5, seeds)
    return {f"r{k}": dict(enumerate((k + block + rng.normal(0, sd, seeds)).tolist())) for k in range(rows)}


def test_what_all_rows_of_a_seed_share_is_no_noise_of_the_order():
    # seeds differ by 5 and rows by 1: bootstrapping rows on their own would scramble the order
    found = rank_agreement(told(range(6)), noisy(0.1))
    assert (found.low, found.tau, found.high) == (1, 1, 1)


def test_noise_within_seeds_widens_the_interval():
    found = rank_agreement(told(range(6)), noisy(3.0))
    assert found.low < found.tau < 1
    assert found.high - found.low > 0.3


def test_one_seed_has_an_order_and_no_noise_interval():
    found = rank_agreement(told(range(5)), steady(range(5), 1))
    assert (found.tau, found.low, found.high) == (1, None, None)
    assert "noise interval unknown" in found.text


def test_only_seeds_that_all_rows_have_are_compared():
    values = noisy(1.0)
    values["r0"] = {seed: value for seed, value in values["r0"].items() if seed < 7} | {8: math.nan}
    complete = {label: {seed: row[seed] for seed in range(7)} for label, row in values.items()}
    assert rank_agreement(told(range(6)), values) == rank_agreement(told(range(6)), complete)


def test_the_text_has_the_numbers_and_what_would_be_needed():
    found = rank_agreement(told(range(5)), steady(range(5)))
    assert found.text == (
        "The order as a whole agrees (Kendall's tau_b 1.00 over 5 rows; 0.80 needed; p = .0083, exact; 95 % noise "
        "interval 1.00 to 1.00; 5 seeds)."
    )
    tied = rank_agreement(told([1, 2, 3, 4, 4, 6]), steady([2, 1, 3, 4, 5, 6]))
    assert "needed" not in tied.text, "that tau is for orders without ties"


@pytest.mark.parametrize("seeds", [1, 4])
def test_few_seeds_get_no_word_on_the_order(seeds):
    found = rank_agreement(told(range(6)), steady(range(6, 0, -1), seeds))
    assert found.word == "not tested below 5 seeds"
    noise = "noise interval unknown" if seeds == 1 else "95 % noise interval \u22121.00 to \u22121.00"
    assert found.text == (
        "The order as a whole is not tested below 5 seeds (Kendall's tau_b \u22121.00 over 6 rows; 0.73 needed; p = 1, "
        f"exact; {noise}; "
        f"{seeds} seed{'s' * (seeds > 1)})."
    )


# ---- laws

TABLES = st.integers(2, 5).flatmap(
    lambda rows: st.tuples(
        st.lists(st.integers(-5, 5), min_size=rows, max_size=rows),
        st.lists(st.lists(st.integers(-30, 30), min_size=rows, max_size=rows), min_size=1, max_size=4),
    )
)


def found_for(printed, blocks, names=range(9), factor=1.0):
    values = {
        f"r{k}": {names[seed]: factor * block[k] for seed, block in enumerate(blocks)} for k in range(len(printed))
    }
    return rank_agreement({f"r{k}": factor * one for k, one in enumerate(printed)}, values)


@settings(max_examples=15, deadline=None)
@given(TABLES, st.permutations(range(9)))
def test_neither_names_of_seeds_nor_units_nor_the_direction_of_the_metric_matter(table, names):
    plain = found_for(*table)
    assert found_for(*table, names=names) == plain
    for factor in (1000, -1):
        assert found_for(*table, factor=factor) == plain


@settings(max_examples=15, deadline=None)
@given(TABLES, st.randoms())
def test_the_order_of_the_rows_does_not_matter(table, random):
    printed, blocks = table
    labels = random.sample(range(len(printed)), len(printed))
    values = {f"r{k}": {seed: block[k] for seed, block in enumerate(blocks)} for k in labels}
    found, plain = rank_agreement(told(printed), values), found_for(printed, blocks)
    assert (found.tau, found.p, found.low, found.high, found.word) == (
        plain.tau,
        plain.p,
        plain.low,
        plain.high,
        plain.word,
    )


# ---- degenerate data


def test_rows_without_a_number_are_left_out_and_named():
    values = steady(range(4)) | {
        "x": {0: 1.0},
        "y": {0: math.nan},
        "z": {0: math.inf, 1: 1.0},
        "u": {0: 2.0},
        "e": {},
    }
    printed = told(range(4)) | {"x": None, "y": 1.0, "z": 2.0, "e": 3.0}
    found = rank_agreement(printed, values)
    assert found.left_out == {
        "x": "not printed",
        "y": "no value",
        "z": "an infinite value",
        "u": "not printed",
        "e": "no value",
    }
    assert (found.rows, found.word) == (("r0", "r1", "r2", "r3"), "agrees")


@pytest.mark.parametrize(
    ("printed", "values", "word"),
    [
        ({}, {}, "too few rows"),
        ({"a": 1.0}, {"a": {0: 1.0}}, "too few rows"),
        ({"a": 1.0, "b": 2.0}, {"a": {0: 1.0}, "b": {0: 2.0}}, "too few rows"),
        ({"a": 1.0, "b": 2.0}, {"a": {0: 1.0}, "b": {1: 2.0}}, "no common seed"),
        ({"a": 1.0, "b": 2.0}, {"a": {0: 1.0, 1: 2.0}, "b": {0: 1.0, 1: 2.0}}, "no order"),
        ({"a": 1.0, "b": 1.0}, {"a": {0: 1.0, 1: 2.0}, "b": {0: 3.0, 1: 2.5}}, "no order"),
        ({"a": 1.0, "b": 2.0}, {"a": {0: 0.0}, "b": {0: 0.0}}, "no order"),
    ],
)
def test_where_there_is_no_order_there_is_a_word(printed, values, word):
    found = rank_agreement(printed, values)
    assert found.word == word
    assert found.text
    assert found.p is None or found.p > 0


def test_a_p_is_never_zero():
    assert rank_agreement(told(range(300)), steady(range(300))).p > 0
