"""Simple streets: the background of a scene in the format of Cityscapes, with the label of every pixel.

Above the horizon there are buildings and trees in front of the sky, below it a road with sidewalks in open terrain.
Classes differ by their texture, and only roughly by their colour. The last rows are the bonnet of the camera's own car:
`ego vehicle`, which no metric counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablate.data.scenes.textures import Map, Pattern, checks, cloud, near, paint, speckle, tiles, windows

EGO_VEHICLE = 1
BONNET = 16
"""The bonnet takes 1/16 of a scene's height."""


@dataclass(frozen=True, slots=True)
class Stuff:
    """The look of a class.

    Attributes:
        label: label id in Cityscapes.
        pattern: texture of the class.
        colour: mean of the colour that is drawn.
        contrast: smallest and largest difference between the two colours of the pattern.
    """

    label: int
    pattern: Pattern
    colour: tuple[int, int, int]
    contrast: tuple[int, int]


ROAD = Stuff(7, speckle, (110, 105, 110), (10, 35))
SIDEWALK = Stuff(8, tiles, (130, 120, 120), (25, 60))
BUILDING = Stuff(11, windows, (125, 110, 100), (25, 70))
VEGETATION = Stuff(21, cloud(4), (90, 115, 70), (50, 110))
TERRAIN = Stuff(22, checks, (110, 120, 80), (15, 45))
SKY = Stuff(23, cloud(24), (150, 165, 190), (10, 50))
JITTER = 50
"""Largest difference of a region's colour from that of its class, in each channel."""


def draw_street(rng: np.random.Generator, height: int, width: int) -> tuple[Map, NDArray[np.uint8], int]:
    """A street without its bonnet: the image (H, W, 3), the label ids (H, W), and the row of the horizon."""
    image, labels = np.zeros((height, width, 3), dtype=np.int64), np.zeros((height, width), dtype=np.uint8)
    horizon = int(rng.integers(height * 35 // 100, height * 55 // 100))
    rows, columns = np.mgrid[:height, :width]
    _fill(image, labels, rows < horizon, SKY, rng)
    _fill(image, labels, rows >= horizon, TERRAIN, rng)
    _raise_skyline(image, labels, horizon, rng)
    depth = rows - horizon  # 0 at the horizon
    middle = int(rng.integers(width // 3, width - width // 3)) + depth * int(rng.integers(-32, 33)) // 64
    half = width // 24 + depth * int(rng.integers(32, 80)) // 64
    beside = half * int(rng.integers(130, 181)) // 100
    _fill(image, labels, (depth >= 0) & (abs(columns - middle) < beside), SIDEWALK, rng)
    _fill(image, labels, (depth >= 0) & (abs(columns - middle) < half), ROAD, rng)
    return image, labels, horizon


def draw_bonnet(rng: np.random.Generator, height: int, width: int) -> tuple[Map, NDArray[np.uint8]]:
    """The rows below a street: image (height, W, 3) and label ids (height, W)."""
    colour = rng.integers(0, 80, 3)
    image = paint(cloud(24)(rng, height, width), colour, near(colour, 10, 40, rng))
    return image, np.full((height, width), EGO_VEHICLE, dtype=np.uint8)


def _raise_skyline(image: Map, labels: NDArray[np.uint8], horizon: int, rng: np.random.Generator) -> None:
    """Buildings, trees and gaps from left to right."""
    height, width = labels.shape
    rows, columns = np.mgrid[:height, :width]
    left = -int(rng.integers(0, width // 12))
    while left < width:
        across = int(rng.integers(width // 12, width // 4))
        tall = int(rng.integers(horizon // 3, horizon * 9 // 10))
        which = rng.integers(5)
        if which < 2:
            is_inside = (columns >= left) & (columns < left + across) & (rows >= horizon - tall) & (rows < horizon)
            _fill(image, labels, is_inside, BUILDING, rng)
        elif which < 4:
            x, y = 2 * (columns - left) - across, 2 * (rows - horizon) + tall  # twice the distance to the middle
            _fill(image, labels, ((x * tall) ** 2 + (y * across) ** 2 < (across * tall) ** 2), VEGETATION, rng)
        left += across


def _fill(
    image: Map, labels: NDArray[np.uint8], region: NDArray[np.bool_], stuff: Stuff, rng: np.random.Generator
) -> None:
    colour = np.clip(np.array(stuff.colour) + rng.integers(-JITTER, JITTER + 1, 3), 0, 255)
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not len(rows):  # it is outside the scene
        return
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    pattern = stuff.pattern(rng, rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0])
    image[box][region[box]] = paint(pattern, colour, near(colour, *stuff.contrast, rng))[region[box]]
    labels[region] = stuff.label
