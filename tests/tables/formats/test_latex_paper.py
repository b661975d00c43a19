"""LaTeX as papers print it: its columns, its marks, and a caption with everything that a reader must know."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ablate.errors import TableError
from ablate.paper.published import load_published
from ablate.study.plan import Plan, plan_document
from ablate.tables.build import build_table
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.render import render
from ablate.tables.inputs import StudyState
from ablate.tables.table import Table
from ablate.tables.tries import PairHistory
from ablate.trials.trial import Outcome
from tests.tables.test_factors import WITHOUT

METRIC = "top1_error_pct"
LEVELS = [23.7, 22.4, 22.9, 23.0, 21.4]
BOTH = (("A 1x1", "\\rlap{\\smash{$^\\dagger$}}"), ("E Sum(1x3, 3x1)", "\\textbf{"))


def caption(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("\\caption"))


def printed(text: str) -> str:
    """Everything but comments."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("%"))


def rows(text: str) -> list[list[str]]:
    """The cells of each line of the tabular, headings included."""
    return [line.removesuffix(" \\\\").split(" & ") for line in text.splitlines() if " & " in line and line[0] != "%"]


@pytest.fixture
def plan(window_plan: Any, make_plan: Any) -> Plan:
    """Table 7 with eight seeds, so that rows can be decided."""
    found = [{"label": row.label, "set": row.set, "baseline": row.is_baseline} for row in window_plan.rows]
    return make_plan(found, seeds=range(8), title="Window size and shape", question="Does a larger window help?")


@pytest.fixture
def table(plan: Any, make_records: Any) -> Table:
    return build_table(plan, make_records(plan, LEVELS), published=load_published().column("T7"))


def test_the_caption_is_one_sentence_with_seeds_marks_test_and_correction(plan, make_records):
    text = render(build_table(plan, make_records(plan, LEVELS)), "tex")
    assert caption(text) == (
        "\\caption{Window size and shape (digits, scale mini): mean $\\pm$ standard deviation over 8 seeds; "
        "\\textbf{bold}: better than B 3x3, $\\dagger$: worse (5\\,\\% level, paired sign-flip test, Holm-corrected "
        "for 4 comparisons).}"
    )
    assert "\\label{tab:table07}" in text


def test_columns_are_label_mean_and_printed_and_seeds_are_said_once(table):
    heading, *lines = rows(render(table, "tex"))
    assert heading == ["", "Top-1 error (\\%) $\\downarrow$", "Printed"]
    assert [line[0] for line in lines] == [row.label for row in table.rows]
    assert not any("(8)" in cell for line in lines for cell in line)
    for label, mark in BOTH:
        assert [line[0] for line in lines if mark in line[1]] == [
            row.label for row in table.rows if row.cells[METRIC].decision == table.row(label).cells[METRIC].decision
        ]
    assert "Printed: Table 7 of Ma, Zhang, Sun (ImageNet-2012)." in caption(render(table, "tex"))


def test_what_machines_did_is_a_comment_at_the_end(table):
    text = render(table, "tex")
    assert text.startswith("% study table07, scale mini; needs \\usepackage{booktabs}\n\\begin{table}")
    body, end = text.split("\\end{table}\n")
    assert all(line.startswith("% ") for line in end.splitlines())
    for note in (*table.notes, *table.provenance):
        assert f"% {note}\n" in end
    assert all(key in end for row in table.rows for key in row.trials)
    assert "% cite for printed numbers: Ma, Zhang, Sun: Funnel Activation" in end
    assert body.count("\\begin{tabular}") == 1


def test_the_difference_is_a_column_by_choice(table):
    with_delta = render(table, "tex", latex=LatexOptions(delta=True))
    assert "$\\Delta$ (95 \\% CI)" in rows(with_delta)[0]
    assert "$\\Delta$: difference from B 3x3, paired by seed; " in caption(with_delta)
    assert not any("Delta" in cell for cell in rows(render(table, "tex"))[0])
    without = render(table, "tex", columns=["diff", METRIC], latex=LatexOptions(delta=False))
    assert "Delta" not in printed(without)
    assert re.search(r"\$-\d\.\d\d\$ \[\$-\d\.\d\d\$, ", with_delta)
    assert re.search(r"\$\+\d\.\d\d\$ \[\d\.\d\d, ", with_delta)


