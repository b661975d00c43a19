"""Correctness by test image: one bit for each image of the test set, kept with a trial's outcome.

Two rows can then be compared image by image, and the test set can be treated as a sample. numpy is imported when bits
are packed or read, not before.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from ablate.documents import Document, canonical_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_ITEMS = 4_000_000
"""Largest test set whose correctness is kept: 0.5 MB of bits, which fit into one message of a worker."""


def identify_test_set(dataset: str, labels: NDArray[np.int64]) -> str:
    """The identity of a test set: a digest of its data and the images in it, 64 hexadecimal digits.

    Args:
        dataset: pinned name of the data set (`ablate.data.datasets.pin`).
        labels: true classes of the test images, (N,). They distinguish subsets and orders of the same data.
    """
    content = {"dataset": dataset, "labels": hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()}
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


class Items(Document):
    """Which test images a trial classified correctly.

    Attributes:
        test_set: identity of the test set, 64 hexadecimal digits: of the data, the images in it, and their order.
        n: number of test images.
        bits: one bit for each image, 1 if it is correct, in the order of the test set: base64 of bytes whose highest
            bit is the first image; the last byte is filled up with zeros.
    """

    test_set: str = Field(pattern="^[0-9a-f]{64}$")
    n: int = Field(ge=1, le=MAX_ITEMS, strict=True)
    bits: str = Field(max_length=MAX_ITEMS)

    @classmethod
    def pack(cls, dataset: str, labels: NDArray[np.int64], is_correct: NDArray[np.bool_]) -> Self:
        """The items of a trial.

        Args:
            dataset: see `identify_test_set`.
            labels: see `identify_test_set`.
            is_correct: whether each image was classified correctly, (N,).
        """
        import numpy as np

        bits = base64.b64encode(np.packbits(is_correct).tobytes()).decode()
        return cls(test_set=identify_test_set(dataset, labels), n=len(labels), bits=bits)

    def is_correct(self) -> NDArray[np.bool_]:
        """Whether each test image was classified correctly, (n,)."""
        import numpy as np

        return np.unpackbits(np.frombuffer(base64.b64decode(self.bits), np.uint8), count=self.n).astype(np.bool_)

    @property
    def correct(self) -> int:
        """Number of correct images."""
        return int.from_bytes(base64.b64decode(self.bits)).bit_count()

    @property
    def error_pct(self) -> float:
        """Share of wrong images in per cent."""
        return 100 * (self.n - self.correct) / self.n

    @model_validator(mode="after")
    def _has_one_bit_for_each_image(self) -> Self:
        content = base64.b64decode(self.bits, validate=True)
        surplus = 8 * len(content) - self.n
        if not 0 <= surplus < 8 or int.from_bytes(content) & ((1 << surplus) - 1):
            raise ValueError(f"bits should be one for each of the {self.n} images, filled up with zeros to whole bytes")
        return self
