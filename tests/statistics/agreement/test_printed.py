from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.agreement import printed as family
from ablate.statistics.agreement.row_agreement import OTHER_WORDS, PAPER_WORDS, PrintedRow

REPLICATES = 800
FAR = 9.0
"""A printed difference far above the noise of a simulated row, whose sd is 1."""

VALUES = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))
ROWS = st.lists(
    st.tuples(st.sampled_from([-800.0, -1.5, 0.0, 40.0, 900.0, None]), st.dictionaries(st.integers(0, 11), VALUES)),
    min_size=1,
    max_size=5,
)


def agreement(rows, *, at_paper_scale, **options):
    """The verdict on rows that are all the paper's own, or none."""
    return family.agreement([replace(one, is_papers_own=at_paper_scale) for one in rows], **options)


def row(label: str, printed: float | None, differences) -> PrintedRow:
    return PrintedRow(label, printed, dict(enumerate(differences)))


def spread(mean: float, sd: float, n: int) -> list[float]:
    """n values with exactly this mean and sample sd, as evenly spread as a normal sample."""
    steps = np.linspace(-1, 1, n)
    return (mean + sd * steps / steps.std(ddof=1)).tolist()


def word_of(printed: float, differences, *, at_paper_scale: bool = True, alpha: float = 0.05) -> str:
    return agreement([row("A", printed, differences)], at_paper_scale=at_paper_scale, alpha=alpha).rows[0].word


# ---- one row


@pytest.mark.parametrize(
    ("mean", "at_paper", "elsewhere"),
    [
        (3.0, "reproduced", "agrees"),
        (-3.0, "contradicted (opposite)", "disagrees"),
        (0.1, "contradicted (absent)", "undecided"),
        (0.6, "inconclusive", "undecided"),
    ],
)
def test_a_row_gets_the_word_of_its_scale(mean, at_paper, elsewhere):
    assert word_of(FAR, spread(mean, 1, 9)) == at_paper
    assert word_of(FAR, spread(mean, 1, 9), at_paper_scale=False) == elsewhere


def test_the_limit_of_absent_is_1_205_sd_of_the_differences():
    # the upper bound is mean + t(.95, 9) sd / sqrt(10) = mean + 0.5797 sd, the limit 1.205 sd
    assert word_of(FAR, spread(0.62, 1, 10)) == "reproduced"
    assert word_of(FAR, spread(0.57, 1, 10)) == "contradicted (absent)"
    # with 9 seeds the half width is 0.6198: between 0.5852 and 0.6198 nothing is decided
    assert word_of(FAR, spread(0.58, 1, 9)) == "contradicted (absent)"
    assert word_of(FAR, spread(0.60, 1, 9)) == "inconclusive"


def test_below_five_seeds_a_row_only_points_one_way():
    found = agreement([row("A", FAR, [3.0, 3.1, 2.9, 3.05])], at_paper_scale=True).rows[0]
    assert found.text == "inconclusive, direction agrees (not tested): n = 4, not tested below 5 seeds"
    assert found.bounds is None
    found = agreement([row("A", -FAR, [3.0, 3.1, 2.9, 3.05])], at_paper_scale=False).rows[0]
    assert found.text == "undecided, direction differs (not tested): n = 4, not tested below 5 seeds"


@pytest.mark.parametrize(("n", "is_provisional"), [(5, True), (7, True), (8, False)])
def test_from_five_seeds_the_word_stands_and_below_eight_it_is_provisional(n, is_provisional):
    found = agreement([row("A", FAR, spread(3, 1, n))], at_paper_scale=True)
    assert found.word == "reproduced"
    assert found.is_provisional == is_provisional
    assert ("provisional below 8 seeds" in found.rows[0].notes) == is_provisional
    assert ("provisional" in found.text) == is_provisional


def test_a_printed_difference_within_the_noise_of_single_runs_is_no_claim():
    rows = [row("in", -1.9, spread(-3, 1, 10)), row("out", -2.1, spread(-3, 1, 10))]
    found = agreement(rows, at_paper_scale=True)
    assert [(verdict.word, verdict.is_claim) for verdict in found.rows] == [("no claim", False), ("reproduced", True)]
    assert found.rows[0].notes == ("printed difference within our noise",)
    assert found.rows[0].direction == "agrees"
    assert found.rows[0].magnitude.ratio == pytest.approx(3 / 1.9)
    assert found.counts == {"reproduced": 1}


