"""Limits of data sets for classification recipes. Does not import torch."""

from __future__ import annotations

from ablate.data.datasets import describe_for
from ablate.data.info import DatasetInfo
from ablate.errors import DataError, quote
from ablate.recipes.classify import ClassifyRecipe

STREAMED = "resized_crop_flip_jitter"
"""The augmentation that decodes files during training; for any other, images are kept in memory."""
MEMORY_LIMIT_BYTES = 8 << 30
"""Maximum size of the images in memory."""


def check_data(recipe: ClassifyRecipe) -> None:
    """Validate a recipe against its data set.

    Raises:
        DataError: the data set is unknown or belongs to another task, has fewer images than requested, has no files to
            crop from, or does not fit into memory.
    """
    info = describe_for("classify", recipe.dataset)
    for name in ("train_images", "test_images"):
        wanted, there = getattr(recipe, name), getattr(info, name)
        if wanted > there:
            raise DataError(f"{name} is {wanted:,}, and data set {quote(info.name)} has {there:,}; 0 takes all")
    if recipe.augment == STREAMED and not info.is_folder:
        raise DataError(
            f"augment '{STREAMED}' needs image files of any size, and data set {quote(info.name)} has images of "
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
            f"Use '{STREAMED}', which decodes them during training, a smaller resolution_px, or subsets (train_images, "
            "test_images)"
        )
