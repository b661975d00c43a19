"""The folder of a set of scenes while it is written, and its manifest.

Images are PNG in both formats, although COCO's are JPEG: their pixels are then exactly the composed ones, with any
library, and masks fit them exactly. The fingerprint is over pixels and texts before any encoding, so it is the same on
every machine that composed the same scenes; the digest of each file shows damage.
"""

from __future__ import annotations

import hashlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from ablate.data.regular_files import read_regular
from ablate.data.scenes.recipes import MANIFEST, SceneRecipe
from ablate.documents import Document, canonical_json
from ablate.errors import DataError

MAX_BYTES = 1 << 28
"""Of any file of a set; the largest are annotations, of a few MiB."""
COMPRESSION = 4
"""Of zlib, 1 to 9; higher levels are slower and give files of about the same size."""


class Manifest(Document):
    """Description of a set of scenes.

    Attributes:
        recipe: the recipe that it was made from.
        fingerprint: SHA-256 over the path and content of every file in the order of writing, pixels for images.
        libraries: versions of the libraries that made it.
        files: path -> SHA-256 of the file's bytes.
    """

    recipe: SceneRecipe
    fingerprint: str
    libraries: dict[str, str]
    files: dict[str, str]


class SceneFolder:
    """Writes files into a folder and lists them.

    Args:
        path: an empty folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, str] = {}
        self._content = hashlib.sha256()

    @property
    def fingerprint(self) -> str:
        """See `Manifest`; of what has been written so far."""
        return self._content.hexdigest()

    def add_image(self, name: str, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        """Write an image, (H, W, 3) of uint8 or (H, W) of uint8 or uint16, as PNG."""
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=COMPRESSION)
        self._add(name, f"{pixels.shape} {pixels.dtype}".encode() + pixels.tobytes(), buffer.getvalue())

    def add_json(self, name: str, document: Any) -> None:
        """Write a document."""
        content = canonical_json(document).encode()
        self._add(name, content, content)

    def _add(self, name: str, content: bytes, written: bytes) -> None:
        self._content.update(f"{name}\0{len(content)}\0".encode() + content)
        self.files[name] = hashlib.sha256(written).hexdigest()
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it next to the files."""
    (folder / MANIFEST).write_text(json.dumps(manifest.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")


def find_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, or None if there is none that can be read."""
    try:
        return Manifest.model_validate_json(read_regular(folder / MANIFEST, folder, MAX_BYTES)[0])
    except (DataError, ValidationError):
        return None


def check_files(folder: Path, manifest: Manifest) -> None:
    """Read every file and compare.

    Raises:
        DataError: one is missing or damaged; it is named.
    """
    for name, digest in manifest.files.items():
        content, _ = read_regular(folder / name, folder, MAX_BYTES)
        if (found := hashlib.sha256(content).hexdigest()) != digest:
            raise DataError(f"{folder / name} is damaged: SHA-256 {found[:12]}..., expected {digest[:12]}...")
