"""The findings of a table: recomputed, and in the cases in which nothing can be decided."""

from __future__ import annotations

import html
import math
import statistics
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from scipy import stats

from ablate.paper.presets import preset_fields
from ablate.paper.published import Printed, load_published
from ablate.recipes.classify import ClassifyRecipe
from ablate.study.plan import Plan, Row, plan_document
from ablate.study.preregistration import register
from ablate.tables.build import build_table
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.latex_text import escape_latex
from ablate.tables.formats.render import render
from ablate.tables.inputs import StudyState
from ablate.tables.tries import PairHistory
from ablate.tables.two_rows import compare_rows
from ablate.trials.trial import Outcome

METRIC = "top1_error_pct"
FULL = LatexOptions(style="full")
LEVELS = [13.6, 13.0, 13.02, 13.1, 11.4]


@pytest.fixture
def planned(make_plan, window_plan):
    """The window study with so many seeds and such a [table]."""

    def make(seeds: int, **table: object) -> Plan:
        rows = [{"label": row.label, "set": dict(row.set), "baseline": row.is_baseline} for row in window_plan.rows]
        return make_plan(rows, seeds=range(seeds), table=table)

    return make


def preset_row(row: Row, name: str, change: Mapping[str, Any]) -> Row:
    fields = {**preset_fields(name, "resnet50"), "window": row.recipe.window, **change}
    return replace(row, recipe=ClassifyRecipe(**fields))


def values_of(table, label):
    return list(table.row(label).cells[METRIC].values.values())


def test_few_seeds_are_tested_by_the_paired_t_test_with_holm(planned, make_records):
    plan = planned(4)
    table = build_table(plan, make_records(plan, LEVELS))
    others = [row.label for row in table.rows if not row.baseline]
    p = [stats.ttest_rel(values_of(table, label), values_of(table, "B 3x3")).pvalue for label in others]
    steps = sorted(range(4), key=lambda index: p[index])
    adjusted, highest = dict.fromkeys(others, 0.0), 0.0
    for rank, index in enumerate(steps):
        highest = max(highest, min(1.0, (4 - rank) * p[index]))
        adjusted[others[index]] = highest
    for label, raw in zip(others, p, strict=True):
        cell = table.row(label).cells[METRIC]
        assert (cell.p, cell.tested.p_t) == (pytest.approx(raw), pytest.approx(raw))
        assert cell.p_adj == pytest.approx(adjusted[label])
        assert cell.tested.test == "t"
    assert table.families[0].test == "t"
    assert "The test assumes normally distributed differences over seeds" in table.families[0].method


def test_enough_seeds_are_tested_by_sign_flip_and_both_p_are_given(planned, make_records):
    plan = planned(8)
    table = build_table(plan, make_records(plan, LEVELS))
    cell = table.row("E Sum(1x3, 3x1)").cells[METRIC]
    assert (cell.tested.test, cell.p, cell.p_flip) == ("flip", 2 / 2**8, 2 / 2**8)
    assert cell.p_adj == pytest.approx(4 * 2 / 2**8)
    assert cell.tested.p_t < 1e-4
    assert cell.decision == "better"


def test_only_what_is_decided_to_be_better_is_bold_in_every_format(planned, make_records):
    plan = planned(8)
    table = build_table(plan, make_records(plan, LEVELS))
    decided = {row.label for row in table.rows if row.cells[METRIC].decision == "better"}
    assert decided == {"E Sum(1x3, 3x1)"}
    assert [line.split("|")[1].strip() for line in render(table, "md").splitlines() if "**" in line] == [*decided]
    assert render(table, "html").count("<strong>") == 1
    for style in ("paper", "full"):
        lines = render(table, "tex", latex=LatexOptions(style=style)).splitlines()
        assert [line.split(" & ")[0] for line in lines if " & \\textbf" in line] == ["E Sum(1x3, 3x1)"]


def test_the_best_mean_is_not_bold_where_it_is_not_decided(planned, make_records):
    plan = planned(2)
    text = render(build_table(plan, make_records(plan, [13.6, 13.0, 12.9, 13.1, 13.2])), "md")
    assert "**" not in text


