"""Garments are cut out of their ground, and no garment is in training and test scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from ablate.data.datasets import get_path
from ablate.data.scenes.garments import KINDS, SMALLEST_PART, cut_out, read_wardrobe
from ablate.errors import DataError


@pytest.mark.usefixtures("data_root")
def test_training_and_test_wardrobes_have_every_image_of_fashion_mnist_and_share_none() -> None:
    train, test = (
        read_wardrobe(get_path("fashion-mnist"), train=True),
        read_wardrobe(get_path("fashion-mnist"), train=False),
    )
    for wardrobe, count in ((train, 60_000), (test, 10_000)):
        assert wardrobe.images.shape == (count, 28, 28)
        assert sorted(np.concatenate(wardrobe.of_kind)) == list(range(count))
    assert [len(indices) for indices in test.of_kind] == [1000 * len(kind.labels) for kind in KINDS]
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}


@pytest.mark.usefixtures("data_root")
def test_every_garment_fills_its_rectangle_and_has_no_specks() -> None:
    wardrobe = read_wardrobe(get_path("fashion-mnist"), train=False)
    for image in wardrobe.images[:500]:
        garment = cut_out(image)
        assert garment.grey.shape == garment.is_garment.shape
        assert garment.is_garment.any(axis=0)[[0, -1]].all()
        assert garment.is_garment.any(axis=1)[[0, -1]].all()
        parts, _ = ndimage.label(garment.is_garment)
        assert np.bincount(parts.ravel())[1:].min() >= SMALLEST_PART


def test_pale_stripes_and_spots_belong_to_a_garment_and_large_holes_do_not() -> None:
    image = np.zeros((28, 28), dtype=np.uint8)
    image[4:24, 4:24] = 200
    image[7:9, 4:24] = 0  # a stripe from side to side
    image[12:16, 6:10] = 0  # a spot of 16 pixels
    image[12:18, 14:20] = 0  # a hole of 36
    image[0, 0] = 255  # a speck
    garment = cut_out(image)
    assert garment.is_garment.shape == (20, 20)
    assert np.count_nonzero(~garment.is_garment) == 36
    assert not garment.is_garment[8:14, 10:16].any()


@pytest.mark.parametrize("value", [0, 3, 255])
def test_an_image_without_contrast_gives_a_garment_all_the_same(value: int) -> None:
    assert cut_out(np.full((28, 28), value, dtype=np.uint8)).is_garment.all()


def test_missing_fashion_mnist_is_named_with_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte is missing; run `ablate data fetch fashion-mnist`"):
        get_path("fashion-mnist")
