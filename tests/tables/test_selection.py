"""Rows, their order and their names: a view whose statistics are those of the whole study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import TableError
from ablate.study.plan import plan_document
from ablate.tables.build import build_table
from ablate.tables.formats.render import FORMATS, render
from ablate.tables.selection import read_names, select_rows
from ablate.tables.table import Table

METRIC = "top1_error_pct"
LEVELS = [23.7, 22.4, 22.9, 23.0, 22.6]
COMMA = "E Sum(1x3, 3x1)"


@pytest.fixture
def table(window_plan: Any, make_records: Any) -> Table:
    return build_table(window_plan, make_records(window_plan, LEVELS))


def labels(table: Table) -> list[str]:
    return [row.label for row in table.rows]


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        (["A 1x1,D 7x7"], ["B 3x3", "A 1x1", "D 7x7"]),
        (["D 7x7", "A 1x1"], ["B 3x3", "D 7x7", "A 1x1"]),
        (["D 7x7", "B 3x3"], ["D 7x7", "B 3x3"]),
        ([COMMA, "A 1x1"], ["B 3x3", COMMA, "A 1x1"]),
        (["!A 1x1", f"!{COMMA}"], ["B 3x3", "C 5x5", "D 7x7"]),
        (["A 1x1, D 7x7, !B 3x3"], ["A 1x1", "D 7x7"]),
    ],
)
def test_rows_come_in_the_order_given_with_their_baseline_unless_it_is_left_out(table, rows, shown):
    assert labels(select_rows(table, rows=rows)) == shown


def test_leaving_out_rows_changes_no_number_and_is_said(table):
    view = select_rows(table, rows=["A 1x1"])
    assert view.rows == [table.row("B 3x3"), table.row("A 1x1")]
    assert view.families == table.families
    assert view.families[0].comparisons == 4
    assert "2 of 5 rows of the study are shown; its tests count all of them" in view.notes
    assert "Holm-corrected for 4 comparisons of all 5 rows of the study" in render(view, "tex")
    alone = render(select_rows(table, rows=["A 1x1", "!B 3x3"]), "tex")
    assert "B 3x3" in next(line for line in alone.splitlines() if line.startswith("\\caption"))


def test_the_order_is_that_of_the_study_of_the_values_or_of_the_names(table):
    by_value = sorted(table.rows, key=lambda row: row.cells[METRIC].mean)
    assert labels(select_rows(table, order="value")) == [row.label for row in by_value]
    assert labels(select_rows(table, rows=["D 7x7,A 1x1"], order="plan")) == ["A 1x1", "B 3x3", "D 7x7"]
    names = {"A 1x1": "zeta"}
    assert labels(select_rows(table, order="name", rename=names))[-1] == "zeta"
    with pytest.raises(TableError, match="no order of rows 'best'; allowed: plan, value, name"):
        select_rows(table, order="best")


def test_higher_is_better_puts_the_highest_first_and_rows_without_a_mean_last(make_plan, make_records):
    plan = make_plan([{"label": f"r{n}", "set": {"lr": 0.1 + n}} for n in range(3)], metric="map_pct")
    records = make_records(plan, [20, 10, 30])
    for seed in plan.seeds:
        del records[plan.memberships["r1", seed]]
    assert labels(select_rows(build_table(plan, records), order="value")) == ["r0", "r2", "r1"]


def test_groups_keep_their_order_and_each_its_baseline(make_plan, make_records):
    rows = [
        {"label": f"{group}{n}", "group": group, "set": {"lr": 0.1 + n + 5 * (group == "h")}}
        for group in "gh"
        for n in range(3)
    ]
    plan = make_plan(rows)
    table = build_table(plan, make_records(plan, [20, 22, 21, 30, 28, 29]))
    assert labels(select_rows(table, rows=["h2", "g1"])) == ["h0", "h2", "g0", "g1"]
    assert labels(select_rows(table, rows=["h2"])) == ["h0", "h2"]
    assert labels(select_rows(table, order="value")) == ["g0", "g2", "g1", "h1", "h2", "h0"]
    caption = render(select_rows(table, rows=["h2"]), "tex")
    assert "Holm-corrected within each group, for all rows of the study" in caption


@pytest.mark.parametrize("format", FORMATS)
def test_new_names_are_in_every_format_and_in_the_sentences(table, format):
    names = {"B 3x3": "ours", METRIC: "Err.", "params": "size"}
    text = render(select_rows(table, rename=names), format, columns=["all"])
    assert "ours" in text
    if format in ("md", "html", "tex"):
        assert "Err." in text
        assert "size" in text
    if format != "json":  # `set` and the design stay as they are
        assert "B 3x3" not in text


def test_a_heading_is_a_name_too_and_json_and_csv_keep_the_names_of_columns(table):
    view = select_rows(table, rename={"top-1 error (%)": "Err. (%)"})
    assert "Err. (%) ↓" in render(view, "md")
    assert render(view, "csv").splitlines()[0] == render(table, "csv").splitlines()[0]
    assert json.loads(render(view, "json"))["metric"] == METRIC
    assert Table.from_json(json.loads(render(view, "json"))).headings == {METRIC: "Err. (%)"}


def test_factors_and_their_levels_have_new_names(make_records):
    factors = [{"name": "activation", "levels": ["relu", "frelu"]}, {"name": "window", "levels": ["3x3", "5x5"]}]
    plan = plan_document({"name": "g", "seeds": 6, "base": {"dataset": "digits"}, "factors": factors})
    table = build_table(plan, make_records(plan))
    view = select_rows(table, rename={"activation": "Act.", "frelu": "FReLU"})
    text = render(view, "tex")
    assert "Act. & window & " in text
    assert "FReLU & 3x3" in text
    assert view.factors == {"activation": ["relu", "FReLU"], "window": ["3x3", "5x5"]}
    levels = {level for one in view.effects.means for level in one.levels.values()}
    assert levels == {"relu", "FReLU", "3x3", "5x5"}


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"rows": ["A 1x"]}, "no row 'A 1x'; did you mean 'A 1x1'"),
        ({"rows": [f"A 1x1,{COMMA}"]}, "a label that contains a comma needs an option of its own"),
        ({"rows": ["!A 1x"]}, "no row '!A 1x'; did you mean 'A 1x1'"),
        ({"rows": [f"!{label}" for label in ("A 1x1", "B 3x3", "C 5x5", "D 7x7", COMMA)]}, "leave out every row"),
        ({"rename": {"B 3x": "b"}}, "nothing in the table is called 'B 3x'; did you mean 'B 3x3'"),
        ({"rename": {"A 1x1": "B 3x3"}}, "two rows would be called 'B 3x3'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(table, choice, text):
    with pytest.raises(TableError, match=text.replace("(", "\\(").replace(")", "\\)")):
        select_rows(table, **choice)


def test_rows_may_be_named_by_their_new_labels(table):
    names = {"A 1x1": "small"}
    assert labels(select_rows(table, rows=["small", "!B 3x3"], rename=names)) == ["small"]


@pytest.mark.parametrize(("name", "content"), [("n.toml", '"B 3x3" = "ours, 3x3"\n'), ("n.csv", 'B 3x3,"ours, 3x3"\n')])
def test_names_are_read_from_toml_and_csv(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    assert read_names(tmp_path / name) == {"B 3x3": "ours, 3x3"}


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("n.toml", "B 3x3 = ours", "write lines such as"),
        ("n.csv", "a,b,c\n", "two columns in a .csv file"),
        ("n.toml", "B.x = 'b'", "must be a text"),
        ("missing.toml", None, "cannot be read"),
    ],
)
def test_a_wrong_file_of_names_says_what_to_write(tmp_path: Path, name: str, content: str | None, text: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(TableError, match=text):
        read_names(tmp_path / name)