def test_the_test_of_the_study_is_taken_and_named(planned, make_records):
    pooled, flip = planned(3, test="pooled"), planned(3, test="flip")
    table = build_table(pooled, make_records(pooled, LEVELS))
    assert table.families[0].test == "pooled"
    assert "Levene" in table.families[0].spread
    assert table.row("E Sum(1x3, 3x1)").cells[METRIC].decision == "better"
    table = build_table(flip, make_records(flip, LEVELS))
    assert {row.cells[METRIC].decision for row in table.rows} == {"baseline", "undecided"}
    assert "the exact test cannot decide" in table.row("A 1x1").cells[METRIC].tested.text


def test_a_margin_makes_rows_equivalent_and_nothing_else_does(planned, make_records):
    close = [13.0, 13.0, 13.0, 13.0, 13.0]
    without, with_margin = planned(8), planned(8, margin=1.0)
    decisions = [
        {row.cells[METRIC].decision for row in build_table(plan, make_records(plan, close)).rows if not row.baseline}
        for plan in (without, with_margin)
    ]
    assert decisions == [{"undecided"}, {"equivalent"}]


def test_a_lower_level_decides_less(planned, make_records):
    strict, loose = planned(4, alpha=0.001), planned(4, alpha=0.2)
    counts = []
    for plan in (strict, loose):
        table = build_table(plan, make_records(plan, LEVELS))
        counts.append(sum(row.cells[METRIC].decision in ("better", "worse") for row in table.rows))
        assert f"at most {100 * table.alpha:g} of 100 studies" in " ".join(table.notes)
    assert counts[0] < counts[1]


def test_nothing_is_decided_as_long_as_a_seed_is_outstanding(planned, make_records):
    plan = planned(8)
    records = make_records(plan, LEVELS)
    records.pop(plan.memberships["A 1x1", 7])
    for provisional in (True, False):
        table = build_table(plan, records, state=StudyState(provisional=provisional))
        assert {row.cells[METRIC].decision for row in table.rows} == {"baseline", None}
        assert table.families == []
        assert "Nothing is decided while results are missing" in table.summary[0]
        assert table.summary[0].startswith("39 of 40 results are there. ") == provisional
        assert "decision (p)" not in render(table, "md")


def test_only_the_primary_metric_is_tested(make_plan, make_records):
    plan = make_plan([{"label": "a"}, {"label": "b", "set": {"window": "5x5"}}], metrics=["map_pct"])
    cells = build_table(plan, make_records(plan, [20, 22])).row("b").cells
    assert (cells[METRIC].decision, cells["map_pct"].decision) == ("worse", None)
    assert cells["map_pct"].diff.low is not None


def test_groups_are_families_of_their_own(make_plan, make_records):
    rows = [
        {"label": f"{group}{n}", "group": group, "set": {"lr": (10 * ord(group) + n) / 1000}}
        for group in "ab"
        for n in (0, 1)
    ]
    plan = make_plan(rows, seeds=range(6))
    table = build_table(plan, make_records(plan, [20, 23, 20, 23]))
    assert [(family.group, family.baseline, family.comparisons) for family in table.families] == [
        ("a", "a0", 1), ("b", "b0", 1),
    ]  # fmt: skip
    assert table.row("b1").cells[METRIC].p_adj == table.row("b1").cells[METRIC].p == 2 / 2**6


def test_a_row_that_lost_runs_is_not_called_better_for_it(planned, make_records, make_record):
    plan = planned(8)
    records = make_records(plan, LEVELS)
    for seed in (1, 4):
        key = plan.memberships["E Sum(1x3, 3x1)", seed]
        records[key] = make_record(records[key].trial, Outcome(status="diverged", reason="loss is nan"))
    table = build_table(plan, records)
    cell = table.row("E Sum(1x3, 3x1)").cells[METRIC]
    assert (cell.decision, cell.tested.text) == ("undecided", "undecided: the decision depends on the failed runs")
    assert "2 of 40 results are missing: both diverged ('E Sum(1x3, 3x1)'). They leave" in table.summary[-1]
    (note,) = (note for note in table.notes if "McNemar" in note)
    assert note.startswith(
        "'E Sum(1x3, 3x1)' lost 2 of 8 seeds, its baseline none: by chance this happens in 50 of 100 studies "
    )


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_a_row_that_failed_altogether_and_a_row_without_spread_get_a_word(planned, make_records, make_record, seeds):
    plan = planned(seeds)
    records = make_records(plan, [13.0] * 5, noise=0)
    for seed in plan.seeds:
        key = plan.memberships["A 1x1", seed]
        records[key] = make_record(records[key].trial, Outcome(status="failed", reason="out of memory"))
    table = build_table(plan, records)
    assert {row.cells[METRIC].decision for row in table.rows} == {"baseline", "undecided"}
    for row in table.rows:
        p = [row.cells[METRIC].p, row.cells[METRIC].p_adj, row.cells[METRIC].p_flip]
        assert all(value is None or 0 < value <= 1 for value in p)
    for format in ("md", "tex", "csv", "html", "json"):
        assert render(table, format, columns=["all"])


