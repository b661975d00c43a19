"""Any folder can be registered as a data set, or it is refused in a sentence, in time."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ablate.data.add_folder import register
from ablate.data.datasets import describe, list_files
from ablate.data.images import FORMATS, read_image
from ablate.errors import DataError
from tests.fuzz.harness import Watch, examples, timed

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
"""Pillow remarks on odd files that it can read, such as an invalid tag of a TIFF."""


def encoded(form: str, mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> bytes:
    """A small image as a file's content."""
    file = BytesIO()
    Image.new(mode, size, 7).save(file, form)
    return file.getvalue()


IMAGES = [
    *(encoded(form) for form in (*FORMATS, "EPS", "PPM", "ICO")),
    *(encoded("PNG", mode) for mode in ("1", "L", "LA", "P", "RGBA", "I;16")),
    encoded("PNG", size=(1, 3000)), b"", b"\x89PNG\r\n\x1a\n", b"%!PS\n", b"P6 9999999 9999999 255\n", b"GIF89a",
]  # fmt: skip
FOLDERS = (
    "cat",
    "dog",
    "train",
    "test",
    "val",
    "a b",
    ".hidden",
    "\u202e",
    "\x1b[2J",
    "\udcff",
    "n" * 200,
    "-rf",
    "\n",
)
FILES = (
    "0.png",
    "1.jpg",
    "2.PNG",
    ".png",
    "x.txt",
    "\udcfe.png",
    "\x07.gif",
    "e.eps",
    "n" * 200 + ".tif",
    "-.webp",
    "Thumbs.db",
)
LINKS = ("/dev/zero", "/etc/passwd", "..", ".", "0.png", "nowhere", "../../..", "/")


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """An image, whole or damaged."""
    content = bytearray(draw(st.sampled_from(IMAGES)))
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        if content:
            place = draw(st.integers(0, len(content) - 1))
            content[place : place + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(content)


ENTRIES = st.one_of(
    st.tuples(st.just("file"), contents()), st.tuples(st.just("file"), contents()),
    st.tuples(st.just("link"), st.sampled_from(LINKS)), st.tuples(st.just("fifo"), st.none()),
    st.tuples(st.just("folder"), st.none()), st.tuples(st.just("sparse"), st.sampled_from([1 << 20, 1 << 35])),
    st.tuples(st.just("locked"), contents()),
)  # fmt: skip
SOUND = ("train/cat", "train/dog", "test/cat", "test/dog")
PATHS = st.tuples(
    st.sampled_from(SOUND) | st.lists(st.sampled_from(FOLDERS), max_size=3).map("/".join), st.sampled_from(FILES)
).map(lambda parts: "/".join(filter(None, parts)))
SAMPLES = st.just([]) | st.lists(contents(), max_size=4).map(lambda images: [IMAGES[1], *images])
NAMES = ("pets",) * 9 + ("\u202e", "digits", "../x", "x" * 41)


def make(root: Path, path: str, kind: str, given: Any) -> None:
    """Make one entry of a tree, unless another one is in its place."""
    place = root / path
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            place.symlink_to(given)
        elif kind == "fifo":
            os.mkfifo(place)
        elif kind == "folder":
            place.mkdir()
        elif kind == "sparse":
            with place.open("xb") as file:
                file.truncate(given)
        else:
            with place.open("xb") as file:
                file.write(given)
            place.chmod(0 if kind == "locked" else 0o600)
    except (FileExistsError, NotADirectoryError):
        return


@examples(80)
@given(st.dictionaries(PATHS, ENTRIES, max_size=6), SAMPLES, st.booleans(), st.sampled_from(NAMES))
def test_any_folder_is_registered_or_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watch: Watch,
    entries: dict[str, Any], images: list[bytes], is_patient: bool, name: str,
) -> None:  # fmt: skip
    root = Path(tempfile.mkdtemp(dir=tmp_path))
    monkeypatch.setenv("ABLATE_DATA", str(root / "data"))
    folder = root / "images"
    folder.mkdir()
    for number, content in enumerate(images):  # else few trees are a data set at all
        for place in SOUND:
            make(folder, f"{place}/{number}.png", "file", content)
    for path, (kind, given_) in entries.items():
        make(folder, path, kind, given_)
    with watch.example():
        try:
            timed("registering a folder", lambda: register(name, folder, skip_damaged=is_patient, replace=True))
        except DataError:
            return
        assert describe(name).train_images > 0
        for is_training in (True, False):
            files = list_files(name, is_training)
            for index in range(len(files)):
                assert read_image(files.path(index), folder).mode == "RGB"


@examples(80)
@given(contents(), st.sampled_from(FILES))
def test_any_file_is_an_image_or_refused_in_a_sentence(tmp_path: Path, watch: Watch, content: bytes, name: str) -> None:
    root = Path(tempfile.mkdtemp(dir=tmp_path))
    (root / name).write_bytes(content)
    with watch.example(), suppress(DataError):
        assert read_image(root / name, root).mode == "RGB"
