"""Opening image files: what is wrong with one is a sentence that names it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablate.data import images
from ablate.data.images import FORMATS, MAX_PIXELS, MAX_SCANS, read_image
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
        read_image(path, tmp_path)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK"])
def test_whatever_has_8_bits_a_channel_is_converted(tmp_path: Path, mode: str) -> None:
    write_image(tmp_path / "colours.png", 0)
    path = tmp_path / "converted"
    image = Image.open(tmp_path / "colours.png").convert(mode)
    image.save(path, "TIFF" if mode == "CMYK" else "PNG")
    assert np.array_equal(np.asarray(read_image(path, tmp_path)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("damaged_at", [206, 267])
def test_a_damaged_avif_is_named_whatever_it_is_called(tmp_path: Path, damaged_at: int) -> None:
    path = tmp_path / "1.jpg"
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "AVIF")
    content = bytearray(path.read_bytes())
    content[damaged_at : damaged_at + 60] = b"\xff" * 60
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^{path} is damaged: Failed to decode"):
        read_image(path, tmp_path)


def test_only_the_named_formats_are_decoded_whatever_the_file_is_called(tmp_path: Path) -> None:
    path = tmp_path / "1.png"
    for name in FORMATS:
        Image.new("RGB", (8, 8)).save(path, name)
        assert read_image(path, tmp_path).size == (8, 8)
    for name in ("EPS", "PPM", "ICO", "TGA", "PCX"):
        Image.new("RGB", (8, 8)).save(path, name)
        with pytest.raises(DataError, match=rf"^{path} is not an image, or its format is unknown; allowed: JPEG, PNG"):
            read_image(path, tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_an_image_has_at_most_so_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 30 * 20)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30 * 20)
    path = tmp_path / "1.png"
    for size, is_allowed in {(30, 20): True, (31, 20): False, (90, 90): False}.items():
        Image.new("RGB", size).save(path, name)
        if is_allowed:
            assert read_image(path, tmp_path).size == size
            continue
        with pytest.raises(DataError, match=rf"^{path} has (31 x 20 px|too many pixels); allowed: 600 in all; make"):
            read_image(path, tmp_path)


def test_a_progressive_jpeg_has_at_most_so_many_scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "1.jpg"
    Image.new("L", (64, 64)).save(path, progressive=True)
    content = path.read_bytes()
    count, scan = content.count(b"\xff\xda"), content[content.rindex(b"\xff\xda") : -2]
    path.write_bytes(content[:-2] + scan * (MAX_SCANS - count) + content[-2:])
    assert read_image(path, tmp_path).size == (64, 64)
    path.write_bytes(content[:-2] + scan * (MAX_SCANS - count + 1) + content[-2:])
    with pytest.raises(DataError, match=rf"^{path} has 1,001 scans; allowed: 1,000; save it again, not progressive"):
        read_image(path, tmp_path)


def test_pillow_has_the_same_limit_of_pixels() -> None:
    assert Image.MAX_IMAGE_PIXELS == MAX_PIXELS == 8192 * 8192


def test_every_image_is_opened_by_named_formats() -> None:
    """Without them Pillow tries all, and some start a program. One place opens images, so that none is forgotten."""
    root = Path(images.__file__).parents[2]
    calls = [
        f"{path.relative_to(root)}: {line.strip()}"
        for folder in ("ablate", "service")
        for path in (root / folder).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"Image\.open\(|torchvision\.io|default_loader|ImageFolder\(", line)
    ]
    assert calls == ["ablate/data/images.py: with Image.open(BytesIO(content), formats=list(formats)) as image:"]
