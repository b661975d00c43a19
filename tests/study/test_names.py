"""What rows are called: labels that are equal in two groups, and both spellings of leave-one-out rows."""

from __future__ import annotations

from typing import Any

import pytest

from ablate.errors import StudyError
from ablate.paper.published import load_published
from ablate.study.lines import describe_pivot
from ablate.study.names import find_name
from ablate.study.plan import plan_document
from ablate.study.printed_rows import join_printed
from ablate.study.tries import numbered, rows_to_register

ROWS = [("R50", "ReLU"), ("R50", "FReLU"), ("R101", "ReLU"), ("R101", "FReLU"), ("R101", "Swish")]
NAMES = ["R50 / ReLU", "R50 / FReLU", "R101 / ReLU", "R101 / FReLU", "Swish"]


def groups(*rows: tuple[str | None, str], **fields: Any) -> dict[str, Any]:
    """A study of these rows (group, label), each with another recipe."""
    made = [
        {"label": label, "set": {"row": index}} | ({} if group is None else {"group": group})
        for index, (group, label) in enumerate(rows or ROWS)
    ]
    return {"name": "two", "seeds": 6, "base": {"task": "null"}, "rows": made, **fields}


def leave_out(**fields: Any) -> dict[str, Any]:
    factors = [{"name": "funnel", "off": {"row": 1}}, {"name": "SE", "off": {"row": 2}}]
    return {"name": "a", "design": "leave_one_out", "base": {"task": "null"}, "factors": factors, "seeds": 6, **fields}


def problems_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(StudyError) as caught:
        plan_document(document)
    return [(one.pointer, one.message) for one in caught.value.problems]


def test_a_label_may_be_equal_in_two_groups_and_names_tell_its_rows_apart() -> None:
    plan = plan_document(groups(audit=True))
    assert [row.label for row in plan.rows] == [label for _, label in ROWS]
    assert [row.name for row in plan.rows] == NAMES
    assert [row.name for row in plan.rows if row.is_baseline] == ["R50 / ReLU", "R101 / ReLU"]
    copies = ["R50 / (audit copy) ReLU", "R101 / (audit copy) ReLU"]
    assert {name for name, _ in plan.memberships} == {*NAMES, *copies}
    assert plan.group_of == dict(zip(NAMES, [group for group, _ in ROWS], strict=True)) | dict(
        zip(copies, ["R50", "R101"], strict=True)
    )
    assert [one.row for one in rows_to_register(plan, "s")] == NAMES


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([("a", "x"), ("a", "x")], ("/rows/1/label", "row 'x' is repeated in group 'a'; names must be unique")),
        ([(None, "x"), (None, "x")], ("/rows/1/label", "row 'x' is repeated; names must be unique")),
        (
            [("a", "x"), ("b", "x"), ("c", "a / x")],
            ("/rows/2/label", "row 'a / x' of group 'c' has the name of another row, 'a / x' (group / label); "
             "give it another label"),
        ),
        (
            [("a", "b / x"), ("a / b", "x"), ("c", "b / x"), ("c", "x")],
            ("/rows/1/label", "row 'x' of group 'a / b' has the name of another row, 'a / b / x' (group / label); "
             "give it another label"),
        ),
        (
            [(None, "x"), ("a", "x")],
            ("/rows/0/label", "rows of several groups have the label 'x', and one of them has no group; give every row "
             "a 'group', or another label"),
        ),
    ],
)  # fmt: skip
def test_two_rows_cannot_have_one_name(rows: list[tuple[str | None, str]], problem: tuple[str, str]) -> None:
    assert problems_of(groups(*rows))[0] == problem


