"""Opening an image file, with one sentence for whatever can be wrong with it. Imports Pillow, no torch."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ablate.errors import DataError

DAMAGES = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow raises on files that are not what they seem; SyntaxError is its word for a broken PNG."""


def read_image(path: str) -> tuple[Image.Image, bytes]:
    """A whole image, in RGB, and the bytes of its file.

    Raises:
        DataError: the file cannot be read, is no image, or is damaged; it is named.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    try:
        with Image.open(BytesIO(content)) as image:
            return image.convert("RGB"), content
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is no image, or of an unknown format") from error
    except DAMAGES as error:
        raise DataError(f"{path} is damaged: {error}") from error
