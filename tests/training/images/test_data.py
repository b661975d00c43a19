"""Image sets in memory: what is loaded, subsets, and what damaged files say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.data.datasets import describe, find
from ablate.data.fetch import fetch
from ablate.data.pinned_files import FASHION_MNIST
from ablate.errors import DataError
from ablate.training.images.data import ImageSet, load, subset

SMALL = ImageSet(
    torch.arange(40, dtype=torch.uint8).view(40, 1, 1, 1).expand(-1, 1, 8, 8), torch.arange(40), describe("digits")
)


@pytest.fixture(scope="module")
def digits() -> tuple[ImageSet, ImageSet]:
    return load("digits", train=True), load("digits", train=False)


def test_digits_are_bytes_on_the_full_range_with_the_sizes_of_the_catalog(digits: tuple[ImageSet, ImageSet]) -> None:
    train, test = digits
    info = describe("digits")
    assert (len(train.labels), len(test.labels)) == (info.train_images, info.test_images) == (1442, 355)
    for part in digits:
        assert part.images.shape == (len(part.labels), 1, 8, 8)
        assert (part.images.dtype, part.labels.dtype) == (torch.uint8, torch.int64)
        assert (int(part.images.min()), int(part.images.max())) == (0, 255)
        assert torch.unique(part.labels).tolist() == list(range(10))


def test_digits_have_a_fifth_of_each_class_for_testing_and_no_image_twice(digits: tuple[ImageSet, ImageSet]) -> None:
    train, test = digits
    counts = train.labels.bincount() + test.labels.bincount()
    assert torch.equal(test.labels.bincount(), counts // 5)
    assert len(torch.unique(torch.cat([train.images, test.images]), dim=0)) == 1797


def test_digits_mean_and_deviation_are_those_of_the_catalog(digits: tuple[ImageSet, ImageSet]) -> None:
    pixels = digits[0].images.double() / 255
    assert (float(pixels.mean()), float(pixels.std())) == pytest.approx((0.3052, 0.3760), abs=5e-5)


def test_a_set_is_loaded_once_a_process(digits: tuple[ImageSet, ImageSet]) -> None:
    assert load("digits", train=True, device=torch.device("cpu")) is digits[0]


@given(count=st.integers(0, 40), seed=st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_a_subset_has_distinct_images_with_their_own_labels(count: int, seed: int) -> None:
    chosen = subset(SMALL, count, torch.Generator().manual_seed(seed))
    assert len(chosen.labels) == len(chosen.images) == count
    assert len(set(chosen.labels.tolist())) == count
    assert torch.equal(chosen.images[:, 0, 0, 0].long(), chosen.labels)
    again = subset(SMALL, count, torch.Generator().manual_seed(seed))
    assert torch.equal(chosen.labels, again.labels)


def test_subsets_of_two_seeds_differ() -> None:
    one, other = (subset(SMALL, 20, torch.Generator().manual_seed(seed)).labels for seed in (0, 1))
    assert set(one.tolist()) != set(other.tolist())


def test_a_subset_larger_than_the_set_is_refused_with_both_numbers() -> None:
    with pytest.raises(DataError, match="digits: 41 images requested, 40 available; request at most these"):
        subset(SMALL, 41, torch.Generator())


@pytest.fixture(scope="module")
def fashion_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Fashion-MNIST, or a skip where this machine can neither copy nor download it."""
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABLATE_DATA", str(root))
        try:
            fetch("fashion-mnist")
        except DataError as error:
            pytest.skip(f"no Fashion-MNIST here: {error}")
    return root


def test_fashion_mnist_has_the_sizes_mean_and_deviation_of_the_catalog(
    fashion_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(fashion_root))
    assert find("fashion-mnist") == fashion_root / "FashionMNIST" / "raw"
    train, test = load("fashion-mnist", train=True), load("fashion-mnist", train=False)
    assert train.images.shape == (60_000, 1, 28, 28)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert train.images.is_contiguous()
    assert train.labels.bincount().tolist() == [6000] * 10
    assert test.labels.bincount().tolist() == [1000] * 10
    pixels = train.images.float() / 255
    assert (float(pixels.mean()), float(pixels.std())) == pytest.approx((0.2860, 0.3530), abs=1e-4)


def test_missing_files_are_named_with_the_command_that_fetches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte is missing; run `ablate data fetch fashion-mnist`"):
        load("fashion-mnist", train=True)


@pytest.mark.parametrize("member", FASHION_MNIST, ids=lambda member: member.name)
def test_a_file_with_one_wrong_byte_is_named(
    member: object, fashion_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for other in FASHION_MNIST:
        source = fashion_root / "FashionMNIST" / "raw" / other.name
        if other is member:
            content = bytearray(source.read_bytes())
            content[-1] ^= 1
            (raw / other.name).write_bytes(content)
        else:
            (raw / other.name).symlink_to(source)
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path))
    with pytest.raises(DataError, match=f"{member.name} is damaged: SHA-256"):  # type: ignore[attr-defined]
        load("fashion-mnist", train=True)
