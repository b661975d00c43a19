"""The digits of scikit-learn, which are installed with it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablate.data.dataset import DataSet, Labelled
from ablate.errors import DataError

TEST_EVERY = 5
"""Of each class, in the order of the file, every fifth image is a test image: one writer's digits are consecutive."""


@dataclass(frozen=True)
class Digits(DataSet):
    """See the module's text."""

    def find(self, root: Path) -> Path | None:
        """See `DataSet.find`; does not import scikit-learn."""
        del root
        spec = importlib.util.find_spec("sklearn")
        if spec is None or spec.origin is None:
            return None
        path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
        return path if path.is_file() else None

    def check(self, root: Path) -> Path:
        """See `DataSet.check`."""
        if path := self.find(root):
            return path
        raise DataError(
            f"data set {self.name!r} is part of scikit-learn, which is not installed here: pip install '.[run]' (in a "
            "checkout of ablate)"
        )

    def open(self, root: Path, train: bool) -> Labelled:
        """See `DataSet.open`."""
        self.check(root)
        from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]

        digits = load_digits()
        chosen = np.flatnonzero(_is_for_testing(digits.target) != train)
        pixels = np.rint(digits.images[chosen] * (255 / 16)).astype(np.uint8)  # stored as 0..16
        return Labelled(pixels[:, None], digits.target[chosen].astype(np.int64))


def _is_for_testing(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """For each image, (N,), whether it is the fifth, tenth, ... of its class."""
    is_test = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        is_test[np.flatnonzero(labels == label)[TEST_EVERY - 1 :: TEST_EVERY]] = True
    return is_test
