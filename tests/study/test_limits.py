"""The limits of a study, each at the limit and one above; and the findings, which end while they are made."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from ablate.errors import Findings, Problem, StudyError, nearest
from ablate.limits import MAX_AXES, MAX_COUNTED, MAX_FINDINGS, MAX_ITEMS, MAX_LABEL, MAX_LABELS
from ablate.study.document import Study
from ablate.study.plan import Plan, plan_document

Document = dict[str, Any]


def study(**fields: Any) -> Document:
    return {"name": "x", "seeds": 1, "base": {"dataset": "digits"}, "rows": [{"label": "a"}], **fields}


def rows(number: int, **fields: Any) -> Document:
    return study(rows=[{"label": f"r{row}"} for row in range(number)], **fields)


def levels(*sizes: int, length: int = 1, **fields: Any) -> Document:
    factors = [
        {"name": f"f{index}", "levels": [{"label": f"{level:0>{length}}", "set": {}} for level in range(size)]}
        for index, size in enumerate(sizes)
    ]
    return study(rows=[], factors=factors, **fields)


def problems_of(document: Document, **options: Any) -> StudyError:
    with pytest.raises(StudyError) as caught:
        plan_document(document, **options)
    return caught.value


LIMITS: dict[str, tuple[Callable[[int], Document], int, str, str]] = {
    "rows": (lambda size: rows(size), 20, "/rows", "21 rows, above the limit of 20"),
    "rows and seeds": (lambda size: rows(10, seeds=size), 2, "", "30 trials"),
    "axes": (lambda size: levels(*[1] * size), MAX_AXES, "/factors", "at most 32 items"),
    "cells": (lambda size: levels(size), 20, "/factors", "21 cells that are not excluded"),
    "cells before exclusions": (
        lambda size: levels(10, size, exclude=[{"f0": [str(level) for level in range(9)]}]), 20, "/factors", "210 cells"
    ),
    "cells of one at a time": (lambda size: levels(size, design="one_at_a_time"), 19, "/factors", "21 cells"),
    "label of a row": (lambda size: study(rows=[{"label": "x" * size}]), MAX_LABEL, "/rows/0/label", "at most 200"),
}  # fmt: skip
"""What is limited -> document of a size, the limit with 20 trials, pointer and words of the problem above it."""


@pytest.mark.parametrize(("document", "limit", "pointer", "words"), LIMITS.values(), ids=LIMITS.keys())
def test_a_study_at_a_limit_is_planned_and_one_above_is_refused(
    document: Callable[[int], Document], limit: int, pointer: str, words: str
) -> None:
    assert isinstance(plan_document(document(limit), max_trials=20), Plan)
    error = problems_of(document(limit + 1), max_trials=20)
    assert [problem.pointer for problem in error.problems] == [pointer]
    assert words in error.problems[0].message


@pytest.mark.parametrize(("value", "is_label"), [("x" * 200, True), ("x" * 201, False), ("a\x1b", False)])
def test_a_level_without_a_label_can_be_printed_as_one(value: str, is_label: bool) -> None:
    found = problems_of(study(rows=[], factors=[{"name": "model", "levels": [value]}])).problems
    assert [problem.pointer for problem in found] == ["/factors/0/levels/0"]
    assert ("cannot be a label" in found[0].message) != is_label


ITEMS: dict[str, Callable[[list[Any]], Document]] = {
    "/seeds": lambda items: study(seeds=list(range(len(items)))),
    "/factors/0/levels": lambda items: study(rows=[], factors=[{"name": "lr", "levels": items}]),
    "/exclude": lambda items: levels(2, exclude=[{"f0": "1"}] * len(items)),
    "/table/headline": lambda items: study(table={"headline": ["a"] * len(items)}),
    "/canary/rows": lambda items: study(canary={"rows": ["a"] * len(items)}),
    "/base/stages": lambda items: study(base={"dataset": "digits", "stages": items}),
}  # fmt: skip


@pytest.mark.parametrize(("pointer", "document"), ITEMS.items(), ids=ITEMS.keys())
def test_a_list_has_at_most_10_000_items(pointer: str, document: Callable[[list[Any]], Document]) -> None:
    for beyond in (0, 1):
        try:
            plan_document(document([3] * (MAX_ITEMS + beyond)))
            found = ""
        except StudyError as error:
            found = " ".join(problem.message for problem in error.problems if problem.pointer == pointer)
        assert ("at most 10" in found and "items" in found) == bool(beyond)


def test_scales_times_groups_are_limited() -> None:
    made = [{"label": f"r{row}", "group": f"g{row}"} for row in range(99)]
    groups: Document = {f"g{row}": {} for row in range(99)}
    at = study(rows=made, groups=groups, scales={f"s{scale}": {} for scale in range(99)})
    assert len(plan_document(at).rows) == 99
    at["scales"]["s99"] = {}
    assert "10,100 recipes" in problems_of(at).problems[0].message


def test_the_labels_of_a_grid_are_limited_before_they_are_made() -> None:
    wide = 180
    assert 2**13 * 13 * wide < MAX_LABELS < 2**13 * 13 * (wide + 20)
    assert "characters" in problems_of(levels(*[2] * 13, length=200)).problems[0].message
    assert plan_document(levels(*[2] * 6, length=200)).rows


def test_many_exclusions_cut_the_cells_that_each_of_them_names() -> None:
    """The cells that remain are those that no exclusion matches, as if each cell was compared with each of them."""
    exclude: list[Document] = [
        {"f0": "0"},
        {"f1": ["1", "2"], "f2": "1"},
        {"f0": "1", "f1": "0", "f2": "0"},
        {"f0": "0"},
    ]
    plan = plan_document(levels(3, 4, 2, exclude=exclude, base={"dataset": "digits"}, audit=False))
    cells = [{"f0": str(a), "f1": str(b), "f2": str(c)} for a in range(3) for b in range(4) for c in range(2)]

    def is_cut(cell: dict[str, str]) -> bool:
        return any(all(cell[name] in wanted for name, wanted in cut.items()) for cut in exclude)

    assert plan.excluded == tuple(", ".join(f"{n}={v}" for n, v in cell.items()) for cell in cells if is_cut(cell))
    assert [warning.pointer for warning in plan.warnings if warning.code == "idle"] == ["/exclude/3"]


def test_an_exclusion_that_takes_every_cell_is_refused() -> None:
    error = problems_of(levels(2, 2, exclude=[{"f0": ["0", "1"]}]))
    assert [(problem.pointer, problem.code) for problem in error.problems] == [("/exclude", "invalid")]


SLOW: dict[str, Callable[[], Document]] = {
    "names in rows": lambda: study(rows=[{"label": f"r{row}", f"lable{row}": 1} for row in range(2_000)]),
    "names in sets": lambda: study(rows=[{"label": f"r{row}", "set": {f"lr{row}": 1}} for row in range(2_000)]),
    "names in base": lambda: rows(2_000, base={f"lr{name}": 1 for name in range(999)}),
    "near headlines": lambda: rows(2_000, table={"headline": [f"r{row}x" for row in range(2_000)]}),
    "near canaries": lambda: rows(2_000, canary={"rows": [f"r{row}x" for row in range(2_000)]}),
    "near baselines": lambda: rows(2_000, table={"baseline": {f"g{row}": f"r{row}x" for row in range(2_000)}}),
    "repeated labels": lambda: study(rows=[{"label": "x"}] * 2_000),
    "empty rows": lambda: study(rows=[{}] * 10_000),
    "wrong values": lambda: study(rows=[{"label": f"r{row}", "set": {"lr": "fast"}} for row in range(2_000)]),
    "wrong base": lambda: rows(2_000, base={"lr": "fast", "stages": ["x"] * 9_000}),
    "wrong levels": lambda: levels(30, 30, exclude=[{"f0": f"x{level}"} for level in range(9_000)]),
    "wrong factors": lambda: study(rows=[], factors=[{"name": "nothing", "levels": [1] * 9_000}] * 32),
    "groups": lambda: study(rows=[{"label": "a"}], groups={f"g{group}": {} for group in range(9_000)}),
    "exclusions": lambda: levels(10_000, exclude=[{"f0": str(level)} for level in range(9_999)]),
}


@pytest.mark.parametrize("document", SLOW.values(), ids=SLOW.keys())
def test_a_document_with_thousands_of_faults_is_answered_in_time(document: Callable[[], Document]) -> None:
    began = time.process_time()
    try:
        plan_document(document())
    except StudyError as error:
        assert len(error.problems) <= MAX_FINDINGS  # noqa: PT017 - one of them is valid, and slow without its index
    assert time.process_time() - began < 3, "it takes 0.3 s; before, minutes"


def test_a_hundred_findings_are_described_and_nine_hundred_counted() -> None:
    for number, more in ((100, 0), (101, 1), (150, 50), (1_000, 900), (5_000, 900)):
        error = problems_of(study(**{f"nam{index}": 1 for index in range(number)}))
        assert (len(error.problems), error.more) == (100, more)
        assert "did you mean 'name'" in error.problems[99].message
        assert str(error).endswith(f"and {more} more") == bool(more)


def test_findings_are_kept_once_and_end_when_they_are_full() -> None:
    def endless() -> Any:
        number = 0
        while True:
            yield Problem("", "invalid", str(number := number + 1))

    found = Findings([Problem("", "invalid", "1")] * 3)
    assert (len(found.problems), found.more) == (1, 0)
    found.extend(endless())
    assert (len(found.problems), found.more, found.is_full) == (MAX_FINDINGS, MAX_COUNTED - MAX_FINDINGS, True)


def test_near_names_are_looked_up_among_those_of_similar_length_beginning_and_end() -> None:
    names = [*("x" * length for length in range(1, 5_000)), *(f"row {row:03}" for row in range(500)), "label"]
    assert nearest("lable", names) == "; did you mean 'label'?"
    assert nearest("rwo 417", names) == "; did you mean 'row 417'?"
    assert nearest("y" * 64, ["y" * 64]) == f"; did you mean '{'y' * 64}'?"
    assert "did you mean" not in nearest("y" * 65, ["y" * 64])


def test_wrong_rows_are_reported_with_a_wrong_base() -> None:
    document = study(base={"dataset": "digits", "lr": "fast"}, rows=[{"label": "a", "set": {"steps": -1}}])
    assert {problem.pointer for problem in problems_of(document).problems} == {"/base/lr", "/rows/0/set/steps"}


def test_of_many_warnings_a_hundred_are_kept() -> None:
    warnings = plan_document(rows(300)).warnings
    assert len(warnings) == MAX_FINDINGS
    assert "further warnings" in warnings[-1].message


def test_a_study_that_was_read_has_as_many_rows_as_trials_are_allowed() -> None:
    with pytest.raises(StudyError, match="10,001 rows"):
        Study.parse(rows(10_001))
    assert json.loads(Study.parse(rows(3)).model_dump_json())["rows"][2]["label"] == "r2"