def power_of(difference, sd, n, comparisons):
    """The probability that a two-sided paired t test, Bonferroni over the comparisons, finds a mean difference."""
    critical = stats.t.ppf(1 - 0.05 / comparisons / 2, n - 1)
    return stats.nct.sf(critical, n - 1, difference * math.sqrt(n) / sd)


def test_an_undecided_row_states_what_it_can_detect_and_what_would_decide_it(planned, make_records):
    plan = planned(3)
    table = build_table(
        plan, make_records(plan, [13.6, 13.0, 13.02, 13.1, 13.0]), published=load_published().column("T7")
    )
    row = table.row("C 5x5")
    tested = row.cells[METRIC].tested
    assert tested.target == pytest.approx(0.5)
    assert tested.seeds_needed > 3
    hours = (tested.seeds_needed - 3) * (row.train_s + table.row("B 3x3").train_s) / 3600
    assert row.worker_h == pytest.approx(hours)
    (note,) = (
        note for note in table.notes if note.startswith("The seeds of each undecided row can detect (80 % power): ")
    )
    differences = [row.cells[METRIC].values[seed] - table.row("B 3x3").cells[METRIC].values[seed] for seed in range(3)]
    sd, smallest = statistics.stdev(differences), tested.mde
    assert f"'C 5x5' above {smallest:.1f} points ({tested.seeds_needed:,} seeds would detect the printed 0.5)" in note
    assert 1 < smallest < 10, "one decimal shows two digits"
    assert power_of(smallest, sd, 3, comparisons=4) == pytest.approx(0.8, abs=1e-4)
    upper = sd * math.sqrt(2 / stats.chi2.ppf(0.2, 2))
    at, below = (power_of(0.5, upper, n, comparisons=4) for n in (tested.seeds_needed, tested.seeds_needed - 1))
    assert below < 0.8 <= at
    texts = {format: render(table, format, notes=True, latex=FULL) for format in ("md", "html", "tex", "json")}
    written = {"html": html.escape(note), "tex": escape_latex(note)}
    assert all(written.get(format, note) in text for format, text in texts.items()), "all formats have the same words"
    assert "worker_h" not in table.to_json(measured=False)["rows"][2]