def test_the_spread_is_behind_a_sign_or_below_or_in_a_column_of_siunitx(table):
    first = table.rows[0].cells[METRIC]
    mean, sd = f"{first.mean:.2f}", f"{first.sd:.2f}"
    cells = {
        name: rows(render(table, "tex", latex=LatexOptions(**options)))[1][1]
        for name, options in (("pm", {}), ("subscript", {"spread": "subscript"}), ("siunitx", {"siunitx": True}))
    }
    assert cells["pm"].startswith(f"{mean} $\\pm$ {sd}")
    assert cells["subscript"].startswith(f"{mean}$_{{\\pm {sd}}}$")
    assert cells["siunitx"].startswith(f"{mean} \\pm {sd}")
    text = render(table, "tex", latex=LatexOptions(siunitx=True))
    assert "needs \\usepackage{booktabs,siunitx}" in text
    assert "S[table-format=2.2(2)" in text
    with pytest.raises(TableError, match="use only one of them"):
        LatexOptions(siunitx=True, spread="subscript")


def test_a_caption_and_a_label_are_those_that_are_given_and_marks_stay_explained(table):
    text = render(table, "tex", latex=LatexOptions(caption="Wide windows & 100 %.", label="tab:win"))
    assert caption(text).startswith("\\caption{Wide windows \\& 100 \\%. Mean $\\pm$ standard deviation over 8 seeds; ")
    assert "\\label{tab:win}" in text
    full = render(table, "tex", latex=LatexOptions(style="full", caption="Mine", label="tab:win"))
    assert "\\caption{Mine}\n\\label{tab:win}" in full
    for wrong in ("a b", "x}y", "\\input", ""):
        with pytest.raises(TableError, match="is not one that LaTeX can refer to"):
            LatexOptions(label=wrong)
    with pytest.raises(TableError, match="no style 'papr'; did you mean 'paper'"):
        LatexOptions(style="papr")


def test_lost_runs_are_confessed_with_their_row(plan, make_records, make_record):
    records = make_records(plan, LEVELS)
    for label, seed, status in (("D 7x7", 3, "diverged"), ("D 7x7", 4, "failed"), ("A 1x1", 0, "diverged")):
        key = plan.memberships[label, seed]
        records[key] = make_record(records[key].trial, Outcome(status=status, reason="loss is nan"))
    text = caption(render(build_table(plan, records), "tex"))
    lost = "A 1x1: 1 of 8 seeds diverged, D 7x7: 1 of 8 seeds diverged and 1 of 8 seeds failed"
    assert f" Means leave out lost runs ({lost})." in text


def test_known_results_earlier_tries_and_trials_that_run_are_confessed(plan, make_records):
    records = make_records(plan, LEVELS)
    known = build_table(plan, records).model_copy(update={"exploratory": True})
    assert "\\emph{Exploratory}: results were known when the study was fixed or changed, so " in caption(
        render(known, "tex")
    )
    state = StudyState(retried={"C 5x5": PairHistory(3, (0.4, -0.3) * 8)})
    tried = caption(render(build_table(plan, records, state=state), "tex"))
    assert "\\emph{Exploratory}: C 5x5 (\\emph{try 3}) was tried before, and the seeds of all tries decide" in tried
    assert "results were known" not in tried
    running = caption(render(build_table(plan, records, state=StudyState(provisional=True)), "tex"))
    assert "\\emph{Provisional}: some trials have not ended, and nothing is tested yet." in running
    assert "bold" not in running


def test_a_pilot_says_that_it_decides_nothing(make_plan, make_records):
    plan = make_plan([{"label": "a"}, {"label": "b", "set": {"window": "5x5"}}], pilot=True)
    text = caption(render(build_table(plan, make_records(plan)), "tex"))
    assert "Nothing is decided: the study is a pilot" in text
    assert "test" not in text


def test_a_table_in_which_nothing_is_decided_says_so_and_has_no_legend(plan, make_records):
    text = render(build_table(plan, make_records(plan, [22.4] * 5)), "tex")
    assert "; no row differs significantly from B 3x3 (5\\,\\% level, " in caption(text)
    assert "\\textbf" not in text
    assert "dagger" not in text


def test_one_seed_has_no_spread_and_no_test(make_plan, make_records):
    plan = make_plan([{"label": "a"}, {"label": "b", "set": {"window": "5x5"}}], seeds=[0])
    text = render(build_table(plan, make_records(plan)), "tex")
    assert caption(text) == "\\caption{table07 (digits, scale mini): one seed, hence no spread and no test.}"
    assert "\\pm" not in text