@pytest.mark.parametrize(
    ("printed", "note"),
    [
        (None, "no printed difference"),
        (math.nan, "no printed difference"),
        (math.inf, "no printed difference"),
        (0.0, "printed difference is 0"),
    ],
)
def test_without_a_printed_direction_there_is_no_claim(printed, note):
    found = agreement([row("A", printed, spread(3, 1, 10))], at_paper_scale=True)
    assert (found.word, found.rows[0].notes, found.rows[0].direction) == ("no claim", (note,), None)
    assert found.text == "no claim"


def test_rows_that_make_no_claim_do_not_enlarge_the_family():
    claim = row("A", FAR, spread(0.7, 1, 10))
    others = [row(f"no {k}", 0.5, spread(0, 1, 10)) for k in range(20)]
    alone, beside = agreement([claim], at_paper_scale=True), agreement([*others, claim], at_paper_scale=True)
    assert alone.rows[0] == beside.rows[-1]
    assert alone.rows[0].word == "reproduced"


def test_rows_that_claim_but_cannot_be_tested_do_enlarge_it():
    claim = row("A", FAR, spread(0.7, 1, 10))
    beside = agreement([claim, row("lost", FAR, [1.0])], at_paper_scale=True).rows[0]
    assert beside.word == "inconclusive"
    assert beside.bounds.same.p == pytest.approx(2 * agreement([claim], at_paper_scale=True).rows[0].bounds.same.p)


def test_an_open_row_says_how_many_seeds_would_decide_it():
    found = agreement([row("A", FAR, spread(0.6, 1, 9))], at_paper_scale=True).rows[0]
    assert found.text == f"inconclusive: n = 9, about {found.seeds_needed} seeds would decide it"
    assert 15 <= found.seeds_needed <= 25


# ---- magnitude


def test_the_ratio_is_ours_over_the_printed_one_and_the_interval_is_for_one_run():
    found = agreement([row("A", -2.0, spread(-3, 0.5, 10))], at_paper_scale=True).rows[0].magnitude
    assert (found.ratio, found.standardised) == pytest.approx((1.5, -6))
    half = 2.262157162854099 * 0.5 * math.sqrt(1.1)
    assert (found.low, found.high) == pytest.approx((-3 - half, -3 + half))
    assert found.is_inside


def test_a_printed_difference_may_lie_outside_of_what_one_run_gives():
    assert not agreement([row("A", -9.0, spread(-3, 0.5, 10))], at_paper_scale=True).rows[0].magnitude.is_inside


def test_at_another_scale_there_is_no_interval_for_the_paper():
    found = agreement([row("A", -2.0, spread(-3, 0.5, 10))], at_paper_scale=False).rows[0].magnitude
    assert (found.ratio, found.low, found.high, found.is_inside) == (pytest.approx(1.5), None, None, None)


def test_one_run_lies_in_its_interval_as_often_as_it_says():
    rng = np.random.default_rng(11)
    rows = [row(str(k), FAR, rng.normal(0, 1, 6).tolist()) for k in range(REPLICATES)]
    paper = rng.normal(0, 1, REPLICATES)
    found = [verdict.magnitude for verdict in agreement(rows, at_paper_scale=True).rows]
    inside = np.mean([one.low <= run <= one.high for one, run in zip(found, paper, strict=True)])
    assert inside == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / REPLICATES))


# ---- the operating table (specification, section 7)

TABLE = {
    (5, 1.5): (0.87, 0, 0, 0.13),
    (5, 0.0): (0.05, 0.05, 0.65, 0.25),
    (5, -1.5): (0, 0.86, 0.14, 0),
    (5, 0.5): (0.24, 0.01, 0.27, 0.49),
    (10, 1.5): (1.0, 0, 0, 0),
    (10, 0.0): (0.04, 0.04, 0.92, 0),
    (10, -1.5): (0, 1.0, 0, 0),
    (10, 0.5): (0.43, 0, 0.57, 0),
}


