"""Textures: the background behind the garments.

A pattern is a map (H, W) of integers, 0..255, the position of each pixel between one colour and another; `paint` turns
it into an image. Colours are three integers, 0..255.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Map = NDArray[np.int64]
Colour = NDArray[np.int64]
Pattern = Callable[[np.random.Generator, int, int], Map]


def cloud(cell: int) -> Pattern:
    """Smooth noise with features of about `cell` pixels."""

    def draw(rng: np.random.Generator, height: int, width: int) -> Map:
        grid = rng.integers(0, 256, (height // cell + 2, width // cell + 2), dtype=np.uint8)
        size = grid.shape[1] * cell, grid.shape[0] * cell
        smooth: Map = np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC), dtype=np.int64)
        y, x = (int(rng.integers(0, cell)) for _ in range(2))
        return smooth[y : y + height, x : x + width]

    return draw


def speckle(rng: np.random.Generator, height: int, width: int) -> Map:
    """Independent noise in every pixel."""
    return rng.integers(0, 256, (height, width))


def stripes(rng: np.random.Generator, height: int, width: int) -> Map:
    """Straight stripes of one width in one direction."""
    y, x = np.mgrid[:height, :width]
    along = x * int(rng.integers(-4, 5)) + y * int(rng.integers(1, 5))
    pattern: Map = (along // int(rng.integers(10, 31)) % 2) * 255
    return pattern


def tiles(rng: np.random.Generator, height: int, width: int) -> Map:
    """A square grid of thin lines."""
    period = int(rng.integers(5, 10))
    y, x = np.mgrid[:height, :width] + rng.integers(0, period, (2, 1, 1))
    return np.where((y % period == 0) | (x % period == 0), 255, 0)


def windows(rng: np.random.Generator, height: int, width: int) -> Map:
    """A grid of separate small rectangles."""
    period_y, period_x = (int(period) for period in rng.integers(6, 10, 2))
    y, x = np.mgrid[:height, :width]
    return np.where((y % period_y >= 3) & (x % period_x >= 3), 255, 0)


def checks(rng: np.random.Generator, height: int, width: int) -> Map:
    """A checkerboard."""
    side = int(rng.integers(4, 17))
    y, x = np.mgrid[:height, :width]
    pattern: Map = ((y // side + x // side) % 2) * 255
    return pattern


ALL: tuple[Pattern, ...] = (cloud(48), cloud(16), cloud(5), speckle, stripes, tiles, windows, checks)


def paint(pattern: Map, one: Colour, other: Colour) -> Map:
    """The image of a pattern, (H, W, 3)."""
    return one + (other - one) * pattern[..., None] // 255


def near(colour: Colour, least: int, most: int, rng: np.random.Generator) -> Colour:
    """A colour that differs from another by `least` to `most` in each channel, in the same direction in all of them."""
    sign = 1 if rng.integers(2) else -1
    shifted: Colour = np.clip(colour + sign * rng.integers(least, most + 1, 3), 0, 255)
    return shifted


def draw_canvas(rng: np.random.Generator, height: int, width: int) -> Map:
    """A background of one texture with up to three rectangles of other textures, (H, W, 3)."""
    canvas = _draw_any(rng, height, width)
    for _ in range(rng.integers(0, 4)):
        rows, columns = int(rng.integers(height // 6, height)), int(rng.integers(width // 6, width))
        y, x = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - columns + 1))
        canvas[y : y + rows, x : x + columns] = _draw_any(rng, rows, columns)
    return canvas


def _draw_any(rng: np.random.Generator, height: int, width: int) -> Map:
    colour = rng.integers(30, 226, 3)
    return paint(ALL[rng.integers(len(ALL))](rng, height, width), colour, near(colour, 10, 50, rng))
