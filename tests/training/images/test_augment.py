"""Augmentation on bytes and the way to a network's input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from ablate.data.datasets import describe
from ablate.errors import DataError
from ablate.training.images.augment import augment, to_float


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(seed: int, count: int = 5, channels: int = 1, side: int = 16) -> Tensor:
    """Bytes from 1 up, so that zeros can only come from padding."""
    return torch.randint(1, 256, (count, channels, side, side), dtype=torch.uint8, generator=seeded(seed))


def all_copies(image: Tensor, reach: int, mirrors: tuple[bool, ...]) -> dict[tuple[int, int, bool], Tensor]:
    """Every shifted and mirrored copy of (C, H, W), by (down, right, mirrored)."""
    height, width = image.shape[1:]
    padded = F.pad(image, (reach,) * 4)
    shifts = range(-reach, reach + 1)
    copies = {}
    for down in shifts:
        for right in shifts:
            window = padded[:, reach - down : reach - down + height, reach - right : reach - right + width]
            for mirrored in mirrors:
                copies[down, right, mirrored] = window.flip(2) if mirrored else window
    return copies


def find_copy(image: Tensor, result: Tensor, reach: int, mirrors: tuple[bool, ...]) -> tuple[int, int, bool]:
    found = [key for key, copy in all_copies(image, reach, mirrors).items() if torch.equal(copy, result)]
    assert len(found) == 1
    return found[0]


@given(
    seed=st.integers(0, 2**31),
    kind=st.sampled_from(["crop", "flip", "crop_flip"]),
    channels=st.sampled_from([1, 3]),
    side=st.sampled_from([8, 9, 16, 28]),
)
@settings(max_examples=25, deadline=None)
def test_every_image_becomes_one_shifted_or_mirrored_copy_of_itself(
    seed: int, kind: str, channels: int, side: int
) -> None:
    images = draw(seed, channels=channels, side=side)
    results = augment(images, kind, seeded(seed))
    assert (results.shape, results.dtype) == (images.shape, torch.uint8)
    reach = side // 8 if kind.startswith("crop") else 0
    mirrors = (False, True) if kind.endswith("flip") else (False,)
    for image, result in zip(images, results, strict=True):
        find_copy(image, result, reach, mirrors)


@given(seed=st.integers(0, 2**31), kind=st.sampled_from(["none", "crop", "flip", "crop_flip"]))
@settings(max_examples=10, deadline=None)
def test_the_generator_alone_decides_and_the_images_stay_as_they_were(seed: int, kind: str) -> None:
    images = draw(0, count=32)
    before = images.clone()
    assert torch.equal(augment(images, kind, seeded(seed)), augment(images, kind, seeded(seed)))
    assert torch.equal(images, before)
    if kind != "none":
        assert not torch.equal(augment(images, kind, seeded(seed)), augment(images, kind, seeded(seed + 1)))


def test_none_returns_the_images_and_draws_nothing() -> None:
    images, generator = draw(0), seeded(0)
    assert augment(images, "none", generator) is images
    assert torch.equal(generator.get_state(), seeded(0).get_state())


def test_shifts_and_mirrors_are_uniform_and_independent() -> None:
    count = 6_000
    image = draw(1, count=1, side=16)
    results = augment(image.expand(count, -1, -1, -1), "crop_flip", seeded(2))
    drawn = [find_copy(image[0], result, 2, (False, True)) for result in torch.unique(results, dim=0)]
    assert len(drawn) == 5 * 5 * 2
    _, counts = torch.unique(results.flatten(1), dim=0, return_counts=True)
    expected = count / 50
    deviation = math.sqrt(count * (1 / 50) * (49 / 50))
    assert float((counts - expected).abs().max()) < 4 * deviation


@pytest.mark.parametrize("kind", ["crop_flip", "flip"])
def test_an_empty_batch_stays_empty(kind: str) -> None:
    assert augment(draw(0)[:0], kind, seeded(0)).shape == (0, 1, 16, 16)


def test_an_unknown_augmentation_gets_a_suggestion() -> None:
    with pytest.raises(DataError, match="no augmentation 'crop_flap'; did you mean 'crop_flip'"):
        augment(draw(0), "crop_flap", seeded(0))


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_inputs_are_normalised_per_stored_channel_and_have_three_channels(name: str, channels_last: bool) -> None:
    info = describe(name)
    images = draw(3, channels=info.channels)
    result = to_float(images, info, channels_last=channels_last)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (info.mean, info.std))
    expected = ((images / 255 - mean) / std).expand(-1, 3, -1, -1)
    torch.testing.assert_close(result, expected.contiguous(), check_stride=False)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert result.is_contiguous(memory_format=layout)


@pytest.mark.parametrize(("name", "channels"), [("fashion-mnist", 1), ("cifar10", 3)])
def test_without_a_norm_the_network_gets_the_pixels_as_they_are(name: str, channels: int) -> None:
    images = draw(3, channels=channels)
    result = to_float(images, describe(name), input_norm="none")
    torch.testing.assert_close(result, images.float().expand(-1, 3, -1, -1), check_stride=False, rtol=0, atol=0)


@pytest.mark.parametrize("resolution_px", [8, 12, 16, 32, 64])
def test_resizing_is_bilinear_and_antialiased_and_keeps_a_constant_image(resolution_px: int) -> None:
    info, images = describe("cifar10"), draw(4, channels=3)
    result = to_float(images, info, resolution_px)
    assert result.shape == (5, 3, resolution_px, resolution_px)
    size = (resolution_px, resolution_px)
    expected = F.interpolate(to_float(images, info), size=size, mode="bilinear", antialias=True)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)
    flat = torch.full((1, 1, 16, 16), 77, dtype=torch.uint8)
    value = (77 / 255 - 0.2860) / 0.3530
    torch.testing.assert_close(
        to_float(flat, describe("fashion-mnist"), resolution_px),
        torch.full((1, 3, *size), value),
        check_stride=False,
    )


def test_the_bytes_survive_the_way_to_floats() -> None:
    images = draw(5)
    before = images.clone()
    to_float(images, describe("fashion-mnist"), 24)
    assert torch.equal(images, before)