def exact_shares(n: int, effect: float, alpha: float = 0.05) -> list[float]:
    """The shares of the four words for normal differences, from the noncentral t."""
    t, at = stats.t.ppf(1 - alpha, n - 1), stats.nct(n - 1, math.sqrt(n) * effect)
    reproduced, opposite = at.sf(t), at.cdf(-t)
    absent = at.cdf(min(t, math.sqrt(n) * 1.205 - t)) - opposite
    return [reproduced, opposite, absent, 1 - reproduced - opposite - absent]


def worst_miss(n: int, effect: float, alpha: float = 0.05) -> float:
    """How far, in standard errors, the simulated shares are from the exact ones at 5 %, for the worst word."""
    samples = np.random.default_rng(3).normal(effect, 1, (REPLICATES, n)).tolist()
    words = [word_of(FAR, sample, alpha=alpha) for sample in samples]
    return max(
        abs(words.count(word) / REPLICATES - share) / math.sqrt(max(share * (1 - share), 0.002) / REPLICATES)
        for word, share in zip(PAPER_WORDS, exact_shares(n, effect), strict=True)
    )


@pytest.mark.parametrize(("n", "effect"), TABLE)
def test_words_come_as_often_as_the_operating_table_says(n, effect):
    assert exact_shares(n, effect) == pytest.approx(TABLE[n, effect], abs=0.03)
    assert worst_miss(n, effect) < 3


def test_a_one_sided_test_used_as_two_sided_would_not_match_the_operating_table():
    assert worst_miss(5, 1.5, alpha=0.025) > 3
    assert worst_miss(5, 0.0, alpha=0.1) > 3


@pytest.mark.parametrize(("n", "share"), [(5, 0.017), (6, 0.024), (7, 0.030), (8, 0.036)])
def test_an_effect_that_the_paper_could_just_have_seen_is_seldom_called_absent(n, share):
    assert exact_shares(n, 1.205)[2] == pytest.approx(share, abs=0.0006)
    assert worst_miss(n, 1.205) < 3


def wrong_words(tables, same_table: bool) -> float:
    """Share of tables of null rows in which some row is said to be reproduced."""
    wrong = 0
    for rows in tables:
        groups = [rows] if same_table else [[one] for one in rows]
        wrong += any("agrees" in agreement(group, at_paper_scale=False).counts for group in groups)
    return wrong / len(tables)


def null_tables(count: int, rows: int, n: int):
    rng = np.random.default_rng(5)
    for _ in range(count):
        reference = rng.exponential(1, n)
        yield [row(str(k), FAR, (rng.exponential(1, n) - reference).tolist()) for k in range(rows)]


def test_eight_null_rows_with_a_shared_reference_seldom_give_a_false_agreement():
    tables = list(null_tables(250, 8, 8))
    bound = 0.05 + 3 * math.sqrt(0.05 * 0.95 / 250)
    assert wrong_words(tables, same_table=True) <= bound
    assert wrong_words(tables, same_table=False) > bound  # as without Holm


# ---- the table

REPRODUCED, OPPOSITE, ABSENT, OPEN, NONE = 3.0, -3.0, 0.0, 0.6, None


def table(kinds: dict[str, float | None], *, headline=None, at_paper_scale=True):
    rows = [
        row(label, None if mean is None else FAR, spread(mean or 0, 1, 9 if mean == OPEN else 12))
        for label, mean in kinds.items()
    ]
    return agreement(rows, at_paper_scale=at_paper_scale, headline=headline)


@pytest.mark.parametrize(
    ("kinds", "headline", "word"),
    [
        ({"a": REPRODUCED, "b": REPRODUCED}, None, "reproduced"),
        ({"a": REPRODUCED, "b": OPEN}, None, "inconclusive"),
        ({"a": REPRODUCED, "b": OPEN}, ("a",), "reproduced"),
        ({"a": REPRODUCED, "b": OPPOSITE}, None, "contradicted"),
        ({"a": REPRODUCED, "b": ABSENT}, None, "contradicted"),
        ({"a": REPRODUCED, "b": OPPOSITE}, ("a",), "partly"),
        ({"a": REPRODUCED, "b": ABSENT}, ("a",), "partly"),
        ({"a": OPEN, "b": REPRODUCED, "c": ABSENT}, ("a",), "partly"),
        ({"a": OPEN, "b": OPPOSITE}, ("a",), "inconclusive"),
        ({"a": OPPOSITE, "b": REPRODUCED, "c": REPRODUCED}, ("a", "b"), "contradicted"),
        ({"a": REPRODUCED, "b": NONE}, None, "reproduced"),
        ({"a": NONE, "b": REPRODUCED}, ("a",), "no claim"),
        ({"a": NONE, "b": REPRODUCED}, ("a", "b"), "reproduced"),
        ({}, None, "no claim"),
    ],
)
def test_the_table_has_the_word_of_its_headline_rows(kinds, headline, word):
    assert table(kinds, headline=headline).word == word


