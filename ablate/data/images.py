"""Opening an image file, with one sentence for whatever can be wrong with it. Imports Pillow, no torch."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ablate.errors import DataError

DAMAGES = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError,
    RuntimeError, OverflowError, MemoryError,
)  # fmt: skip
"""What Pillow raises on files that are not what they seem: SyntaxError is its word for a broken PNG, RuntimeError for a
broken AVIF, and sizes that no image has end in the last two."""
DEEP_MODES = ("I", "F")
"""Pillow's modes of grey values that are no bytes, `I;16` and its kin among them; it cuts them off at 255."""


def read_image(path: str) -> tuple[Image.Image, bytes]:
    """A whole image, in RGB, and the bytes of its file.

    Raises:
        DataError: the file cannot be read, is no image, is damaged, or has grey values above 8 bits; it is named.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    try:
        with Image.open(BytesIO(content)) as image:
            return _convert(image, path), content
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is no image, or of an unknown format") from error
    except DAMAGES as error:
        raise DataError(f"{path} is damaged: {error}") from error


def _convert(image: Image.Image, path: str) -> Image.Image:
    if image.mode.split(";")[0] in DEEP_MODES:
        raise DataError(
            f"{path} has grey values of more than 8 bits (mode {image.mode}), which would be cut off at 255; allowed: "
            "8 bits a channel; write it anew, on a scale that suits its values"
        )
    return image.convert("RGB")
