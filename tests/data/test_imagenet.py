"""The layout of ImageNet: a thousand folders, and the error if something is missing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ablate.data.add_folder import register
from ablate.data.datasets import describe, find, get_dataset, get_path
from ablate.data.images import read_image
from ablate.errors import DataError
from ablate.recipes.classify import ClassifyRecipe
from ablate.tasks.classify.practice import train
from ablate.trials.trial import Outcome
from tests.image_folders import write_image

SMALL = replace(get_dataset("imagenet"), info=replace(describe("imagenet"), train_images=1000, test_images=1000))
CLASSES = [f"n{10_000_000 + 7 * index:08d}" for index in range(1000)]


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 folders with one image each, for training and for testing."""
    root = tmp_path_factory.mktemp("data") / "imagenet"
    write_image(root.parent / "one.jpg", 0, (16, 16))
    for part in ("train", "val"):
        for name in CLASSES:
            (root / part / name).mkdir(parents=True)
            shutil.copy(root.parent / "one.jpg", root / part / name / f"{name}_1.JPEG")
    return root


@pytest.fixture
def broken(thousand: Path, tmp_path: Path) -> Path:
    """A copy that a test may break; the images are links."""
    return Path(shutil.copytree(thousand, tmp_path / "imagenet", copy_function=lambda a, b: Path(b).symlink_to(a)))


def test_labels_are_the_order_of_the_folders(thousand: Path) -> None:
    for part in ("train", "val"):
        files = SMALL.files(thousand.parent, part == "train")
        assert files.labels.tolist() == list(range(1000))
        assert files.path(999) == str(thousand / part / CLASSES[999] / f"{CLASSES[999]}_1.JPEG")
    assert read_image(files.path(0), files.folder).size == (16, 16)


def test_a_class_too_few_is_refused_with_what_is_expected(broken: Path) -> None:
    shutil.rmtree(broken / "train" / CLASSES[3])
    with pytest.raises(DataError) as caught:
        SMALL.files(broken.parent, True)
    text = str(caught.value)
    assert text.startswith(f"data set 'imagenet': {broken / 'train'} contains 999 folders, not 1,000. Expected: ")
    assert "register" in text
    with pytest.raises(DataError, match=rf"{broken / 'val' / CLASSES[3]} is a class without training images"):
        SMALL.files(broken.parent, False)


def test_an_empty_class_is_named(broken: Path) -> None:
    (broken / "val" / CLASSES[5] / f"{CLASSES[5]}_1.JPEG").unlink()
    with pytest.raises(DataError, match=rf"{broken / 'val' / CLASSES[5]} contains no image"):
        SMALL.files(broken.parent, False)


def test_test_images_that_are_not_sorted_into_folders_are_refused(broken: Path) -> None:
    shutil.rmtree(broken / "val")
    write_image(broken / "val" / "ILSVRC2012_val_00000001.jpg", 0)
    with pytest.raises(DataError, match=rf"{broken / 'val'} contains no folders; expected: one folder per class"):
        SMALL.files(broken.parent, False)


def test_a_part_of_imagenet_is_not_taken_for_imagenet(thousand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(thousand.parent))
    with pytest.raises(DataError, match=r"train contains 1,000 images, not 1,281,167\. Expected: .*50,000 images"):
        get_path("imagenet")


def test_it_is_found_where_both_parts_have_a_folder_for_each_class(
    broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(broken.parent))
    assert find("imagenet") == broken
    shutil.rmtree(broken / "val" / CLASSES[3])
    assert find("imagenet") is None
    shutil.rmtree(broken)
    broken.mkdir()
    assert find("imagenet") is None


def test_a_part_of_it_is_registered_as_it_lies_and_trained_on(
    thousand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    found = register("part", thousand).registered
    assert (len(found.classes), found.train_images, found.test_folder, found.duplicates) == (1000, 1000, "val", 1000)
    recipe = ClassifyRecipe(
        dataset="part", model="shufflenet_v2_x0.5", width=0.25, resolution_px=32, augment="resized_crop_flip_jitter",
        steps=2, batch_size=8, test_images=50,
    )  # fmt: skip
    *_, outcome = train(recipe, 0, tmp_path / "trial")
    assert isinstance(outcome, Outcome)
    assert outcome.status == "succeeded"
    assert outcome.metrics["top1_error_pct"] > 50