def test_at_another_scale_the_table_agrees_or_disagrees():
    assert table({"a": REPRODUCED, "b": REPRODUCED}, at_paper_scale=False).word == "agrees"
    assert table({"a": REPRODUCED, "b": OPPOSITE}, at_paper_scale=False).word == "disagrees"
    assert table({"a": REPRODUCED, "b": ABSENT}, at_paper_scale=False).word == "undecided"
    assert table({"a": REPRODUCED, "b": OPPOSITE}, at_paper_scale=False, headline=("a",)).word == "partly"


def mixed(own: dict[str, float], other: dict[str, float], headline=None):
    rows = [row(label, FAR, spread(mean, 1, 9 if mean == OPEN else 12)) for label, mean in (own | other).items()]
    return family.agreement([replace(one, is_papers_own=one.label in own) for one in rows], headline=headline)


def test_a_row_that_is_not_the_papers_takes_the_word_only_from_itself():
    found = mixed({"a": REPRODUCED, "b": ABSENT, "c": OPEN}, {"mine": REPRODUCED, "moved": OPPOSITE})
    words = {one.label: one.word for one in found.rows}
    assert words == {
        "a": "reproduced", "b": "contradicted (absent)", "c": "inconclusive", "mine": "agrees", "moved": "disagrees"
    }  # fmt: skip


@pytest.mark.parametrize("other", [REPRODUCED, OPPOSITE, ABSENT, OPEN])
def test_the_word_of_a_table_is_over_the_papers_rows_and_names_the_others(other):
    found = mixed({"a": REPRODUCED, "b": REPRODUCED}, {"mine": other})
    assert found.word == "reproduced"
    assert found.text == "reproduced; 2 claims: 2 reproduced; rows that are not the paper's are left out: mine"
    assert found.headline == ("a", "b")


def test_a_headline_without_a_row_of_the_paper_has_the_other_words():
    found = mixed({"a": REPRODUCED, "b": ABSENT}, {"mine": REPRODUCED}, headline=("mine",))
    assert (found.word, found.left_out) == ("partly", ())
    assert found.text == "partly; 3 claims: 1 reproduced, 1 contradicted (absent), 1 agrees"
    assert mixed({"a": REPRODUCED}, {"mine": REPRODUCED}, headline=("mine",)).word == "agrees"


@settings(deadline=None)
@given(ROWS, ROWS)
def test_a_further_row_only_makes_it_harder_for_the_papers(rows, further):
    def judged(count: int) -> set[tuple[str, str]]:
        printed = [PrintedRow(str(number), *one, is_papers_own=number < len(rows))
                   for number, one in enumerate([*rows, *further][:count])]  # fmt: skip
        return {(one.label, one.word) for one in family.agreement(printed).rows if one.is_papers_own}

    decided = {(label, word) for label, word in judged(len(rows) + len(further)) if word != "inconclusive"}
    assert decided <= judged(len(rows))


def test_the_text_of_a_table_has_its_counts_and_names_headlines_without_a_claim():
    found = table({"a": REPRODUCED, "b": ABSENT, "c": NONE}, headline=("a", "c"))
    assert found.headline == ("a",)
    assert found.text == "partly; 2 claims: 1 reproduced, 1 contradicted (absent); headline rows without a claim: c"


def test_a_headline_of_other_groups_leaves_this_one_without_a_word():
    found = table({"a": REPRODUCED, "b": OPPOSITE}, headline=())
    assert found.word == "no claim"
    assert found.text.startswith("no headline row in this group; 2 claims: ")
    assert not found.is_provisional


def test_a_headline_that_is_no_row_is_refused_by_name():
    with pytest.raises(ValueError, match="headline 'z' is not a row; the rows are a, b"):
        table({"a": REPRODUCED, "b": OPEN}, headline=("z",))


