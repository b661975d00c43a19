"""Mean intersection over union from one confusion matrix, in per cent. Imports no torch.

As Cityscapes' own evaluation has it: pixels of the ignored id count nowhere, whatever was predicted there; a class that
occurs neither in the truth nor in a prediction has no value and is no part of the mean; one that was predicted and does
not occur has 0. Shapes: C classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IGNORED = 255
CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic_light", "traffic_sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""Cityscapes' classes in the order of their train ids, 0 .. 18."""
METRICS = ("mean_iu_pct", *(f"iu_{name}_pct" for name in CLASSES))


def count_confusion(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int = len(CLASSES)
) -> NDArray[np.int64]:
    """How often a pixel of one class was given another, (C, C): rows are the truth. Add those of all images.

    Args:
        truth: class of each pixel, of any shape, or `IGNORED`.
        predicted: of the same shape; a value outside of 0 .. C - 1, such as `IGNORED`, stands for no answer, and is
            counted in a further column that `intersection_over_union` knows: the matrix is (C, C + 1).

    Raises:
        ValueError: shapes differ, or the truth holds another value.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"the truth has the shape {truth.shape}, the prediction {predicted.shape}")
    is_counted = truth != IGNORED
    true, given = truth[is_counted].astype(np.int64), predicted[is_counted].astype(np.int64)
    if true.size and not 0 <= true.min() <= true.max() < classes:
        raise ValueError(f"the truth holds {true.min()} to {true.max()}; allowed: 0 to {classes - 1}, {IGNORED}")
    given = np.where((given >= 0) & (given < classes), given, classes)
    counts = np.bincount(true * (classes + 1) + given, minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1)


def intersection_over_union(confusion: NDArray[np.int64], names: tuple[str, ...] = CLASSES) -> dict[str, float]:
    """`mean_iu_pct`, and `iu_NAME_pct` of each class that occurs.

    Args:
        confusion: sum of what `count_confusion` gave for every image, (C, C + 1).
        names: of the classes, (C,).

    Raises:
        ValueError: no pixel was counted.
    """
    classes = len(names)
    right = confusion.diagonal()
    union = confusion.sum(axis=1) + confusion[:, :classes].sum(axis=0) - right
    occurring = np.flatnonzero(union)
    if not len(occurring):
        raise ValueError("no pixel has a class, so there is no intersection over union")
    share = 100 * right[occurring] / union[occurring]
    single = {f"iu_{names[index]}_pct": float(value) for index, value in zip(occurring, share, strict=True)}
    return {"mean_iu_pct": float(share.mean()), **single}
