"""Opening image files: what is wrong with one is a sentence that names it."""

from __future__ import annotations

import re
import struct
import zlib
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


def write_deep(path: Path, colour_type: int, channels: int) -> None:
    """A PNG of 16 bits a channel, which Pillow reads and cannot write."""
    lines = np.random.default_rng(0).integers(0, 65536, (4, 5, channels)).astype(">u2")
    header = struct.pack(">IIBBBBB", 5, 4, 16, colour_type, 0, 0, 0)
    parts = {b"IHDR": header, b"IDAT": zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines)), b"IEND": b""}
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts.items()
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


@pytest.mark.parametrize(
    ("colour_type", "channels", "given"), [(0, 1, "mode I;16"), (2, 3, "RGB;16B"), (4, 2, "LA;16B"), (6, 4, "RGBA;16B")]
)
def test_16_bits_a_channel_are_refused_in_every_kind_of_png(
    tmp_path: Path, colour_type: int, channels: int, given: str
) -> None:
    path = tmp_path / "scan.png"
    write_deep(path, colour_type, channels)
    with pytest.raises(DataError, match=rf"^{path} has .* more than 8 bits \({given}\), .*save it again"):
        read_image(path, tmp_path)


def test_pixels_of_16_bits_with_fewer_in_each_channel_are_read(tmp_path: Path) -> None:
    header = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 62, 0, 0, 54, 40, 2, 2, 1, 16, 0, 8, 0, 0, 0, 0)
    (tmp_path / "small.bmp").write_bytes(header + b"\xff\x7f" * 4)
    assert np.asarray(read_image(tmp_path / "small.bmp", tmp_path)).tolist() == [[[255] * 3] * 2] * 2


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(9))
def test_an_image_is_read_as_stored_or_upright(tmp_path: Path, name: str, orientation: int) -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :16], pixels[8:, :16] = 255, (255, 0, 0)  # white above red on the left: no two turns look alike
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "photo", name, exif=exif, quality=100)
    upright = {
        2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1], 5: pixels.swapaxes(0, 1),
        6: np.rot90(pixels, -1), 7: pixels[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(pixels),
    }.get(orientation, pixels)  # fmt: skip
    for expected, is_upright in ((upright, True), (pixels, False)):
        found = np.asarray(read_image(tmp_path / "photo", tmp_path, upright=is_upright)).astype(int)
        assert found.shape == expected.shape
        assert np.abs(found - expected).mean() < 8


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_data_do_not_turn_an_image(tmp_path: Path) -> None:
    write_image(tmp_path / "plain.jpg", 0)
    image = Image.open(tmp_path / "plain.jpg")
    image.save(tmp_path / "odd.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12", quality=95)
    assert read_image(tmp_path / "odd.jpg", tmp_path, upright=True).size == image.size


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
    assert calls == ["ablate/data/images.py: return Image.open(BytesIO(content), formats=list(formats))"]
