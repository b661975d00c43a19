"""A Cityscapes tree in small, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import Cityscapes

from ablate.errors import DataError
from ablate.tasks.segment.examples import TRAIN_IDS, list_pairs, read_example
from ablate.tasks.segment.metrics import CLASSES


def add(root: Path, city: str, number: int, labels: np.ndarray, split: str = "train") -> tuple[Path, Path]:
    """Write an image and its label map."""
    stem = f"{city}_{number:06d}_000019"
    image = root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
    target = root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png"
    for path, pixels in ((image, np.stack([labels] * 3, axis=-1)), (target, labels)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return image, target


LABELS = np.arange(34, dtype=np.uint8).repeat(2).reshape(4, 17)


def test_the_19_classes_are_in_the_order_of_torchvision() -> None:
    named = {one.train_id: one.name.replace(" ", "_") for one in Cityscapes.classes if one.train_id in range(19)}
    assert tuple(named[number] for number in range(19)) == CLASSES


def test_label_ids_become_train_ids_and_the_rest_is_ignored(tmp_path: Path) -> None:
    pair = add(tmp_path, "ulm", 3, LABELS)
    image, train_ids = read_example(pair)
    assert (image.shape, image.dtype) == ((3, 4, 17), torch.uint8)
    assert (train_ids.shape, train_ids.dtype) == ((4, 17), torch.uint8)
    assert train_ids.unique().tolist() == [*range(19), 255]
    official = {one.id: one.train_id for one in Cityscapes.classes}
    assert all(TRAIN_IDS[label] == official[label] for label in range(34))


def test_pairs_come_by_name_whatever_the_order_on_the_disk(tmp_path: Path) -> None:
    expected = [add(tmp_path, city, number, LABELS) for city in ("aachen", "ulm") for number in (1, 5)]
    add(tmp_path, "bonn", 1, LABELS, split="val")
    (tmp_path / "leftImg8bit" / "train" / "ulm" / ".DS_Store").touch()
    assert list(list_pairs(tmp_path, train=True)) == expected
    assert len(list_pairs(tmp_path, train=False)) == 1


def test_a_missing_folder_image_or_label_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"leftImg8bit/train cannot be listed"):
        list_pairs(tmp_path, train=True)
    image, labels = add(tmp_path, "ulm", 1, LABELS)
    add(tmp_path, "ulm", 2, LABELS)
    labels.rename(labels.with_suffix(".away"))
    with pytest.raises(DataError, match=rf"{labels.name}, the label map of .*{image.name}, is missing"):
        list_pairs(tmp_path, train=True)
    labels.with_suffix(".away").rename(labels)
    image.unlink()
    with pytest.raises(DataError, match=rf"the image of .*{labels.name} is missing"):
        list_pairs(tmp_path, train=True)


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    for folder in ("leftImg8bit", "gtFine"):
        (tmp_path / folder / "train").mkdir(parents=True)
    with pytest.raises(DataError, match=r"leftImg8bit/train contains no images"):
        list_pairs(tmp_path, train=True)


@pytest.mark.parametrize("label", [34, 100, 254])
def test_an_unknown_label_id_is_named_with_its_file(label: int, tmp_path: Path) -> None:
    labels = LABELS.copy()
    labels[2, 2] = label
    pair = add(tmp_path, "ulm", 1, labels)
    with pytest.raises(DataError, match=rf"{pair[1].name} has label id {label}; Cityscapes has 0 to 33"):
        read_example(pair)


def test_maps_of_another_size_or_kind_are_named(tmp_path: Path) -> None:
    pair = add(tmp_path, "ulm", 1, LABELS)
    Image.fromarray(LABELS[:, :-1]).save(pair[1])
    with pytest.raises(DataError, match=rf"{pair[1].name} has 16 x 4 px; .*{pair[0].name} has 17 x 4"):
        read_example(pair)
    Image.new("RGB", (17, 4)).save(pair[1])
    with pytest.raises(DataError, match=rf"{pair[1].name} is not a label map: its mode is 'RGB'"):
        read_example(pair)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("bytes_left", [0, 40])
def test_a_truncated_file_is_named(which: int, bytes_left: int, tmp_path: Path) -> None:
    pair = add(tmp_path, "ulm", 1, np.random.default_rng(0).integers(0, 34, (64, 64), dtype=np.uint8))
    pair[which].write_bytes(pair[which].read_bytes()[:bytes_left])
    with pytest.raises(DataError, match=rf"{pair[which].name} is (damaged|not an image)"):
        read_example(pair)
