"""Opening an image file, with one sentence for everything that can be wrong with it. Imports Pillow, no torch."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ablate.data.regular_files import printable, read_regular
from ablate.errors import DataError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
"""Pillow's names of the formats that are decoded, whatever the file is called. Pillow has others that start a program
(EPS: Ghostscript) or are seldom tested."""
MAX_BYTES = 1 << 28
MAX_PIXELS = 1 << 26
"""8192 x 8192; of a larger image only the size is read."""
MAX_SCANS = 1000
"""Of a progressive JPEG: each of its scans is a pass over all pixels and may have 11 bytes. Cameras write about ten."""
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
DAMAGES = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError,
    Image.DecompressionBombWarning, RuntimeError, OverflowError, MemoryError,
)  # fmt: skip
"""What Pillow raises for damaged files: SyntaxError for a broken PNG, RuntimeError for a broken AVIF, and the last two
for impossible sizes."""
DEEP_MODES = ("I", "F")
"""Pillow's modes of grey values above 8 bits, such as `I;16`; converting them would clip at 255."""


def read_image(path: str | Path, folder: Path) -> Image.Image:
    """A whole image, in RGB.

    Args:
        path: path of the file.
        folder: the folder of the data set; a link that leads out of it is refused.

    Raises:
        DataError: the file cannot be read, is not an image, is damaged, too large, or has grey values above 8 bits; it
            is named.
    """
    return to_rgb(decode_image(read_regular(path, folder, MAX_BYTES)[0], path), path)


def decode_image(content: bytes, path: str | Path, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """The whole image that a file contains, as it is stored.

    Args:
        content: content of the file.
        path: path of the file, for error texts.
        formats: names of formats, as in `FORMATS`.

    Raises:
        DataError: it is not an image of these formats, is damaged or too large; the file is named.
    """
    name = printable(path)
    try:
        with Image.open(BytesIO(content), formats=list(formats)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(_too_large(name, f"{image.width} x {image.height} px"))
            if image.format in ("JPEG", "MPO") and (scans := content.count(b"\xff\xda")) > MAX_SCANS:
                raise DataError(f"{name} has {scans:,} scans; allowed: {MAX_SCANS:,}; save it again, not progressive")
            image.load()
            return image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(_too_large(name, "too many pixels")) from error
    except UnidentifiedImageError as error:
        allowed = ", ".join(formats)
        raise DataError(f"{name} is not an image, or its format is unknown; allowed: {allowed}") from error
    except DAMAGES as error:
        raise DataError(f"{name} is damaged: {error}") from error


def to_rgb(image: Image.Image, path: str | Path) -> Image.Image:
    """A decoded image in RGB.

    Raises:
        DataError: it has grey values above 8 bits; the file is named.
    """
    if image.mode.split(";")[0] in DEEP_MODES:
        raise DataError(
            f"{printable(path)} has grey values of more than 8 bits (mode {image.mode}), which would be clipped at "
            "255; allowed: 8 bits per channel; save it again, scaled to 8 bits"
        )
    try:
        return image.convert("RGB")
    except DAMAGES as error:
        raise DataError(f"{printable(path)} is damaged: {error}") from error


def _too_large(name: str, given: str) -> str:
    return f"{name} has {given}; allowed: {MAX_PIXELS:,} in all; make it smaller, or remove it"
