"""Opening an image file, with one sentence for everything that can be wrong with it. Imports Pillow, no torch.

An image is read as it is stored, as the field's loaders of ImageNet and COCO do: boxes and masks belong to the stored
pixels. Registered folders ask for them `upright`, turned as their EXIF data say. Of an animation the first picture
is read, of transparent pixels the colour that is stored below; `Traits` tells all three, for those who want to warn.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

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
DEEP_CHANNELS = re.compile(r";(12|16|32)[A-Z]+$")
"""Ends what Pillow calls the layout of a file with colours or transparency above 8 bits per channel, such as `RGB;16B`.
Pillow has no such mode and would cut the values to 8 bits. `BGR;16` is a pixel of 16 bits, less in each channel."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""The EXIF orientation of a stored image -> what turns it upright."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What is unusual about an image that can be read.

    Attributes:
        is_turned: it was turned or mirrored, as its EXIF data say.
        is_transparent: some of its pixels are not opaque.
        is_animated: it has further pictures.
    """

    is_turned: bool
    is_transparent: bool
    is_animated: bool


def read_image(path: str | Path, folder: Path, *, upright: bool = False) -> Image.Image:
    """A whole image in RGB.

    Args:
        path: path of the file.
        folder: the folder of the data set; a link that leads out of it is refused.
        upright: whether it is turned as its EXIF data say.

    Raises:
        DataError: the file cannot be read, is not an image, is damaged, too large, or has channels above 8 bits; it is
            named.
    """
    stored = decode_image(read_regular(path, folder, MAX_BYTES)[0], path)
    return to_rgb(_turn(stored) if upright else stored, path)


def decode_image(content: bytes, path: str | Path, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """The whole image that a file contains, as it is stored.

    Args:
        content: content of the file.
        path: path of the file, for error texts.
        formats: names of formats, as in `FORMATS`.

    Raises:
        DataError: it is not an image of these formats, is damaged, too large, or has colours above 8 bits per channel;
            the file is named.
    """
    name = printable(path)
    try:
        with _open(content, formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(_too_large(name, f"{image.width} x {image.height} px"))
            if image.format in ("JPEG", "MPO") and (scans := content.count(b"\xff\xda")) > MAX_SCANS:
                raise DataError(f"{name} has {scans:,} scans; allowed: {MAX_SCANS:,}; save it again, not progressive")
            _check_depth(image, name)
            image.load()
            return image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(_too_large(name, "too many pixels")) from error
    except UnidentifiedImageError as error:
        allowed = ", ".join(formats)
        raise DataError(f"{name} is not an image, or its format is unknown; allowed: {allowed}") from error
    except DAMAGES as error:
        raise DataError(f"{name} is damaged: {error}") from error


def decode_with_traits(content: bytes, path: str | Path) -> tuple[Image.Image, Traits]:
    """The same but upright, with what is unusual about it."""
    stored = decode_image(content, path)
    upright = _turn(stored)
    return upright, Traits(upright is not stored, _is_transparent(stored), _is_animated(content))


def _open(content: bytes, formats: Sequence[str]) -> ImageFile.ImageFile:
    return Image.open(BytesIO(content), formats=list(formats))


def _check_depth(image: ImageFile.ImageFile, name: str) -> None:
    """Refuse what Pillow would cut to 8 bits while it loads."""
    layouts = [args if isinstance(args, str) else args[0] for *_, args in image.tile if args]
    deep = next((one for one in layouts if isinstance(one, str) and DEEP_CHANNELS.search(one)), None)
    if deep and image.mode.split(";")[0] not in DEEP_MODES:  # of grey values, `to_rgb` and the readers of labels tell
        raise DataError(
            f"{name} has channels of more than 8 bits ({deep}), which would be cut; allowed: 8 bits per channel; save "
            "it again, scaled to 8 bits"
        )


def _turn(image: Image.Image) -> Image.Image:
    """The image as its EXIF data say; the same object if these say nothing, or are damaged."""
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (*DAMAGES, KeyError, TypeError, AttributeError, UserWarning):
        return image
    return image if turn is None else image.transpose(turn)


def _is_transparent(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return bool(lowest != 255)


def _is_animated(content: bytes) -> bool:
    try:
        with _open(content, FORMATS) as image:
            return image.format != "MPO" and bool(getattr(image, "is_animated", False))  # MPO: a photo and its preview
    except DAMAGES:  # in a later picture; the first was read
        return True


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
