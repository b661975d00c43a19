from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.statistics.decisions.any_two_rows import analyse_pair
from ablate.statistics.decisions.corrections import holm
from ablate.statistics.decisions.evidence import DecisionRule
from ablate.statistics.decisions.family import analyse_family
from ablate.statistics.decisions.row_comparison import Runs, compare_runs
from ablate.statistics.words import format_p

LOWER = DecisionRule(lower_is_better=True)
OPPOSITE = {"better": "worse", "worse": "better"}
THOUSANDTHS = st.integers(0, 9_999).map(lambda number: number / 1000)
B = Runs("B", {0: 13.2, 1: 13.9, 2: 13.1, 3: 13.5, 4: 13.0, 5: 13.6, 6: 13.3, 7: 13.4})
C = Runs("C", {0: 14.6, 1: 13.7, 2: 14.9, 3: 14.0, 4: 14.6, 5: 13.9, 6: 15.2, 7: 14.1, 8: 9.9})
OTHERS = [Runs(label, {seed: 13 + 0.1 * ((k * seed) % 5) for seed in range(8)}) for k, label in enumerate("ADE", 1)]
TABLE = [*OTHERS, B, C]


@st.composite
def tables(draw):
    rows = draw(st.integers(2, 4))
    return [
        Runs(
            f"row {k}",
            draw(st.dictionaries(st.integers(0, 7), THOUSANDTHS, max_size=8)),
            failed=draw(st.frozensets(st.integers(0, 7), max_size=1)),
        )
        for k in range(rows)
    ]


def test_two_rows_are_compared_seed_by_seed():
    found = analyse_pair(TABLE, "C", "B", design=LOWER)
    assert [(pair.seed, pair.a, pair.b) for pair in found.seeds] == [(s, C.values[s], B.values[s]) for s in range(8)]
    assert [pair.difference for pair in found.seeds] == [C.values[s] - B.values[s] for s in range(8)]
    assert found.analysis.evidence.comparison == compare_runs(C, B)


def test_p_is_corrected_over_all_pairs_of_the_table():
    found = analyse_pair(TABLE, "C", "B", design=replace(LOWER, test="t"))
    pairs = list(combinations(TABLE, 2))
    adjusted = holm([compare_runs(*pair).p_t for pair in pairs])
    assert found.pairs == 10
    assert found.analysis.evidence.p == compare_runs(C, B).p_t
    assert found.analysis.evidence.p_adj == pytest.approx(adjusted[pairs.index((B, C))], rel=1e-12)


def test_the_pair_alone_is_easier_than_among_all_pairs():
    alone = analyse_pair([B, C], "C", "B", design=LOWER)
    assert alone.pairs == 1
    assert alone.analysis.evidence.p_adj < analyse_pair(TABLE, "C", "B", design=LOWER).analysis.evidence.p_adj


def test_two_rows_alone_are_the_family_of_one():
    (expected,) = analyse_family([C], B, LOWER).rows
    assert analyse_pair([B, C], "C", "B", design=LOWER).analysis == expected


def test_a_missing_row_still_counts_among_the_pairs():
    gone = [*TABLE, Runs("F", {}, failed=range(8))]
    assert analyse_pair(gone, "C", "B", design=LOWER).pairs == 15


def test_the_sentence_says_what_the_numbers_say():
    found = analyse_pair(TABLE, "C", "B", design=LOWER)
    assert found.sentence == (
        "C is 1.00 worse than B on average over 8 common seeds (95 % t interval 0.35 to 1.65; p = .0084 from the "
        "paired t test, which assumes normally distributed differences; .058 corrected for 10 pairs, post hoc). "
        "Undecided: 8 seeds can only detect differences above 1.4 (80 % power); about 19 seeds would detect a "
        "difference of this size (80 % power)"
    )


def test_the_other_way_round_the_sentence_turns_round():
    found = analyse_pair(TABLE, "B", "C", design=LOWER)
    assert found.sentence.startswith("B is 1.00 better than C on average over 8 common seeds (95 % t interval 0.35 to")
    higher = analyse_pair(TABLE, "B", "C", design=replace(LOWER, lower_is_better=False))
    assert higher.sentence.startswith("B is 1.00 worse than C on average over 8 common seeds (95 % t interval 0.35 to")


def test_the_sentence_gives_differences_in_units_of_the_metric():
    sentence = analyse_pair(TABLE, "C", "B", design=replace(LOWER, unit="points")).sentence
    assert sentence.startswith("C is 1.00 points worse than B on average over 8 common seeds ")
    assert "8 seeds can only detect differences above 1.4 points (80 % power)" in sentence


def test_a_decided_pair_asks_for_no_more_seeds():
    sentence = analyse_pair([B, C], "C", "B", design=LOWER).sentence
    assert sentence.endswith("corrected for 1 pair, post hoc). Decided: worse")


