"""Panels: what is written is read again, strip by strip; a file that is not a panel is named."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablate.errors import DataError
from ablate.trials.panels import (
    IMAGES,
    MARGIN_PX,
    TILE_PX,
    choose_columns,
    colour_of,
    fit_tile,
    read_panel,
    render_panel,
)


def image(colour: tuple[int, int, int], width: int = 100) -> Image.Image:
    return Image.new("RGB", (width, TILE_PX), colour)


def test_strips_come_back_by_name_in_their_order(tmp_path: Path):
    red, blue = [image((255, 0, 0)), image((250, 0, 0), 60)], [image((0, 0, 255)), image((0, 0, 250), 60)]
    (tmp_path / "panel.png").write_bytes(render_panel({"truth": red, "prediction": blue}))
    strips = read_panel(tmp_path / "panel.png")
    assert list(strips) == ["truth", "prediction"]
    assert {strip.size for strip in strips.values()} == {(164, TILE_PX)}
    assert strips["truth"].getpixel((0, 0)) == (255, 0, 0)
    assert strips["prediction"].getpixel((163, TILE_PX - 1)) == (0, 0, 250)


def test_a_name_stands_at_the_left_and_covers_no_image(tmp_path: Path):
    name = "a name of many words and one verylongwordthatdoesnotfitintothemarginatall"
    (tmp_path / "panel.png").write_bytes(render_panel({name: [image((9, 9, 9))]}))
    with Image.open(tmp_path / "panel.png") as whole:
        pixels = np.asarray(whole)
    assert (pixels[:, :MARGIN_PX] < 128).any()
    assert (pixels[:, MARGIN_PX - 4 : MARGIN_PX] == 255).all()
    assert (pixels[:, MARGIN_PX:] == 9).all()


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n cut off"])
def test_a_file_that_is_no_panel_is_named(tmp_path: Path, content: bytes):
    path = tmp_path / "panel.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{re.escape(str(path))} is not a panel"):
        read_panel(path)


def test_a_picture_without_strips_and_a_missing_file_are_named(tmp_path: Path):
    image((1, 2, 3)).save(tmp_path / "other.png")
    with pytest.raises(DataError, match=r"other\.png is not a panel of a trial"):
        read_panel(tmp_path / "other.png")
    with pytest.raises(DataError, match=r"gone\.png is missing"):
        read_panel(tmp_path / "gone.png")


def test_columns_are_spread_over_the_test_images_and_few_images_are_all_shown():
    assert choose_columns(501) == [0, 100, 200, 300, 400, 500]
    assert choose_columns(3) == [0, 1, 2]
    assert len(choose_columns(10_000)) == IMAGES


def test_tiles_have_one_height_and_keep_their_shape_and_colours_differ():
    assert fit_tile(Image.new("RGB", (50, 100))).size == (TILE_PX // 2, TILE_PX)
    assert len({colour_of(label) for label in range(80)}) == 80
