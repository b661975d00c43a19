"""The catalog of data sets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.cli.app import status_of
from ablate.data.datasets import data_root, describe, describe_for, find, get_path, list_datasets
from ablate.data.fashion_mnist_sources import MIRRORS
from ablate.data.pinned_files import FASHION_MNIST
from ablate.errors import DataError
from ablate.recipes.classify import ClassifyRecipe
from ablate.tasks.classify.limits import check_data
from ablate.text import visible


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_names_are_unique_and_every_entry_is_complete() -> None:
    entries = list_datasets()
    assert [info.name for info in entries] == [
        "fashion-mnist", "digits", "cifar10", "cifar100", "imagenet",
        "scenes-coco", "coco", "scenes-cityscapes", "cityscapes",
    ]  # fmt: skip
    for info in entries:
        assert describe(info.name) is info
        assert len(info.mean) == len(info.std) == info.channels
        assert all(0 < value < 1 for value in (*info.mean, *info.std))
        assert info.text.endswith(".")


@given(name=st.text(max_size=80))
def test_an_unknown_name_is_an_error_that_can_be_printed(name: str) -> None:
    if name not in {info.name for info in list_datasets()}:
        with pytest.raises(DataError) as caught:
            describe(name)
        assert visible(str(caught.value)) == str(caught.value)


def test_a_misspelt_name_gets_the_nearest_one() -> None:
    with pytest.raises(DataError, match=r"no data set 'fashion_mnist'; did you mean 'fashion-mnist'\?"):
        find("fashion_mnist")


def test_the_catalog_is_read_without_torch() -> None:
    code = "import sys, ablate.data.datasets as d; d.find('digits'); assert not {'torch', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_data_root_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert data_root() == tmp_path / "data"
    monkeypatch.delenv("ABLATE_DATA")
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "home"))
    assert data_root() == tmp_path / "home" / "data"
    monkeypatch.setenv("ABLATE_HOME", "")
    assert data_root() == Path.home() / ".local/share/ablate/data"


def test_the_files_and_mirrors_are_those_that_torchvision_names() -> None:
    from torchvision.datasets import FashionMNIST

    assert tuple(FashionMNIST.mirrors) == MIRRORS
    assert [name for name, _ in FashionMNIST.resources] == [f"{member.name}.gz" for member in FASHION_MNIST]


@pytest.mark.parametrize(
    ("name", "missing"), [("coco", "annotations/instances_train2017.json"), ("cityscapes", "leftImg8bit/train")]
)
def test_a_real_set_that_is_missing_says_where_it_was_looked_for_and_what_is_expected(name: str, missing: str) -> None:
    assert find(name) is None
    with pytest.raises(DataError) as caught:
        get_path(name)
    assert str(data_root() / name / missing) in str(caught.value)
    assert "unpack" in str(caught.value)


def test_a_real_set_is_found_by_its_layout() -> None:
    for part in ("leftImg8bit/train", "leftImg8bit/val", "gtFine/train", "gtFine/val"):
        (data_root() / "cityscapes" / part).mkdir(parents=True)
    assert find("cityscapes") == get_path("cityscapes") == data_root() / "cityscapes"


def test_a_data_set_of_another_task_is_refused_with_those_that_fit() -> None:
    with pytest.raises(
        DataError, match=r"'coco' is for the task detect, not segment; .*: scenes-cityscapes, cityscapes"
    ):
        describe_for("segment", "coco")
    with pytest.raises(DataError, match=r"allowed for classify: fashion-mnist, digits"):
        describe_for("classify", "scenes-cityscapes")


def test_classification_does_not_train_on_scenes() -> None:
    with pytest.raises(DataError, match=r"'coco' is for the task detect, not classify"):
        check_data(ClassifyRecipe(dataset="coco"))


def test_the_list_says_how_a_missing_set_gets_here_and_which_cannot_be_fetched(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert status_of(["data", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    for name in ("fashion-mnist", "cifar10", "cifar100", "scenes-coco", "scenes-cityscapes"):
        assert lines[name].endswith(f"not on this machine; fetch it with: ablate data fetch {name}")
    for name in ("imagenet", "coco", "cityscapes"):
        assert f"not on this machine; ablate cannot fetch it: `ablate data fetch {name}` prints where" in lines[name]
    assert status_of(["data", "list", "--json"]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert [item["name"] for item in items if not item["can_fetch"]] == ["digits", "imagenet", "coco", "cityscapes"]
