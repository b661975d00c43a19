from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest

from ablate.errors import TableError
from ablate.tables import canvas
from ablate.tables.build import build_table
from ablate.tables.plots import PLOTS, plot
from ablate.tables.published import load_published
from ablate.trial import Outcome


@pytest.fixture
def drawn(window_plan, make_records):
    records = make_records(window_plan)
    return build_table(window_plan, records, published=load_published().column("T7")), records, window_plan


@pytest.mark.parametrize("name", PLOTS)
def test_the_same_results_give_the_same_bytes(drawn, name):
    first = plot(*drawn, name)
    assert first == plot(*drawn, name)
    ElementTree.fromstring(first)
    assert b"<dc:date>" not in first


def test_a_picture_can_be_had_as_png(drawn):
    picture = plot(*drawn, "forest", "png")
    assert picture.startswith(b"\x89PNG")
    assert picture == plot(*drawn, "forest", "png")


@pytest.mark.parametrize("name", PLOTS)
def test_plots_survive_holes_one_seed_groups_and_hostile_labels(make_plan, make_records, make_record, name):
    labels = ["$x^$", "<script>&", "中文 🙂", "w" * 200, "a" * 15 + " " + "b" * 60]
    rows = [{"label": label, "group": "g_$1", "set": {"lr": 0.1 + index}} for index, label in enumerate(labels)]
    plan = make_plan(rows, seeds=[0], title="$\\frac{1}$ " + "t" * 200)
    records = make_records(plan)
    first, second, third, *_ = (plan.memberships[label, 0] for label in labels)
    del records[second]
    records[third] = make_record(records[third].trial, Outcome(status="diverged", reason="loss is nan"))
    assert plot(build_table(plan, records), records, plan, name)
    del records[first]
    assert plot(build_table(plan, records), records, plan, name)


@pytest.mark.parametrize("name", PLOTS)
def test_plots_of_no_record_at_all_are_drawn(window_plan, name):
    assert plot(build_table(window_plan, {}), {}, window_plan, name)


def test_many_rows_make_a_plot_higher(make_plan, make_records):
    heights = []
    for count in (2, 20):
        plan = make_plan([{"label": f"row {n}", "set": {"lr": 0.1 + n}} for n in range(count)], seeds=[0])
        records = make_records(plan)
        root = ElementTree.fromstring(plot(build_table(plan, records), records, plan, "seeds"))
        heights.append(float(root.attrib["height"].removesuffix("pt")))
    assert heights[1] > 3 * heights[0]


def test_drawing_leaves_the_settings_of_matplotlib_alone(drawn):
    before = dict(matplotlib.rcParams)
    plot(*drawn, "seeds")
    assert dict(matplotlib.rcParams) == before


def test_of_a_long_label_the_middle_is_left_out(drawn):
    text = canvas.wrapped("begin " + "x" * 200 + " end", suffix=" (baseline)")
    assert text.startswith("begin")
    assert text.endswith("end (baseline)")
    assert text.count("\n") < canvas.LABEL_LINES


def test_an_unknown_plot_or_format_names_the_nearest(drawn):
    with pytest.raises(TableError, match="no plot 'forrest'; did you mean 'forest'"):
        plot(*drawn, "forrest")
    with pytest.raises(TableError, match="no plot format 'gif'; allowed: svg, png"):
        plot(*drawn, "forest", "gif")
