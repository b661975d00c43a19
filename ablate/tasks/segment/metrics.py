"""Mean intersection over union from one confusion matrix, in per cent. Does not import torch.

The rules are those of Cityscapes' own evaluation. Pixels with the ignored id are not counted, for any prediction. A
class that occurs neither in the truth nor in a prediction has no value and does not enter the mean. A class that is
predicted and does not occur has 0. Shapes: C classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IGNORED = 255
"""Train id of pixels that are not counted."""
CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic_light", "traffic_sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""Cityscapes' classes in the order of their train ids, 0 .. 18."""
METRICS = ("mean_iu_pct", *(f"iu_{name}_pct" for name in CLASSES))


def count_confusion(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int = len(CLASSES)
) -> NDArray[np.int64]:
    """Confusion matrix of an image, in pixels. Add the matrices of all images.

    Args:
        truth: class of each pixel, 0 .. C - 1 or `IGNORED`, of any shape.
        predicted: predicted class of each pixel, of the same shape; a value outside of 0 .. C - 1 means no prediction.
        classes: C.

    Returns:
        (C, C + 1): rows are the truth, columns the prediction; the last column counts pixels without a prediction.

    Raises:
        ValueError: the shapes differ, or the truth contains another value.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"the truth has shape {truth.shape}, but the prediction has shape {predicted.shape}")
    is_counted = truth != IGNORED
    true, given = truth[is_counted].astype(np.int64), predicted[is_counted].astype(np.int64)
    if true.size and not 0 <= true.min() <= true.max() < classes:
        raise ValueError(f"the truth contains {true.min()} to {true.max()}; allowed: 0 to {classes - 1}, {IGNORED}")
    given = np.where((given >= 0) & (given < classes), given, classes)
    counts = np.bincount(true * (classes + 1) + given, minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1)


def intersection_over_union(confusion: NDArray[np.int64], names: tuple[str, ...] = CLASSES) -> dict[str, float]:
    """Compute `mean_iu_pct`, and `iu_NAME_pct` of each class that occurs, in per cent.

    Args:
        confusion: sum of `count_confusion` over all images, (C, C + 1).
        names: names of the classes, (C,).

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
