from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import combinations

import pytest

from ablate.errors import TableError
from ablate.paper.published import load_published
from ablate.study.paper_tables import list_tables
from ablate.study.plan import plan_document
from ablate.tables.build import build_table
from ablate.tables.gains import ACTIVATIONS, TASKS, collect_gains
from ablate.tables.plots import canvas
from ablate.tables.plots.gains import draw_gains
from ablate.tables.plots.plot import plot_gains

NAMES = {"ReLU": "relu", "PReLU": "prelu", "Swish": "swish", "FReLU": "frelu"}


@pytest.fixture
def tables(make_plan, make_records):
    """Table 1's rows of ResNet-50 with their errors, and a detection table whose metric is better when higher."""

    def build(metric, prefix, levels, *, baseline="ReLU", seeds=range(8)):
        rows = [
            {"label": f"{prefix}{name}", "set": {"activation": activation}, "baseline": name == baseline}
            for name, activation in NAMES.items()
        ]
        plan = make_plan(rows, metric=metric, seeds=seeds)
        return build_table(plan, make_records(plan, levels, noise=0.05))

    return build


def test_a_gain_is_what_is_better_than_relu_whichever_way_the_metric_goes(tables):
    levels = (24.0, 23.7, 24.5, 22.4)
    error, precision = tables("top1_error_pct", "resnet50 / ", levels), tables("map_pct", "resnet50 / ", levels)
    classification, detection, segmentation = collect_gains({"T1": error, "T3": precision}, load_published())
    assert [task.task for task in (classification, detection, segmentation)] == list(TASKS)
    for task in (classification, detection):  # the precision is 100 less the error, so both gain the same
        assert list(task.ours) == list(ACTIVATIONS)
        assert task.ours["FReLU"].mean == pytest.approx(1.6, abs=0.15)
        assert task.ours["Swish"].mean == pytest.approx(-0.5, abs=0.15)
        for gain in task.ours.values():
            assert gain.low < gain.mean < gain.high
            assert gain.n == 8
    row = error.row("resnet50 / FReLU").cells["top1_error_pct"].diff
    gain = classification.ours["FReLU"]
    assert (gain.mean, gain.low, gain.high) == (-row.mean, -row.high, -row.low)
    assert segmentation.ours == {}


def test_the_printed_gains_are_those_of_the_figure():
    printed = {task.task: task.printed for task in collect_gains({}, load_published())}
    assert printed == {
        "classification": {"PReLU": 0.3, "Swish": 0.5, "FReLU": 1.6},
        "detection": {"PReLU": 0.1, "Swish": 0.6, "FReLU": 1.4},
        "segmentation": {"PReLU": 0.0, "Swish": 0.3, "FReLU": 1.7},
    }


def test_a_table_that_compares_with_something_else_than_relu_has_no_gains(tables):
    table = tables("top1_error_pct", "resnet50 / ", (24.0, 23.7, 23.5, 22.4), baseline="FReLU")
    assert collect_gains({"T1": table}, load_published())[0].ours == {}


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(8), range(1)])
def test_the_same_gains_give_the_same_picture_with_and_without_tables(tables, seeds):
    table = tables("top1_error_pct", "resnet50 / ", (24.0, 23.7, 23.5, 22.4), seeds=seeds)
    for gains in (collect_gains({"T1": table}, load_published()), collect_gains({}, load_published())):
        picture = plot_gains(gains, "mini")
        assert picture == plot_gains(gains, "mini")
        ElementTree.fromstring(picture)
        assert plot_gains(gains, "mini", "png").startswith(b"\x89PNG")
    with pytest.raises(TableError, match="no plot format 'gif'; allowed: svg, png"):
        plot_gains([], "mini", "gif")


def test_no_two_texts_of_the_picture_lie_over_each_other(tables):
    near = tables("top1_error_pct", "resnet50 / ", (24.0, 23.7, 23.5, 22.4)).model_copy(update={"exploratory": True})
    far = tables("map_pct", "resnet50 / ", (24.0, 32.0, 33.0, 34.0))
    with canvas.drawing():
        figure = draw_gains(collect_gains({"T1": near, "T3": far}, load_published()), "mini")
        figure.canvas.draw()
        boxes = [text.get_window_extent() for axes in figure.axes for text in axes.texts]
    assert len(boxes) > 12
    assert not [(one, other) for one, other in combinations(boxes, 2) if one.overlaps(other)]


def test_an_exploratory_table_shows_no_gain_as_decided_and_the_picture_says_so(tables):
    table = tables("top1_error_pct", "resnet50 / ", (24.0, 23.7, 23.5, 22.4))
    for changed, is_decided in ((table, True), (table.model_copy(update={"exploratory": True}), False)):
        gains = collect_gains({"T1": changed}, load_published())
        assert gains[0].ours["FReLU"].is_decided == is_decided
        assert [task.exploratory for task in gains] == [not is_decided, False, False]
        with canvas.drawing():
            figure = draw_gains(gains, "mini")
        caption = next(text.get_text() for text in figure.axes[0].texts if "Table 1" in text.get_text())
        title = "Exploratory (classification): results were known when the study was fixed or changed"
        assert (
            (title in figure.get_suptitle().replace("\n", " ")) == caption.endswith("\nexploratory") == (not is_decided)
        )
        legend = [text.get_text() for text in figure.legends[0].get_texts()]
        assert ("decided" in legend) == is_decided


def test_the_rows_of_the_figure_are_in_the_studies_of_its_tables():
    studies = {table.id: plan_document(dict(table.document)) for table in list_tables()}
    for table_id, prefix in TASKS.values():
        labels = [row.label for row in studies[table_id].rows]
        assert {f"{prefix}{name}" for name in (*ACTIVATIONS, "ReLU")} <= set(labels), table_id
