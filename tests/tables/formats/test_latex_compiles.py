from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.paper.published import load_published
from ablate.tables.build import build_table
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.latex_text import escape_latex
from ablate.tables.formats.render import render
from ablate.tables.inputs import StudyState
from tests.debian import need

HOSTILE = (
    "<script>alert(1)</script>", "a | b", "snake_case_name", "100 % & more", "costs $5", "\\input{x}", "=1+1",
    "\\end{tabular}", "{braces} ~tilde^ #hash", "ä ß × → ± 中文 α ½ 🙂 Ł ő", "w" * 200, "[1pt] first", "* star",
    "quote \" and ' -- '' ``", "^^5cinput ^^M", "中" * 60,
)  # fmt: skip

FULL = LatexOptions(style="full")
LNCS = "\\setlength{\\textwidth}{12.2cm}\\setlength{\\columnwidth}{12.2cm}\\setlength{\\hsize}{12.2cm}"
"""The width of the text in Springer's LNCS, the paper's own format, which has one column."""


def compile_latex(folder: Path, *tables: str, columns: str = "twocolumn", preamble: str = "") -> str:
    """The log of a bare article that contains the tables; pdflatex must end well."""
    need("texlive-latex-recommended")
    packages = "".join(f"\\usepackage{{{name}}}" for name in ("booktabs", "longtable"))
    body = "\n\n".join(tables)
    source = f"\\documentclass[{columns}]{{article}}{packages}{preamble}\\begin{{document}}\n{body}\nx\\end{{document}}"
    (folder / "page.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    log = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, log[-3000:]
    return log


@pytest.fixture
def table(window_plan, make_records):
    records = make_records(window_plan, [23.7, 22.4, 22.9, 23.0, 22.6])
    return build_table(window_plan, records, published=load_published().column("T7"))


@pytest.fixture
def hostile(make_plan, make_records):
    rows = [{"label": label, "group": label, "set": {"lr": 0.1 + index}} for index, label in enumerate(HOSTILE)]
    plan = make_plan(rows, title="Title & \\input{y} 中 $", question="50 % #1 of _all_?")
    return build_table(plan, make_records(plan))


def test_a_table_over_both_columns_fits_the_text_of_lncs(tmp_path, make_plan, make_records):
    document = load_published().column("T1")
    names = {"ReLU": "relu", "PReLU": "prelu", "Swish": "swish", "FReLU": "frelu"}
    rows = [{"label": f"resnet50 / {name}", "set": {"activation": value}} for name, value in names.items()]
    plan = make_plan(rows, seeds=range(8), metrics=["map_pct"])
    text = render(build_table(plan, make_records(plan), published=document), "tex", latex=FULL)
    assert "\\begin{table*}" in text
    assert "Overfull \\hbox" not in compile_latex(tmp_path, text, columns="onecolumn", preamble=LNCS)


@pytest.mark.parametrize("style", ["paper", "full"])
def test_tables_compile_bare_and_fit_their_width(tmp_path, table, make_plan, make_records, style):
    long = [{"label": f"model=resnet50, activation=frelu, lr={lr / 10}", "set": {"lr": lr / 10}} for lr in range(1, 31)]
    many = make_plan(long, metrics=["map_pct"])
    latex = LatexOptions(style=style)
    log = compile_latex(
        tmp_path,
        render(table, "tex", columns=["diff"], latex=latex),
        render(table, "tex", latex=latex),
        render(table, "tex", columns=["all"], latex=latex),
        render(build_table(many, make_records(many)), "tex", latex=latex),
    )
    assert not re.findall(r"Overfull \\hbox.*|Float too large.*", log)


@pytest.mark.parametrize("latex", [FULL, LatexOptions(), LatexOptions(spread="subscript")])
@pytest.mark.parametrize("scale", [1e12, 1e-8])
def test_numbers_with_exponents_compile_and_fit(tmp_path, window_plan, make_records, scale, latex):
    def scaled(record):
        metrics = {name: value * scale for name, value in record.outcome.metrics.items()}
        return record.model_copy(update={"outcome": record.outcome.model_copy(update={"metrics": metrics})})

    records = {key: scaled(record) for key, record in make_records(window_plan).items()}
    text = render(build_table(window_plan, records), "tex", latex=latex)
    assert "\\times 10^{" in text
    assert not re.findall(r"Overfull \\hbox.*", compile_latex(tmp_path, text))


def test_hostile_labels_compile(tmp_path, hostile):
    caption = " ".join(HOSTILE)
    texts = [render(hostile, "tex", latex=LatexOptions(style, caption)) for style in ("paper", "full")]
    compile_latex(tmp_path, *texts, render(hostile, "tex", columns=["set"]))
    text = "\n".join(texts)
    source = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert "\\input" not in source
    assert "\\textbackslash{}input\\{x\\}" in source


def test_a_table_without_rows_that_ended_compiles(tmp_path, window_plan):
    compile_latex(tmp_path, render(build_table(window_plan, {}, state=StudyState(provisional=True)), "tex"))


def test_a_few_columns_stay_in_one_column_and_many_take_both(table):
    short = table.model_copy(update={"summary": [], "notes": [], "provenance": []})
    assert "\\begin{table}[t]" in render(short, "tex", columns=["top1_error_pct"], latex=FULL)
    columns = ["top1_error_pct", "diff", "decision", "published"]
    assert "\\begin{table*}[t]" in render(table, "tex", columns=columns, latex=FULL)


def text_of(folder: Path) -> list[str]:
    """What a reader of the page sees, page by page, words with one space between them."""
    need("poppler-utils")
    done = subprocess.run(["pdftotext", "-layout", "page.pdf", "-"], cwd=folder, capture_output=True, check=True)
    return [" ".join(page.split()) for page in done.stdout.decode().split("\f") if page.strip()]


def test_why_rows_are_undecided_is_printed(tmp_path, table):
    compile_latex(tmp_path, render(table, "tex", latex=FULL))
    page = " ".join(text_of(tmp_path)).replace("- ", "")
    undecided = [row.label for row in table.rows if row.cells[table.metric].decision == "undecided"]
    assert undecided
    assert all(label in page.split(" by the paired t test")[-2] for label in undecided)
    assert "3 seeds can only detect differences above" in page


@pytest.mark.parametrize("columns", ["twocolumn", "onecolumn"])
@pytest.mark.parametrize("is_full", [False, True])
def test_many_rows_go_on_over_pages_with_caption_and_headings(tmp_path, make_plan, make_records, columns, is_full):
    rows = [
        {"label": f"row number {n}", "group": f"group {n // 20}", "set": {"lr": 0.1 + n}, "baseline": n % 20 == 0}
        for n in range(80)
    ]
    plan = make_plan(rows)
    columns_shown = ["all"] if is_full else None
    text = render(build_table(plan, make_records(plan)), "tex", columns=columns_shown, latex=FULL)
    log = compile_latex(tmp_path, text, columns=columns)
    log = compile_latex(tmp_path, text, columns=columns)  # the second time longtable knows its widths
    assert not re.findall(r"Overfull \\hbox.*", log)
    pages = text_of(tmp_path)
    for page in (page for page in pages if "row number" in page):
        assert "Table 1: " in page
        assert page.index("row ") < page.index("row number")
    assert all(any(f"row number {n} " in page for page in pages) for n in range(80))
    assert "Table 2" not in " ".join(pages)


def test_labels_that_are_hostile_go_on_over_pages_too(tmp_path, make_plan, make_records):
    rows = [{"label": f"{label} {n}", "group": label, "set": {"lr": 0.1 + n}} for n, label in enumerate(HOSTILE * 4)]
    plan = make_plan(rows, title="Title & \\input{y} 中 $")
    text = render(build_table(plan, make_records(plan)), "tex", columns=["decision", "set"])
    assert "\\begin{longtable}" in text
    compile_latex(tmp_path, text)


def test_each_row_names_its_trials_in_comments(table):
    text = render(table, "tex")
    for row in table.rows:
        for seed, key in zip(table.seeds, row.trials, strict=True):
            assert f"%   seed {seed}: {key}\n" in text


def test_when_trials_ran_is_a_comment_and_no_text(table):
    assert re.search(r"^% Trials finished between", render(table, "tex"), re.MULTILINE)


def test_the_symbols_of_western_keyboards_are_printed_as_such(tmp_path, make_plan, make_records):
    symbols = "¡¢£¥¦§©ª«¬®°±²³´µ¶·¹º»¼½¾¿×÷€"
    plan = make_plan([{"label": "a"}, {"label": f"b {symbols}", "set": {"window": "5x5"}}])
    text = render(build_table(plan, make_records(plan)), "tex")
    assert "U+" not in "".join(line for line in text.splitlines() if not line.startswith("%"))
    compile_latex(tmp_path, text)


@given(st.text(max_size=40))
def test_escaped_text_is_plain_ascii_with_balanced_braces(text):
    escaped = escape_latex(text)
    assert escaped.isascii()
    assert escaped.isprintable()
    bare = escaped.replace("\\{", "").replace("\\}", "")
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"(?<!\\)[%#&_]", escaped)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a_b & 5 %", "a\\_b \\& 5 \\%"),
        ("1×3 → 3×1", "1$\\times$3 $\\rightarrow$ 3$\\times$1"),
        ("Müller, Dvořák", "M\\\"{u}ller, Dvo\\v {r}\\'{a}k"),
        ("--x", "-{}-x"),
        ("[a]", "{}[a]"),
        ("5 µs, ½ of 10²", "5 $\\mu$s, 1/2 of 10\\textsuperscript{2}"),
        ("漢", "U+6F22\\allowbreak{}"),
    ],
)
def test_text_is_spelled_as_latex(text, latex):
    assert escape_latex(text) == latex