def test_agreement_has_the_words_that_the_scale_allows(planned, make_records):
    plan = planned(8)
    printed = load_published().column("T7")
    records = make_records(plan, [15.6, 13.0, 15.0, 15.1, 13.1])
    table = build_table(plan, records, published=printed)
    words = {row.label: row.cells[METRIC].agreement.word for row in table.rows if not row.baseline}
    assert words["A 1x1"] == "agrees"
    assert set(words.values()) == {"agrees", "no claim"}
    no_claim = "'No claim' means that the paper prints no difference, or one below 2 standard deviations"
    assert sum(note.startswith(no_claim) for note in table.notes) == 1
    assert table.families[0].agreement.tau == pytest.approx(
        stats.kendalltau(
            [row.cells[METRIC].published.value for row in table.rows], [row.cells[METRIC].mean for row in table.rows]
        ).statistic
    )


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, "reproduced"),
        ({"steps": 5_000}, "agrees"),
        ({"width": 0.5}, "agrees"),
        ({"dataset": "fashion-mnist"}, "agrees"),
        ({"model": "resnet101"}, "agrees"),
        (None, "agrees"),  # called scale paper, and nothing of it is
    ],
)
def test_only_a_recipe_of_the_paper_reproduces_or_contradicts_it(planned, make_records, change, word):
    plan = planned(8)
    rows = list(plan.rows)
    if change is not None:
        rows = [preset_row(row, "paper-text", change) for row in plan.rows]
    records = make_records(plan, [15.6, 13.0, 15.0, 15.1, 13.1])
    own = replace(plan, scale="paper", rows=tuple(rows))
    table = build_table(own, records, published=load_published().column("T7"))
    assert table.row("A 1x1").cells[METRIC].agreement.word == word
    assert "at scale paper" in " ".join(table.notes)


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        ({4: ("released-code", {})}, ["reproduced", "reproduced", "reproduced", "agrees"]),
        ({3: ("paper-text", {"window_dilation": 2})}, ["reproduced", "reproduced", "agrees", "reproduced"]),
        ({1: ("released-code", {})}, ["agrees", "agrees", "agrees", "agrees"]),
    ],
    ids=["a row by the other recipe", "a row that is not printed so", "the baseline"],
)
def test_a_row_that_is_not_the_papers_takes_the_word_from_itself_alone(planned, make_records, moved, words):
    plan, printed = planned(8), load_published().column("T7")
    rows = [preset_row(row, *moved.get(place, ("paper-text", {}))) for place, row in enumerate(plan.rows)]
    far = [25.0, 22.0, 25.0, 25.0, 25.0]
    cells = {row.label: {METRIC: Printed(f"{value}", value)} for row, value in zip(rows, far, strict=True)}
    table = build_table(
        replace(plan, scale="paper", rows=tuple(rows)),
        make_records(plan, [15.6, 13.0, 15.0, 15.1, 15.2]),
        published=replace(printed, cells=cells),
    )
    assert [row.cells[METRIC].agreement.word for row in table.rows if not row.baseline] == words
    (family,) = table.families
    assert family.agreement.word == words[0]
    out = [row.label for place, row in enumerate(table.rows) if place in moved and words[0] == "reproduced"]
    left_out = f"; rows that are not the paper's are left out: {out[0]}" if out else ""
    assert family.agreement.text.endswith(
        f"{4 - len(out)} claims: {4 - len(out)} {words[0].removesuffix('s')}{left_out}"
    )


def test_the_headline_decides_the_word_of_the_table(planned, make_records):
    printed = load_published().column("T7")
    plan = planned(8, headline=["A 1x1"])
    table = build_table(plan, make_records(plan, [15.6, 13.0, 13.0, 13.1, 13.1]), published=printed)
    assert table.families[0].agreement.headline == ["A 1x1"]
    assert table.families[0].agreement.word == "agrees"


def test_a_group_without_a_headline_row_has_no_word_of_its_own(make_plan, make_records):
    labels = ("ReLU", "FReLU")
    rows = [
        {"label": f"{net} {label}", "group": net, "set": {"activation": label.lower(), "width": width}}
        for net, width in (("small", 0.5), ("large", 1.0))
        for label in labels
    ]
    plan = make_plan(rows, seeds=range(8), table={"headline": ["small FReLU"]})
    cells = {
        row["label"]: {METRIC: Printed("24.0", 24.0) if "FReLU" not in row["label"] else Printed("22.4", 22.4)}
        for row in rows
    }
    printed = replace(load_published().column("T7"), cells=cells, sources=dict.fromkeys(cells, ("Q",)))
    small, large = build_table(plan, make_records(plan, [15.0, 13.0, 15.0, 13.0]), published=printed).families
    assert (small.agreement.word, large.agreement.word) == ("agrees", "no claim")
    assert large.agreement.text.startswith("no headline row in this group; 1 claim: ")


@pytest.mark.parametrize(("shift", "is_alarm"), [(0.0, False), (3.0, True)])
def test_an_audit_is_told_below_the_table_and_is_no_row_of_it(make_record, shift, is_alarm):
    rows = [{"label": "base"}, {"label": "other", "set": {"lr": 0.3}}]
    plan = plan_document({"name": "audited", "seeds": 8, "audit": True, "base": {"dataset": "digits"}, "rows": rows})
    records = {}
    for (label, seed), key in plan.memberships.items():
        error = 20 + [0.1, -0.2, 0.3, 0.0, -0.1, 0.2, -0.3, 0.15][seed] * (-1 if "audit" in label else 1)
        error += shift if "audit" in label else 0.0
        records[key] = make_record(plan.trials[key], Outcome(status="succeeded", metrics={METRIC: error}))
    table = build_table(plan, records)
    assert [row.label for row in table.rows] == ["base", "other"]
    audit = table.families[0].audit
    assert (audit.n, audit.is_alarm) == (8, is_alarm)
    (note,) = (note for note in table.notes if note.startswith("A hidden duplicate of 'base'"))
    assert ("DIFFERENT" in note) == is_alarm
    assert any(line.startswith("The audit failed: ") for line in table.summary) == is_alarm
    assert table.families[0].comparisons == 1


