"""Opening an image file, with one sentence for everything that can be wrong with it. Imports Pillow, no torch."""

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
"""What Pillow raises for damaged files: SyntaxError for a broken PNG, RuntimeError for a broken AVIF, and the last two
for impossible sizes."""
DEEP_MODES = ("I", "F")
"""Pillow's modes of grey values above 8 bits, such as `I;16`; converting them would clip at 255."""


def read_image(path: str) -> tuple[Image.Image, bytes]:
    """A whole image, in RGB, and the bytes of its file.

    Raises:
        DataError: the file cannot be read, is not an image, is damaged, or has grey values above 8 bits; it is named.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    try:
        with Image.open(BytesIO(content)) as image:
            return _convert(image, path), content
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is not an image, or its format is unknown") from error
    except DAMAGES as error:
        raise DataError(f"{path} is damaged: {error}") from error


def _convert(image: Image.Image, path: str) -> Image.Image:
    if image.mode.split(";")[0] in DEEP_MODES:
        raise DataError(
            f"{path} has grey values of more than 8 bits (mode {image.mode}), which would be clipped at 255; allowed: "
            "8 bits per channel; save it again, scaled to 8 bits"
        )
    return image.convert("RGB")
