"""The history of a schedule: its numbers, its words and its picture."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ablate.errors import TableError
from ablate.tables.history import Heading, HistoryAlarm, alarm_sentence, build_history
from ablate.tables.plots import canvas
from ablate.tables.plots.history import CHANGED, CLOSED, OPEN, UNKNOWN, _x, draw_history
from ablate.tables.plots.plot import plot_history
from tests.tables.plots.test_plot import check_texts

START = datetime(2026, 1, 1, 2, tzinfo=UTC)
HEADING = Heading("nightly", "top1_error_pct", True)


def days(count):
    return [START + timedelta(days=day) for day in range(count)]


def firings(labels, count=30, seeds=3):
    rng = np.random.default_rng(0)
    return [
        (at, {label: {seed: 13.0 + rng.normal() for seed in range(seeds)} for label in labels}) for at in days(count)
    ]


def alarm(row, at, changed, **values):
    dates = days(max(at, changed) + 1)
    values = {"direction": "up", "size": 0.82} | values
    return HistoryAlarm(row=row, at=dates[at], changed_at=dates[changed], **values)


ALARMS = [alarm("B", 12, 9, acknowledged="new | data"), alarm("B", 25, 23), alarm("A", 25, 22, direction="down")]


@pytest.fixture
def two():
    return build_history(HEADING, firings(["A", "B"]), alarms=ALARMS, restarts=[START, days(14)[13]])


def test_a_point_is_the_mean_over_seeds_with_its_t_interval():
    history = build_history(HEADING, [(START, {"A": {0: 12.0, 1: 13.0, 2: 14.0}, "one": {0: 5.0}, "hole": {}})])
    (point,) = history.row("A").points
    assert (point.mean, point.n) == (13.0, 3)
    assert (point.low, point.high) == pytest.approx((13 - 4.302653 / 3**0.5, 13 + 4.302653 / 3**0.5), rel=1e-6)
    (single,) = history.row("one").points
    assert (single.mean, single.low, single.high) == (5.0, None, None)
    assert history.row("hole").points == []


def test_reference_windows_are_the_first_firings_from_each_restart_on_and_hold_until_the_next(two):
    first, second = two.row("A").windows
    dates = days(30)
    assert (first.first, first.last, first.until) == (dates[0], dates[3], dates[12])
    assert (second.first, second.last, second.until) == (dates[13], dates[16], dates[29])
    assert first.mean == pytest.approx(np.mean([point.mean for point in two.row("A").points[:4]]))


def test_a_window_that_is_not_full_and_a_schedule_without_one_have_none():
    made = firings(["A"], count=3)
    assert build_history(HEADING, made, restarts=[START]).row("A").windows == []
    assert build_history(HEADING, firings(["A"])).row("A").windows == []


def test_an_unknown_row_is_refused_with_the_nearest(two):
    with pytest.raises(TableError, match="no row 'C' in the history of 'nightly'; allowed: A, B"):
        two.row("C")


def test_an_alarm_in_words_says_what_changed_since_when_and_when_it_was_seen():
    assert alarm_sentence(ALARMS[2], 2) == "mean down about 0.82 since 2026-01-23, seen 2026-01-26"


def test_a_repetition_that_is_not_as_stored_has_no_size():
    told = alarm("A", 1, 1, direction=None, size=None)
    assert alarm_sentence(told, 2) == "not reproduced since 2026-01-02, seen 2026-01-02"


def test_an_alarm_of_lost_seeds_says_so():
    told = alarm("A", 3, 1, direction="lost", size=None)
    assert alarm_sentence(told, 2) == "more seeds lost since 2026-01-02, seen 2026-01-04"


@pytest.fixture
def lossy():
    """Row A loses a seed at the third firing and all seeds at the fourth; row B never has a number."""
    made = [(at, {"A": values["A"], "B": {}}) for at, values in firings(["A"], count=4)]
    made[3][1]["A"] = {}
    gone = {at: {"A": lost, "B": 3} for (at, _), lost in zip(made, (0, 0, 1, 3), strict=True)}
    marks = [alarm("A", 3, 2, direction="lost", size=None), alarm("A", 3, 2, acknowledged="new data")]
    return build_history(HEADING, made, lost=gone, alarms=marks, restarts=[START])


def test_a_firing_whose_seeds_were_lost_is_unknown_and_not_absent(lossy):
    assert [point.lost for point in lossy.row("A").points] == [0, 0, 1]
    assert lossy.row("A").unknown == days(4)[3:]
    assert (lossy.row("B").points, lossy.row("B").unknown) == ([], days(4))


def test_lost_seeds_are_marked_in_the_picture_and_its_legend(lossy):
    with canvas.drawing():
        figure = draw_history(lossy)
        check_texts(figure)
    first, _ = figure.axes
    third = [_x(days(3)[2])]
    assert [line.get_markerfacecolor() for line in first.lines if list(line.get_xdata()) == third] == ["white"]
    crosses = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in crosses] == [1, 0, 4], "the one in the middle is of the legend"
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"mean over the seeds that ended", "all seeds lost"} <= set(texts)


def looks(axes):
    """Line style and marker of every line drawn with data, which tell marks apart without colour."""
    return {(line.get_linestyle(), line.get_marker()) for line in axes.lines if len(line.get_xdata())}


def test_marks_are_told_apart_without_colour(two):
    made = (OPEN, CLOSED, CHANGED, UNKNOWN)
    assert len({(look["linestyle"], look.get("marker"), look.get("markerfacecolor")) for look in made}) == len(made)
    with canvas.drawing():
        first, second = draw_history(two).axes
    assert ("-", "v") in looks(first)
    assert (":", "v") not in looks(first)
    assert {("-", "v"), (":", "v"), ("--", "D")} <= looks(second)
    assert len(first.patches) == 2, "a shaded window each"


@pytest.mark.parametrize("count", [1, 4, 400])
@pytest.mark.parametrize("labels", [["A"], ["A", "B", "w" * 200, "$x^$ <&> 中文"]])
def test_texts_do_not_touch_and_are_inside_of_a_picture_as_narrow_as_a_telephone(count, labels):
    alarms = [alarm("A", count - 1, 0, size=123456.789)]
    made = build_history(
        Heading("n" * 60, "top1_error_pct", True), firings(labels, count), alarms=alarms, restarts=[START]
    )
    with canvas.drawing():
        figure = draw_history(made)
        check_texts(figure)
        width, _ = figure.get_size_inches()
        smallest = min(text.get_fontsize() for axes in figure.axes for text in (axes.title, *axes.get_xticklabels()))
    assert smallest / 72 * 390 / width >= 10, "CSS pixels of the smallest letters at 390"


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_the_same_history_gives_the_same_bytes(seeds):
    history = build_history(HEADING, firings(["A", "B"], seeds=seeds), alarms=ALARMS, restarts=[START])
    for row in (None, "B"):
        first = plot_history(history, row)
        assert first == plot_history(history, row)
        ElementTree.fromstring(first)
    assert plot_history(history, None, "png").startswith(b"\x89PNG")


def test_a_history_without_a_firing_is_drawn():
    empty = build_history(HEADING, [])
    assert plot_history(empty)
    with pytest.raises(TableError, match="no plot format 'gif'"):
        plot_history(empty, None, "gif")
