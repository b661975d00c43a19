"""Scenes at other scales and in other places: labels go where their pixels go."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ablate.tasks.segment.augment import Cut, draw, mirror, resize_both, scale_and_cut
from ablate.tasks.segment.metrics import IGNORED
from tests.street_trees import STEP, draw_scene

FILL = torch.tensor([100, 110, 120], dtype=torch.uint8)


def example() -> tuple[torch.Tensor, torch.Tensor]:
    """A scene whose pixels say which class they have."""
    labels = torch.from_numpy(draw_scene(np.random.default_rng(2), (1, 8, 16)))
    grey = torch.where(labels == IGNORED, 255, labels.int() * STEP).to(torch.uint8)
    return grey.expand(3, -1, -1).clone(), labels


def share_in_place(image: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of labelled pixels whose colour is that of their class."""
    is_labelled = labels != IGNORED
    off = (image[0].float() - STEP * labels.float()).abs()[is_labelled]
    return float((off < STEP).float().mean())


@given(number=st.integers(0, 2**62), height=st.integers(24, 80), width=st.integers(32, 160))
def test_labels_stay_with_their_pixels_at_any_scale_and_place(number: int, height: int, width: int) -> None:
    draws = draw(number)
    image, labels = mirror(scale_and_cut(example(), draws, Cut(height, width, FILL)), draws)
    assert (image.shape, labels.shape) == ((3, height, width), (height, width))
    assert (image.dtype, labels.dtype) == (torch.uint8, torch.uint8)
    if (labels != IGNORED).any():
        assert share_in_place(image, labels) > 0.75  # at borders colours mix


def test_a_shifted_label_map_would_be_noticed() -> None:
    image, labels = example()
    assert share_in_place(image, labels) == 1
    assert share_in_place(image, labels.roll((10, 24), (0, 1))) < 0.75


def test_half_of_the_scenes_are_mirrored_and_both_parts_with_them() -> None:
    image, labels = example()
    mirrored = [mirror((image, labels), draw(number)) for number in range(100)]
    turned = [pair for pair in mirrored if torch.equal(pair[1], labels.flip(1))]
    assert 35 < len(turned) < 65
    assert all(torch.equal(pair[0], image.flip(2)) for pair in turned)
    assert all(torch.equal(pair[0], image) for pair in mirrored if torch.equal(pair[1], labels))


def test_what_lies_beside_a_small_scene_is_filled_and_ignored() -> None:
    draws = torch.tensor([0.0, 0.5, 0.5, 0.9])
    image, labels = scale_and_cut(example(), draws, Cut(32, 64, FILL))
    assert (labels[16:] == IGNORED).all()
    assert (labels[:, 32:] == IGNORED).all()
    assert torch.equal(image[:, 20, 40], FILL)
    assert (labels[:13, :32] != IGNORED).all()


@pytest.mark.parametrize(("number", "expected"), [(0.0, 0.5), (0.999999, 2.0)])
def test_scales_go_from_a_half_to_two(number: float, expected: float) -> None:
    size = [round(side * expected) for side in (32, 64)]
    draws = torch.tensor([number, 0.0, 0.0, 0.9])
    image, labels = scale_and_cut(example(), draws, Cut(*size, FILL))
    whole = resize_both(example(), size)
    assert torch.equal(image, whole[0])
    assert torch.equal(labels, whole[1])
