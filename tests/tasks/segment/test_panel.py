"""The panel of a segmenter: every class in its colour, and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ablate.tasks.segment.panel import COLOURS, SWATCH_PX, draw_labels, draw_legend, draw_panel
from ablate.trials.panels import TILE_PX, read_panel

ROAD, SKY, IGNORED = 0, 10, 255


def test_labels_have_cityscapes_colours_and_what_is_ignored_is_black() -> None:
    drawn = np.asarray(draw_labels(torch.tensor([[ROAD, SKY], [IGNORED, IGNORED]], dtype=torch.uint8)))
    assert drawn.shape == (TILE_PX, TILE_PX, 3)
    assert drawn[10, 10].tolist() == [128, 64, 128]
    assert drawn[10, -10].tolist() == [70, 130, 180]
    assert not drawn[-10].any()
    assert len({tuple(colour) for colour in COLOURS[:19].tolist()}) == 19


def test_the_legend_has_the_colour_of_each_class_that_occurs_and_no_other(tmp_path: Path) -> None:
    image = torch.zeros(3, 8, 16, dtype=torch.uint8)
    truth, predicted = (torch.full((8, 16), label) for label in (ROAD, SKY))
    (tmp_path / "panel.png").write_bytes(draw_panel([(image, truth, predicted)] * 2))
    assert classes_in(read_panel(tmp_path / "panel.png")["classes"]) == {ROAD, SKY}


def classes_in(legend: Image.Image) -> set[int]:
    """Those with a patch of their colour; smoothed letters have a few pixels of many greys."""
    pixels = np.asarray(legend).reshape(-1, 3)
    return {index for index in range(19) if (pixels == COLOURS[index]).all(axis=1).sum() >= SWATCH_PX**2}


def test_19_classes_fit_into_the_legend() -> None:
    legend = draw_legend(range(19))
    assert legend.height == TILE_PX
    assert classes_in(legend) == set(range(19))