def test_rows_in_groups_of_their_recipe_are_checked_too() -> None:
    document = groups((None, "x"), (None, "x"), (None, "x"), table={"group_by": "row"})
    assert [row.name for row in plan_document(document).rows] == ["0 / x", "1 / x", "2 / x"]
    document["rows"][2]["set"] = {"row": 0, "effect": 1.0}
    text = "row 'x' is repeated in group '0'; names must be unique"
    assert problems_of(document) == [("/rows/2/label", text)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("R50 / ReLU", "R50 / ReLU"), ("Swish", "Swish"), ("R101 / Swish", "Swish"), ("ReLU", None),
        ("R50 / Swish", None), ("relu", None),
    ],
)  # fmt: skip
def test_a_row_is_found_by_its_label_or_by_group_and_label(text: str, name: str | None) -> None:
    assert find_name(text, plan_document(groups()).rows) == name


def test_lists_of_rows_in_a_study_name_the_group_where_the_label_does_not_do() -> None:
    plan = plan_document(groups(canary={"rows": ["R101 / FReLU"]}, table={"baseline": {"R50": "FReLU"}}))
    assert [row.name for row in plan.rows if row.is_baseline] == ["R50 / FReLU", "R101 / ReLU"]
    assert plan_document(groups(table={"baseline": {"R101": "R101 / FReLU"}})).rows[3].is_baseline
    text = "no row 'FReLU'; rows of 2 groups have this label, so give the group too: 'R50 / FReLU', 'R101 / FReLU'"
    assert problems_of(groups(canary={"rows": ["FReLU"]})) == [("/canary/rows/0", text)]


def test_rows_with_the_same_label_are_one_line_of_a_pivot_whatever_they_set() -> None:
    plan = plan_document(groups(*ROWS[:4], table={"pivot": "group"}))
    assert [row.line for row in plan.rows] == ["ReLU", "FReLU", "ReLU", "FReLU"]
    assert describe_pivot(plan.study, plan.rows).startswith("pivot: 2 rows, a column for each of 2 groups (R50, R101)")


def test_printed_rows_are_joined_by_label_or_by_group_and_label() -> None:
    rows = [("resnet50", "ReLU"), ("resnet50", "FReLU"), ("resnet101", "ReLU"), ("resnet101", "FReLU")]
    plan = plan_document(groups(*rows, table={"published": "T1"}))
    printed = load_published().column("T1")
    joined = join_printed(printed, plan.rows)
    assert joined.cells["resnet101 / FReLU"] == printed.cells["resnet101 / FReLU"]
    alone = plan_document(groups(*rows[:2], table={"published": "T1"}))
    assert join_printed(printed, alone.rows).cells["FReLU"] == printed.cells["resnet50 / FReLU"]
    [(place, text), _] = problems_of(groups(("a", "FReLU"), ("b", "FReLU"), table={"published": "T10"}))
    assert place == "/table/published"
    assert text.startswith("no printed row 'a / FReLU' in T10"), "the printed row belongs to one of the two at most"


def test_leave_one_out_rows_have_labels_that_can_be_typed_and_are_found_by_both_spellings() -> None:
    new = plan_document(leave_out(canary={"rows": ["- SE"]}, table={"baseline": "- funnel"}))
    assert [row.label for row in new.rows] == ["full", "without funnel", "without SE"]
    assert new.rows[1].is_baseline
    old = plan_document(leave_out(minus_labels=True, canary={"rows": ["without SE"]}))
    assert [row.label for row in old.rows] == ["full", "- funnel", "- SE"]
    assert find_name("without funnel", old.rows) == "- funnel"
    assert find_name("- funnel", new.rows) == "without funnel"
    assert "minus_labels" not in new.study.model_dump()
    assert set(new.trials) == set(old.trials)


def test_a_study_with_the_other_spelling_is_no_second_try() -> None:
    new, old = plan_document(leave_out()), plan_document(leave_out(minus_labels=True))
    known = list(numbered(rows_to_register(old, "s"), []))
    assert [one.row for one in known] == ["full", "- funnel", "- SE"]
    assert list(numbered(rows_to_register(new, "s"), known)) == []
