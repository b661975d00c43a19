"""The lines below a table that everybody should read: what they say in each case, and laws for all of them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ablate.paper.published import find_published, load_published
from ablate.study.plan import plan_document
from ablate.study.preregistration import Seen, register
from ablate.tables.build import build_table
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.render import render
from ablate.tables.inputs import StudyState
from ablate.tables.summary import MAX_CHARACTERS, summarise_older
from ablate.tables.table import Table
from ablate.tables.tries import PairHistory
from ablate.trials.trial import Outcome
from tests.hostile_studies import plans, results

TRIED = (0.4, -0.3, 0.1, -0.5, 0.2, -0.1, -0.6, 0.3) * 2
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def rows(*labels: str, groups: tuple[str | None, ...] = (None,)) -> list[dict[str, Any]]:
    """Rows that differ in their learning rate, with the same labels in each group."""
    return [
        {
            "label": f"{group} / {label}" if group else label,
            "group": group,
            "set": {"lr": 0.1 + at, "momentum": n / 100},
        }
        for at, group in enumerate(groups)
        for n, label in enumerate(labels)
    ]


@pytest.fixture
def table(make_plan, make_records):
    """A table of these rows at these levels."""

    def make(
        labels, levels, *, seeds=8, state=StudyState(), groups=(None,), change=lambda plan, records: None, **study
    ):
        plan = make_plan(rows(*labels, groups=groups), seeds=range(seeds), **study)
        records = make_records(plan, levels)
        change(plan, records)
        return build_table(plan, records, state=state)

    return make


NAMES = ("ReLU", "FReLU", "PReLU", "Swish")


def test_the_result_comes_first_in_the_words_of_the_study_and_in_points(table):
    found = table(NAMES, [20, 18, 22, 20])
    result, method = found.summary
    sizes = {row.label: f"{abs(row.cells[found.metric].diff.mean):.2f}" for row in found.rows if not row.baseline}
    assert result == (
        f"FReLU is better than ReLU by {sizes['FReLU']} points; PReLU is worse by {sizes['PReLU']} points; "
        "Swish is undecided."
    )
    assert method.startswith(
        "Decided on top-1 error by the sign-flip test over 8 paired seeds, at 5 % for all 3 rows. "
        "8 seeds can only detect differences above "
    )
    assert method.endswith(" points (80 % power).")


def test_rows_with_the_same_decision_share_a_clause_the_largest_difference_first(table):
    result = table(NAMES, [20, 19, 18, 20]).summary[0]
    assert re.fullmatch(
        r"PReLU \(by [\d.]+ points\) and FReLU \(by [\d.]+\) are better than ReLU; Swish is undecided\.", result
    )


def test_where_nothing_is_decided_the_seeds_that_would_detect_more_are_named(table):
    result, method = table(NAMES, [20] * 4).summary
    assert result == "FReLU, PReLU and Swish are undecided against ReLU."
    assert re.search(r"above [\d.]+ to [\d.]+ points \(80 % power, depending on the row\)\.$", method)


def test_names_that_read_like_words_are_quoted(table):
    assert table(("BN", "none"), [20, 22]).summary[0].startswith("'none' is worse than 'BN' by ")
    assert table(("A 1x1", "B 3x3"), [20, 22]).summary[0].startswith("'B 3x3' is worse than 'A 1x1' by ")


def test_each_group_has_a_sentence_whose_names_do_not_repeat_it(table):
    found = table(("ReLU", "FReLU"), [20, 18, 30, 30], groups=("ResNet-50", "MobileNet"))
    result, method = found.summary
    assert re.fullmatch(
        r"ResNet-50: FReLU is better than ReLU by [\d.]+ points\. MobileNet: FReLU is undecided against ReLU\.", result
    )
    assert " at 5 %. 8 seeds can " in method


def test_many_groups_and_many_rows_are_counted(table):
    groups = tuple(f"net{n}" for n in range(5))
    same = table(("ReLU", "FReLU", "Swish"), [20, 18, 20] * 4 + [20, 18, 22], groups=groups).summary[0]
    assert re.fullmatch(
        r"FReLU is better than ReLU in all 5 groups \(by [\d.]+ to [\d.]+ points\); "
        r"Swish is worse in 1 of 5 groups \(by [\d.]+ points\) and undecided in 4 of 5 groups\.",
        same,
    )
    wide = table([f"V{n}" for n in range(6)], [20, 18, 18, 18, 18, 18] * 5, groups=groups).summary[0]
    assert wide == "Of 25 rows, 25 are better than the baseline of their group."
    many = table([f"V{n}" for n in range(40)], [20 + 2 * (n % 4 == 3) for n in range(40)], seeds=12)
    assert re.fullmatch(
        r"Of 39 rows, 10 are worse than V0 \(most of all V\d+, by [\d.]+ points\) and 29 are undecided\.",
        many.summary[0],
    )
    assert (
        table([f"V{n}" for n in range(40)], [20] * 40, seeds=12).summary[0] == "All 39 rows are undecided against V0."
    )


@pytest.mark.parametrize(("seeds", "count"), [(1, "1 seed"), (2, "2 seeds")])
@pytest.mark.parametrize("test", ["auto", "t", "pooled"])
def test_one_or_two_seeds_decide_nothing_and_the_table_says_why(table, seeds, count, test):
    found = table(("ReLU", "FReLU"), [20, 18], seeds=seeds, table={"test": test})
    assert found.summary == [
        "FReLU is undecided against ReLU.",
        f"{count}: nothing is decided, because every test needs at least 3 seeds.",
    ]
    cell = found.row("FReLU").cells[found.metric]
    assert (cell.decision, cell.p, cell.p_adj, cell.tested.simultaneous) == ("undecided", None, None, None)
    assert not [note for note in found.notes if "common seed" in note]


def test_seeds_that_can_decide_nothing_are_named(table):
    method = table(("ReLU", "FReLU"), [20, 18], seeds=3, table={"test": "flip"}).summary[1]
    assert method.endswith(" at 5 %. The exact test cannot decide with 3 seeds and 1 comparison.")


def test_a_provisional_table_says_how_much_is_there(table):
    def stop(plan, records):
        for key in list(records)[7:]:
            del records[key]

    (line,) = table(("ReLU", "FReLU"), [20, 18], state=StudyState(provisional=True), change=stop).summary
    assert line.startswith("7 of 16 results are there. Nothing is decided while results are missing")
    undecided, missing = table(("ReLU", "FReLU"), [20, 18], change=stop).summary
    assert undecided.startswith("Nothing is decided while results are missing")
    assert re.fullmatch(r"9 of 16 results are missing: all not run \(.*\)\.", missing)


def end(make_record, label, seeds, status):
    """End some seeds of a row otherwise."""

    def change(plan, records):
        for seed in seeds:
            key = plan.memberships[label, seed]
            records[key] = make_record(records[key].trial, Outcome(status=status, reason="no luck"))

    return change


def test_missing_results_are_counted_by_their_reason(table, make_record):
    def change(plan, records):
        end(make_record, "FReLU", [2], "diverged")(plan, records)
        end(make_record, "Swish", [3, 4], "failed")(plan, records)

    found = table(NAMES, [20, 22, 20, 20], change=change)
    assert found.summary[-1] == "3 of 32 results are missing: 1 diverged (FReLU) and 2 failed (Swish)."
    assert "over 6 to 8 of 8 seeds" in found.summary[1]


def test_a_row_that_its_failed_runs_leave_open_is_named(table, make_record):
    found = table(("ReLU", "FReLU"), [20, 18], change=end(make_record, "FReLU", range(4), "failed"))
    assert found.summary[0] == "FReLU is undecided against ReLU."
    assert found.summary[-1] == "4 of 16 results are missing: all failed (FReLU). They leave FReLU undecided."


def test_where_every_run_diverged_there_is_nothing_to_compare(table, make_record):
    def change(plan, records):
        for label in ("ReLU", "FReLU"):
            end(make_record, label, plan.seeds, "diverged")(plan, records)

    assert table(("ReLU", "FReLU"), [20, 18], change=change).summary == [
        "There is nothing to compare: no run gave a result.",
        "16 of 16 results are missing: all diverged (ReLU and FReLU).",
    ]


def test_a_row_that_was_tried_before_has_no_size_of_this_try_alone(table):
    better = tuple(-abs(one) for one in TRIED * 2)
    state = StudyState(retried={"FReLU": PairHistory(3, better)})
    result, method, limit = table(("ReLU", "FReLU", "Swish"), [20, 18, 18], state=state).summary
    assert "FReLU (over all its tries)" in result
    assert method.startswith("Decided on top-1 error by the sign-flip test")
    assert limit == (
        "Exploratory: FReLU (try 3) was compared with its baseline before, so the seeds of all tries decide it."
    )
    state = StudyState(retried={name: PairHistory(3, better) for name in ("FReLU", "Swish")})
    method = table(("ReLU", "FReLU", "Swish"), [20, 18, 18], state=state).summary[1]
    assert method == "Decided over all tries by a test that may be repeated (symmetry e-process), at 5 %."


def test_an_exploratory_study_says_what_that_means(table, make_plan):
    plans_at = [
        register(make_plan(rows("ReLU", "FReLU"), seeds=range(n)), datetime(2026, 5, n, tzinfo=UTC)) for n in (5, 8)
    ]
    known = (
        "Exploratory: results were known when the study was fixed or changed, so false findings are likelier than 5 %."
    )
    assert table(("ReLU", "FReLU"), [20, 18], state=StudyState(registrations=plans_at)).summary[-1] == known
    both = StudyState(registrations=plans_at, retried={"FReLU": PairHistory(2, TRIED)})
    limit = table(("ReLU", "FReLU"), [20, 18], state=both).summary[-1]
    assert limit.startswith(f"{known} FReLU (try 2) was compared")
    assert limit.count("Exploratory") == 1


def test_a_baseline_that_was_known_before_is_named(make_plan, make_records):
    plan = make_plan(rows("ReLU", "FReLU"), seeds=range(8))
    records = make_records(plan, [20, 18])
    of_baseline = {plan.memberships["ReLU", seed]: "2026-05-01T00:00:00+00:00" for seed in plan.seeds}
    state = StudyState(
        registrations=[register(plan, datetime(2026, 5, 2, tzinfo=UTC))], seen=Seen(of_baseline, {"ReLU"})
    )
    found = build_table(plan, records, state=state)
    assert not found.exploratory
    assert found.summary[-1] == (
        "Results of the baseline ReLU were known before. If it was chosen because it did badly, rows look better than "
        "they are."
    )


@pytest.mark.parametrize(
    ("study", "state", "text"),
    [
        ({"pilot": True}, StudyState(), "Nothing is decided: the study is a pilot. The study that decides needs other"),
        ({}, StudyState(is_firing=True), "Nothing is decided here: a schedule fired the study"),
    ],
)
def test_a_study_that_decides_nothing_says_why(table, study, state, text):
    (line,) = table(("ReLU", "FReLU"), [20, 18], state=state, **study).summary
    assert line.startswith(text)


def test_a_margin_adds_equivalence_and_without_one_nothing_is_said_of_it(table):
    equal = table(NAMES, [20, 20, 18, 20.05], table={"margin": 1.0})
    assert (
        "are equivalent (within ±1 points)" in equal.summary[0]
        or "is equivalent (within ±1 points)" in equal.summary[0]
    )
    narrow = table(("ReLU", "FReLU"), [20, 20], table={"margin": 0.1}).summary[1]
    assert re.search(r"; [\d,]+ seeds would detect 0\.1 points and [\d,]+ would show equivalence\.$", narrow)
    plain = table(NAMES, [20, 20, 18, 20.05])
    assert not any("equivalen" in text for text in (*plain.summary, *plain.notes))


def test_printed_differences_are_compared_in_one_sentence(window_plan, make_records):
    found = build_table(window_plan, make_records(window_plan), published=load_published().column("T7"))
    assert (
        found.summary[-1]
        == "3 of 4 differences printed in T7 are above the noise of a single run: all 3 are undecided."
    )
    assert re.search(r"; [\d,]+ seeds would detect the printed 0\.2\.$", found.summary[1])


def grid(levels, *, seeds=5):
    factors = [{"name": "window", "levels": ["1x1", "3x3", "5x5"]}, {"name": "norm", "levels": ["bn", "none"]}]
    plan = plan_document({"name": "grid", "seeds": seeds, "base": {"dataset": "digits"}, "factors": factors})
    return plan, levels


@pytest.mark.parametrize(
    ("levels", "text"),
    [
        (
            [20, 20.3, 19, 19.1, 18, 18.2],
            r"window matters most: it explains [\d.]+ % of the variation between runs \(p ",
        ),
        ([20, 20, 19, 19.1, 18, 21], r"window and norm depend on each other: their interaction explains [\d.]+ % of "),
        ([20] * 6, r"No factor is shown to matter; \w+ explains most \([\d.]+ %, p "),
    ],
)
def test_a_grid_says_which_factor_matters_most_and_whether(make_records, levels, text):
    plan, levels = grid(levels)
    found = build_table(plan, make_records(plan, levels))
    assert re.match(text, found.summary[0])
    assert "rows" in found.summary[0], "the rows come after the factors"
    assert len(found.summary) == 2


def test_a_grid_of_one_seed_is_not_tested(make_records):
    plan, levels = grid([20, 20.3, 19, 19.1, 18, 18.2], seeds=1)
    result = build_table(plan, make_records(plan, levels)).summary[0]
    assert re.match(r"window explains most of the variation between runs \([\d.]+ %\), without a test\. ", result)


def test_a_leave_one_out_study_says_what_the_removal_of_a_component_does(make_records):
    off = {"smoothing": {"label_smoothing": 0.0}, "nesterov": {"nesterov": False}}
    document = {"name": "parts", "seeds": 8, "design": "leave_one_out", "factors": [
        {"name": name, "off": patch} for name, patch in off.items()
    ]}  # fmt: skip
    plan = plan_document(document | {"base": {"dataset": "digits", "nesterov": True, "label_smoothing": 0.1}})
    result = build_table(plan, make_records(plan, [20, 23, 20])).summary[0]
    assert re.fullmatch(
        r"Removing smoothing is worse than 'full' by [\d.]+ points; removing nesterov is undecided\.", result
    )


def test_a_stored_table_of_a_version_without_summaries_gets_one(table):
    found = table(("ReLU", "FReLU"), [20, 18])
    stored = found.model_copy(update={"summary": [], "notes": ["exploratory: results were known before"]})
    assert summarise_older(stored).summary == [*found.summary, "Exploratory: results were known before."]
    assert summarise_older(found) is found


def test_every_format_shows_the_summary_and_only_some_the_notes(table):
    found = table(NAMES, [20, 18, 22, 20])
    line, note = found.summary[0], "Differences are paired by seed."
    shown = {name: (line in text, note in text) for name in ("md", "html", "json") for text in [render(found, name)]}
    assert shown == {"md": (True, False), "html": (True, True), "json": (True, True)}
    assert note in render(found, "md", notes=True)
    assert '<details class="notes"><summary>Notes (' in render(found, "html")
    paper, full = (render(found, "tex", latex=LatexOptions(style=style)).splitlines() for style in ("paper", "full"))
    assert f"% {line}" in paper
    assert any(text.startswith("% Cells show the mean") and note in text for text in paper)
    assert f"{line}\\par" in full
    assert any(text.startswith(("% Cells show the mean", "Cells show the mean")) for text in full)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_a_summary_has_one_to_four_short_lines_whose_numbers_are_the_tables(data):
    plan = data.draw(plans())
    records = data.draw(results(plan))
    state = StudyState(provisional=data.draw(st.booleans()), registrations=[register(plan)])
    found = build_table(plan, records, published=find_published(plan.study.table.published), state=state)
    check(found)
    again = build_table(
        plan, dict(reversed(records.items())), published=find_published(plan.study.table.published), state=state
    )
    assert again.summary == found.summary
    assert Table.from_json(json.loads(json.dumps(found.to_json(measured=False)))).summary == found.summary


def check(table: Table) -> None:
    """The lines are few and short, and every number with decimals is also elsewhere in the table."""
    assert 1 <= len(table.summary) <= 4
    without = table.model_copy(update={"summary": []})
    elsewhere = render(without, "md", columns=["all"], notes=True) + render(without, "json")
    elsewhere += f" {100 * table.alpha:g} %"
    for line in table.summary:
        assert len(line) <= 2 * MAX_CHARACTERS, "labels of 64 characters, most of them escapes"
        assert line[-1] in ".:?", "a sentence"
        for number in NUMBER.findall(line):
            assert "." not in number or number.rstrip("0") in elsewhere, (number, line)


def test_the_lines_of_ordinary_tables_are_short(table, window_plan, make_records):
    for levels in ([20] * 4, [20, 18, 22, 20], [20, 19, 18, 17]):
        for seeds in (2, 3, 8):
            found = table(NAMES, levels, seeds=seeds)
            check(found)
            assert all(len(line) <= MAX_CHARACTERS for line in found.summary)
