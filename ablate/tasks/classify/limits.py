"""Limits of what a classification recipe may ask of its data set. Imports no torch."""

from __future__ import annotations

from ablate.data.datasets import describe_for
from ablate.data.info import DatasetInfo
from ablate.errors import DataError, quote
from ablate.recipes.classify import ClassifyRecipe

STREAMED = "resized_crop_flip_jitter"
"""With this augmentation, files are decoded while the network trains; with any other, they are kept in memory."""
MEMORY_LIMIT_BYTES = 8 << 30


def check_data(recipe: ClassifyRecipe) -> None:
    """Refuse a recipe that asks for more than its data set has.

    Raises:
        DataError: the data set is unknown, made for another task, or smaller than the recipe asks for; or it has no
            files to crop from, or too many to keep in memory.
    """
    info = describe_for("classify", recipe.dataset)
    for name in ("train_images", "test_images"):
        wanted, there = getattr(recipe, name), getattr(info, name)
        if wanted > there:
            raise DataError(f"{name} is {wanted:,}, and data set {quote(info.name)} has {there:,}; 0 takes all")
    if recipe.augment == STREAMED and not info.is_folder:
        raise DataError(
            f"augment '{STREAMED}' crops from image files of any size, and data set {quote(info.name)} has images of "
            f"{info.resolution_px} px in memory; allowed: none, flip, crop, crop_flip"
        )
    if recipe.augment != STREAMED and info.is_folder:
        _check_memory(recipe, info)


def _check_memory(recipe: ClassifyRecipe, info: DatasetInfo) -> None:
    side = recipe.resolution_px or info.resolution_px
    count = (recipe.train_images or info.train_images) + (recipe.test_images or info.test_images)
    needed_bytes = count * 3 * side**2
    if needed_bytes > MEMORY_LIMIT_BYTES:
        raise DataError(
            f"augment '{recipe.augment}' keeps data set {quote(info.name)} in memory: {count:,} images of {side} px "
            f"are {needed_bytes / 2**30:,.1f} GiB, above the limit of {MEMORY_LIMIT_BYTES / 2**30:g}. "
            f"Take '{STREAMED}', which decodes them while it trains, a smaller resolution_px, or subsets "
            "(train_images, test_images)"
        )
