"""Miniature scenes are data sets like others: fetched by being composed, found, and checked to the last byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ablate.data import datasets
from ablate.data.datasets import find, get_path
from ablate.data.fetch import fetch
from ablate.data.scene_sets import MiniatureScenes
from ablate.errors import DataError
from tests.data.scenes.conftest import MINIATURES, small

NAMES = tuple(MINIATURES)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, data_root: Path) -> Path:
    """The data root, where a miniature has few scenes."""
    fewer = (
        replace(one, recipe=small(one.name, 4, 2)) if isinstance(one, MiniatureScenes) else one
        for one in datasets.CATALOG
    )
    monkeypatch.setattr(datasets, "CATALOG", tuple(fewer))
    return data_root


@pytest.mark.parametrize("name", NAMES)
def test_fetching_composes_what_is_found_and_intact_afterwards(few: Path, name: str) -> None:
    assert find(name) is None
    with pytest.raises(DataError, match=rf"manifest.json is missing.*; run `ablate data fetch {name}`"):
        get_path(name)
    lines: list[str] = []
    assert fetch(name, lines.append) == find(name) == get_path(name) == few / name
    assert lines[-1].endswith(f"files verified in {few / name}")


def test_a_damaged_scene_is_named_and_fetching_again_mends_it(few: Path) -> None:
    folder = fetch("scenes-cityscapes")
    labels = next(folder.rglob("*_labelIds.png"))
    whole = labels.read_bytes()
    labels.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=rf"{labels} is damaged.*; run `ablate data fetch scenes-cityscapes`"):
        get_path("scenes-cityscapes")
    fetch("scenes-cityscapes")
    assert labels.read_bytes() == whole
