from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from ablate.study.document import Study
from ablate.study.plan import plan
from ablate.tables.build import build_table
from ablate.tables.plots import canvas
from ablate.tables.plots.look import PlotLook
from ablate.tables.plots.plot import plot_table, plots_of
from ablate.tables.plots.specification import draw_specification
from tests.tables.plots.test_plot import check_texts


def grid_plan(windows: int = 5, rates: int = 4):
    """A grid with windows, rates and two norms; the first cell is the baseline."""
    study = {
        "name": "grid",
        "seeds": 4,
        "base": {"dataset": "digits", "activation": "frelu"},
        "factors": [
            {"name": "window", "levels": ["1x1", "3x3", "5x5", "7x7", "1x3+3x1"][:windows]},
            {"name": "lr", "levels": [0.1 * (1 + n) for n in range(rates)]},
            {"name": "norm", "levels": ["bn", "gn"]},
        ],
    }
    return plan(Study.model_validate(study))


@pytest.fixture
def grid_table(make_records):
    found = grid_plan()
    return build_table(found, make_records(found, [20 - 0.4 * (n % 8) for n in range(len(found.rows))]))


def test_a_grid_of_more_than_twelve_cells_has_a_specification_curve(make_records, grid_table):
    small = grid_plan(3, 2)
    table = build_table(small, make_records(small))
    assert len(table.rows) == 12
    assert "specification" not in plots_of(table)
    assert len(grid_table.rows) == 40
    assert "specification" in plots_of(grid_table)
    picture = plot_table(grid_table, "specification")
    ElementTree.fromstring(picture)
    assert plot_table(grid_table, "specification") == picture


@pytest.mark.parametrize("look", [PlotLook(), PlotLook(3.25, "Times", has_title=False)])
def test_its_texts_do_not_touch_and_are_inside_of_the_picture(grid_table, look):
    with canvas.drawing(look):
        check_texts(draw_specification(grid_table, look))


def test_the_dots_of_a_column_are_the_levels_of_its_cell_and_the_best_cell_is_on_the_left(grid_table):
    with canvas.drawing():
        above, below = draw_specification(grid_table, PlotLook()).axes
        names = [tick.get_text() for tick in below.get_yticklabels()]
    cells = {row.label: row for row in grid_table.rows}
    differences = {label: row.cells[grid_table.metric].diff for label, row in cells.items()}
    best = min((one.mean, label) for label, one in differences.items() if one)[1]
    dots = {
        round(y) for line in below.lines for x, y in zip(*line.get_data(), strict=True) if x == 0 and len(names) > y
    }
    shown = {names[place] for place in dots if names[place] not in grid_table.factors}
    assert set(cells[best].levels.values()) <= shown
    means = [line.get_ydata()[0] for line in above.lines if line.get_marker() in ("o", "D") and len(line.get_xdata())]
    assert len(means) == 40
    assert means == sorted(means)


def test_a_grid_without_results_says_so(grid_table):
    rows = [row.model_copy(update={"cells": {
        name: cell.model_copy(update={"mean": None, "diff": None}) for name, cell in row.cells.items()
    }}) for row in grid_table.rows]  # fmt: skip
    empty = grid_table.model_copy(update={"rows": rows})
    with canvas.drawing():
        texts = [text.get_text() for text in draw_specification(empty, PlotLook()).texts]
    assert "no cell of a grid has a result" in texts
