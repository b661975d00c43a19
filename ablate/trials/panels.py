"""Panels: strips of test images, one below the other, such as the truth and a trial's predictions.

A panel is a PNG file with the positions of its strips in a text chunk, so that a study's figure can be composed from
the panels of its trials (`ablate.tables.plots.panel`). Imports Pillow, not torch.
"""

from __future__ import annotations

import colorsys
import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from ablate.data.images import DAMAGES, MAX_BYTES, decode_image
from ablate.data.regular_files import read_regular
from ablate.errors import DataError

FILE = "panel.png"
IMAGES = 6
"""Maximum number of columns of a panel."""
TILE_PX = 192
"""Height of an image in a panel."""
GAP_PX, MARGIN_PX = 4, 84
"""Gap between images; width of the left margin with the strip's name."""
TEXT_PX = 12
CHUNK = "ablate.strips"
GROUND, INK = (255, 255, 255), (30, 30, 30)

Colour = tuple[int, int, int]


def choose_columns(count: int) -> list[int]:
    """Indices of the test images in a panel: evenly spread, the same for every trial.

    Args:
        count: number of test images.
    """
    return sorted({round(place) for place in np.linspace(0, count - 1, min(IMAGES, count))})


def fit_tile(image: Image.Image, resample: Image.Resampling = Image.Resampling.BICUBIC) -> Image.Image:
    """Resize an image to the height of a panel; use `NEAREST` for label maps."""
    return image.resize((max(round(image.width * TILE_PX / image.height), 1), TILE_PX), resample)


def render_panel(strips: Mapping[str, Sequence[Image.Image]]) -> bytes:
    """Render a panel as PNG.

    Args:
        strips: name -> images, from top to bottom; the last strip is the trial's own. Images of a column have equal
            size.
    """
    rows = [_render_strip(name, images) for name, images in strips.items()]
    panel, tops = stack_strips(rows)
    chunk = PngImagePlugin.PngInfo()
    places = zip(strips, tops, rows, strict=True)
    chunk.add_text(CHUNK, json.dumps([{"name": name, "top": top, "height": row.height} for name, top, row in places]))
    buffer = BytesIO()
    panel.save(buffer, "PNG", pnginfo=chunk)
    return buffer.getvalue()


def read_panel(path: Path) -> dict[str, Image.Image]:
    """Read the strips of a panel, from top to bottom, without the margin.

    Returns:
        Name of a strip -> image.

    Raises:
        DataError: the file is missing or damaged, or is not a panel; the message names it.
    """
    if not path.exists():
        raise DataError(f"{path} is missing; a trial that succeeds writes it")
    content, _ = read_regular(path, path.parent, MAX_BYTES)
    try:
        image = decode_image(content, path, formats=("PNG",))
        return {str(place["name"]): _cut_strip(image, place) for place in json.loads(image.info[CHUNK])}
    except (*DAMAGES, DataError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a panel of a trial: {type(error).__name__} {error}") from error


def _cut_strip(image: Image.Image, place: Mapping[str, int]) -> Image.Image:
    top, bottom = place["top"], place["top"] + place["height"]
    if not 0 <= top < bottom <= image.height or image.width <= MARGIN_PX:
        raise ValueError(f"a strip from {top} to {bottom} px is not in the image")
    return image.crop((MARGIN_PX, top, image.width, bottom))


def stack_strips(rows: Sequence[Image.Image]) -> tuple[Image.Image, list[int]]:
    """Stack strips vertically.

    Returns:
        The stacked image, and the top of each strip in pixels.
    """
    tops = [sum(row.height + GAP_PX for row in rows[:index]) for index in range(len(rows))]
    whole = Image.new("RGB", (max(row.width for row in rows), tops[-1] + rows[-1].height), GROUND)
    for row, top in zip(rows, tops, strict=True):
        whole.paste(row, (0, top))
    return whole, tops


def label_strip(name: str, strip: Image.Image) -> Image.Image:
    """Add a margin with the strip's name, wrapped to fit, at the left of a strip."""
    row = Image.new("RGB", (MARGIN_PX + strip.width, strip.height), GROUND)
    row.paste(strip, (MARGIN_PX, 0))
    ImageDraw.Draw(row).multiline_text((2, 2), "\n".join(_lines(name)), fill=INK, font=load_font(), spacing=2)
    return row


def load_font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The font included in Pillow."""
    return ImageFont.load_default(TEXT_PX)


def colour_of(label: int) -> Colour:
    """Colour of a label, 0 .. 255 per channel; consecutive hues are a golden-ratio step apart."""
    red, green, blue = colorsys.hsv_to_rgb(label * 0.618034 % 1.0, 0.85, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def _render_strip(name: str, images: Sequence[Image.Image]) -> Image.Image:
    strip = Image.new("RGB", (sum(image.width + GAP_PX for image in images) - GAP_PX, TILE_PX), GROUND)
    left = 0
    for image in images:
        strip.paste(image, (left, 0))
        left += image.width + GAP_PX
    return label_strip(name, strip)


def _lines(text: str) -> list[str]:
    """The text wrapped to the width of the margin; longer words are broken."""
    font, lines = load_font(), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= MARGIN_PX - 6:
            lines[-1] = longer
            continue
        lines.append("")
        for letter in word:
            if font.getlength(lines[-1] + letter) > MARGIN_PX - 6:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line]
