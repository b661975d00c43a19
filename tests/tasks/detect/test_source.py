"""Batches of detection: one order and mirroring however images come, boxes on their objects, sizes as asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ablate.errors import DataError
from ablate.recipes.scenes import BackboneTraining, DetectRecipe
from ablate.tasks.detect import source as coco_source
from ablate.tasks.detect.resize import PAD_TO, fitted_size, mirror, stack
from ablate.tasks.detect.source import CocoSource
from ablate.training.determinism import Streams
from tests.coco_folders import OBJECT, put_coco

SIZES = [(60, 40), (30, 50), (40, 40), (90, 30), (64, 64), (50, 80)]
"""Width and height of the images of a folder."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with a folder `coco` of images of many sizes, in each a bright object on a dark background."""
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path))
    put_coco(tmp_path / "coco", SIZES)
    return tmp_path / "coco"


def source_of(seed: int = 0, **fields: object) -> CocoSource:
    recipe = DetectRecipe(**{"dataset": "coco", "resolution_px": 64, "batch_size": 3, **fields})
    return CocoSource(recipe, Streams(seed))


def take_epoch(source: CocoSource) -> None:
    for step in range(source.order.steps_per_epoch):
        source.batch(step)


def brightness_in_boxes(inputs: Tensor, objects: list[coco_source.Objects]) -> list[tuple[float, float]]:
    """For each image the mean inside the one box that it has, and of a ring of two pixels around it."""
    found = []
    for image, one in zip(inputs.mean(1), objects, strict=True):
        (left, top, right, bottom) = one.boxes[0].round().int().tolist()
        inside = image[top + 1 : bottom - 1, left + 1 : right - 1]
        wider, box = image[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2], image[top:bottom, left:right]
        found.append((float(inside.mean()), float((wider.sum() - box.sum()) / (wider.numel() - box.numel()))))
    return found


@pytest.mark.parametrize(("augment", "mirrored"), [("none", {False}), ("flip", {False, True})])
def test_boxes_stay_on_their_objects_through_scaling_mirroring_and_padding(
    root: Path, augment: str, mirrored: set[bool]
) -> None:
    source = source_of(augment=augment)
    seen = set()
    for step in range(8):
        inputs, objects = source.batch(step)
        assert inputs.shape[0] == 3
        assert all(side % PAD_TO == 0 for side in inputs.shape[2:])
        assert all(inside > 2 > 0 > around for inside, around in brightness_in_boxes(inputs, objects))
        for one in objects:  # the object lies left of the middle in every stored image
            width = fitted_size(*reversed(SIZES[one.image_id - 1]), 64)[1]
            seen.add(bool(one.boxes[0, [0, 2]].mean() > width / 2))
    assert seen == mirrored


def test_the_shorter_side_is_as_asked_unless_the_longer_one_would_be_too_long() -> None:
    assert fitted_size(480, 640, 600) == (600, 800)
    assert fitted_size(640, 480, 800) == (1067, 800)
    assert fitted_size(100, 1000, 600) == (100, 1000)  # 1333 / 800 x 600 is 999.75
    assert fitted_size(333, 500, 0) == (333, 500)


def test_without_a_size_a_set_is_trained_at_its_own() -> None:
    assert fitted_size(427, 640, 800) == (800, 1199)


def test_an_image_is_normalised_and_padded_with_zeros() -> None:
    image = torch.full((3, 20, 40), 255, dtype=torch.uint8)
    batch = stack([image, image[:, :, :10]], (0.5, 0.25, 0.0), (0.5, 0.5, 1.0), channels_last=True)
    assert batch.shape == (2, 3, 32, 64)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch[0, :, :20, :40].unique(dim=1).unique(dim=2).squeeze().tolist() == pytest.approx([1.0, 1.5, 1.0])
    assert not batch[0, :, 20:].any()
    assert not batch[1, :, :, 10:].any()


def test_mirroring_twice_gives_the_image_and_its_boxes_back(root: Path) -> None:
    source = source_of(augment="none")
    inputs, (objects, *_) = source.batch(0)
    again, mirrored = mirror(*mirror(inputs[0], objects))
    assert torch.equal(again, inputs[0])
    assert torch.allclose(mirrored.boxes, objects.boxes)


