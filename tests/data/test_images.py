"""Opening image files: what is wrong with one is a sentence that names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablate.data.images import read_image
from ablate.errors import DataError
from tests.image_folders import write_image

DEEP = {
    "I;16": np.arange(256, dtype=np.uint16).reshape(16, 16) * 257,
    "I": np.arange(256, dtype=np.int32).reshape(16, 16) * 257,
    "F": np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16),
}


@pytest.mark.parametrize("mode", DEEP)
def test_grey_values_of_more_than_8_bits_are_refused_instead_of_cut_off(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "scan.png"
    Image.fromarray(DEEP[mode]).save(path, "PNG" if mode == "I;16" else "TIFF")
    with pytest.raises(
        DataError, match=rf"^{path} has grey values of more than 8 bits \(mode {mode}\), .*save it again"
    ):
        read_image(str(path))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK"])
def test_whatever_has_8_bits_a_channel_is_converted(tmp_path: Path, mode: str) -> None:
    write_image(tmp_path / "colours.png", 0)
    path = tmp_path / "converted"
    image = Image.open(tmp_path / "colours.png").convert(mode)
    image.save(path, "TIFF" if mode == "CMYK" else "PNG")
    assert np.array_equal(np.asarray(read_image(str(path))[0]), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("damaged_at", [206, 267])
def test_a_damaged_avif_is_named_whatever_it_is_called(tmp_path: Path, damaged_at: int) -> None:
    path = tmp_path / "1.jpg"
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "AVIF")
    content = bytearray(path.read_bytes())
    content[damaged_at : damaged_at + 60] = b"\xff" * 60
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^{path} is damaged: Failed to decode"):
        read_image(str(path))
