"""LaTeX in the classes that papers use: every table in the style `paper` compiles, and nothing is too wide.

The tables are those of the ten studies, with their long labels, and others with 1 and 40 rows, groups and check marks.
One document per class has all of them.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ablate.paper.published import find_published
from ablate.study.plan import Plan, plan_document
from ablate.study.text import read_document
from ablate.tables.build import build_table
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.render import render
from ablate.tables.table import Table
from ablate.trials.trial import Cost, Outcome, TrialRecord
from tests.debian import need

ROOT = Path(__file__).parents[3]
STUDIES = sorted((ROOT / "studies").glob("table*.toml"))
COST = Cost(params=25_557_032, params_without_norm=25_503_912, multiply_adds=3_857_973_248)

AMSSYMB = "\\usepackage{amssymb}"
CLASSES = {
    "article": "\\documentclass[twocolumn]{article}",
    "IEEEtran": f"\\documentclass{{IEEEtran}}{AMSSYMB}",
    "acmart": "\\documentclass[sigconf,nonacm]{acmart}",
    "llncs": f"\\documentclass[runningheads]{{llncs}}{AMSSYMB}",
    "neurips": "\\documentclass{article}\\usepackage[textwidth=5.5in,textheight=9in]{geometry}",
}
"""Class -> its preamble; NeurIPS has the text of an article that is 5.5 in wide. acmart has the check mark itself."""
PACKAGES = {
    "article": ["texlive-latex-recommended"],
    "IEEEtran": ["texlive-publishers", "texlive-fonts-recommended"],
    "acmart": ["texlive-publishers", "texlive-latex-extra"],
    "llncs": ["texlive-publishers"],
    "neurips": ["texlive-latex-recommended"],
}
LEAVE_ONE_OUT: dict[str, Any] = {
    "design": "leave_one_out",
    "factors": [
        {"name": "nesterov", "off": {"nesterov": False}},
        {"name": "label smoothing", "off": {"label_smoothing": 0.0}},
        {"name": "augmentation", "off": {"augment": "none"}},
    ],
}
GRID: dict[str, Any] = {
    "factors": [
        {"name": "nesterov", "levels": [True, False]},
        {"name": "activation", "levels": ["relu", "swish", "frelu"]},
        {"name": "window", "levels": ["3x3", "5x5"]},
    ]
}


def records(plan: Plan) -> dict[str, TrialRecord]:
    """Results in which some rows are better and some are worse than others, and the last row lost a run."""
    made: dict[str, TrialRecord] = {}
    for number, row in enumerate(plan.rows):
        for seed in plan.seeds:
            trial = plan.trials[plan.memberships[row.label, seed]]
            value = 20 + 0.3 * number * (-1) ** number + random.Random(f"{row.label} {seed}").gauss(0, 0.3)
            outcome = Outcome(status="succeeded", metrics=dict.fromkeys([plan.metric, *plan.metrics], value), cost=COST)
            if number == len(plan.rows) - 1 and seed == plan.seeds[0]:
                outcome = Outcome(status="diverged", reason="loss is nan")
            made.setdefault(trial.key, TrialRecord(trial=trial, outcome=outcome, provenance={}, finished_at=""))
    return made


def study(name: str, **fields: Any) -> Table:
    base = {"dataset": "fashion-mnist", "nesterov": True, "label_smoothing": 0.1}
    plan = plan_document({"name": name, "title": f"A study of {name}", "seeds": 6, "base": base, **fields})
    return build_table(plan, records(plan))


def of_the_paper() -> Iterator[Table]:
    for path in STUDIES:
        plan = plan_document(read_document(path), scale="mini", seeds=8)
        yield build_table(plan, records(plan), published=find_published(plan.study.table.published))


def rows(number: int, label: str = "row {}", groups: int = 1) -> dict[str, Any]:
    made: list[dict[str, Any]] = [{"label": label.format(n), "set": {"lr": 0.1 + n / 100}} for n in range(number)]
    return {"rows": [row | ({"group": f"group {n % groups}"} if groups > 1 else {}) for n, row in enumerate(made)]}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    others = [
        study("one-row", **rows(1)),
        study("forty-rows", **rows(40)),
        study("groups", **rows(40, "model=resnet50, lr={}", groups=8)),
        study("eighty", **rows(80, groups=4)),
        study("wide", **rows(3, "a rather long label that describes row {} and the change that it makes to the base")),
        study("leave-one-out", **LEAVE_ONE_OUT),
        study("grid", **GRID),
    ]
    tables = [*of_the_paper(), *others]
    assert len(tables) == 17
    options = [LatexOptions(), LatexOptions(delta=True), LatexOptions(spread="subscript")]
    return [render(table, "tex", latex=each) for table in tables for each in options]


def compiled(folder: Path, preamble: str, texts: Sequence[str]) -> str:
    """The log of a document with the tables; longtable needs a second run."""
    body = "\n\\clearpage\n".join(texts)
    head = f"{preamble}\\usepackage{{booktabs,longtable}}\\begin{{document}}\\title{{T}}\\author{{A}}\\maketitle"
    (folder / "page.tex").write_text(f"{head}\n{body}\nend\\end{{document}}", "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"]
    for _ in range(2):
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
        log = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0, log[-3000:]
    return log


@pytest.mark.parametrize("name", CLASSES)
def test_every_table_compiles_in_the_class_and_nothing_is_too_wide(tmp_path: Path, texts: list[str], name: str) -> None:
    for package in PACKAGES[name]:
        need(package)
    log = compiled(tmp_path, CLASSES[name], texts)
    assert re.findall(r"Overfull \\hbox.*|Float too large.*", log) == []


def test_columns_of_siunitx_compile_and_fit(tmp_path: Path) -> None:
    need("texlive-science")
    tables = [next(of_the_paper()), study("groups", **rows(12, groups=3)), study("grid", **GRID)]
    texts = [render(table, "tex", latex=LatexOptions(siunitx=True)) for table in tables]
    log = compiled(tmp_path, f"{CLASSES['article']}\\usepackage{{siunitx}}", texts)
    assert not re.findall(r"Overfull \\hbox.*|Package siunitx Warning.*", log)


def test_a_table_of_the_paper_is_one_tabular(texts: list[str]) -> None:
    assert [text.count("\\begin{tabular}") + text.count("\\begin{longtable}") for text in texts] == [1] * len(texts)
