from __future__ import annotations

import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from itertools import combinations, product
from zlib import crc32

import matplotlib
import pytest
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from ablate.errors import TableError
from ablate.paper.published import load_published
from ablate.tables.build import build_table
from ablate.tables.plots import canvas, fonts
from ablate.tables.plots.curves import draw_curves
from ablate.tables.plots.effects import draw_effects
from ablate.tables.plots.forest import draw_forest
from ablate.tables.plots.look import PlotLook
from ablate.tables.plots.plot import PLOTS, plot_table
from ablate.tables.plots.seeds import draw_seeds
from ablate.tables.table import Table
from ablate.tables.verdicts import Effect, Effects, LevelMean
from ablate.trials.trial import EpochMetrics, Outcome, TrialRecord


@pytest.fixture
def drawn(window_plan, make_records):
    records = make_records(window_plan)
    return build_table(window_plan, records, published=load_published().column("T7")), records, window_plan


def plot_of(drawn, name, format="svg", look=PlotLook()):
    table, records, _ = drawn
    return plot_table(table, name, format, records=records, look=look)


@pytest.mark.parametrize("name", PLOTS)
def test_the_same_results_give_the_same_bytes(drawn, name):
    first = plot_of(drawn, name)
    assert first == plot_of(drawn, name)
    ElementTree.fromstring(first)
    assert b"<dc:date>" not in first


def test_a_plot_shows_control_characters_and_overrides_as_escapes():
    assert fonts.printable("a\x1b\u202eb\n漏é") == "a\\x1b\\u202eb\n\u25a1é"


def test_a_picture_can_be_had_as_png(drawn):
    picture = plot_of(drawn, "forest", "png")
    assert picture.startswith(b"\x89PNG")
    assert picture == plot_of(drawn, "forest", "png")


@pytest.mark.parametrize("name", PLOTS)
def test_plots_survive_holes_one_seed_groups_and_hostile_labels(make_plan, make_records, make_record, name):
    labels = ["$x^$", "<script>&", "中文 🙂", "w" * 200, "a" * 15 + " " + "b" * 60]
    rows = [{"label": label, "group": "g_$1", "set": {"lr": 0.1 + index}} for index, label in enumerate(labels)]
    plan = make_plan(rows, seeds=[0], title="$\\frac{1}$ " + "t" * 200)
    records = make_records(plan)
    first, second, third, *_ = (plan.memberships[label, 0] for label in labels)
    del records[second]
    records[third] = make_record(records[third].trial, Outcome(status="diverged", reason="loss is nan"))
    assert plot_table(build_table(plan, records), name, records=records)
    del records[first]
    assert plot_table(build_table(plan, records), name, records=records)


@pytest.mark.parametrize("name", PLOTS)
def test_plots_of_no_record_at_all_are_drawn(window_plan, name):
    assert plot_table(build_table(window_plan, {}), name, records={})


@pytest.mark.parametrize("count", [2, 8])
def test_a_plot_of_an_exploratory_table_says_so_and_why(make_plan, make_records, count):
    plan = make_plan(
        [{"label": f"row {n}", "set": {"lr": 0.1 + n}} for n in range(count)], seeds=range(4), title="t" * 200
    )
    records = make_records(plan)
    table = build_table(plan, records)
    marked = table.model_copy(update={"exploratory": True})
    grid = grid_table(3, 2, "level {}").model_copy(update={"exploratory": True})
    with canvas.drawing():
        for figure in (*draw_all(marked, records, PlotLook()), draw_effects(grid, PlotLook())):
            check_texts(figure)
            title, below = figure.get_suptitle().split("\n")[0], figure.get_suptitle().split("\n")[-1]
            assert title.startswith("Exploratory: ")
            assert below == "results were known when the study was fixed or changed, or rows were tried before"
            bottom = figure.texts[0].get_window_extent().y0
            assert all(axes.get_tightbbox().y1 <= bottom for axes in figure.axes if axes.get_visible())
        assert "xploratory" not in draw_forest(table, 2, PlotLook()).get_suptitle()


def test_many_rows_make_a_plot_higher(make_plan, make_records):
    heights = []
    for count in (2, 20):
        plan = make_plan([{"label": f"row {n}", "set": {"lr": 0.1 + n}} for n in range(count)], seeds=[0])
        records = make_records(plan)
        root = ElementTree.fromstring(plot_table(build_table(plan, records), "seeds", records=records))
        heights.append(float(root.attrib["height"].removesuffix("pt")))
    assert heights[1] > 3 * heights[0]