def test_a_design_that_was_changed_over_known_results_is_called_exploratory(planned, make_records):
    plan = planned(4)
    before, after = (datetime(2026, 5, day, tzinfo=UTC) for day in (1, 6))
    history = [register(planned(3), before), register(plan, after)]
    table = build_table(plan, make_records(plan, LEVELS), state=StudyState(registrations=history))
    assert table.exploratory
    assert table.summary[-1].startswith("Exploratory: ")
    assert any("The seeds changed on 2026-05-06" in note for note in table.provenance)
    rewritten = build_table(plan, make_records(plan, LEVELS), state=StudyState(registrations=history[1:]))
    assert rewritten.exploratory, "the results were there when it was first fixed"
    first = StudyState(registrations=history[:1])
    assert not build_table(planned(3), make_records(planned(3), LEVELS), state=first).exploratory


def test_the_caption_of_latex_says_data_length_seeds_and_test(planned, make_records):
    plan = planned(3)
    (caption,) = (
        line
        for line in render(build_table(plan, make_records(plan, LEVELS)), "tex", latex=FULL).splitlines()
        if "\\caption" in line
    )
    for part in ("Digits, resnet50, 120 epochs", "3 seeds (0-2)", "paired t test, corrected for 4 comparisons (Holm)"):
        assert part in caption


def test_two_rows_are_compared_seed_by_seed_over_all_pairs(planned, make_records):
    plan = planned(8)
    records = make_records(plan, LEVELS)
    found = compare_rows(plan, records, "E Sum(1x3, 3x1)", "D 7x7")
    table = build_table(plan, records)
    ours, theirs = (table.row(label).cells[METRIC].values for label in (found.a, found.b))
    assert [(one.seed, one.a, one.b) for one in found.seeds] == [(seed, ours[seed], theirs[seed]) for seed in ours]
    assert found.diff.mean == pytest.approx(sum(ours.values()) / 8 - sum(theirs.values()) / 8)
    assert (found.pairs, found.p_flip) == (10, 2 / 2**8)
    assert found.p_t == pytest.approx(stats.ttest_rel(list(ours.values()), list(theirs.values())).pvalue)
    assert found.p_adj >= found.p
    assert found.sentence.startswith("E Sum(1x3, 3x1) is 1.")
    back = compare_rows(plan, records, "D 7x7", "E Sum(1x3, 3x1)")
    assert (back.diff.mean, back.p_adj) == (pytest.approx(-found.diff.mean), pytest.approx(found.p_adj))
    assert {back.decision, found.decision} in ({"better", "worse"}, {"undecided"})


def test_rows_with_outstanding_seeds_are_compared_provisionally(planned, make_records):
    plan = planned(4)
    records = make_records(plan, LEVELS)
    records.pop(plan.memberships["A 1x1", 3])
    found = compare_rows(plan, records, "A 1x1", "B 3x3")
    assert (found.provisional, found.diff.n) == (True, 3)
    assert found.decision == "undecided"
    assert found.sentence.startswith("nothing is decided while results are outstanding; so far")


def test_a_row_is_not_judged_by_the_seeds_that_another_row_happens_to_have(planned, make_records, make_record):
    plan = planned(8, test="pooled")
    records = make_records(plan, LEVELS)
    for seed in range(3, 8):
        key = plan.memberships["A 1x1", seed]
        records[key] = make_record(records[key].trial, Outcome(status="failed", reason="gone"))
    table = build_table(plan, records)
    assert table.families[0].test != "pooled"
    assert "The pooled test was not possible" in table.families[0].method


def test_an_audit_that_differs_by_the_same_on_every_seed_is_an_alarm(make_record):
    rows = [{"label": "base"}, {"label": "other", "set": {"lr": 0.3}}]
    plan = plan_document({"name": "audited", "seeds": 4, "audit": True, "base": {"dataset": "digits"}, "rows": rows})
    records = {
        key: make_record(
            plan.trials[key], Outcome(status="succeeded", metrics={METRIC: 20.0 + seed + 5.0 * ("audit" in label)})
        )
        for (label, seed), key in plan.memberships.items()
    }
    table = build_table(plan, records)
    assert table.families[0].audit.is_alarm
    assert any("is DIFFERENT by 5 on every seed" in note for note in table.notes)