# ---- laws


def agreement_of(rows, names=range(12), factor=1.0, at_paper_scale=True):
    printed = [
        PrintedRow(
            str(number),
            told if told is None else factor * told,
            {names[seed]: factor * value for seed, value in values.items()},
        )
        for number, (told, values) in enumerate(rows)
    ]
    return agreement(printed, at_paper_scale=at_paper_scale)


def words_of(found) -> dict[str, tuple]:
    return {one.label: (one.word, one.n, one.direction, one.seeds_needed) for one in found.rows}


@settings(deadline=None)
@given(ROWS, st.permutations(range(12)))
def test_the_names_of_the_seeds_do_not_matter(rows, names):
    assert agreement_of(rows, names) == agreement_of(rows)


@settings(deadline=None)
@given(ROWS, st.booleans())
def test_neither_units_nor_the_direction_of_the_metric_change_a_word(rows, at_paper_scale):
    plain = words_of(agreement_of(rows, at_paper_scale=at_paper_scale))
    for factor in (-1, 1000, -0.001):
        assert words_of(agreement_of(rows, factor=factor, at_paper_scale=at_paper_scale)) == plain


@settings(deadline=None)
@given(ROWS, st.randoms())
def test_the_order_of_the_rows_does_not_matter(rows, random):
    printed = [PrintedRow(str(number), told, values) for number, (told, values) in enumerate(rows)]
    shuffled = random.sample(printed, len(printed))
    before, after = agreement(printed, at_paper_scale=True), agreement(shuffled, at_paper_scale=True)
    assert before.word == after.word
    assert sorted(before.rows, key=lambda one: one.label) == sorted(after.rows, key=lambda one: one.label)


@settings(deadline=None)
@given(ROWS)
def test_turning_our_differences_round_turns_reproduced_into_opposite(rows):
    turned = [(told, {seed: -value for seed, value in values.items()}) for told, values in rows]
    swap = {"agrees": "disagrees", "disagrees": "agrees"}
    before, after = agreement_of(rows, at_paper_scale=False), agreement_of(turned, at_paper_scale=False)
    assert [swap.get(one.word, one.word) for one in before.rows] == [one.word for one in after.rows]


# ---- degenerate data

ODD = {
    "no seed": [],
    "one seed": [3.0],
    "two seeds": [3.0, 4.0],
    "no spread": [3.0] * 10,
    "all zero": [0.0] * 10,
    "equal but for rounding": [0.1 + 0.2 - 0.3 + 0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
    "all failed": [math.nan] * 10,
    "one infinite": [math.inf, 3.0, 3.1, 2.9, 3.2, 3.3, 2.8, 3.0],
    "huge": [1e300, 2e300, 1.5e300, 1.2e300, 1.1e300],
    "tiny": [1e-300, 2e-300, 1.5e-300, 1.2e-300, 1.1e-300],
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("at_paper_scale", [True, False])
def test_odd_data_gets_a_word_and_never_a_p_of_zero(name, at_paper_scale):
    for printed in (1e302, -9.0, 0.0, None):
        found = agreement([row("A", printed, ODD[name])], at_paper_scale=at_paper_scale).rows[0]
        assert found.word in (*PAPER_WORDS, *OTHER_WORDS, "no claim")
        assert found.text
        if found.bounds is not None:
            assert found.bounds.same.p > 0
            assert found.bounds.opposite.p > 0


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("no seed", "not tested below 5 seeds"),
        ("one seed", "not tested below 5 seeds"),
        ("no spread", "no spread to test against"),
        ("all zero", "no spread to test against"),
        ("equal but for rounding", "no spread to test against"),
        ("all failed", "not tested below 5 seeds"),
        ("one infinite", "1 infinite value"),
    ],
)
def test_a_claim_that_cannot_be_tested_says_why(name, note):
    found = agreement([row("A", FAR, ODD[name])], at_paper_scale=True).rows[0]
    assert (found.word, found.notes, found.bounds) == ("inconclusive", (note,), None)


def test_an_absent_seed_is_left_out():
    with_gap = agreement([row("A", FAR, [*spread(3, 1, 8), math.nan])], at_paper_scale=True)
    assert with_gap == agreement([row("A", FAR, spread(3, 1, 8))], at_paper_scale=True)