def test_equivalent_rows_have_a_mark_of_their_own(make_plan, make_records):
    plan = make_plan([{"label": "a"}, {"label": "b", "set": {"window": "5x5"}}], seeds=range(12), table={"margin": 1.0})
    text = render(build_table(plan, make_records(plan, [20.0, 20.0], noise=0.05)), "tex")
    assert "$\\ddagger$: equivalent (within $\\pm$1 points) to a (5\\,\\% level, " in caption(text)
    assert "$^\\ddagger$" in text


def test_groups_are_parted_by_a_rule_and_compared_with_their_first_row(make_plan, make_records):
    found = [{"label": f"{'gh'[n > 1]}{n}", "group": "gh"[n > 1], "set": {"lr": 0.1 + n}} for n in range(4)]
    plan = make_plan(found, seeds=range(8))
    text = render(build_table(plan, make_records(plan, [20, 21, 22, 20])), "tex")
    assert "\\midrule\n\\multicolumn{2}{@{}l@{}}{\\textit{h}} \\\\*\n" in text
    assert "better than the first row of its group" in caption(text)
    assert "Holm-corrected within each group)" in caption(text)


SWITCHES = [{"label": word, "set": {"nesterov": word == "on"}} for word in ("on", "off")]
GRID: dict[str, Any] = {
    "name": "grid",
    "seeds": 6,
    "base": {"dataset": "digits"},
    "factors": [{"name": "nesterov", "levels": SWITCHES}, {"name": "window", "levels": ["3x3", "5x5"]}],
}


def test_leave_one_out_has_check_marks_in_place_of_labels_and_its_results_beside_them(make_records):
    plan = plan_document(WITHOUT)
    text = render(build_table(plan, make_records(plan, [14.0, 16.0, 14.0])), "tex")
    heading, *lines = rows(text)
    assert heading[:2] == ["nesterov", "smoothing"]
    assert [line[:2] for line in lines] == [
        ["\\checkmark", "\\checkmark"], ["--", "\\checkmark"], ["\\checkmark", "--"],
    ]  # fmt: skip
    assert all("$\\pm$" in line[2] for line in lines)
    assert "worse than the full method" in caption(text)
    assert "\\providecommand{\\checkmark}" in text, "so that no package but booktabs is needed"


def test_a_grid_has_check_marks_for_what_is_on_or_off_and_levels_for_the_rest(make_records):
    plan = plan_document(GRID)
    table = build_table(plan, make_records(plan))
    marks = [["\\checkmark", "3x3"], ["\\checkmark", "5x5"], ["--", "3x3"], ["--", "5x5"]]
    for columns in (None, ["factors"]):
        assert [line[:2] for line in rows(render(table, "tex", columns=columns))[-4:]] == marks
    assert "the baseline (nesterov=on, window=3x3)" in caption(render(table, "tex"))
    labels = rows(render(table, "tex", columns=["label", "factors", METRIC]))[-4]
    assert labels[:3] == ["nesterov=on, window=3x3", "\\checkmark", "3x3"]


def test_rows_outside_a_grid_keep_their_labels(make_records):
    plan = plan_document(GRID | {"rows": [{"label": "plain", "set": {"activation": "relu"}}]})
    assert rows(render(build_table(plan, make_records(plan)), "tex"))[-5][:3] == ["plain", "--", "--"]


def test_further_metrics_are_shown_where_they_fit_and_else_named_in_a_comment(make_plan, make_records):
    found = [{"label": "a"}, {"label": "b", "set": {"window": "5x5"}}]
    plan = make_plan(found, metrics=["map_pct"])
    table = build_table(plan, make_records(plan))
    assert "mAP (\\%) $\\uparrow$" in printed(render(table, "tex"))
    names = [f"iu_{name * 3}_pct" for name in ("road", "building", "vegetation", "motorcycle", "bicycle", "person")]
    wide = table.model_copy(
        update={
            "metrics": names,
            "directions": table.directions | dict.fromkeys(names, False),
            "columns": [METRIC, *names],
            "rows": [
                row.model_copy(update={"cells": row.cells | dict.fromkeys(names, row.cells["map_pct"])})
                for row in table.rows
            ],
        }
    )
    text = render(wide, "tex")
    assert len(rows(text)[0]) == 2
    assert f"% left out, since they do not fit: {', '.join(names)}; choose columns with --columns\n" in text


def test_factors_of_a_study_without_factors_are_refused(table):
    with pytest.raises(TableError, match="has no factors"):
        render(table, "tex", columns=["factors"])


def test_columns_that_are_asked_for_are_shown_as_asked(table):
    heading, *_ = rows(render(table, "tex", columns=["params", METRIC, "decision"]))
    assert heading == ["", "Params", "Top-1 error (\\%) $\\downarrow$", "Decision (p)"]
