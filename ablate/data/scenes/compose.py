"""Garments are laid on a canvas, the largest first, so that later ones hide parts of earlier ones.

A garment is laid only where it, and every garment below it, keeps a minimum share of visible pixels. No scene therefore
has a fragment without an annotation. Shapes: H, W of the scene in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ablate.data.scenes.garments import KINDS, Garment, Wardrobe
from ablate.data.scenes.textures import Map

OPAQUE = 128
"""Lowest alpha, of 255, of a garment's pixels; edges are blended over about a pixel."""
VISIBLE_SHARE = 0.5
"""Minimum share of a garment's pixels, inside the scene or not, that are visible."""
TRIES = 8
TINTS = 8
SAMPLE = 200
"""Approximate number of pixels behind a garment that its tint is compared with."""
OVERHANG = 8
"""A garment may stick out of the scene by 1/8 of its side."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """A garment in a scene.

    Attributes:
        kind: index in `KINDS`.
        visible: (H, W) of bool, its visible pixels.
        pixels: number of its pixels, including those that are hidden or outside the scene.
    """

    kind: int
    visible: NDArray[np.bool_]
    pixels: int


@dataclass(frozen=True, slots=True)
class Filling:
    """What to lay on a canvas.

    Attributes:
        most: highest number of garments in a scene; each number from 1 to it is equally likely.
        empty_in: one scene in this many has no garment.
        sizes: ranges of the square root of a garment's pixels; one range is drawn for each garment.
        weights: relative frequency of each range.
    """

    most: int
    empty_in: int
    sizes: tuple[Range, ...]
    weights: tuple[int, ...]

    def draw(self, rng: np.random.Generator) -> list[int]:
        """Square roots of the pixels of a scene's garments, the largest first."""
        if rng.integers(self.empty_in) == 0:
            return []
        chosen = rng.integers(0, sum(self.weights), rng.integers(1, self.most + 1))
        ranges = [self.sizes[index] for index in np.searchsorted(np.cumsum(self.weights), chosen, side="right")]
        return sorted((int(rng.integers(low, high + 1)) for low, high in ranges), reverse=True)


def lay(
    canvas: Map, wardrobe: Wardrobe, sizes: Sequence[int], rng: np.random.Generator, horizon: int = 0
) -> list[Laid]:
    """Lay garments on a canvas, in place.

    Args:
        canvas: (H, W, 3) of integers, 0..255.
        wardrobe: the garments to draw from.
        sizes: square roots of their pixels, in the order in which they are laid.
        rng: source of random numbers.
        horizon: the row at or below which every garment ends.

    Returns:
        The garments for which there was a place, in that order.
    """
    laid: list[Laid] = []
    for size in sizes:
        kind = int(rng.integers(len(KINDS)))
        grey, alpha = _resized(wardrobe.draw(kind, rng), size, rng)
        is_garment = alpha >= OPAQUE
        for _ in range(TRIES):
            place = _choose_place(canvas.shape, alpha.shape, horizon, rng)
            if found := _with(laid, kind, is_garment, place, canvas.shape):
                laid = found
                _blend(canvas, grey, alpha, place, rng)
                break
    return laid


def _resized(garment: Garment, size: int, rng: np.random.Generator) -> tuple[Map, Map]:
    """Grey values and alpha of a garment that has about size x size pixels, perhaps mirrored and a little stretched."""
    rows, columns = garment.grey.shape
    stretch = int(rng.integers(85, 118))  # per cent, of width against height
    pixels = int(np.count_nonzero(garment.is_garment))
    width = isqrt(size**2 * columns**2 * stretch // (100 * pixels))
    height = width * rows * 100 // (columns * stretch)
    step = -1 if rng.integers(2) else 1
    alpha = np.where(garment.is_garment, np.uint8(255), np.uint8(0))
    grey, alpha = (
        np.asarray(Image.fromarray(part[:, ::step]).resize((max(width, 3), max(height, 3)), Image.Resampling.BICUBIC))
        for part in (garment.grey, alpha)
    )
    return grey.astype(np.int64), alpha.astype(np.int64)


def _choose_place(scene: Sequence[int], garment: Sequence[int], horizon: int, rng: np.random.Generator) -> Range:
    """Row and column of a garment's upper left corner; it may be outside the scene."""
    places = []
    for side, length, least_end in ((scene[0], garment[0], horizon), (scene[1], garment[1], 0)):
        out = length // OVERHANG
        ends = sorted((-out, side - length + out))
        low = min(max(ends[0], least_end - length), ends[1])
        places.append(int(rng.integers(low, ends[1] + 1)))
    return places[0], places[1]


def _with(
    laid: Sequence[Laid], kind: int, is_garment: NDArray[np.bool_], place: Range, scene: Sequence[int]
) -> list[Laid]:
    """The garments of a scene with another one on top; empty if that would hide too much."""
    mine = np.zeros(scene[:2], dtype=np.bool_)
    inside, part = _meeting(scene, is_garment.shape, place)
    mine[inside] = is_garment[part]
    below = [Laid(one.kind, one.visible & ~mine, one.pixels) for one in laid]
    together = [*below, Laid(kind, mine, int(np.count_nonzero(is_garment)))]
    is_seen = all(np.count_nonzero(one.visible) >= VISIBLE_SHARE * one.pixels > 0 for one in together)
    return together if is_seen else []


def _meeting(
    scene: Sequence[int], garment: Sequence[int], place: Range
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of a scene that a garment covers, and the part of the garment that is in the scene."""
    (top, left), (height, width) = place, scene[:2]
    rows = slice(max(top, 0), min(top + garment[0], height))
    columns = slice(max(left, 0), min(left + garment[1], width))
    part = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    return (rows, columns), part


def _blend(canvas: Map, grey: Map, alpha: Map, place: Range, rng: np.random.Generator) -> None:
    """Paint a garment in a tint that contrasts with what is behind it."""
    inside, part = _meeting(canvas.shape, grey.shape, place)
    behind, opacity = canvas[inside], alpha[part][..., None]
    dark, bright = _choose_tint(behind[alpha[part] >= OPAQUE], rng)
    coloured = dark + (bright - dark) * grey[part][..., None] // 255
    canvas[inside] = (coloured * opacity + behind * (255 - opacity)) // 255


def _choose_tint(behind: Map, rng: np.random.Generator) -> Map:
    """The colours of black and of white, (2, 3): of several pairs, the one that differs most from the pixels behind.

    A pair is judged by the fifth of the pixels from which it differs least, so that a garment on top of two others
    contrasts with both.
    """
    tints = rng.integers(0, 256, (TINTS, 2, 3))
    tints[:, 0] //= 3  # black stays dark, or folds and prints would be lost
    sample = behind[:: len(behind) // SAMPLE + 1]
    differences = np.abs(tints.sum(axis=1)[:, None] // 2 - sample).sum(axis=2)  # (TINTS, pixels)
    differences.sort(axis=1)
    chosen: Map = tints[differences[:, len(sample) // 5].argmax()]
    return chosen
