"""Which rows of different groups are one line of a pivoted table, and what it is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ablate.errors import StudyError
from ablate.study.lines import describe_pivot, differing_fields
from ablate.study.plan import Plan, plan_document
from ablate.study.preregistration import changes, register

DATA = ("digits", "cifar10")
ACTIVATIONS = ("relu", "swish")


def lines(plan: Plan) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {}
    for row in plan.rows:
        found.setdefault(row.group or "", []).append(row.line)
    return found


def grid(*factors: dict[str, Any], pivot: str = "dataset", **more: Any) -> Plan:
    activation = {"name": "activation", "levels": list(ACTIVATIONS)}
    return plan_document({"name": "a", "factors": [*factors, activation], "table": {"pivot": pivot}} | more)


def named(
    label: str, patch: Callable[[str, str], dict[str, Any]] = lambda data, activation: {}
) -> list[dict[str, Any]]:
    return [
        {
            "label": label.format(d=data, a=activation),
            "set": {"dataset": data, "activation": activation} | patch(data, activation),
        }
        for data in DATA
        for activation in ACTIVATIONS
    ]


def message(document: dict[str, Any]) -> str:
    with pytest.raises(StudyError) as caught:
        plan_document({"name": "a"} | document)
    (problem,) = caught.value.problems
    assert problem.pointer == "/table/pivot"
    return problem.message


def test_a_study_without_a_pivot_has_no_lines() -> None:
    plan = plan_document({"name": "a", "rows": named("{d} {a}"), "table": {"group_by": "dataset"}})
    assert {row.line for row in plan.rows} == {None}
    assert describe_pivot(plan.study, plan.rows) == ""


def test_cells_of_a_grid_are_a_line_if_they_have_the_same_other_levels() -> None:
    plan = grid({"name": "dataset", "levels": list(DATA)})
    assert lines(plan) == {data: ["activation=relu", "activation=swish"] for data in DATA}
    assert [row.is_baseline for row in plan.rows] == [True, False, True, False], "pivot groups as group_by does"
    assert {row.label for row in plan.rows} >= {"dataset=digits, activation=relu"}


def test_a_factor_that_belongs_to_the_data_set_is_no_part_of_the_line() -> None:
    levels = [
        {"label": "small", "set": {"dataset": "digits", "steps": 10}},
        {"label": "large", "set": {"dataset": "cifar10", "steps": 30}},
    ]
    for pivot, groups in (("dataset", DATA), ("size", ("small", "large"))):
        plan = grid({"name": "size", "levels": levels}, pivot=pivot)
        assert lines(plan) == {group: ["activation=relu", "activation=swish"] for group in groups}
    assert differing_fields(plan.rows, "dataset") == ["steps"]


def test_a_cell_that_a_group_lacks_is_a_line_with_a_hole() -> None:
    plan = grid({"name": "dataset", "levels": list(DATA)}, exclude=[{"dataset": "digits", "activation": "swish"}])
    assert lines(plan) == {"digits": ["activation=relu"], "cifar10": ["activation=relu", "activation=swish"]}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("{d} {a}", "relu"),
        ("{a} ({d})", "relu"),
        ("{a} on {d}", "relu"),
        ("{d}: {a}", "relu"),
        ("{d} / {a}", "relu"),
        ("{a} ({d}, long)", "relu (long)"),
        ("{a} [{d}] long", "relu long"),
    ],
)
def test_a_named_row_is_called_what_is_left_without_its_group(label: str, expected: str) -> None:
    plan = plan_document({"name": "a", "rows": named(label), "table": {"pivot": "dataset"}})
    assert lines(plan) == {data: [expected, expected.replace("relu", "swish")] for data in DATA}


def test_named_rows_may_have_a_learning_rate_for_each_data_set_and_row() -> None:
    rows = named("{a} ({d})", lambda data, activation: {"lr": len(data) / len(activation)})
    plan = plan_document({"name": "a", "rows": rows, "table": {"pivot": "dataset"}})
    assert lines(plan) == {data: ["relu", "swish"] for data in DATA}
    assert differing_fields(plan.rows, "dataset") == ["lr"]


def test_labels_without_the_name_of_their_group_are_compared_by_what_they_set() -> None:
    rows = [
        {"label": f"{short} / {name}", "group": group, "set": {"model": model, "activation": activation}}
        for short, group, model in (("r18", "ResNet", "torchvision/resnet18"), ("vgg", "VGG", "torchvision/vgg11_bn"))
        for name, activation in (("ReLU", "relu"), ("Swish", "swish"), ("PReLU", "prelu"))
    ]
    plan = plan_document({"name": "a", "rows": rows[:-1], "table": {"pivot": "group"}})
    assert lines(plan) == {"ResNet": ["ReLU", "Swish", "PReLU"], "VGG": ["ReLU", "Swish"]}


def test_two_equal_rows_of_a_group_are_two_lines() -> None:
    rows = [
        {"label": f"{run} {data}", "set": {"dataset": data}} for data in DATA for run in ("first run", "second run")
    ]
    plan = plan_document({"name": "a", "rows": rows, "table": {"pivot": "dataset"}})
    assert lines(plan) == {data: ["first run", "second run"] for data in DATA}
    same = [{"label": label, "group": group, "set": {}} for label, group in (("x", "A"), ("y", "A"), ("z", "B"))]
    plan = plan_document({"name": "a", "rows": same, "table": {"pivot": "group"}})
    assert len({row.line for row in plan.rows if row.group == "A"}) == 2


def test_every_line_has_a_name_of_its_own() -> None:
    rows = [
        {"label": "net A", "group": "A", "set": {"activation": "relu"}},
        {"label": "net A.", "group": "A", "set": {"activation": "swish"}},
        {"label": "net B", "group": "B", "set": {"activation": "relu"}},
        {"label": "net B.", "group": "B", "set": {"activation": "prelu"}},
    ]
    plan = plan_document({"name": "a", "rows": rows, "table": {"pivot": "group"}})
    assert len({row.line for row in plan.rows if row.group == "A"}) == 2


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"pivot": "datset"}, "'datset' is neither a recipe field nor a factor; did you mean 'dataset'?"),
        (
            {"pivot": "dataset", "group_by": "activation"},
            "pivot = 'dataset', but the rows are grouped by 'activation'; "
            "use pivot = 'activation', or change 'group_by'",
        ),
        (
            {"pivot": "model"},
            "pivot = 'model' makes a column of each group and needs two or more, but all rows are in group 'resnet50'; "
            "use at least two values of 'model', or remove 'pivot'",
        ),
        (
            {"pivot": "group"},
            "pivot = 'group' makes a column of each group and needs two or more, but the rows have no groups; "
            "give the rows at least two different groups, or remove 'pivot'",
        ),
    ],
)
def test_a_wrong_pivot_says_what_is_wrong_and_what_to_do(table: dict[str, str], text: str) -> None:
    assert message({"rows": named("{d} {a}"), "table": table}) == text


def test_groups_that_rows_name_themselves_are_not_those_of_a_field() -> None:
    rows = [{"label": f"x {group}", "group": group, "set": {}} for group in ("A", "B")]
    text = message({"rows": rows, "table": {"pivot": "dataset"}})
    assert text == (
        "pivot = 'dataset', but rows have a group of their own ('A', 'B'); "
        "use pivot = \"group\", or remove 'group' from the rows"
    )
    text = message({"rows": [*rows, {"label": "alone"}], "table": {"pivot": "group"}})
    assert text == "pivot = 'group', but row 'alone' has no group; give every row a 'group'"


def test_the_plan_says_how_many_columns_there_are_and_which_test_follows() -> None:
    plan = grid({"name": "dataset", "levels": list(DATA)})
    assert describe_pivot(plan.study, plan.rows) == (
        "pivot: 2 rows, a column for each of 2 data sets (digits, cifar10); "
        "no test over data sets: there are 2, and the exact test needs 6"
    )
    factors = [{"name": "world", "levels": list(range(7))}, {"name": "effect", "levels": [0.0, 1.0]}]
    document = {"name": "a", "base": {"task": "null"}, "factors": factors, "table": {"pivot": "world"}}
    plan = plan_document(document)
    assert describe_pivot(plan.study, plan.rows).endswith("(0, 1, 2, 3, 4, 5, 6); one test over groups for 1 row")


def test_a_test_over_groups_is_registered_and_a_layout_is_not() -> None:
    def registered(worlds: int, **table: str) -> Any:
        factors = [{"name": "world", "levels": list(range(worlds))}, {"name": "effect", "levels": [0.0, 1.0]}]
        document = {"name": "a", "base": {"task": "null"}, "factors": factors, "table": {"group_by": "world"} | table}
        return register(plan_document(document))

    assert changes(registered(5), registered(5, pivot="world")) == []
    assert registered(5).digest == registered(5, pivot="world").digest
    assert changes(registered(6), registered(6, pivot="world")) == ["its test over groups"]
