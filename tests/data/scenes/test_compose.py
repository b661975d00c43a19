"""Garments on a canvas: what is visible, what is hidden, and that every fragment has an annotation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.data.datasets import get_path
from ablate.data.scenes.coco_folder import FILLING, run_lengths
from ablate.data.scenes.compose import VISIBLE_SHARE, lay
from ablate.data.scenes.garments import KINDS, Wardrobe, read_wardrobe
from ablate.data.scenes.textures import draw_canvas

pytestmark = pytest.mark.usefixtures("data_root")


@pytest.fixture(scope="module")
def wardrobe(data_root: object) -> Wardrobe:
    return read_wardrobe(get_path("fashion-mnist"), train=False)


def test_each_pixel_belongs_to_one_garment_at_most_and_each_garment_stays_visible(wardrobe: Wardrobe) -> None:
    hidden = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        canvas = draw_canvas(rng, 128, 160)
        laid = lay(canvas, wardrobe, [90, 60, 40, 40, 30, 20, 12], rng)
        assert np.sum([one.visible for one in laid], axis=0).max() == 1
        for one in laid:
            visible = np.count_nonzero(one.visible)
            assert VISIBLE_SHARE * one.pixels <= visible <= one.pixels
            hidden += visible < one.pixels
        assert 0 <= canvas.min() <= canvas.max() <= 255
    assert hidden > 20


def test_pixels_change_where_a_garment_is_visible_and_nowhere_far_from_one(wardrobe: Wardrobe) -> None:
    rng = np.random.default_rng(3)
    before = draw_canvas(rng, 128, 128)
    canvas = before.copy()
    laid = lay(canvas, wardrobe, [40, 30], rng)
    changed = (canvas != before).any(axis=2)
    inside = np.any([one.visible for one in laid], axis=0)
    assert changed[inside].mean() > 0.99
    rows, columns = np.nonzero(inside)
    near = np.zeros_like(inside)
    for y in range(-3, 4):
        for x in range(-3, 4):
            near[np.clip(rows + y, 0, 127), np.clip(columns + x, 0, 127)] = True
    assert not changed[~near].any()


def test_a_garment_has_about_the_pixels_that_it_was_given(wardrobe: Wardrobe) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        (one,) = lay(np.zeros((400, 400, 3), dtype=np.int64), wardrobe, [50], rng)
        assert one.pixels == pytest.approx(2500, rel=0.15)


def test_garments_end_below_the_horizon(wardrobe: Wardrobe) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        (one,) = lay(np.zeros((96, 192, 3), dtype=np.int64), wardrobe, [20], rng, horizon=50)
        assert np.flatnonzero(one.visible.any(axis=1))[-1] >= 50 - 2  # the last row of its rectangle may be faint


def test_a_filling_draws_as_many_as_it_may_and_each_range_of_sizes() -> None:
    rng = np.random.default_rng(0)
    drawn = [FILLING.draw(rng) for _ in range(2000)]
    assert {len(sizes) for sizes in drawn} == set(range(FILLING.most + 1))
    assert all(sizes == sorted(sizes, reverse=True) for sizes in drawn)
    sizes = np.concatenate(drawn)
    shares = [np.mean((low <= sizes) & (sizes <= high)) for low, high in FILLING.sizes]
    assert shares == pytest.approx(np.array(FILLING.weights) / sum(FILLING.weights), abs=0.03)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11, decode
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
@settings(max_examples=60)
def test_run_lengths_are_those_of_pycocotools(height: int, width: int, seed: int) -> None:
    from pycocotools import mask as masks

    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    encoded = masks.frPyObjects({"size": [height, width], "counts": run_lengths(mask)}, height, width)
    assert np.array_equal(masks.decode(encoded), mask)


def test_kinds_divide_the_labels_of_fashion_mnist() -> None:
    assert sorted(label for kind in KINDS for label in kind.labels) == list(range(10))
