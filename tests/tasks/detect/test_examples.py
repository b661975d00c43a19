"""A COCO folder as it is distributed, in miniature: JPEG, ids with gaps, polygons and crowds; and damaged ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ablate.errors import DataError
from ablate.tasks.detect.annotations import MAX_BYTES, read_annotations
from ablate.tasks.detect.examples import find_objects, read_example

SIZES = {139: (60, 40), 285: (30, 50), 632: (40, 40)}
"""Image id -> width and height."""


def annotation(number: int, image_id: int, category_id: int, bbox: list[float], **more: Any) -> dict[str, Any]:
    left, top, width, height = bbox
    right, bottom = left + width, top + height
    return {
        "id": number, "image_id": image_id, "category_id": category_id, "bbox": bbox, "area": width * height / 2,
        "iscrowd": 0, "segmentation": [[left, top, right, top, right, bottom]], **more,
    }  # fmt: skip


@pytest.fixture
def document() -> dict[str, Any]:
    crowd = {"iscrowd": 1, "segmentation": {"counts": [0, 1500], "size": [50, 30]}}
    return {
        "info": {"description": "COCO 2017 Dataset", "year": 2017},
        "licenses": [],
        "images": [
            {"id": image_id, "file_name": f"{image_id:012d}.jpg", "width": width, "height": height, "license": 1}
            for image_id, (width, height) in reversed(SIZES.items())
        ],
        "categories": [
            {"supercategory": "vehicle", "id": 13, "name": "stop sign"},
            {"supercategory": "person", "id": 1, "name": "person"},
            {"supercategory": "animal", "id": 90, "name": "toothbrush"},
        ],
        "annotations": [
            annotation(31, 285, 90, [0.5, 2.25, 10, 20]),
            annotation(12, 139, 13, [50, 30, 12.5, 10.01]),
            annotation(900100000285, 285, 1, [0, 0, 30, 50], **crowd),
            annotation(7, 139, 1, [5, 6, 0, 4]),
        ],
    }


Write = Callable[[dict[str, Any]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a document and its images as the training split; returns the root."""

    def write(document: dict[str, Any]) -> Path:
        (tmp_path / "annotations").mkdir()
        (tmp_path / "annotations" / "instances_train2017.json").write_text(json.dumps(document))
        (tmp_path / "train2017").mkdir()
        rng = np.random.default_rng(0)
        for image_id, (width, height) in SIZES.items():
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "train2017" / f"{image_id:012d}.jpg")
        return tmp_path

    return write


def test_images_come_by_id_and_labels_count_the_categories_by_id(write: Write, document: dict[str, Any]) -> None:
    found = read_annotations(write(document), train=True)
    assert found.image_ids.tolist() == [139, 285, 632]
    assert found.categories == ("person", "stop sign", "toothbrush")
    assert found.category_ids == (1, 13, 90)
    assert found.sizes.tolist() == [[40, 60], [50, 30], [40, 40]]
    assert [found.labels[found.of(index)].tolist() for index in range(3)] == [[1, 0], [2, 0], []]
    assert found.is_crowd.tolist() == [False, False, False, True]
    assert found.boxes[0].tolist() == [50, 30, 12.5, 10.01]


def test_an_example_has_its_pixels_and_boxes_inside_of_it(write: Write, document: dict[str, Any]) -> None:
    found = read_annotations(write(document), train=True)
    image, objects = read_example(found, 0)
    assert (image.shape, image.dtype, objects.image_id) == ((3, 40, 60), torch.uint8, 139)
    assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(Image.open(found.path(0)).convert("RGB")))
    assert objects.boxes.tolist() == [[50, 30, 60, 40]]  # cut at the border; the one without width is left out
    assert objects.labels.tolist() == [1]
    assert objects.areas.tolist() == pytest.approx([12.5 * 10.01 / 2])
    _, objects = read_example(found, 1)
    assert objects.is_crowd.tolist() == [False, True]


def test_an_image_without_objects_has_empty_tensors_of_the_right_shape(write: Write, document: dict[str, Any]) -> None:
    objects = find_objects(read_annotations(write(document), train=True), 2)
    assert (objects.boxes.shape, objects.labels.shape, objects.areas.shape) == ((0, 4), (0,), (0,))
    assert (objects.boxes.dtype, objects.labels.dtype) == (torch.float32, torch.int64)


def test_a_part_keeps_each_image_with_its_own_annotations(write: Write, document: dict[str, Any]) -> None:
    found = read_annotations(write(document), train=True)
    part = found.take([2, 1])
    assert part.image_ids.tolist() == [632, 285]
    assert [part.labels[part.of(index)].tolist() for index in range(2)] == [[], [2, 0]]
    assert len(found.take([])) == 0
    assert found.take([]).boxes.shape == (0, 4)


def test_a_grey_image_has_three_channels(write: Write, document: dict[str, Any]) -> None:
    root = write(document)
    Image.new("L", (60, 40), 77).save(root / "train2017" / "000000000139.jpg")
    image, _ = read_example(read_annotations(root, train=True), 0)
    assert (image.shape, image.unique().tolist()) == ((3, 40, 60), [77])