def test_images_that_do_not_fit_in_memory_give_the_same_batches(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [source_of(seed=3).batch(step) for step in range(4)]
    held_tests = list(source_of(seed=3).test_batches())
    monkeypatch.setattr(coco_source, "HELD_LIMIT_BYTES", 0)
    source = source_of(seed=3)
    assert list(source.ready(train=True)) == []
    for step in (0, 1, 3, 2):  # also asked for out of order
        inputs, objects = source.batch(step)
        assert torch.equal(inputs, held[step][0])
        assert [one.boxes.tolist() for one in objects] == [one.boxes.tolist() for one in held[step][1]]
    for ours, theirs in zip(source.test_batches(), held_tests, strict=True):
        assert torch.equal(ours.inputs, theirs.inputs)
        assert (ours.indices, ours.size) == (theirs.indices, theirs.size)
    source.close()


@pytest.mark.parametrize("place", range(3))
def test_a_part_of_a_batch_is_that_part_of_the_whole_one(root: Path, place: int) -> None:
    """Also in what is padded: a rank's part has the size of the whole batch, as one process would train it."""
    inputs, objects = source_of().batch(1)
    alone, _ = source_of().batch(1, slice(place, place + 1))
    assert torch.equal(alone, inputs[place : place + 1])
    part, of_part = source_of().batch(1, slice(1, 3))
    assert torch.equal(part, inputs[1:3])
    assert [one.image_id for one in of_part] == [one.image_id for one in objects[1:3]]
    assert [one.boxes.tolist() for one in of_part] == [one.boxes.tolist() for one in objects[1:3]]


def test_pixels_are_as_those_that_the_backbone_was_trained_on(root: Path) -> None:
    backbone = BackboneTraining(dataset="digits", input_norm="none")
    inputs, _ = source_of(backbone=backbone).batch(0)
    assert inputs.min() == 0
    assert 240 < inputs.max() <= 255.01


def test_test_batches_have_images_of_one_size_and_hold_every_image_once(root: Path) -> None:
    batches = list(source_of().test_batches())
    assert sorted(index for batch in batches for index in batch.indices) == list(range(len(SIZES)))
    for batch in batches:
        assert {fitted_size(*reversed(SIZES[index]), 64) for index in batch.indices} == {batch.size}


def test_seeds_order_and_mirror_differently_and_draw_other_subsets_but_test_on_the_same(root: Path) -> None:
    one, other = (source_of(seed=seed, train_images=4, test_images=4) for seed in (0, 1))
    ids = [set(source.train.image_ids.tolist()) for source in (one, other)]
    assert ids[0] != ids[1]
    assert all(len(found) == 4 for found in ids)
    assert one.test.image_ids.tolist() == other.test.image_ids.tolist()
    assert not torch.equal(one.order.at(0), other.order.at(0)) or not torch.equal(one.order.at(1), other.order.at(1))


def test_groups_that_nobody_took_apart_are_not_trained_on(root: Path) -> None:
    put_coco(root, SIZES, crowd_in={1, 2, 3, 4, 5, 6})
    (root / "annotations" / "instances_val2017.json").touch()
    _, objects = source_of(augment="none").batch(0)
    assert [one.labels.tolist() for one in objects] == [[OBJECT]] * 3


@pytest.mark.parametrize("limit", [0, 1 << 30])
def test_a_damaged_image_is_named_however_it_is_read(root: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(coco_source, "HELD_LIMIT_BYTES", limit)
    path = root / "train2017" / "000000000004.jpg"
    path.write_bytes(path.read_bytes()[:200])
    source = source_of()
    with pytest.raises(DataError, match=r"train2017/000000000004\.jpg"):
        take_epoch(source)


def test_an_image_of_another_size_than_annotated_is_named(root: Path) -> None:
    Image.fromarray(np.zeros((9, 9, 3), dtype=np.uint8)).save(root / "train2017" / "000000000002.jpg")
    source = source_of()
    with pytest.raises(DataError, match=r"000000000002\.jpg has 9 x 9 px; .*instances_train2017\.json states 30 x 50"):
        take_epoch(source)


def test_what_cannot_be_trained_on_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"7 images requested, .*instances_train2017\.json lists 6; 0 takes all"):
        source_of(train_images=7)
    with pytest.raises(DataError, match="data set 'digits' is for the task classify, not detect"):
        source_of(dataset="digits")
    put_coco(root, SIZES, splits=("val",), categories=("person", "kite"))
    with pytest.raises(DataError, match="list different categories; they must be the same"):
        source_of()
