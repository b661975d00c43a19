"""A table with labels that are equal in two groups: every format, the choice of rows, comparisons and notebooks."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from ablate.errors import TableError
from ablate.study.plan import Plan, plan_document
from ablate.tables.build import build_table
from ablate.tables.formats.render import render
from ablate.tables.formats.seeds import render_seeds
from ablate.tables.notebook import NotebookTable
from ablate.tables.plots.look import PlotLook
from ablate.tables.plots.seeds import draw_seeds
from ablate.tables.selection import read_names, select_rows
from ablate.tables.table import Table
from ablate.tables.two_rows import compare_rows, find_row_problems
from ablate.trials.trial import Outcome, TrialRecord

ROWS = [("R50", "ReLU", 20.0), ("R50", "FReLU", 18.0), ("R101", "ReLU", 17.0), ("R101", "FReLU", 16.5)]
NAMES = ["R50 / ReLU", "R50 / FReLU", "R101 / ReLU", "R101 / FReLU"]
LABELS = ["ReLU", "FReLU", "ReLU", "FReLU"]


@pytest.fixture(scope="module")
def plan() -> Plan:
    rows = [{"group": group, "label": label, "set": {"row": k}} for k, (group, label, _) in enumerate(ROWS)]
    return plan_document({"name": "two", "seeds": 6, "base": {"task": "null"}, "rows": rows})


@pytest.fixture(scope="module")
def records(plan: Plan) -> dict[str, TrialRecord]:
    means = dict(zip(NAMES, [mean for _, _, mean in ROWS], strict=True))
    return {
        key: TrialRecord(
            trial=plan.trials[key],
            outcome=Outcome(status="succeeded", metrics={"error": means[name] + seed * (1 + 0.1 * len(name))}),
            finished_at="2026-01-01T00:00:00+00:00",
        )
        for (name, seed), key in plan.memberships.items()
    }


@pytest.fixture(scope="module")
def table(plan: Plan, records: dict[str, TrialRecord]) -> Table:
    return build_table(plan, records)


def names_in(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(row["group"], row["label"], row["row"]) for row in document["rows"]]


def test_the_document_has_group_label_and_name_and_reads_back(table: Table) -> None:
    document = json.loads(render(table, "json"))
    assert names_in(document) == list(zip(["R50", "R50", "R101", "R101"], LABELS, NAMES, strict=True))
    assert [family["baseline"] for family in document["families"]] == ["R50 / ReLU", "R101 / ReLU"]
    again = Table.from_json(document)
    assert again == table
    assert again.row("R101 / FReLU").cells["error"].mean == table.rows[3].cells["error"].mean
    with pytest.raises(KeyError, match="no row 'ReLU'; the table has 'R50 / ReLU'"):
        again.row("ReLU")
    means = [row.cells["error"].mean for row in table.rows]
    assert len(set(means)) == 4, "no row has the values of another one with its label"


def cells_below_groups(text: str, pattern: str) -> list[str]:
    return [found for line in text.splitlines() for found in re.findall(pattern, line)]


@pytest.mark.parametrize(
    ("format", "pattern"),
    [
        ("md", r"^\| \**(R50|R101|F?ReLU)\b"),
        ("html", r"<th scope=\"row(?:group)?\"[^>]*>(R50|R101|F?ReLU)\b"),
        ("tex", r"^(?:\\multicolumn.*?)?\b(R50|R101|F?ReLU)\}?\b.*\\\\"),
    ],
)
def test_printed_tables_have_the_label_below_the_group(table: Table, format: str, pattern: str) -> None:
    assert cells_below_groups(render(table, format), pattern) == ["R50", "ReLU", "FReLU", "R101", "ReLU", "FReLU"]


def test_csv_files_tell_the_rows_apart(plan: Plan, records: dict[str, TrialRecord], table: Table) -> None:
    lines = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert [f"{line['group']} / {line['label']}" for line in lines] == NAMES
    assert [float(line["error_mean"]) for line in lines] == [row.cells["error"].mean for row in table.rows]
    seeds = list(csv.DictReader(io.StringIO(render_seeds(plan, records))))
    assert list(dict.fromkeys((line["row"], line["group"]) for line in seeds)) == [
        (name, name.partition(" / ")[0]) for name in NAMES
    ]
    assert {(line["row"], int(line["seed"])): line["key"] for line in seeds} == plan.memberships


def test_sentences_name_the_group_where_they_are_about_several(table: Table) -> None:
    assert table.summary[0].startswith("R50: FReLU is ")
    assert "R101: FReLU is " in table.summary[0]
    quoted = {name for note in table.notes for name in re.findall(r"'([^']*ReLU)'", note)}
    assert quoted <= set(NAMES)


def test_two_rows_of_one_label_are_compared_by_group_and_label(plan: Plan, records: dict[str, TrialRecord]) -> None:
    found = compare_rows(plan, records, "R50 / ReLU", "R101 / ReLU")
    assert (found.a, found.b) == ("R50 / ReLU", "R101 / ReLU")
    assert found.diff is not None
    assert found.diff.mean == pytest.approx(3.0 - 0.1 * 2.5)
    assert found.sentence.startswith("R50 / ReLU ")
    assert found.is_post_hoc
    assert compare_rows(plan, records, "r50 / relu", "r101 / RELU") == found
    (problem,) = find_row_problems(plan, "ReLU", "R50 / FReLU")
    assert problem.message.startswith("no row 'ReLU'; rows of 2 groups have this label, so give the group too")
    (problem,) = find_row_problems(plan, "relu", "R50 / FReLU")
    assert problem.message.startswith("no row 'relu'; rows of 2 groups have this label, so give the group too")


@pytest.mark.parametrize(
    ("items", "shown"),
    [
        (["R101 / FReLU"], ["R101 / ReLU", "R101 / FReLU"]),
        (["ReLU"], ["R50 / ReLU", "R101 / ReLU"]),
        (["!FReLU"], ["R50 / ReLU", "R101 / ReLU"]),
        (["!R50 / FReLU"], ["R50 / ReLU", "R101 / ReLU", "R101 / FReLU"]),
        (["r101 / frelu"], ["R101 / ReLU", "R101 / FReLU"]),
        (["!frelu"], ["R50 / ReLU", "R101 / ReLU"]),
    ],
)
def test_rows_are_chosen_by_label_in_all_groups_or_by_group_and_label(
    table: Table, items: list[str], shown: list[str]
) -> None:
    assert [row.name for row in select_rows(table, rows=items).rows] == shown


def test_rows_are_renamed_alone_or_in_all_groups_and_their_names_follow(table: Table) -> None:
    both = select_rows(table, rename={"ReLU": "Rectifier", "R50": "ResNet-50"})
    assert [row.name for row in both.rows][::2] == ["ResNet-50 / Rectifier", "R101 / Rectifier"]
    assert [family.baseline for family in both.families] == ["ResNet-50 / Rectifier", "R101 / Rectifier"]
    alone = select_rows(table, rename={"R101 / ReLU": "plain"})
    assert [(row.label, row.name) for row in alone.rows][::2] == [("ReLU", "ReLU"), ("plain", "plain")]
    assert [family.baseline for family in alone.families] == ["ReLU", "plain"]
    with pytest.raises(TableError, match="two rows would be called 'R50 / FReLU'"):
        select_rows(table, rename={"R50 / ReLU": "FReLU"})


def test_labels_may_become_equal_in_two_groups(make_plan: Any, make_records: Any) -> None:
    rows = [{"label": f"{group} {label}", "group": group, "set": {"lr": 0.1 * (k + 1)}}
            for k, (group, label, _) in enumerate(ROWS)]  # fmt: skip
    plan = make_plan(rows)
    view = select_rows(build_table(plan, make_records(plan)), rename={"R50 ReLU": "ReLU", "R101 ReLU": "ReLU"})
    assert [row.name for row in view.rows] == ["R50 / ReLU", "R50 FReLU", "R101 / ReLU", "R101 FReLU"]
    assert [row.label for row in view.rows][::2] == ["ReLU", "ReLU"]


def test_a_spreadsheets_file_of_names_may_have_the_apostrophe_of_our_csv(tmp_path: Any) -> None:
    (tmp_path / "names.csv").write_text("'- funnel,no funnel\n", encoding="utf-8")
    assert read_names(tmp_path / "names.csv") == {"- funnel": "no funnel"}


def test_notebooks_index_by_name(table: Table, records: dict[str, TrialRecord]) -> None:
    pytest.importorskip("pandas")
    notebook = NotebookTable.of(table, records)
    frame = notebook.to_pandas()
    assert list(frame.index) == NAMES
    assert frame.loc["R101 / ReLU", "error_mean"] == table.rows[2].cells["error"].mean
    by_seed = notebook.to_pandas(by_seed=True)
    assert by_seed.loc[("R50 / FReLU", 3), "error"] == table.rows[1].cells["error"].values[3]


def test_plots_have_a_line_for_each_row(table: Table) -> None:
    axes = draw_seeds(table, PlotLook()).axes[0]
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == ["R50", "ReLU (baseline)", "FReLU", "R101", "ReLU (baseline)", "FReLU"]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--" and len(line.get_xdata())]
    means = {line.get_xdata()[0]: set(line.get_ydata()) for line in dashed}
    baselines = [row.cells["error"].mean for row in table.rows if row.baseline]
    assert means == {baselines[0]: {0.5, 2.5}, baselines[1]: {3.5, 5.5}}
