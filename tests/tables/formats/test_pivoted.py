"""Pivoted tables as they are printed: all formats, chosen columns and rows, the summary, a notebook."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from ablate.errors import TableError
from ablate.study.plan import plan_document
from ablate.tables.build import build_table
from ablate.tables.columns import Column
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.render import FORMATS, render, render_embedded
from ablate.tables.notebook import NotebookTable
from ablate.tables.pivot import as_printed, columns_of
from ablate.tables.selection import select_rows
from ablate.tables.table import Table
from tests.tables.pivoted import (
    build,
    differing,
    pivot_of,
    printed,
    record,
    study,
)


def numbers(text: str) -> list[str]:
    plain = text.replace("$-$", "-").replace("−", "-").replace("$\\pm$", " ").replace("±", " ")
    return re.findall(r"-?\d*\.\d+", plain)


def test_all_formats_show_the_same_numbers() -> None:
    table = build(study(7), differing(7, {"a": [-1.0, -2, -3, -1, -2, -3, -4], "b": [1.0, -1, 1, -1, 1, -1, 0.5]}))
    cells = [text for row in printed(table)[1:] for text in row]
    texts = {format: render(table, format, measured=False) for format in FORMATS}
    bodies = {
        "md": texts["md"].split("\n\n")[1].split("\n", 2)[2],
        "html": texts["html"].split("<tbody>")[1].split("</tbody>")[0],
        "tex": "\n".join(line for line in texts["tex"].splitlines() if " & " in line),
    }
    for format, body in bodies.items():
        shown = numbers(re.sub(r"<[^>]+>", " ", body))
        assert sorted(shown) == sorted(numbers(" ".join(cells))), format  # LaTeX has two blocks
    document, rows = json.loads(texts["json"]), list(csv.DictReader(io.StringIO(texts["csv"], newline="")))
    found = {line["label"]: line for line in document["pivot"]["lines"]}
    assert len(rows) == len(document["rows"]) == 21, "programs get a row for each row of the study"
    for row, stored in zip(rows, document["rows"], strict=True):
        line = found[row["line"]]
        assert stored["line"] == row["line"]
        assert (float(row["mean_rank"]), row["overall"]) == (line["mean_rank"], line["decision"])
        assert row["overall_p_adj"] == ("" if line["p_adj"] is None else repr(line["p_adj"]))
    assert Table.from_json(json.loads(render(table, "json"))) == table
    assert render(table, "md", measured=False) == texts["md"]


SEVEN = {"a": [-1.0, -2, -3, -1, -2, -3, -4], "b": [1.0, -1, 1, -1, 1, -1, 0.5]}


def test_the_summary_says_what_holds_in_each_group_and_over_all() -> None:
    found = build(study(7, seeds=8), differing(7, SEVEN))
    assert "'method=a' is better than 'method=plain' in all 7 groups (by 1.0 to 4.0)" in found.summary[0]
    assert found.summary[1] == (
        "Over all 7 groups, 'method=a' is better than 'method=plain' (p = .031); 'method=b' is undecided."
    )
    assert len(found.summary) <= 5
    cells = "Cells show error, lower is better: mean ± sample standard deviation over 8 seeds."
    for format in ("md", "html"):
        assert render(found, format, notes=True).count(cells) == 1


def test_latex_for_a_paper_has_the_names_of_groups_as_they_are_and_daggers_in_their_cells() -> None:
    document = study(2, seeds=8)
    document["factors"][0]["levels"] = [{"label": f"set {world}", "set": {"world": world}} for world in (1, 2)]
    plan = plan_document(document)
    values = differing(2, {"a": [-1, 1], "b": [-2, 0]})
    shown = {
        plan.memberships[row.label, seed]: record(
            plan,
            plan.memberships[row.label, seed],
            (values[int((row.group or "")[-1]), row.levels["method"]] or 0.0) + 0.5 * place,
        )
        for row in plan.rows
        for place, seed in enumerate(plan.seeds)
    }
    table = build_table(plan, shown)
    text = render(table, "tex", measured=False)
    assert "method & set 1 $\\downarrow$ & set 2 $\\downarrow$ & Mean rank $\\downarrow$" in text
    assert "a & \\textbf{10.8} $\\pm$ 1.2 & 22.8 $\\pm$ 1.2\\rlap{\\smash{$^\\dagger$}} & 2.50" in text
    assert "\\textbf{bold}: better than method=plain, $\\dagger$: worse" in text
    assert "error, mean $\\pm$ standard deviation over 8 seeds" in text
    aligned = render(table, "tex", measured=False, latex=LatexOptions(siunitx=True))
    assert aligned.count("S[table-format") == 2
    assert "S[table-format=2.1(2),table-space-text-post={$^\\dagger$}]r@{}" in aligned, "only one column has daggers"


def test_lines_can_be_chosen_renamed_and_sorted_by_rank() -> None:
    table = build(study(7), differing(7, SEVEN))
    view = select_rows(table, rows=["method=b", "method=a"], rename={"method=a": "Ours", "1": "digits"}, order="value")
    headings, *rows = printed(view)
    assert headings[:3] == ["row", "digits", "2"]
    assert [row[0] for row in rows] == ["Ours", "method=plain (baseline)", "method=b"]
    assert "'Ours' is better" in view.summary[1]
    assert [line.label for line in pivot_of(view).lines] == ["method=plain", "Ours", "method=b"]
    headings = printed(select_rows(table, rows=["world=2, method=a"]))[0]
    assert headings == ["row", "2", "mean rank", "mean diff.", "overall (p)"]
    with pytest.raises(TableError, match="two rows would be called 'Ours'"):
        select_rows(table, rename={"method=a": "Ours", "method=b": "Ours"})


def test_every_column_brings_back_the_groups_below_each_other() -> None:
    table = build(study(3), differing(3, {"a": [-1, -1, 2], "b": [-2, 1, 3]}))
    text = render(table, "md", columns=["all"])
    assert "| **2**" in text
    assert "world=2, method=b" in text
    assert " line " in text.splitlines()[2]


def test_chosen_columns_stay_together_group_by_group() -> None:
    table = build(study(2), differing(2, {"a": [-1, 2], "b": [-2, 3]}))
    headings, _, a, _ = printed(table, ["error", "decision", "mean_rank", "line"])
    assert headings == ["row", "1", "1: decision (p)", "2", "2: decision (p)", "mean rank"]
    assert a[2].startswith("undecided (")
    assert printed(table, ["factors", "error"])[0] == ["row", "method", "1", "2"]
    with pytest.raises(TableError, match="no column 'eror'; did you mean 'error'"):
        render(table, "md", columns=["eror"])
    with pytest.raises(TableError, match="no column 'mean_rank'"):
        render(
            build(study(2, table={"pivot": None}), differing(2, {"a": [0, 0], "b": [0, 0]})),
            "md",
            columns=["mean_rank"],
        )


def test_bold_cells_are_decided_in_their_group() -> None:
    document = study(2, seeds=8)
    table = build(document, differing(2, {"a": [-1, 0], "b": [1, 0]}))
    view = as_printed(table)
    bold = [[column.is_strong(row) for column in columns_of(view)] for row in view.printed_rows]
    assert bold == [[False] * 4, [False, True, False, False], [False] * 4]
    assert re.search(r"\*\*[\d.]+ ± [\d.]+\*\*", render(table, "md"))
    assert "Bold means decided to be better" in render(table, "md", notes=True)


def test_an_exploratory_table_says_so_in_every_form() -> None:
    table = build(study(3), differing(3, {"a": [-1, -1, 2], "b": [-2, 1, 3]})).model_copy(
        update={"exploratory": True, "provisional": True}
    )
    for format in ("md", "tex", "html"):
        assert "Provisional, exploratory: many" in render(table, format, latex=LatexOptions(style="full"))
    assert "\\emph{Provisional}: some trials have not ended" in render(table, "tex")


def test_latex_ties_each_cell_to_its_trials() -> None:
    document = study(2)
    table, plan = build(document, differing(2, {"a": [-1, 2], "b": [-2, 3]})), plan_document(document)
    keys = {world: plan.memberships[f"world={world}, method=a", 1] for world in (1, 2)}
    assert f"%   seed 1: {keys[1]} (1), {keys[2]} (2)\n" in render(table, "tex")


def test_a_notebook_shows_the_pivoted_table_and_pandas_the_rows() -> None:
    table = NotebookTable.of(build(study(2), differing(2, {"a": [-1, 2], "b": [-2, 3]})))
    assert "mean rank" in table._repr_html_() == render_embedded(table)
    frame = pytest.importorskip("pandas") and table.to_pandas()
    assert list(frame["line"]) == ["method=plain", "method=a", "method=b"] * 2


def test_a_column_of_a_group_knows_the_row_of_its_cell() -> None:
    table = build(study(2), differing(2, {"a": [-1, 2], "b": [-2, 3]}))
    view = as_printed(table)
    columns: list[Column] = [one for one in columns_of(view) if one.name == "error"]
    row = view.printed_rows[1]
    assert [found.label for one in columns if (found := one.source(row))] == ["world=1, method=a", "world=2, method=a"]
