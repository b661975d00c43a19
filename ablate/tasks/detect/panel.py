"""The panel of a detector: test images with annotated boxes, and below them with detected boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ablate.data.images import read_image
from ablate.tasks.detect.annotations import Annotations
from ablate.tasks.detect.metrics import Detections
from ablate.trials.panels import choose_columns, colour_of, fit_tile, load_font, render_panel

SHOWN_SCORE = 0.3
"""Minimum score of a detection that is shown."""
LINE_PX = 2


def draw_panel(truth: Annotations, found: Sequence[Detections]) -> bytes:
    """Draw the panel as PNG; the trial's strip is the last.

    Args:
        truth: annotations of the test images.
        found: detections in each image, in pixels of the stored image.

    Raises:
        DataError: an image is missing or damaged; the message names it.
    """
    columns = choose_columns(len(truth))
    images = [read_image(truth.path(index), truth.folder) for index in columns]
    annotated = [_of_truth(truth, index) for index in columns]
    detected = [_sure_ones(found[index]) for index in columns]
    strips = {"truth": annotated, f"found, score {SHOWN_SCORE} and above": detected}
    return render_panel(
        {
            name: [draw_boxes(image, one, truth.categories) for image, one in zip(images, in_columns, strict=True)]
            for name, in_columns in strips.items()
        }
    )


def draw_boxes(image: Image.Image, found: Detections, names: Sequence[str]) -> Image.Image:
    """An image at the panel's height with boxes and classes, highest score on top; scores below 1 are printed."""
    tile = fit_tile(image)
    draw, font = ImageDraw.Draw(tile), load_font()
    scale = np.tile([tile.width / image.width, tile.height / image.height], 2)
    for place in np.argsort(found.scores, kind="stable"):
        left, top, right, bottom = (found.boxes[place] * scale).tolist()
        label, score = int(found.labels[place]), float(found.scores[place])
        colour = colour_of(label)
        draw.rectangle((left, top, max(right - 1, left), max(bottom - 1, top)), outline=colour, width=LINE_PX)
        text = names[label] if score == 1 else f"{names[label]} {score:.2f}"
        ground = draw.textbbox((left + LINE_PX, top), text, font=font)
        draw.rectangle(ground, fill=colour)
        draw.text((left + LINE_PX, top), text, fill=(255, 255, 255), font=font)
    return tile


def _of_truth(truth: Annotations, index: int) -> Detections:
    places = truth.of(index)
    boxes = _corners(truth.boxes[places])
    return Detections(boxes, truth.labels[places], np.ones(len(boxes)))


def _corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _sure_ones(found: Detections) -> Detections:
    is_sure = found.scores >= SHOWN_SCORE
    return Detections(found.boxes[is_sure], found.labels[is_sure], found.scores[is_sure])
