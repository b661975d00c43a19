"""The folders have the formats that they claim: read by pycocotools and torchvision, and by our readers alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import Cityscapes, CocoDetection

from ablate.data.scenes.garments import KINDS
from ablate.tasks.detect.annotations import read_annotations
from ablate.tasks.detect.examples import read_example
from ablate.tasks.segment import examples as streets


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11, decode
@pytest.mark.parametrize("split", ["train", "val"])
def test_pycocotools_finds_boxes_and_areas_to_be_those_of_the_masks(coco: Path, split: str) -> None:
    file = coco / "annotations" / f"instances_{split}2017.json"
    data = CocoDetection(coco / f"{split}2017", str(file))
    assert len(data) == len(json.loads(file.read_text())["images"])
    for image, listed in (data[index] for index in range(len(data))):
        covered = np.zeros(image.size[::-1], dtype=int)
        for one in listed:
            mask = data.coco.annToMask(one)
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            extent = int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)
            assert one["bbox"] == [columns[0], rows[0], *extent]
            assert one["area"] == mask.sum()
            covered += mask
        assert covered.max() <= 1


def test_objects_of_every_kind_are_small_medium_and_large(coco: Path) -> None:
    found = read_annotations(coco, train=True)
    assert found.categories == tuple(kind.name for kind in KINDS)
    bins = np.digitize(found.areas, [32**2, 96**2])
    assert set(bins) == {0, 1, 2}
    assert set(found.labels) == set(range(len(KINDS)))
    per_image = np.diff(found.starts)
    assert per_image.max() >= 6


def test_our_reader_sees_in_the_miniature_what_torchvision_sees(coco: Path) -> None:
    found = read_annotations(coco, train=False)
    data = CocoDetection(coco / "val2017", str(coco / "annotations" / "instances_val2017.json"))
    for index, (image, listed) in enumerate(data[number] for number in range(len(data))):
        pixels, objects = read_example(found, index)
        assert np.array_equal(pixels.permute(1, 2, 0).numpy(), np.asarray(image))
        boxes = [[*one["bbox"][:2], one["bbox"][0] + one["bbox"][2], one["bbox"][1] + one["bbox"][3]] for one in listed]
        assert objects.boxes.tolist() == boxes
        assert objects.labels.tolist() == [one["category_id"] - 1 for one in listed]


def test_torchvision_reads_the_streets_with_every_pixel_labelled(cityscapes: Path) -> None:
    seen = set()
    for split in ("train", "val"):
        data = Cityscapes(cityscapes, split=split, mode="fine", target_type=["semantic", "instance"])
        for image, (labels, instances) in (data[index] for index in range(len(data))):
            labels, instances = np.asarray(labels), np.asarray(instances)
            assert labels.shape == instances.shape == image.size[::-1] == (96, 192)
            assert np.array_equal(np.where(instances < 1000, instances, instances // 1000), labels)
            seen |= set(labels.ravel().tolist())
    assert seen == {1, 7, 8, 11, 21, 22, 23} | {kind.city_label for kind in KINDS}


def test_our_reader_gives_train_ids_of_the_streets(cityscapes: Path) -> None:
    pairs = streets.list_pairs(cityscapes, train=True)
    assert len(pairs) == 24
    image, train_ids = streets.read_example(pairs[0])
    assert (image.shape, image.dtype) == ((3, 96, 192), torch.uint8)
    assert (train_ids.shape, train_ids.dtype) == ((96, 192), torch.uint8)
    assert train_ids[-6:].eq(255).all()  # the bonnet
    assert train_ids[:-6].le(18).all()
