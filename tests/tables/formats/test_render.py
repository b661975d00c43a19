from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from ablate.errors import TableError
from ablate.paper.published import load_published
from ablate.tables.build import build_table
from ablate.tables.columns import list_columns
from ablate.tables.formats.csv import guard_formula, unguarded
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.markdown import escape_markdown
from ablate.tables.formats.render import FORMATS, render, render_embedded
from ablate.tables.inputs import RowCosts, StudyState
from ablate.tables.selection import Selection
from ablate.tables.words import number, places_of, places_within
from ablate.text import visible
from ablate.trials.trial import Measured, Outcome

METRIC = "top1_error_pct"
FULL = LatexOptions(style="full")
HOSTILE = (
    "<script>alert(1)</script>", "a | b", "snake_case_name", "100 % & more", "costs $5", "\\input{x}", "=1+1",
    "-1", "@sum", "*bold* `code` [link](http://x.y)", "{braces} ~tilde^ #hash", "ä ß × → ± 中文 α ½ 🙂", "w" * 200,
    "[1] first", "* star", "quote \" and ' -- ''", "javascript:&lt;b&gt;",
    "> quoted", "a > b & c", "&#60;b&#62; &copy;",
)  # fmt: skip
MEASURED = Measured(
    inference_ms_1=1.5, inference_ms_32=20.0, rounds=30, is_folded=True, peak_memory_bytes=2**29, device="cpu"
)


