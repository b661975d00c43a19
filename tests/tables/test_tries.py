"""Rows that were tried before: what each format says of them."""

from __future__ import annotations

import csv
import io

import pytest

from ablate.tables.build import build_table
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.render import render
from ablate.tables.inputs import StudyState
from ablate.tables.tries import PairHistory, describe_tries
from ablate.tables.verdicts import Tries

TRIED = (0.4, -0.3, 0.1, -0.5, 0.2, -0.1, -0.6, 0.3) * 2


def test_each_format_says_that_a_row_that_was_tried_before_is_decided_over_all_its_tries(make_plan, make_records):
    plan = make_plan([{"label": label, "set": {"lr": 0.1 + n}} for n, label in enumerate(("ReLU", "FReLU", "wide"))])
    table = build_table(plan, make_records(plan), state=StudyState(retried={"FReLU": PairHistory(2, TRIED)}))
    said = "Rows that were tried before ('FReLU') are decided by all their seeds together"
    for style, text in (("full", said), ("paper", r"\emph{Exploratory}: FReLU (\emph{try 2}) was tried before, ")):
        lines = render(table, "tex", latex=LatexOptions(style=style)).splitlines()
        assert text in next(line for line in lines if line.startswith("\\caption"))
    lines = {line["label"]: line["notes"] for line in csv.DictReader(io.StringIO(render(table, "csv")))}
    answer = "over all 16 seeds of its 2 tries: mean difference −0.0625 points, interval "
    assert lines["FReLU"].startswith(f"tried before; {answer}")
    assert lines["FReLU"].endswith("mean, difference and interval in this line are of this try alone")
    assert "tried before" not in lines["wide"]
    (note,) = (note for note in table.notes if note.startswith(f"'FReLU', {answer}"))
    assert "which includes 0, so it is undecided (evidence 1 of the " in note
    assert "Exploratory: 'FReLU' (try 2) was compared with its baseline before" in render(table, "tex")


@pytest.mark.parametrize(
    ("low", "high", "decision", "text"),
    [
        (-1.25, -0.5, "better", "interval −1.25 to −0.5, which excludes 0"),
        (None, -0.5, "better", "interval below −0.5, which excludes 0"),
        (-0.5, None, "undecided", "interval above −0.5, which includes 0"),
        (None, None, "undecided", "no interval yet"),
        (-0.5, 0.25, "equivalent", "interval −0.5 to +0.25, which is within the margin"),
    ],
)
def test_the_answer_over_all_tries_says_what_its_interval_means(low, high, decision, text):
    e, evidence = (80.0, "80, 60 needed") if decision == "better" else (8.0, "8 of the 60 needed")
    found = Tries(number=2, n=16, lost=1, mean=-0.75, e=e, needed=60.0, low=low, high=high)
    start = "over all 16 seeds of its 2 tries, 1 of them begun and never finished: mean difference −0.75 points, "
    assert describe_tries(found, decision, "points") == f"{start}{text}, so it is {decision} (evidence {evidence})"
