"""Intersection over union from a confusion matrix, against counting pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ablate.tasks.segment.metrics import CLASSES, IGNORED, METRICS, count_confusion, intersection_over_union

NAMES = ("a", "b", "c", "d")
TRUE = st.sampled_from([0, 1, 2, 3, IGNORED])


def maps(values: st.SearchStrategy[int]) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.uint8, (3, 4, 5), elements=values, fill=st.nothing())


@given(maps(TRUE), maps(TRUE))
def test_it_is_what_counting_pixel_by_pixel_gives(truth: np.ndarray, predicted: np.ndarray) -> None:
    expected = {}
    for label, name in enumerate(NAMES):
        pixels = [(t, p) for t, p in zip(truth.flat, predicted.flat, strict=True) if t != IGNORED]
        both = sum(t == p == label for t, p in pixels)
        either = sum(t == label or p == label for t, p in pixels)
        if either:
            expected[f"iu_{name}_pct"] = 100 * both / either
    confusion = sum(count_confusion(t, p, 4) for t, p in zip(truth, predicted, strict=True))
    if not expected:
        with pytest.raises(ValueError, match="no pixel has a class"):
            intersection_over_union(confusion, NAMES)
        return
    expected["mean_iu_pct"] = sum(expected.values()) / len(expected)
    assert intersection_over_union(confusion, NAMES) == pytest.approx(expected)


@given(maps(TRUE))
def test_the_truth_has_100_and_no_answer_has_0(truth: np.ndarray) -> None:
    if not (truth != IGNORED).any():
        return
    right = intersection_over_union(count_confusion(truth, truth, 4), NAMES)
    assert set(right.values()) == {100.0}
    assert len(right) == 1 + len(set(truth.flat) - {IGNORED})
    nothing = intersection_over_union(count_confusion(truth, np.full_like(truth, IGNORED), 4), NAMES)
    assert nothing == dict.fromkeys(right, 0.0)


def test_ignored_pixels_count_nowhere_whatever_is_predicted_there() -> None:
    truth, predicted = np.array([0, 0, IGNORED, IGNORED]), np.array([0, 1, 1, 0])
    counts = count_confusion(truth, predicted, 2)
    assert counts.tolist() == [[1, 1, 0], [0, 0, 0]]
    assert intersection_over_union(counts, ("a", "b")) == {"mean_iu_pct": 25.0, "iu_a_pct": 50.0, "iu_b_pct": 0.0}


def test_a_class_that_occurs_nowhere_is_no_part_of_the_mean() -> None:
    truth = np.array([[0, 2], [2, 2]])
    found = intersection_over_union(count_confusion(truth, truth))
    assert found == {"mean_iu_pct": 100.0, "iu_road_pct": 100.0, "iu_building_pct": 100.0}


def test_the_metrics_are_named_as_the_printed_table_has_them() -> None:
    assert METRICS[0] == "mean_iu_pct"
    assert len(METRICS) == 1 + len(CLASSES) == 20
    assert "iu_traffic_light_pct" in METRICS


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\), but the prediction has shape \(3,\)"):
        count_confusion(np.zeros(2, dtype=int), np.zeros(3, dtype=int))
    with pytest.raises(ValueError, match="the truth contains 0 to 19; allowed: 0 to 18, 255"):
        count_confusion(np.array([0, 19]), np.array([0, 0]))
