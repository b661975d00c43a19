"""A folder with Fashion-MNIST, and small sets of scenes that are made from it once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ablate.data.datasets import get_path
from ablate.data.fetch import fetch
from ablate.data.scenes.make import make
from ablate.data.scenes.recipes import COCO_MINIATURE, STREETS_MINIATURE, SceneRecipe
from ablate.errors import DataError


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data root of these tests, or a skip where Fashion-MNIST can neither be copied nor downloaded."""
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABLATE_DATA", str(root))
        try:
            fetch("fashion-mnist")
        except DataError as error:
            pytest.skip(f"no Fashion-MNIST here: {error}")
        yield root


MINIATURES = {"scenes-coco": COCO_MINIATURE, "scenes-cityscapes": STREETS_MINIATURE}


def small(name: str, train_scenes: int = 24, val_scenes: int = 12) -> SceneRecipe:
    """A miniature's recipe with fewer scenes."""
    return MINIATURES[name].model_copy(update={"train_scenes": train_scenes, "val_scenes": val_scenes})


@pytest.fixture(scope="session")
def coco(data_root: Path) -> Path:
    """A small COCO folder."""
    make(data_root / "coco", small("scenes-coco"), get_path("fashion-mnist"))
    return data_root / "coco"


@pytest.fixture(scope="session")
def cityscapes(data_root: Path) -> Path:
    """A small Cityscapes tree."""
    make(data_root / "cityscapes", small("scenes-cityscapes"), get_path("fashion-mnist"))
    return data_root / "cityscapes"