def test_the_caption_has_the_check_of_equal_spread(planned, make_records):
    plan = planned(4, test="pooled")
    text = render(build_table(plan, make_records(plan, LEVELS)), "tex", latex=FULL)
    assert "Levene" in next(line for line in text.splitlines() if "\\caption" in line)


@pytest.mark.parametrize(("lost", "is_alarm"), [(range(4), True), (range(1), False)])
def test_an_audit_says_what_it_lost_and_a_copy_that_is_lost_altogether_is_an_alarm(make_record, lost, is_alarm):
    rows = [{"label": "base"}, {"label": "other", "set": {"lr": 0.3}}]
    plan = plan_document({"name": "audited", "seeds": 4, "audit": True, "base": {"dataset": "digits"}, "rows": rows})
    records = {}
    for (label, seed), key in plan.memberships.items():
        outcome = Outcome(status="succeeded", metrics={METRIC: 20.0 + (seed * 7 + len(label)) % 5})
        if "audit" in label and seed in lost:
            outcome = Outcome(status="diverged", reason="the training loss is nan")
        records[key] = make_record(plan.trials[key], outcome)
    table = build_table(plan, records)
    assert table.families[0].audit.is_alarm == is_alarm
    assert any("lost all seeds and the baseline did not" in note for note in table.notes) == is_alarm
    (note,) = (note for note in table.notes if note.startswith("The duplicate of 'base' diverged on seed"))
    assert note.endswith(": the training loss is nan.")


def test_a_value_too_large_to_count_with_is_left_out_and_told(planned, make_records, make_record):
    plan = planned(3)
    records = make_records(plan, LEVELS)
    key = plan.memberships["A 1x1", 1]
    records[key] = make_record(records[key].trial, Outcome(status="succeeded", metrics={METRIC: 1e200}))
    table = build_table(plan, records)
    cell = table.row("A 1x1").cells[METRIC]
    assert sorted(cell.values) == sorted([0, 2])
    assert cell.mean == pytest.approx((cell.values[0] + cell.values[2]) / 2)
    assert f"'A 1x1' has a {METRIC} above 1e+150 on seed 1, which is not used." in table.notes


def test_an_open_row_says_how_many_seeds_would_show_it_equivalent(planned, make_records):
    plan = planned(3, margin=0.5)
    table = build_table(plan, make_records(plan, [13.0, 13.0, 13.1, 13.05, 13.0]))
    cell = table.row("C 5x5").cells[METRIC]
    assert cell.decision == "undecided"
    assert cell.tested.seeds_equivalent > 3
    text = f"; {cell.tested.seeds_equivalent} would show equivalence if there is no difference)"
    assert any("'C 5x5' above " in note and text in note for note in table.notes)


def test_seeds_that_tie_are_named_where_the_exact_test_cannot_decide(planned, make_records, make_record):
    plan = planned(8, test="flip")
    records = make_records(plan, LEVELS)
    for seed in range(3):
        theirs = records[plan.memberships["B 3x3", seed]].outcome
        key = plan.memberships["A 1x1", seed]
        records[key] = make_record(records[key].trial, theirs)
    text = build_table(plan, records).row("A 1x1").cells[METRIC].tested.text
    assert text == "undecided: the exact test cannot decide with 8 seeds (3 ties) and 4 comparisons"


@pytest.mark.parametrize(
    ("constant", "by", "says"),
    [
        (
            {"A 1x1"},
            "the sign-flip test and the paired t test",
            "replaces it for rows whose differences are all equal: 'A",
        ),
        ({"A 1x1", "C 5x5", "D 7x7", "E Sum(1x3, 3x1)"}, "the sign-flip test", "from the sign-flip test, corrected"),
    ],
)
def test_where_all_differences_are_equal_the_words_name_the_test_whose_p_decides(
    planned, make_records, make_record, constant, by, says
):
    plan = planned(3, test="t")
    records = make_records(plan, LEVELS)
    for label in constant:
        for seed in plan.seeds:
            theirs = records[plan.memberships["B 3x3", seed]].outcome.metrics[METRIC]
            key = plan.memberships[label, seed]
            records[key] = make_record(records[key].trial, Outcome(status="succeeded", metrics={METRIC: theirs + 0.5}))
    table = build_table(plan, records)
    (family,) = table.families
    assert family.test == "t"
    assert {row.name for row in table.rows if (one := row.cells[METRIC].tested) and one.test == "flip"} == constant
    assert says in family.method
    assert any(f" by {by} " in line for line in table.summary)
    in_latex = by.replace("the sign-flip", "paired sign-flip").replace("and the paired t", "or paired $t$")
    assert f"level, {in_latex}, Holm-corrected" in render(table, "tex")