def test_drawing_leaves_the_settings_of_matplotlib_alone(drawn):
    before = dict(matplotlib.rcParams)
    plot_of(drawn, "seeds")
    assert dict(matplotlib.rcParams) == before


def test_of_a_long_label_the_middle_is_left_out(drawn):
    text = canvas.wrapped("begin " + "x" * 200 + " end", suffix=" (baseline)")
    assert text.startswith("begin")
    assert text.endswith("end (baseline)")
    assert text.count("\n") < canvas.LABEL_LINES


def boxes_along(axis: Axis) -> list[Bbox]:
    """Where the labels of an axis are, in pixels."""
    low, high = sorted(axis.get_view_interval())
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high and tick.label1.get_visible()]
    return [tick.label1.get_window_extent() for tick in ticks if tick.label1.get_text()]


def check_texts(figure: Figure) -> None:
    """No label along an axis touches another, and all that is written is inside of the picture."""
    FigureCanvasAgg(figure).draw()
    shown = [axes for axes in figure.axes if axes.get_visible() and axes.axison]
    texts = [text for one in (figure, *shown) for text in one.texts]
    texts += [text for axes in shown for text in (axes.title, axes.xaxis.label, axes.yaxis.label)]
    boxes = [one.get_window_extent() for one in (*figure.findobj(Legend), *(text for text in texts if text.get_text()))]
    for axis in (axis for axes in shown for axis in (axes.xaxis, axes.yaxis)):
        found = boxes_along(axis)
        assert not [pair for pair in combinations(found, 2) if pair[0].overlaps(pair[1])]
        boxes += found
    width, height = figure.canvas.get_width_height()
    outside = [box for box in boxes if min(box.x0, box.y0) < -1 or box.x1 > width + 1 or box.y1 > height + 1]
    assert not outside


def draw_all(table: Table, records: Mapping[str, TrialRecord], look: PlotLook) -> Iterator[Figure]:
    """The plots that every table has."""
    yield draw_forest(table, 2, look)
    yield draw_seeds(table, look)
    yield draw_curves(table, records, look)


LONG = "a rather long label that has sixty characters, it is no {:02d}"


@pytest.mark.parametrize("count", [2, 8, 30])
@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize("look", [PlotLook(), PlotLook(3.25, "Times", has_title=False), PlotLook(3.25), PlotLook(5)])
def test_texts_do_not_touch_and_are_inside_of_the_picture(make_plan, make_records, count, is_long, look):
    labels = [LONG.format(n) if is_long else f"row {n}" for n in range(count)]
    rows = [{"label": label, "set": {"lr": 0.1 + n}} for n, label in enumerate(labels)]
    plan = make_plan(rows, seeds=range(8), table={"margin": 0.6})
    records = make_records(plan)
    table = build_table(plan, records)
    with canvas.drawing(look):
        for figure in draw_all(table, records, look):
            check_texts(figure)


@pytest.mark.parametrize(("levels", "factors"), [(2, 2), (3, 3), (8, 2), (12, 2), (20, 1), (60, 1)])
@pytest.mark.parametrize("label", ["{}", "level {}", LONG, "W" * 60 + "{}"])
@pytest.mark.parametrize("look", [PlotLook(), PlotLook(3.25, has_title=False)])
def test_levels_do_not_touch_and_are_inside_of_the_picture(levels, factors, label, look):
    table = grid_table(levels, factors, label)
    with canvas.drawing(look):
        figure = draw_effects(table, look)
        check_texts(figure)
        keys = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert keys == ["95 % t interval"]


def grid_table(levels: int, factors: int, label: str) -> Table:
    """A table with the effects of factors that have so many levels each."""
    names = [f"{label.format(n)} factor" for n in range(factors)]
    known = {name: [label.format(level) for level in range(levels)] for name in names}
    pairs = list(combinations(names, 2)) or [(names[0],)]
    means = [
        LevelMean(levels=dict(zip(pair, cell, strict=True)), mean=10 + hash_of(cell), low=9.5, high=11.5)
        for pair in pairs
        for cell in product(*(known[name] for name in pair))
    ]
    shares = [Effect(factors=list(pair), share=0.3, low=None, high=None, p=None, p_adj=None) for pair in pairs]
    effects = Effects(method="anova", effects=shares, higher=0, residual=0.1, means=means, notes=[])
    return Table(
        study="grid", scale=None, seeds=[0], metric="top1_error_pct", metrics=[], lower_is_better=True,
        directions={"top1_error_pct": True}, provisional=False, factors=known, effects=effects, columns=[], rows=[],
        notes=[],
    )  # fmt: skip