def change(**parts: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.update(parts)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda d: d["annotations"][0].update(image_id=5),
            "annotation 31 refers to image 5, which the file does not list",
        ),
        (
            lambda d: d["annotations"][0].update(category_id=2),
            "annotation 31 refers to category 2; the file lists 1, 13, 90",
        ),
        (lambda d: d["annotations"][0].pop("bbox"), "annotation 31 has bbox None; expected: left, top, width, height"),
        (lambda d: d["annotations"][0].update(bbox=[1, 2, 3]), r"annotation 31 has bbox \[1, 2, 3\]; expected: left"),
        (lambda d: d["annotations"][0].update(bbox=[1, 2, -3, 4]), r"annotation 31 has bbox \[1, 2, -3, 4\]; expected"),
        (
            lambda d: d["annotations"][0].update(bbox=[1, 2, 3, float("nan")]),
            r"annotation 31 has bbox \[1, 2, 3, nan\]",
        ),
        (lambda d: d["annotations"][0].pop("area"), "is not in COCO's format: KeyError 'area'"),
        (lambda d: d["annotations"][0].pop("image_id"), "is not in COCO's format: KeyError 'image_id'"),
        (lambda d: d["images"][0].pop("width"), "is not in COCO's format: KeyError 'width'"),
        (change(annotations=[]), "lists no annotations; COCO's format has images, annotations and categories"),
        (change(images=[]), "annotation 12 refers to image 139|lists no images"),
        (lambda d: d.pop("categories"), "lists no categories"),
        (change(images=7), "is not in COCO's format: TypeError"),
        (lambda d: d["annotations"][0].update(bbox=[10**400, 2, 3, 4]), "annotation 31 has bbox"),
        (lambda d: d["annotations"][0].update(area=10**400), "is not in COCO's format: OverflowError"),
        (lambda d: d["annotations"][0].update(category_id="1"), "annotation 31 refers to category 1; the file lists"),
        (lambda d: d["annotations"][0].update(category_id=[1]), "is not in COCO's format: TypeError"),
        (lambda d: d["images"][0].update(id=float("inf")), "is not in COCO's format: OverflowError"),
        (lambda d: d["images"][0].update(height=2**64), "is not in COCO's format: OverflowError"),
        (lambda d: d["images"][0].update(file_name="x" * 1025), "has 1,025 bytes; allowed: 1,024"),
        (lambda d: d["images"][0].update(file_name="\ud800"), "is not in COCO's format: UnicodeEncodeError"),
        (lambda d: d["images"][0].update(file_name="\0.png"), "is missing"),
        (lambda d: d["images"][0].update(file_name="/dev/zero"), "/dev/zero is missing"),
    ],
)
def test_what_is_wrong_with_a_document_is_named_with_its_file(
    write: Write, document: dict[str, Any], damage: Callable[[dict[str, Any]], object], message: str
) -> None:
    damage(document)
    root = write(document)
    with pytest.raises(DataError, match=message) as caught:
        read_annotations(root, train=True)
    assert str(root / "annotations" / "instances_train2017.json") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b'{"images": [', "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[1, 2]", "COCO's format"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_a_file_that_is_no_document_is_named(
    write: Write, document: dict[str, Any], content: bytes, message: str
) -> None:
    root = write(document)
    file = root / "annotations" / "instances_train2017.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"{file.name} .*{message}"):
        read_annotations(root, train=True)


def test_an_annotation_file_that_is_no_file_or_too_large_is_refused(write: Write, document: dict[str, Any]) -> None:
    file = write(document) / "annotations" / "instances_train2017.json"
    with file.open("wb") as sparse:
        sparse.truncate(MAX_BYTES + 1)
    with pytest.raises(DataError, match=rf"^{file} has 536,870,913 bytes; allowed: 536,870,912"):
        read_annotations(file.parents[1], train=True)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(DataError, match=rf"^{file} is a FIFO"):
        read_annotations(file.parents[1], train=True)


def test_an_image_that_is_outside_of_the_folder_is_not_read(write: Write, document: dict[str, Any]) -> None:
    document["images"][0]["file_name"] = "../outside.png"
    root = write(document)
    Image.new("RGB", (8, 8)).save(root / "outside.png")
    found = read_annotations(root, train=True)
    outside = next(index for index in range(len(found)) if found.path(index).endswith("outside.png"))
    with pytest.raises(DataError, match=r"outside.png leads out of .*train2017"):
        read_example(found, outside)


def test_a_missing_split_or_image_is_named(write: Write, document: dict[str, Any]) -> None:
    root = write(document)
    with pytest.raises(DataError, match=r"instances_val2017\.json cannot be read: No such file or directory"):
        read_annotations(root, train=False)
    (root / "train2017" / "000000000285.jpg").unlink()
    with pytest.raises(DataError, match=r"000000000285\.jpg is missing; .*instances_train2017\.json lists it"):
        read_annotations(root, train=True)


def test_a_truncated_a_foreign_and_a_resized_image_are_named(write: Write, document: dict[str, Any]) -> None:
    root = write(document)
    found = read_annotations(root, train=True)
    first, second, third = (Path(found.path(index)) for index in range(3))
    first.write_bytes(first.read_bytes()[:700])
    second.write_bytes(b"no picture")
    Image.new("RGB", (41, 40)).save(third)
    for index, message in enumerate(
        ("139.jpg is damaged", "285.jpg is not an image", "632.jpg has 41 x 40 px; .*40 x 40")
    ):
        with pytest.raises(DataError, match=message):
            read_example(found, index)