def test_where_nothing_is_tested_no_level_is_told(planned, make_records):
    plan = planned(1)
    notes = build_table(plan, make_records(plan, LEVELS)).notes
    assert any(note.startswith("Nothing is tested, because ") for note in notes)
    assert not any("family-wise error rate" in note for note in notes)


def lose(plan, records, make_record, label, seeds):
    """The same records, but the row's runs with these seeds diverged."""
    keys = [plan.memberships[label, seed] for seed in seeds]
    diverged = Outcome(status="diverged", reason="loss is nan")
    return records | {key: make_record(records[key].trial, diverged) for key in keys}


@pytest.mark.parametrize(("preset", "word"), [("paper-text", "inconclusive"), (None, "undecided")])
def test_a_row_whose_decision_depends_on_failed_runs_neither_reproduces_nor_agrees(
    planned, make_records, make_record, preset, word
):
    printed = load_published().column("T7")
    plan = planned(12)
    if preset:
        plan = replace(plan, rows=tuple(preset_row(row, preset, {}) for row in plan.rows))
    records = make_records(plan, [11.4, 13.0, 15.0, 15.1, 13.1])
    printed = replace(printed, cells=printed.cells | {"A 1x1": {METRIC: Printed("21.1", 21.1)}})
    complete = build_table(plan, records, published=printed)
    assert complete.row("A 1x1").cells[METRIC].agreement.word == ("reproduced" if preset else "agrees")
    table = build_table(plan, lose(plan, records, make_record, "A 1x1", range(4)), published=printed)
    cell = table.row("A 1x1").cells[METRIC]
    assert (cell.decision, cell.tested.reason) == ("undecided", "failures")
    assert cell.agreement.word == word
    assert cell.agreement.text == f"{word}, direction agrees (not tested): n = 8, it depends on the failed runs"
    found = table.families[0].agreement
    assert found.word == word
    assert "; 8 of 12 seeds)" in found.rank
    assert found.pairs.endswith("; 8 to 12 of 12 seeds a pair).")


def test_failed_runs_that_make_a_row_look_no_better_do_not_touch_its_agreement(planned, make_records, make_record):
    plan = planned(12)
    records = make_records(plan, [15.6, 13.0, 15.0, 15.1, 13.1])
    table = build_table(
        plan, lose(plan, records, make_record, "A 1x1", range(4)), published=load_published().column("T7")
    )
    cell = table.row("A 1x1").cells[METRIC]
    assert (cell.decision, cell.agreement.word) == ("worse", "agrees")


def test_an_undecided_row_agrees_only_if_its_failed_runs_cannot_be_the_reason(make_plan, make_records, make_record):
    """The words are tested one-sided, so a row can agree that the table does not decide."""
    printed = load_published().column("T7")
    printed = replace(printed, cells=printed.cells | {"A 1x1": {METRIC: Printed("21.1", 21.1)}})
    rows = [{"label": "B 3x3"}, {"label": "A 1x1", "set": {"window": "1x1"}}]
    plan = make_plan(rows, seeds=range(12))
    records = make_records(plan, [13.0, 13.0], noise=0)
    differences = (-0.5, -0.4, -0.3, -0.2, -0.2, -0.1, 0.1, 0.4, -0.4, -0.1, 0.1, -0.1)
    for seed, difference in enumerate(differences):
        record = records[plan.memberships["A 1x1", seed]]
        metrics = {METRIC: record.outcome.metrics[METRIC] + difference}
        outcome = record.outcome.model_copy(update={"metrics": metrics})
        records[record.trial.key] = record.model_copy(update={"outcome": outcome})
    cells = [
        build_table(plan, found, published=printed).row("A 1x1").cells[METRIC]
        for found in (records, lose(plan, records, make_record, "A 1x1", (6, 10)))
    ]
    assert [cell.tested.reason for cell in cells] == ["no clear difference", "no clear difference"]
    assert [cell.agreement.word for cell in cells] == ["agrees", "undecided"]


