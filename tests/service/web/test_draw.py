from __future__ import annotations

from typing import Any

import pytest

from ablate.study.plan import plan_document
from ablate.tables.build import build_table
from ablate.tables.inputs import StudyState
from ablate.tables.table import Difference, Table
from service.web.draw import MARGIN, WIDTH, draw_curves, draw_intervals


@pytest.fixture
def table(document: dict[str, Any]) -> Table:
    """A table of three rows without results; a test puts the differences in."""
    return build_table(plan_document(document), {}, state=StudyState(provisional=True))


def with_differences(table: Table, *differences: Difference | None) -> Table:
    rows = [
        row.model_copy(update={"cells": {table.metric: row.cells[table.metric].model_copy(update={"diff": found})}})
        for row, found in zip(table.rows, differences, strict=True)
    ]
    return table.model_copy(update={"rows": rows})


def test_intervals_of_a_table_share_one_scale(table: Table) -> None:
    first, second = Difference(mean=1, low=0.5, high=1.5, n=3), Difference(mean=-1, low=-1.5, high=-0.5, n=3)
    found = draw_intervals(with_differences(table, None, first, second))
    assert set(found) == {"FReLU", "wide"}
    right, left = found["FReLU"], found["wide"]
    assert right.low is not None
    assert left.high is not None
    assert left.zero == right.zero == WIDTH / 2
    assert left.mean < left.high < left.zero < right.low < right.mean
    assert right.mean - right.zero == pytest.approx(left.zero - left.mean)


def test_an_interval_that_leaves_no_room_for_the_others_is_cut_and_says_so(table: Table) -> None:
    wide, narrow = Difference(mean=1, low=-500, high=502, n=2), Difference(mean=1, low=0.9, high=1.1, n=8)
    found = draw_intervals(with_differences(table, None, wide, narrow))
    assert (found["FReLU"].cut_low, found["FReLU"].cut_high) == (True, True)
    assert (found["FReLU"].low, found["FReLU"].high) == (MARGIN / 2, WIDTH - MARGIN / 2)
    assert (found["wide"].cut_low, found["wide"].cut_high) == (False, False)
    assert found["wide"].mean - found["wide"].zero > 10


def test_one_seed_has_a_point_and_no_interval(table: Table) -> None:
    found = draw_intervals(with_differences(table, None, Difference(mean=0, low=None, high=None, n=1), None))
    assert found["FReLU"].low is None
    assert found["FReLU"].mean == found["FReLU"].zero


def points(*values: float, metric: str = "loss") -> list[dict[str, Any]]:
    return [{"step": 10 * (index + 1), "metrics": {metric: value}} for index, value in enumerate(values)]


def test_the_first_rows_are_told_apart_and_the_baseline_is_drawn_last() -> None:
    rows = [f"row {index}" for index in range(8)]
    chart = draw_curves(rows, [(row, 0, points(2.0, 1.0)) for row in rows], "loss")
    assert chart is not None
    assert [line.look for line in chart.lines] == [None, None, 5, 4, 3, 2, 1, 0]
    assert dict(chart.key) == {index: f"row {index}" for index in range(6)}


def test_curves_lie_in_their_frame_and_fall_where_the_metric_falls() -> None:
    chart = draw_curves(["a"], [("a", 0, points(3.0, 2.0, 1.0))], "error")
    assert chart is not None
    assert chart.metric == "loss"  # trials report it on the way, and the metric itself only at the end
    places = [tuple(map(float, point.split(","))) for point in chart.lines[0].points.split()]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert [y for _, y in places] == sorted(y for _, y in places)
    assert all(chart.left <= x <= chart.width and 0 <= y <= chart.bottom for x, y in places)
    assert 3 < len(chart.ticks_y) < 9


def test_one_point_is_no_curve() -> None:
    assert draw_curves(["a"], [("a", 0, points(3.0))], "loss") is None


def test_a_curve_that_does_not_change_is_drawn_all_the_same() -> None:
    chart = draw_curves(["a"], [("a", 0, points(0.0, 0.0))], "loss")
    assert chart is not None
    assert len(chart.lines[0].points.split()) == 2


def curve_of(*values: float) -> list[dict[str, Any]]:
    return [{"step": step, "metrics": {"error": value}} for step, value in enumerate(values)]


@pytest.mark.parametrize("unit", [5e-324, 1e-310, 1e-300, 1e-12, 1.0, 1e140])
def test_curves_of_any_size_are_drawn_between_ticks_that_differ(unit: float) -> None:
    chart = draw_curves(["a"], [("a", 0, curve_of(-3 * unit, unit, 4 * unit))], "error")
    assert chart is not None
    heights = [height for height, _ in chart.ticks_y]
    assert heights == sorted(heights, reverse=True)
    if unit > 1e-310:  # smaller floats are apart by less than their own size
        assert len({text for _, text in chart.ticks_y}) == len(chart.ticks_y) >= 3
        assert len({point.split(",")[1] for point in chart.lines[0].points.split()}) == 3


def test_values_that_the_table_does_not_use_are_not_drawn_either() -> None:
    chart = draw_curves(["a"], [("a", 0, curve_of(1.0, 1e308, -1e308, 2.0))], "error")
    assert chart is not None
    assert len(chart.lines[0].points.split()) == 2
    assert draw_curves(["a"], [("a", 0, curve_of(1e308, -1e308))], "error") is None
