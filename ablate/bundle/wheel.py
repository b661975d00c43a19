"""The wheel of this very installation, made of its own files: it works offline, and from a checkout as well.

`importlib.metadata` has the metadata of an installed package, also of an editable one. The files are those of the
packages on disk, so that the wheel contains the code that made the bundle and no other version of it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.resources.abc import Traversable

from ablate.bundle.archive import DATE, MODE
from ablate.bundle.own import ROOT, VERSION
from ablate.paper.published import studies_folder

PACKAGES = ("ablate", "service")
SKIPPED = frozenset({"__pycache__"})
LICENSE = "licenses/LICENSE"
TAG = "py3-none-any"


@cache
def build_wheel() -> tuple[str, bytes] | None:
    """Name and bytes of the wheel; None if ablate runs from a folder in which it was never installed."""
    try:
        installed = distribution("ablate")
    except PackageNotFoundError:
        return None
    info = f"ablate-{VERSION}.dist-info"
    files = dict(_package_files()) | {f"{info}/{name}": text.encode() for name, text in _metadata(installed)}
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(files.items(), key=lambda file: (file[0].startswith(info), file[0])):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system, entry.external_attr, entry.compress_type = 3, MODE, zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return f"ablate-{VERSION}-{TAG}.whl", out.getvalue()


def _package_files() -> Iterator[tuple[str, bytes]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            parts = path.relative_to(ROOT).parts
            if path.is_file() and not SKIPPED & {*parts} and not any(part.startswith(".") for part in parts):
                yield "/".join(parts), path.read_bytes()
    yield from _studies(studies_folder(), "ablate/studies")


def _studies(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    """The studies; in a checkout they are in a folder next to the package."""
    for one in sorted(folder.iterdir(), key=lambda one: one.name):
        if one.is_dir() and one.name not in SKIPPED:
            yield from _studies(one, f"{name}/{one.name}")
        elif one.is_file():
            yield f"{name}/{one.name}", one.read_bytes()


def _metadata(installed: Distribution) -> Iterator[tuple[str, str]]:
    yield "METADATA", _up_to_date(installed.read_text("METADATA") or "")
    yield "WHEEL", f"Wheel-Version: 1.0\nGenerator: ablate {VERSION}\nRoot-Is-Purelib: true\nTag: {TAG}\n"
    for name in ("entry_points.txt", LICENSE):
        text = installed.read_text(name)
        if text is not None:
            yield name, text


def _up_to_date(metadata: str) -> str:
    """The metadata with the version and the dependencies of the code: an editable installation may have older ones."""
    lines = [line for line in metadata.splitlines() if not line.startswith("Version: ")]
    project = ROOT / "pyproject.toml"
    if project.exists():
        needed = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
        lines = [line for line in lines if not (line.startswith("Requires-Dist: ") and "extra ==" not in line)]
        lines[2:2] = [f"Requires-Dist: {one}" for one in needed]
    lines.insert(2, f"Version: {VERSION}")
    return "\n".join(lines) + "\n"


def _record(files: dict[str, bytes], own: str) -> bytes:
    def line(name: str, content: bytes) -> str:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        return f"{name},sha256={digest},{len(content)}\n"

    return ("".join(line(name, content) for name, content in sorted(files.items())) + f"{own},,\n").encode()