def test_a_row_and_its_baseline_get_the_answer_of_their_table():
    family = [row for row in TABLE if row is not B]
    (expected,) = (row for row in analyse_family(family, B, LOWER).rows if row.label == "C")
    found = analyse_pair(TABLE, "C", "B", design=LOWER, planned=[row.label for row in family])
    assert found.analysis == expected
    assert (found.pairs, found.is_post_hoc) == (4, False)
    assert "corrected for 4 planned comparisons). " in found.sentence
    back = analyse_pair(TABLE, "B", "C", design=LOWER, planned=[row.label for row in family])
    assert back.analysis.evidence.p_adj == expected.evidence.p_adj
    assert OPPOSITE.get(back.analysis.decision, back.analysis.decision) == expected.decision


def test_more_seeds_are_not_asked_for_where_lost_runs_are_in_the_way():
    lost = Runs("C", {seed: 10.0 + seed / 100 for seed in range(9)}, planned=range(12), failed=range(9, 12))
    found = analyse_pair([Runs("B", {seed: 14.0 + seed / 90 for seed in range(12)}), lost], "C", "B", design=LOWER)
    assert found.analysis.reason == "failures"
    assert found.seeds_needed is None
    assert "would detect" not in found.sentence


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "F and B have no common seed. Undecided"),
        (
            {0: 13.3},
            "F is 0.1 worse than B on average over 1 common seed (no interval, no test). Undecided: the two rows have "
            "only 1 common seed, and a test needs 3",
        ),
        (
            dict(B.values),
            "F does not differ from B on average over 8 common seeds (95 % t interval 0 to 0; p = 1 from the sign-flip "
            "test; 1 corrected for 1 pair, post hoc). Undecided: all 8 seeds tie",
        ),
    ],
    ids=["no seed", "one seed", "all tie"],
)
def test_where_there_is_little_to_say_the_sentence_says_so(values, sentence):
    assert analyse_pair([B, Runs("F", values)], "F", "B", design=LOWER).sentence == sentence


def test_pooled_is_taken_as_auto():
    pooled, auto = (analyse_pair(TABLE, "C", "B", design=replace(LOWER, test=test)) for test in ("pooled", "auto"))
    assert pooled == auto


def test_an_unknown_row_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="no row 'X'; rows are A, D, E, B, C"):
        analyse_pair(TABLE, "C", "X", design=LOWER)


def test_a_row_is_not_compared_with_itself():
    with pytest.raises(ValueError, match="itself"):
        analyse_pair(TABLE, "C", "C", design=LOWER)


@settings(max_examples=200, deadline=None)
@given(tables(), st.sampled_from(["auto", "flip", "t", "pooled"]), st.booleans(), st.booleans())
def test_the_two_rows_may_change_places(table, test, lower_is_better, is_planned):
    design = replace(LOWER, test=test, lower_is_better=lower_is_better, margin=1.5)
    planned = [row.label for row in table if row.label != "row 1"] if is_planned else ()
    there, back = (
        analyse_pair(table, *pair, design=design, planned=planned) for pair in (("row 0", "row 1"), ("row 1", "row 0"))
    )
    assert OPPOSITE.get(there.analysis.decision, there.analysis.decision) == back.analysis.decision
    for name in ("reason", "mde", "mde_sd", "pairing"):
        assert getattr(there.analysis, name) == getattr(back.analysis, name)
    for name in ("p", "p_adj", "p_worst_adj", "sd", "df", "n", "test", "comparisons"):
        assert getattr(there.analysis.evidence, name) == getattr(back.analysis.evidence, name)
    if there.analysis.evidence.interval:
        assert there.analysis.evidence.difference == -back.analysis.evidence.difference
        assert there.analysis.evidence.interval == tuple(-end for end in reversed(back.analysis.evidence.interval))
    assert there.seeds_needed == back.seeds_needed
    assert [pair.difference for pair in there.seeds] == [-pair.difference for pair in back.seeds]


@settings(max_examples=60, deadline=None)
@given(tables(), st.randoms())
def test_the_order_of_the_rows_does_not_matter(table, random):
    found = analyse_pair(table, "row 0", "row 1", design=LOWER)
    assert analyse_pair(random.sample(table, len(table)), "row 0", "row 1", design=LOWER) == found


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.3125, ".31"), (0.03125, ".031"), (0.0996, ".10"), (0.0994, ".099"), (0.00038, ".00038"), (1e-5, "< .0001"),
     (1.0, "1"), (0.996, "1"), (0.25, ".25"), (0.0001, ".00010")],
)  # fmt: skip
def test_p_values_are_written_in_two_digits_without_the_zero(p, text):
    assert format_p(p) == text


def test_beyond_many_rows_the_pair_is_corrected_by_bonferroni_over_all_pairs() -> None:
    draws = random.Random(5)
    rows = [Runs(f"row {k}", {seed: k * 5.0 + draws.gauss(0, 0.1) for seed in range(4)}) for k in range(50)]
    found = analyse_pair(rows, "row 1", "row 0", design=DecisionRule(lower_is_better=True))
    evidence = found.analysis.evidence
    assert found.pairs == evidence.comparisons == 1225
    assert evidence.p is not None
    assert evidence.p_adj == pytest.approx(min(1.0, 1225 * evidence.p))