def hash_of(cell: tuple[str, ...]) -> float:
    return crc32(repr(cell).encode()) % 100 / 100


def test_the_marks_of_a_forest_tell_every_decision_apart_by_their_shape(make_plan, make_records):
    plan = make_plan(
        [{"label": label, "set": {"lr": 0.1 + n}} for n, label in enumerate("abcd")],
        seeds=range(8), table={"margin": 0.5},
    )  # fmt: skip
    table = build_table(plan, make_records(plan, [20, 19, 20.05, 20.9], noise=0.15))
    noisy = make_records(plan, [20, 19, 20.05, 20.9], noise=1.5)
    open_table = build_table(plan, noisy)
    assert {row.cells[table.metric].decision for row in table.rows} == {"baseline", "better", "equivalent", "worse"}
    assert "undecided" in {row.cells[table.metric].decision for row in open_table.rows}
    shapes, labels = {}, set()
    for drawn in (table, open_table):
        with canvas.drawing():
            figure = draw_forest(drawn, 2, PlotLook())
        for line in figure.legends[0].legend_handles:
            labels.add(line.get_label())
            if isinstance(line, Line2D) and line.get_marker() not in ("", "None"):
                shapes[line.get_label()] = (line.get_marker(), line.get_markerfacecolor() == "white")
    assert shapes == {"better or worse": ("o", False), "equivalent": ("s", False), "undecided": ("o", True)}
    assert labels - set(shapes) == {"95 % t interval", "simultaneous interval", "margin ±0.5"}


def test_an_unknown_plot_or_format_names_the_nearest(drawn):
    with pytest.raises(TableError, match="no plot 'forrest'; did you mean 'forest'"):
        plot_of(drawn, "forrest")
    with pytest.raises(TableError, match="no plot format 'gif'; allowed: svg, png, pdf"):
        plot_of(drawn, "forest", "gif")


def test_panels_of_curves_have_the_same_limits_without_asking_each_other(make_plan, make_records):
    plan = make_plan([{"label": f"row {n}", "set": {"lr": 0.1 + n}} for n in range(9)])
    records = make_records(plan, [10.0 * n for n in range(9)])
    with canvas.drawing():
        panels = [axes for axes in draw_curves(build_table(plan, records), records, PlotLook()).axes if axes.lines]
    assert len(panels) == 9
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in panels}) == 1
    assert all(len(axes.get_shared_y_axes().get_siblings(axes)) == 1 for axes in panels)


@pytest.mark.parametrize("name", ["forest", "seeds", "curves"])
@pytest.mark.parametrize("sizes", [(1.7e308, -1.7e308), (9e149, -9e149), (5e-324, 0.0), (1.0, 1e-300)])
def test_numbers_of_any_size_are_drawn(make_plan, make_records, make_record, name, sizes):
    plan = make_plan([{"label": "a"}, {"label": "b", "set": {"lr": 0.2}}], seeds=[0, 1], table={"margin": 1.7e308})
    records = {
        key: make_record(
            trial,
            Outcome(status="succeeded", metrics={plan.metric: sizes[trial.seed]}),
            [EpochMetrics(step=at, steps=2, epoch=at, metrics={plan.metric: sizes[at]}) for at in (0, 1)],
        )
        for key, trial in plan.trials.items()
    }
    ElementTree.fromstring(plot_table(build_table(plan, records), name, records=records))


@pytest.mark.parametrize("name", PLOTS)
def test_a_metric_of_any_name_is_written_in_characters_of_the_font(name):
    table = grid_table(3, 2, "level {}")
    metric = "$x^$ \u7cbe\u5ea6\x1b " + "m" * 300
    rows = [row.model_copy(update={"cells": {metric: row.cells[table.metric]}}) for row in table.rows]
    hostile = table.model_copy(update={"metric": metric, "directions": {metric: True}, "rows": rows})
    assert plot_table(hostile, name).startswith(b"<?xml")


def test_a_very_long_word_is_fitted_at_once():
    began = time.process_time()
    assert fonts.text_width_in(canvas.fitted("w" * 200_000, 2.0, 8), 8) <= 2.0
    assert time.process_time() - began < 2