def test_pareto_fronts_say_on_how_many_seeds_they_rest(planned, make_records, make_record, make_outcome):
    plan = planned(12)
    records = make_records(plan, [13.6, 13.0, 12.9, 13.1, 12.0])
    for index, row in enumerate(plan.rows):
        for seed in plan.seeds:
            record = records[plan.memberships[row.label, seed]]
            cost = record.outcome.cost.model_copy(update={"multiply_adds": 1000 - index})
            outcome = record.outcome.model_copy(update={"cost": cost})
            records[record.trial.key] = record.model_copy(update={"outcome": outcome})
    (note,) = (note for note in build_table(plan, records).notes if "Pareto-optimal" in note)
    assert "seeds" not in note
    partial = build_table(plan, lose(plan, records, make_record, "E Sum(1x3, 3x1)", range(4)))
    (note,) = (note for note in partial.notes if "Pareto-optimal" in note)
    assert note.endswith(" 'E Sum(1x3, 3x1)' is not compared, since failed runs may explain the mean.")
    worst = lose(plan, records, make_record, "A 1x1", range(4))
    (note,) = (note for note in build_table(plan, worst).notes if "Pareto-optimal" in note)
    assert note.endswith(" Failed runs are left out, so each mean is over 8 to 12 of 12 seeds.")


@pytest.mark.parametrize(
    ("label", "change", "named"),
    [
        ("A 1x1", {"window": "7x7"}, "window 7x7 (paper: 1x1)"),
        ("A 1x1", {"condition": "max_pool", "norm": "bn"}, "condition max_pool (paper: parametric)"),
        ("A 1x1", {"se": True}, "se true (paper: false)"),
        ("A 1x1", {"stages": "all"}, "stages all (paper: 2+3+4)"),
        ("A 1x1", {"layers": ["3x3"]}, "layers 3x3 (paper: 1x1+3x3+add)"),
        ("A 1x1", {"activation": "relu"}, "activation relu (paper: frelu)"),
        ("A 1x1", {"gamma_init": 0.0}, "gamma_init 0.0 (paper: 1.0)"),
        ("B 3x3", {"combine": "sum"}, "combine sum (paper: max)"),
        ("B 3x3", {"window_dilation": 2}, "window_dilation 2 (paper: 1)"),
    ],
)
def test_a_row_or_baseline_that_is_not_the_printed_one_only_agrees(planned, make_records, label, change, named):
    plan = planned(8)
    rows = [preset_row(row, "paper-text", change if row.label == label else {}) for row in plan.rows]
    table = build_table(
        replace(plan, scale="paper", rows=tuple(rows)),
        make_records(plan, [15.6, 13.0, 15.0, 15.1, 13.1]),
        published=load_published().column("T7"),
    )
    assert table.row("A 1x1").cells[METRIC].agreement.word == "agrees"
    (note,) = (note for note in table.notes if note.startswith("Some rows are not the printed ones"))
    assert note.endswith(f": '{label}': {named}.")


@pytest.mark.parametrize(("preset", "word"), [("paper-text", "inconclusive"), (None, "undecided")])
def test_a_row_that_was_tried_before_neither_reproduces_nor_agrees(planned, make_records, preset, word):
    printed = load_published().column("T7")
    plan = planned(12)
    if preset:
        plan = replace(plan, rows=tuple(preset_row(row, preset, {}) for row in plan.rows))
    printed = replace(printed, cells=printed.cells | {"A 1x1": {METRIC: Printed("21.1", 21.1)}})
    records = make_records(plan, [11.4, 13.0, 15.0, 15.1, 13.1])
    first = build_table(plan, records, published=printed).families[0].agreement
    history = PairHistory(9, tuple(0.1 * (-1) ** place for place in range(108)))
    table = build_table(plan, records, published=printed, state=StudyState(retried={"A 1x1": history}))
    cell, found = table.row("A 1x1").cells[METRIC], table.families[0].agreement
    assert (cell.decision, cell.tested.reason) == ("undecided", "tried before")
    assert cell.agreement.word == word
    assert cell.agreement.text == f"{word}, direction agrees (not tested): n = 12, tried before"
    assert (first.word, found.word) == ("reproduced" if preset else "agrees", word)
    decided, left = (int(one.pairs.split(" rows, ")[1].split()[0]) for one in (first, found))
    assert left < decided