class Cells(HTMLParser):
    """The text of every cell, row by row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def markdown_cells(text: str) -> list[list[str]]:
    return Cells(MarkdownIt("commonmark").enable("table").render(text)).rows


def csv_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def latex_lines(text: str) -> list[str]:
    body = text[text.index("\\midrule") : text.index("\\bottomrule")]
    return [line for line in body.splitlines() if " & " in line]


def numbers(text: str) -> list[str]:
    plain = text.replace("$-$", "-").replace("\u2212", "-").replace("$\\pm$", " ")
    plain = re.sub(r"\$([-+]?[\d.]+) \\times 10\^{(-?\d+)}\$", lambda m: f"{m[1]}e{int(m[2]):+03d}", plain)
    return [number.lstrip("+") for number in re.findall(r"[-+]?\d+\.\d+(?:e[-+]\d\d)?", plain)]


@pytest.fixture
def table(window_plan, make_records):
    measured = {row.label: MEASURED for row in window_plan.rows}
    records = make_records(window_plan, [23.7, 22.4, 22.9, 23.0, 22.6])
    return build_table(window_plan, records, published=load_published().column("T7"), costs=RowCosts(measured=measured))


@pytest.fixture
def hostile(make_plan, make_records):
    rows = [{"label": label, "set": {"lr": 0.1 + index}} for index, label in enumerate(HOSTILE)]
    plan = make_plan(rows, title="<b>Title</b> $x$ \\input{y}", question="1. Is `a_b` | <i> so?")
    return build_table(plan, make_records(plan))


def expected_numbers(row: dict) -> list[str]:
    cell = row["cells"][METRIC]
    found = [cell["mean"], cell["sd"]]
    found += [cell["diff"]["mean"], cell["diff"]["low"], cell["diff"]["high"]] if cell["diff"] else []
    texts = [f"{number:.2f}" for number in found] + [f"{cell['published']['value']:.1f}"]
    return texts + ([f"{cell['published']['diff']:.1f}"] if cell["diff"] else [])


PAPERS = [LatexOptions(), LatexOptions(spread="subscript"), LatexOptions(siunitx=True)]
SELECTIONS = [
    Selection(),
    Selection(rows=("C 5x5", "A 1x1,!B 3x3")),
    Selection(order="value", rename={"B 3x3": "Ours, 3x3", "top-1 error (%)": "Err."}),
]


@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_formats_carry_the_same_numbers(table, selection):
    table = selection.of(table)
    rows = json.loads(render(table, "json"))["rows"]
    markdown = markdown_cells(render(table, "md"))[1:]
    html = Cells(render(table, "html")).rows[1:]
    columns = ["diff", "published", "published_diff"]
    latex = [latex_lines(render(table, "tex", columns=[METRIC, *columns], latex=latex)) for latex in (FULL, *PAPERS)]
    for row, *texts in zip(rows, markdown, html, *latex, strict=True):
        shown = [" ".join(texts[0][1:]), " ".join(texts[1][1:]), *(text.split(" & ", 1)[1] for text in texts[2:])]
        assert [numbers(text) for text in shown] == [expected_numbers(row)] * 6
    for row, line in zip(rows, csv_rows(render(table, "csv")), strict=True):
        cell = row["cells"][METRIC]
        assert (line["label"], float(line[f"{METRIC}_mean"])) == (row["label"], cell["mean"])
        assert line[f"{METRIC}_diff"] == (str(cell["diff"]["mean"]) if cell["diff"] else "")


@pytest.mark.parametrize("scale", [1e18, 1e9, 1e7, 1e-6, 1e-10])
def test_numbers_out_of_all_proportion_have_exponents_and_the_formats_still_agree(make_plan, make_records, scale):
    table = scaled_table(make_plan, make_records, {"a": scale, "b": 1.1 * scale})
    rows = json.loads(render(table, "json"))["rows"]
    shown = [markdown_cells(render(table, "md"))[1:], Cells(render(table, "html")).rows[1:]]
    shown.append([line.split(" & ") for line in latex_lines(render(table, "tex", latex=FULL))])
    for row, line, *texts in zip(rows, csv_rows(render(table, "csv")), *shown, strict=True):
        cell = row["cells"][METRIC]
        parts = [cell["diff"]["mean"], cell["diff"]["low"], cell["diff"]["high"]] if cell["diff"] else []
        expected = [f"{part:.3e}" for part in (cell["mean"], cell["sd"], *parts)]
        assert [numbers(" ".join(text[1:])) for text in texts] == [expected] * 3
        assert float(line[f"{METRIC}_mean"]) == cell["mean"]
    assert max(len(text) for text in render(table, "md").splitlines() if text.startswith("|")) < 120


def test_one_number_out_of_proportion_leaves_the_others_as_they_are(make_plan, make_records):
    table = scaled_table(make_plan, make_records, {"a": 1.0, "b": 1.0, "huge": 1e12, "tiny": 1e-7})
    cells = {row[0]: row[1:] for row in markdown_cells(render(table, "md"))[1:]}
    assert re.fullmatch(r"\d\d\.\d\d ± \d\.\d\d \(3\)", cells["b"][0])
    assert re.fullmatch(r"\d\.\d{3}e\+13 ± \d\.\d{3}e\+1\d \(3\)", cells["huge"][0])
    assert re.fullmatch(r"\d\.\d{3}e-06 ± \d\.\d{3}e-0\d \(3\)", cells["tiny"][0])
    assert numbers(cells["tiny"][1])[0].startswith("-2"), "the difference is of the baseline's size"
    assert cells["b"][1] == "0.00 [0.00, 0.00]", "beside ordinary numbers a tiny difference is none"


@pytest.fixture
def paired(make_plan, make_records):
    """Rows that share what their seeds do: b is .003 better on all of them, c all but so, d is a plain row."""
    plan = make_plan([{"label": label, "set": {"lr": 0.1 + n}} for n, label in enumerate("abcd")], seeds=range(8))
    records = make_records(plan, [20, 20, 20, 21], noise=0.6)
    first = {seed: records[plan.memberships["a", seed]].outcome.metrics[METRIC] for seed in plan.seeds}
    for label, spread in (("b", 0.0), ("c", 0.0005)):
        for seed, value in first.items():
            record = records[plan.memberships[label, seed]]
            metrics = {METRIC: value - 0.003 + spread * (-1) ** seed}
            outcome = record.outcome.model_copy(update={"metrics": metrics})
            records[record.trial.key] = record.model_copy(update={"outcome": outcome})
    return build_table(plan, records)


def test_a_decided_row_never_stands_beside_an_interval_of_zeros(paired):
    cells = {row[0]: row[1:] for row in markdown_cells(render(paired, "md"))[1:]}
    assert [paired.row(label).cells[METRIC].decision for label in "bc"] == ["better", "better"]
    assert cells["b"][1] == "−0.0030 [−0.0030, −0.0030]"
    assert cells["c"][1] == "−0.00300 [−0.00345, −0.00255]"
    assert re.fullmatch(r"\+\d\.\d\d \[0\.\d\d, \d\.\d\d\]", cells["d"][1]), "others keep the column's decimals"
    full = markdown_cells(render(paired, "md", columns=["simultaneous", "mde"]))
    assert all(float(value) for value in numbers(" ".join(full[3][1:])))
    asked = markdown_cells(render(paired, "md", digits=1))
    assert asked[3][2] == "0.0 [0.0, 0.0]", "a reader who asks for decimals gets them"


@pytest.mark.parametrize(
    ("low", "high", "decimals"),
    [
        (-0.3, 0.4, 2),
        (0.001, 0.4, 3),  # the end that makes it better shows
        (2.9995, 3.0005, 5),
        (-1e-12, 1e-12, 2),  # a rounding error
        (0.0, 0.0, 2),
        (0.0, 0.3, 2),
        (1e20, 3e20, None),
    ],
)
def test_an_interval_has_decimals_that_show_it(low, high, decimals):
    assert places_within(low, high, 2, relative_to=20.0) == decimals


def scaled_table(make_plan, make_records, scales):
    """Rows of one set of values, each times its scale; the second one a rounding error compared with the first."""
    plan = make_plan([{"label": label, "set": {"lr": 0.1 + n}} for n, label in enumerate(scales)])
    records = make_records(plan)
    for index, (label, scale) in enumerate(scales.items()):
        for seed in plan.seeds:
            record = records[plan.memberships[label, seed]]
            metrics = {METRIC: (20 + 0.3 * seed + 1e-13 * index * seed) * scale}
            outcome = record.outcome.model_copy(update={"metrics": metrics})
            records[record.trial.key] = record.model_copy(update={"outcome": outcome})
    return build_table(plan, records)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (9_999_999.94, 1, "9999999.9"),
        (9_999_999.96, 1, "1.000e+07"),
        (-1.2345e9, 2, "−1.234e+09"),
        (0.0, 4, "0.0000"),
        (0.00004, 4, "4.000e-05"),
        (0.00004, 5, "0.00004"),
        (0.0002, 3, "0.000"),
    ],
)
def test_an_exponent_comes_with_the_eighth_digit_and_instead_of_zeros(value, decimals, text):
    assert number(value, places_of((value,), decimals)) == text


def test_csv_holds_the_numbers_of_the_json_unrounded(table):
    rows = json.loads(render(table, "json"))["rows"]
    for row, line in zip(rows, csv_rows(render(table, "csv")), strict=True):
        cell = row["cells"][METRIC]
        assert float(line[f"{METRIC}_mean"]) == cell["mean"]
        assert float(line[f"{METRIC}_sd"]) == cell["sd"]
        assert int(line[f"{METRIC}_n"]) == len(cell["values"])
        assert line[f"{METRIC}_diff_low"] == (repr(cell["diff"]["low"]) if cell["diff"] else "")
        assert int(line["params"]) == row["params"]
        assert line["baseline"] == str(row["baseline"]).lower()


def test_csv_rounds_where_digits_are_asked_for(table):
    (line, *_) = csv_rows(render(table, "csv", columns=[METRIC, "diff"], digits=1))
    assert re.fullmatch(r"\d+\.\d", line[f"{METRIC}_mean"])
    assert "params" not in line


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_table_gives_the_same_bytes(table, format):
    assert render(table, format, columns=["all"]) == render(table, format, columns=["all"])


@pytest.mark.parametrize("format", FORMATS)
def test_the_baseline_the_source_and_a_provisional_state_are_marked(window_plan, make_records, format):
    records = make_records(window_plan)
    state = StudyState(provisional=True)
    built = build_table(window_plan, records, published=load_published().column("T7"), state=state)
    text = render(built, format, notes=True, latex=FULL)
    assert "rovisional" in text
    assert {"csv": "true", "json": '"baseline": true'}.get(format, "B 3x3 (baseline)") in text
    assert "Funnel Activation for Visual Recognition" in text
    assert "REVIEW" in text


@pytest.mark.parametrize("format", FORMATS)
def test_an_exploratory_table_says_so_in_its_head_and_with_its_numbers(table, format):
    marked = table.model_copy(update={"exploratory": True})
    text = render(marked, format, latex=FULL)
    if format == "csv":
        assert {line["exploratory"] for line in csv_rows(text)} == {"true"}
        assert {line["exploratory"] for line in csv_rows(render(table, format))} == {"false"}
        return
    assert {"json": '"exploratory": true', "html": "<caption>Exploratory: ", "tex": "\\caption{Exploratory: "}.get(
        format, "### Exploratory: "
    ) in text
    both = render(marked.model_copy(update={"provisional": True}), format, latex=FULL)
    assert format == "json" or "Provisional, exploratory: " in both


def caption_of(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("\\caption"))


def test_bold_is_explained_where_something_is_bold(paired, lost):
    for format in ("md", "html", "tex"):
        assert "Bold means decided to be better" in render(paired, format, notes=True, latex=FULL)
        without_bold = render(paired, format, columns=["decision"], notes=True, latex=FULL)
        assert "Bold means decided to be better" not in without_bold, "nothing bold is shown"
        nothing = render(lost, format, notes=True, latex=FULL)
        assert "Bold means decided to be better" not in nothing, "nothing is better"
    assert "Bold means decided to be better" in caption_of(render(paired, "tex", latex=FULL))


def test_the_commit_is_in_the_caption_and_below_other_tables(table):
    assert table.commits == ["abc123"]
    assert "Trained with commit abc123." in caption_of(render(table, "tex", latex=FULL))
    for format in ("md", "html"):
        assert "Trained with commit abc123" in render(table, format, notes=True)
    several = table.model_copy(update={"commits": ["abc123", "def456+"]})
    text = caption_of(render(several, "tex", latex=FULL))
    assert "Trained with commits abc123, def456+ (+: with uncommitted changes)" in text
    assert "abc123" not in render(table, "tex", measured=False)


def test_a_caption_begins_with_what_there_is(table):
    text = caption_of(render(table.model_copy(update={"setup": []}), "tex", latex=FULL))
    assert "Mean $\\pm$ standard deviation over 3 seeds" in text
    assert ". ;" not in text


@pytest.mark.parametrize("format", FORMATS)
def test_without_records_the_table_is_empty_in_every_format(window_plan, format):
    text = render(build_table(window_plan, {}, state=StudyState(provisional=True)), format)
    assert "B 3x3" in text
    assert not re.search(r"\bnan\b", text.lower())


def test_a_hole_is_named_and_a_row_without_numbers_says_why(window_plan, make_records, make_record):
    records = make_records(window_plan)
    for seed in window_plan.seeds:
        key = window_plan.memberships["D 7x7", seed]
        records[key] = make_record(records[key].trial, Outcome(status="diverged", reason=f"loss is nan at step {seed}"))
    text = render(build_table(window_plan, records), "md", notes=True)
    (line,) = [cells for cells in markdown_cells(text) if cells[0] == "D 7x7"]
    assert line[1:] == ["diverged", "–", "undecided"]
    assert "'D 7x7' diverged on seed 2: loss is nan at step 2." in text


def test_an_incomplete_row_says_over_how_many_seeds_it_averages(window_plan, make_records):
    records = make_records(window_plan)
    del records[window_plan.memberships["C 5x5", 1]]
    (cells,) = [cells for cells in markdown_cells(render(build_table(window_plan, records), "md")) if "C" in cells[0]]
    assert cells[1].endswith("(2/3)")


def test_groups_have_a_heading_across_the_table(make_plan, make_records):
    rows = [
        {"label": f"{group}{n}", "group": group, "set": {"lr": lr}}
        for group, n, lr in (("G|1", 0, 0.1), ("H_2", 0, 0.2), ("G|1", 1, 0.3), ("H_2", 1, 0.4))
    ]
    plan = make_plan(rows)
    table = build_table(plan, make_records(plan))
    assert [cells[0] for cells in markdown_cells(render(table, "md"))[1:]] == [
        "G|1", "G|10 (baseline)", "G|11", "H_2", "H_20 (baseline)", "H_21",
    ]  # fmt: skip
    assert '<th scope="rowgroup" colspan="4">H_2</th>' in render(table, "html")
    assert "\\multicolumn{4}{@{}l@{}}{\\textit{H\\_2}}" in render(table, "tex", latex=FULL)
    assert "\\midrule\n\\multicolumn{2}{@{}l@{}}{\\textit{H\\_2}}" in render(table, "tex")
    assert [line["group"] for line in csv_rows(render(table, "csv"))] == ["G|1", "H_2", "G|1", "H_2"]


def test_one_seed_shows_a_number_without_spread(make_plan, make_records):
    plan = make_plan([{"label": "a"}, {"label": "b", "set": {"window": "5x5"}}], seeds=[0])
    cells = markdown_cells(render(build_table(plan, make_records(plan, [20.0, 21.0], noise=0)), "md"))
    assert re.fullmatch(r"\d\d\.\d\d \(1\)", cells[1][1])
    assert re.fullmatch(r"\+1\.00", cells[2][2])


def test_hostile_labels_survive_markdown(hostile):
    text = render(hostile, "md")
    cells = markdown_cells(text)
    assert [row[0].removesuffix(" (baseline)") for row in cells[1:]] == list(HOSTILE)
    assert "<script" not in text
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    assert not {"a", "code", "em", "ol", "b", "i"} & set(Cells(rendered).tags)


def test_a_plain_value_stands_once_in_csv_whichever_columns_show_it(table):
    columns = ["params_without_norm", "params_and_printed", "published_params"]
    (header, *_) = render(table, "csv", columns=columns).splitlines()
    assert [header.split(",").count(name) for name in ("params_without_norm", "published_params")] == [1, 1]


def test_a_lone_sign_stays_readable_in_markdown():
    assert escape_markdown("effects > 1.9 sd & more") == "effects > 1.9 sd & more"
    assert escape_markdown("<b> &lt; &#60;") == "&lt;b> &amp;lt; &amp;\\#60;"


def test_hostile_labels_survive_html(hostile):
    page = Cells(render(hostile, "html"))
    assert [row[0].removesuffix(" (baseline)") for row in page.rows[1:]] == list(HOSTILE)
    assert not {"script", "b", "i"} & set(page.tags)


def test_hostile_labels_survive_csv_and_run_no_formula(hostile):
    lines = csv_rows(render(hostile, "csv"))
    assert [line["label"].removeprefix("'") for line in lines] == list(HOSTILE)
    assert not [line["label"] for line in lines if line["label"].startswith(("=", "+", "-", "@"))]
    assert all(line["top1_error_pct_diff"] == "" or float(line["top1_error_pct_diff"]) for line in lines)


@pytest.mark.parametrize("sign", "=+-@＝＋－＠﹦﹢﹣﹫")
@pytest.mark.parametrize(
    "before", ["", " ", "  ", "\t", "\r", "\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "\x00", "\x1b"], ids=ascii
)
def test_a_spreadsheet_runs_no_text_whatever_stands_before_the_sign(before, sign):
    assert guard_formula(f"{before}{sign}1+1") == f"'{visible(before)}{sign}1+1"


@pytest.mark.parametrize("text", ["\t1", "\r1", "\n1"])
def test_a_cell_that_begins_with_a_tab_or_a_line_break_is_guarded(text):
    assert guard_formula(text) == f"'{visible(text)}"


@pytest.mark.parametrize(
    "text", ["a=1", "1-1", "(-1)", "−1 points", "1e5", "x@y", "", " ", "é", "漏斗", "'a'", "it's =1"]
)
def test_other_text_of_a_csv_cell_stays_as_it_is(text):
    assert guard_formula(text) == text


@pytest.mark.parametrize("text", ["=1", "'=1", "''=1", "- funnel", "＝1", " +1", "a=1", "'a'", "it's =1", "", "'"])
def test_readers_get_every_text_of_a_csv_cell_back(text):
    assert unguarded(guard_formula(text)) == text


CONTROLS = "\x1b]0;evil\x07 \x9b2J \x7f \u202etxt.exe\u202c \u2066a\u2069 \u2028 \x85 \x0c \r\n2026 ERROR forged"
"""Takes over a terminal, turns text round, forges a line."""
LANGUAGES = "Größe 漏斗 العربية עברית ∑ ≤ 👩\u200d👩\u200d👧"


@pytest.fixture
def foreign(table):
    """A table whose every text is of others, such as one that another server sent."""
    rows = [
        row.model_copy(update={"label": f"{number} {CONTROLS}", "group": CONTROLS, "notes": [CONTROLS]})
        for number, row in enumerate(table.rows)
    ]
    texts = {"title": CONTROLS, "question": CONTROLS, "scale": CONTROLS, "setup": [CONTROLS], "rows": rows}
    return table.model_copy(update={**texts, "notes": [CONTROLS], "provenance": [CONTROLS], "commits": [CONTROLS]})


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "json"])
def test_no_format_has_a_character_that_controls_a_terminal_or_turns_text_round(foreign, format):
    text = render(foreign, format, columns=["all"])
    assert visible(text, lines=True) == text
    assert not re.search("^2026 ERROR", text, re.MULTILINE)
    escaped = {"md": r"\\x1b\]0;evil\\x07", "tex": r"\textbackslash{}x1b]0;evil"}.get(format, r"\x1b]0;evil\x07")
    assert text.count(escaped) >= len(foreign.rows)


def test_html_embedded_in_another_page_shows_escapes_too(foreign):
    text = render_embedded(foreign)
    assert visible(text, lines=True) == text
    assert r"\u202etxt.exe" in text


def test_json_keeps_every_text_as_it_is(foreign):
    found = json.loads(render(foreign, "json"))
    assert (found["title"], found["question"], found["notes"]) == (CONTROLS, CONTROLS, [CONTROLS])


@pytest.mark.parametrize("format", FORMATS)
def test_text_of_every_language_stays_in_every_format(table, format):
    text = render(table.model_copy(update={"title": LANGUAGES, "question": LANGUAGES}), format)
    shown = "U+6F0F" if format == "tex" else LANGUAGES  # LaTeX without packages has no such characters
    assert shown in text or format == "csv"


def test_hostile_labels_survive_json(hostile):
    assert [row["label"] for row in json.loads(render(hostile, "json"))["rows"]] == list(HOSTILE)


@pytest.fixture
def lost(make_plan, make_records, make_record):
    """Row b is better and lost seeds, c is as good as the baseline, d is worse; the margin makes c equivalent."""
    rows = [{"label": label, "set": {"lr": 0.1 + n}} for n, label in enumerate("abcd")]
    plan = make_plan(rows, seeds=range(8), table={"margin": 1.0})
    records = make_records(plan, [20, 19, 20, 21.5], noise=0.05)
    for seed in (0, 1):
        key = plan.memberships["b", seed]
        records[key] = make_record(records[key].trial, Outcome(status="diverged", reason="loss is nan"))
    return build_table(plan, records)


def test_p_stands_beside_a_decision_only_where_it_decided(lost):
    cells = {row[0]: row[1] for row in markdown_cells(render(lost, "md", columns=["decision"]))[1:]}
    assert lost.row("b").cells[METRIC].p_adj < 0.05, "p alone would have decided"
    assert cells["b"] == "undecided (failures)"
    assert cells["c"] == "equivalent"
    assert cells["d"] == "worse (< .0001)"
    shown = {row[0]: row[1] for row in markdown_cells(render(lost, "md", columns=["p_adj"]))[1:]}
    assert all(shown[label].startswith((".", "<", "1")) for label in "bcd")


def test_what_pairing_saved_is_shown_and_is_the_same_in_csv(lost):
    (line,) = [line for line in csv_rows(render(lost, "csv")) if line["label"] == "c"]
    tested = lost.row("c").cells[METRIC].tested
    assert float(line[f"{METRIC}_rho"]) == tested.rho
    assert float(line[f"{METRIC}_pairing_gain"]) == tested.pairing_gain
    heading, *rows = markdown_cells(render(lost, "md", columns=["all"]))
    shown = dict(zip(heading, rows[2], strict=True))
    assert shown["correlation"] == f"{tested.rho:.2f}"
    assert shown["saved by pairing (%)"] == f"{100 * tested.pairing_gain:.0f}"


def test_why_a_row_agrees_is_a_column_and_unfolds_in_html(table):
    found = table.row("A 1x1").cells[METRIC].agreement
    assert found.text.startswith(f"{found.word}")
    assert found.text != found.word
    more = found.text.removeprefix(found.word)[2:]
    assert f"<details><summary>{found.word}</summary>{more}</details>" in render(table, "html")
    for format in ("md", "csv", "html"):
        assert found.text in render(table, format, columns=["agreement_text"])
    assert "agreement" not in render(table.model_copy(update={"families": []}), "csv").splitlines()[0]


def test_html_loads_nothing_and_tells_readers_what_is_a_heading(table):
    text = render(table, "html")
    assert not re.search(r"https?://|src=|href=|<script", text)
    assert '<th scope="col"' in text
    assert '<th scope="row">' in text
    assert "<caption>" in text


def test_an_unknown_column_names_the_nearest(table):
    with pytest.raises(TableError, match="no column 'parms'; did you mean 'params'"):
        render(table, "md", columns=["parms"])


def test_an_unknown_format_names_the_known_ones(table):
    with pytest.raises(TableError, match="no table format 'xlsx'; allowed: md, tex, csv, html, json"):
        render(table, "xlsx")


def test_digits_out_of_range_are_refused(table):
    with pytest.raises(TableError, match="digits is 99; allowed: whole numbers from 0 to 12"):
        render(table, "md", digits=99)


def test_chosen_columns_come_in_their_order_behind_the_label(table):
    (heading, *_) = markdown_cells(render(table, "md", columns=["params", "multiply_adds", "params", "set"]))
    assert heading == ["row", "params", "mult-adds", "changes"]


def test_every_column_can_be_shown_and_has_a_line_about_it(table):
    for name, about in list_columns(table).items():
        assert about
        assert render(table, "md", columns=[name])


def test_costs_read_as_papers_print_them(table):
    cells = markdown_cells(render(table, "md", columns=["params", "multiply_adds", "peak_memory", "funnel_share"]))
    assert cells[1][1:] == ["25.56M", "3.858G", "512", "45.0"]


def test_columns_of_printed_numbers_are_no_part_of_all_where_nothing_was_printed(window_plan, make_records):
    text = render(build_table(window_plan, make_records(window_plan)), "csv")
    assert "published" not in text.splitlines()[0]


def test_further_metrics_follow_and_have_differences_of_their_own(make_plan, make_records):
    plan = make_plan([{"label": "a"}, {"label": "b", "set": {"window": "5x5"}}], metrics=["map_pct"])
    table = build_table(plan, make_records(plan))
    heading = markdown_cells(render(table, "md"))[0]
    assert heading == ["row", "top-1 error (%) ↓", "difference (95 % CI)", "decision (p)", "mAP (%) ↑"]
    assert "mAP (%): difference" in render(table, "md", columns=["map_pct:diff"])


@pytest.mark.parametrize("format", FORMATS)
def test_without_measured_values_no_time_is_shown(table, format):
    text = render(table, format, columns=["all"], measured=False)
    assert "inference" not in text
    assert "train_s" not in text
    assert "2026-05-04" not in text


def test_a_measured_column_is_refused_where_measured_values_are_left_out(table):
    with pytest.raises(TableError, match="column 'train_s' is measured"):
        render(table, "md", columns=["train_s"], measured=False)


def test_the_spread_decides_the_digits(make_plan, make_records):
    plan = make_plan([{"label": "a"}, {"label": "b", "set": {"window": "5x5"}}], metrics=["train_loss"])
    cells = markdown_cells(render(build_table(plan, make_records(plan, [20, 21])), "md"))
    assert re.match(r"\d\d\.\d\d ± 0\.\d\d ", cells[1][1])
    assert re.match(r"0\.\d{4} ± 0\.00\d\d ", cells[1][4])
    fixed = markdown_cells(render(build_table(plan, make_records(plan, [20, 21])), "md", digits=1))
    assert re.match(r"\d\d\.\d ± 0\.\d ", fixed[1][1])


def test_rendering_needs_neither_torch_nor_scipy_nor_matplotlib():
    modules = ("tables.build", "tables.formats.render", "tables.plots.plot", "statistics.decisions.paired")
    imports = "; ".join(f"import ablate.{module}" for module in modules)
    code = f"import sys; {imports}; print(*{{'torch', 'scipy', 'matplotlib'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
