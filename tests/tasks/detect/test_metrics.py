"""COCO's average precision: what it has to be, and that pycocotools agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ablate.tasks.detect.annotations import Annotations
from ablate.tasks.detect.metrics import METRICS, Detections, average_precision

CATEGORIES = ("top", "shoe", "bag", "never seen")


def annotate(*images: tuple[list[list[float]], list[int]], crowd: tuple[int, ...] = ()) -> Annotations:
    """Images with these boxes (left, top, width, height) and labels; `crowd` are numbers of annotations."""
    boxes = np.array([box for those, _ in images for box in those], dtype=np.float64).reshape(-1, 4)
    labels = np.array([label for _, those in images for label in those], dtype=np.int64)
    return Annotations(
        folder=Path("images"),
        file=Path("instances.json"),
        categories=CATEGORIES,
        category_ids=(1, 2, 3, 4),
        image_ids=np.arange(len(images)) * 7 + 3,
        names=np.array([b"x.jpg"] * len(images)),
        sizes=np.full((len(images), 2), 300),
        starts=np.cumsum([0, *(len(those) for _, those in images)]),
        boxes=boxes,
        labels=labels,
        areas=boxes[:, 2] * boxes[:, 3] * 0.7,
        is_crowd=np.isin(np.arange(len(labels)), crowd),
    )


def corners(boxes: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def the_truth(truth: Annotations) -> list[Detections]:
    parts = [truth.of(index) for index in range(len(truth))]
    return [Detections(corners(truth.boxes[p]), truth.labels[p], np.ones(p.stop - p.start)) for p in parts]


NOTHING = Detections(np.empty((0, 4)), np.empty(0, dtype=int), np.empty(0))
SMALL, MEDIUM, LARGE = [10, 10, 20, 20], [50, 50, 60, 60], [100, 100, 150, 150]
TRUTH = annotate(([SMALL, MEDIUM], [0, 1]), ([], []), ([LARGE, SMALL, MEDIUM], [0, 1, 2]))


def test_a_detector_that_answers_the_truth_has_100() -> None:
    assert average_precision(TRUTH, the_truth(TRUTH)) == pytest.approx(dict.fromkeys(METRICS, 100.0))


def test_one_that_finds_nothing_has_0() -> None:
    assert average_precision(TRUTH, [NOTHING] * 3) == dict.fromkeys(METRICS, 0.0)


def test_one_that_is_always_in_the_wrong_class_or_place_has_0() -> None:
    wrong = [Detections(one.boxes, (one.labels + 1) % 3, one.scores) for one in the_truth(TRUTH)]
    assert average_precision(TRUTH, wrong)["map_pct"] < 20
    aside = [Detections(one.boxes + 151, one.labels, one.scores) for one in the_truth(TRUTH)]
    assert average_precision(TRUTH, aside) == dict.fromkeys(METRICS, 0.0)


def test_a_range_of_sizes_without_objects_has_no_number() -> None:
    truth = annotate(([SMALL, MEDIUM], [0, 1]))
    assert set(average_precision(truth, the_truth(truth))) == set(METRICS) - {"apl_pct"}
    assert set(average_precision(truth, [NOTHING])) == set(METRICS) - {"apl_pct"}


def test_images_without_any_object_have_no_number_at_all() -> None:
    assert average_precision(annotate(([], [])), [NOTHING]) == {}


def test_an_overlap_counts_up_to_its_threshold() -> None:
    truth = annotate(([[0, 0, 100, 100]], [0]))
    shifted = [Detections(np.array([[0, 0, 100, 78]]), np.array([0]), np.array([0.9]))]  # intersection over union .78
    found = average_precision(truth, shifted)
    assert found == pytest.approx({"map_pct": 60, "ap50_pct": 100, "ap75_pct": 100, "apm_pct": 60})


def test_sizes_are_told_by_the_area_of_the_mask() -> None:
    truth = annotate(([[0, 0, 100, 100]], [0]))  # its mask has 7000 pixels, below 96^2
    assert "apm_pct" in average_precision(truth, the_truth(truth))


def test_detections_in_a_crowd_count_neither_way() -> None:
    truth = annotate(([SMALL, [80, 80, 120, 120]], [0, 0]), crowd=(1,))
    crowded = np.array([[10, 10, 30, 30], [90, 90, 120, 120], [100, 100, 140, 150]])
    found = [Detections(crowded, np.zeros(3, dtype=int), np.array([0.5, 0.9, 0.8]))]
    assert average_precision(truth, found)["map_pct"] == pytest.approx(100)


def random_case(seed: int) -> tuple[Annotations, list[Detections]]:
    rng = np.random.default_rng(seed)
    images, found = [], []
    for _ in range(25):
        count = int(rng.integers(0, 8))
        boxes = np.concatenate([rng.uniform(0, 150, (count, 2)), rng.uniform(5, 150, (count, 2))], axis=1).round(2)
        labels = rng.integers(0, 3, count)
        images.append((boxes.tolist(), labels.tolist()))
        strays = np.concatenate([rng.uniform(0, 180, (3, 2)), rng.uniform(5, 120, (3, 2))], axis=1)
        guessed = np.concatenate([boxes + rng.normal(0, 5, boxes.shape), strays])
        guessed[:, 2:] = guessed[:, 2:].clip(1)
        names = np.concatenate([labels, rng.integers(0, 4, 3)])
        found.append(Detections(corners(guessed), names, rng.uniform(0, 1, len(names)).round(2)))
    return annotate(*images, crowd=tuple(rng.integers(0, 50, 4).tolist())), found


@pytest.mark.parametrize("seed", range(8))
def test_pycocotools_gives_the_same_numbers(seed: int) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = random_case(seed)
    annotations, detections = [], []
    for index, image_id in enumerate(truth.image_ids.tolist()):
        for place in range(*truth.of(index).indices(len(truth.labels))):
            annotations.append(
                {
                    "id": place + 1, "image_id": image_id, "category_id": int(truth.labels[place]),
                    "bbox": truth.boxes[place].tolist(), "area": float(truth.areas[place]),
                    "iscrowd": int(truth.is_crowd[place]),
                }
            )  # fmt: skip
        for box, label, score in zip(found[index].boxes, found[index].labels, found[index].scores, strict=True):
            bbox = [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]
            one = {"image_id": image_id, "category_id": int(label), "bbox": bbox, "score": float(score)}
            detections.append(one)
    theirs = COCO()
    theirs.dataset = {
        "images": [{"id": image_id} for image_id in truth.image_ids.tolist()],
        "categories": [{"id": label, "name": name} for label, name in enumerate(CATEGORIES)],
        "annotations": annotations,
    }
    theirs.createIndex()
    evaluation = COCOeval(theirs, theirs.loadRes(detections), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    expected = {name: 100 * value for name, value in zip(METRICS, evaluation.stats[:6], strict=True) if value != -1}
    assert len(expected) >= 5
    assert average_precision(truth, found) == pytest.approx(expected, abs=1e-9)


def test_the_order_of_equal_images_and_the_scale_of_scores_change_nothing() -> None:
    truth, found = random_case(0)
    order = np.random.default_rng(1).permutation(len(truth))
    ours = average_precision(truth, found)
    halved = [Detections(one.boxes, one.labels, one.scores / 2) for one in found]
    assert average_precision(truth, halved) == ours
    distinct = [Detections(one.boxes, one.labels, one.scores + 1e-6 * place) for place, one in enumerate(found)]
    assert average_precision(truth.take(order), [distinct[place] for place in order]) == pytest.approx(
        average_precision(truth, distinct)
    )


def test_missing_images_and_infinite_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="detections of 2 images are given, but 3 images are annotated"):
        average_precision(TRUTH, [NOTHING] * 2)
    broken = Detections(np.array([[0, 0, np.nan, 5]]), np.array([0]), np.array([0.5]))
    with pytest.raises(ValueError, match="not finite"):
        average_precision(TRUTH, [broken, NOTHING, NOTHING])
