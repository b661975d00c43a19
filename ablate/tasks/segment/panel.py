"""The panel of a segmenter: test scenes, their truth and the predictions, in Cityscapes' colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision.datasets import Cityscapes

from ablate.tasks.segment.metrics import CLASSES, IGNORED
from ablate.trials.panels import GAP_PX, GROUND, INK, TEXT_PX, TILE_PX, fit_tile, load_font, render_panel

LEGEND_ROWS = 5
"""Names per column of the legend."""
SWATCH_PX, NAME_PX = 24, 110
"""Side of a colour's patch; width of its name."""


def _colours() -> NDArray[np.uint8]:
    """Train id -> colour, (256, 3); ignored pixels are black."""
    colours = np.zeros((IGNORED + 1, 3), dtype=np.uint8)
    for one in Cityscapes.classes:
        if 0 <= one.train_id < len(CLASSES):
            colours[one.train_id] = one.color
    return colours


COLOURS = _colours()


def draw_panel(shown: Sequence[tuple[Tensor, Tensor, Tensor]]) -> bytes:
    """Draw the panel as PNG; the trial's strip is the last.

    Args:
        shown: for each scene the image, (3, H, W) of uint8, the truth and the prediction, (H, W) of train ids.
    """
    occurring = np.unique(np.concatenate([labels.numpy().ravel() for _, *both in shown for labels in both]))
    return render_panel(
        {
            "classes": [draw_legend([index for index in occurring.tolist() if index != IGNORED])],
            "image": [fit_tile(Image.fromarray(image.permute(1, 2, 0).numpy())) for image, _, _ in shown],
            "truth": [draw_labels(truth) for _, truth, _ in shown],
            "predicted": [draw_labels(predicted) for _, _, predicted in shown],
        }
    )


def draw_labels(labels: Tensor) -> Image.Image:
    """Draw train ids (H, W) in colours, at the panel's height."""
    return fit_tile(Image.fromarray(COLOURS[labels.numpy()]), Image.Resampling.NEAREST)


def draw_legend(classes: Sequence[int]) -> Image.Image:
    """Draw the names of classes next to their colours, column by column."""
    columns = -(-len(classes) // LEGEND_ROWS)
    legend = Image.new("RGB", (max(columns, 1) * (SWATCH_PX + NAME_PX), TILE_PX), GROUND)
    draw, font, pitch = ImageDraw.Draw(legend), load_font(), TILE_PX // LEGEND_ROWS
    for place, index in enumerate(classes):
        left, top = place // LEGEND_ROWS * (SWATCH_PX + NAME_PX), place % LEGEND_ROWS * pitch
        draw.rectangle((left, top, left + SWATCH_PX, top + SWATCH_PX), fill=tuple(COLOURS[index].tolist()))
        middle = top + (SWATCH_PX - TEXT_PX) // 2
        draw.text((left + SWATCH_PX + GAP_PX, middle), CLASSES[index].replace("_", " "), fill=INK, font=font)
    return legend
