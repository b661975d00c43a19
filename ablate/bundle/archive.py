"""The zip file of a bundle: written in one step with the same bytes for the same content, and read with limits.

A bundle comes from somebody else, so nothing in it is trusted: names that leave the folder, links, encrypted entries,
too many or too large entries, and entries that unpack to far more than they take are refused before they are read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ablate.errors import MachineError, TrialError, quote
from ablate.trials.machine import describe_os_error

MANIFEST = "MANIFEST.sha256"
DATE = (1980, 1, 1, 0, 0, 0)
"""Date of every entry: the earliest that a zip file can have."""
MODE = (stat.S_IFREG | 0o644) << 16

MAX_ENTRIES = 50_000
MAX_BYTES = 4 << 30
"""Bytes of all entries together, unpacked, without weights. They are hashed piece by piece."""
MAX_DOCUMENT_BYTES = 256 << 20
"""Bytes of an entry that is read as a whole, unpacked."""
MAX_RATIO = 200
"""Largest ratio of the unpacked to the packed bytes of an entry above `SMALL` bytes."""
SMALL = 16 << 20
CHUNK = 1 << 20
WEIGHTS = "weights/"

Content = bytes | Path
"""Content of an entry: its bytes, or the file that has them."""


class BundleError(TrialError):
    """A file is not a bundle, or the bundle is damaged."""


@contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[IO[bytes]]:
    """A temporary file that becomes `path` when the block ends without an error.

    Args:
        path: the file.
        force: whether an existing file is replaced.

    Raises:
        BundleError: the file exists already.
        MachineError: it cannot be written.
    """
    if path.exists() and not force:
        raise BundleError(f"{path} exists already; choose another name, or replace it with --force")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                temporary.chmod(0o644)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise MachineError(f"cannot write {path}: {describe_os_error(error)}") from error


def write_zip(file: IO[bytes], files: Mapping[str, Content]) -> None:
    """Write the entries in the order of their names, with fixed dates and modes, and the manifest."""
    manifest = "".join(f"{_digest(files[name])}  {name}\n" for name in sorted(files))
    with zipfile.ZipFile(file, "w", compresslevel=9) as archive:
        for name, content in sorted({**files, MANIFEST: manifest.encode()}.items()):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system, entry.external_attr = 3, MODE
            entry.compress_type = zipfile.ZIP_STORED if isinstance(content, Path) else zipfile.ZIP_DEFLATED
            if isinstance(content, bytes):
                archive.writestr(entry, content)
                continue
            entry.file_size = content.stat().st_size
            with content.open("rb") as source, archive.open(entry, "w") as target:
                while chunk := source.read(CHUNK):
                    target.write(chunk)


def _digest(content: Content) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Archive:
    """An open bundle.

    Attributes:
        entries: the names of its files.
        read: gives the bytes of a file; the names are those in `entries`.
        digest: gives the SHA-256 of a file without keeping its bytes.
    """

    entries: frozenset[str]
    read: Callable[[str], bytes]
    digest: Callable[[str], str]


def open_archive(path: Path) -> Archive:
    """Open a bundle: a zip file, or the folder into which one was unpacked.

    Raises:
        BundleError: it is neither, or what is in it is not allowed.
    """
    if path.is_dir():
        if not (path / MANIFEST).is_file():
            raise BundleError(_no_bundle(path))
        return _open_folder(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
            _check(archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise BundleError(f"{path} is not a bundle: {_describe(error)}; give the .zip of `ablate export`") from error

    def stream(name: str, use: Callable[[bytes], object]) -> None:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(entries[name]) as file:
                _copy(file, use, quote(name), entries[name].file_size)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise BundleError(f"{quote(name)} in the bundle is damaged: {_describe(error)}") from error

    return _archive({name: entry.file_size for name, entry in entries.items()}, stream)


def _no_bundle(folder: Path) -> str:
    if (folder / "run.json").is_file():
        return f"{folder} is a folder of `ablate run`; `ablate export {folder} BUNDLE.zip` makes a bundle of it"
    return f"{folder} has no {MANIFEST}, so it is not a bundle; give the .zip of `ablate export`"


def _open_folder(path: Path) -> Archive:
    found = {one.relative_to(path).as_posix(): one for one in sorted(path.rglob("*"))}
    entries = {name: one for name, one in found.items() if name[0] != "." and (one.is_symlink() or not one.is_dir())}
    for name, one in entries.items():
        if one.is_symlink() or not one.is_file():
            raise BundleError(f"{quote(name)} in the bundle is a link or no regular file; unpack the .zip again")
    sizes = {name: one.stat().st_size for name, one in entries.items()}
    _check_sizes(list(sizes.items()))

    def stream(name: str, use: Callable[[bytes], object]) -> None:
        try:
            with entries[name].open("rb") as file:
                _copy(file, use, quote(name), sizes[name])
        except OSError as error:
            raise BundleError(f"{quote(name)} in the bundle cannot be read: {describe_os_error(error)}") from error

    return _archive(sizes, stream)


def _archive(sizes: Mapping[str, int], stream: Callable[[str, Callable[[bytes], object]], None]) -> Archive:
    def read(name: str) -> bytes:
        if name not in sizes:
            raise BundleError(f"the bundle lacks {quote(name)}; ask for the complete file")
        if sizes[name] > MAX_DOCUMENT_BYTES:
            raise BundleError(f"{quote(name)} in the bundle has more than {MAX_DOCUMENT_BYTES >> 20} MiB")
        parts: list[bytes] = []
        stream(name, parts.append)
        return b"".join(parts)

    def digest(name: str) -> str:
        found = hashlib.sha256()
        stream(name, found.update)
        return found.hexdigest()

    return Archive(frozenset(sizes), read, digest)


def _copy(file: IO[bytes], use: Callable[[bytes], object], name: str, size: int) -> None:
    """Hand on the content in chunks; an entry that unpacks to more than it declares is refused."""
    done = 0
    while chunk := file.read(CHUNK):
        done += len(chunk)
        if done > size:
            raise BundleError(f"{name} in the bundle is larger than it says; the file is damaged or forged")
        use(chunk)


def _check(entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise BundleError("two files in the bundle have the same name; the file is damaged or forged")
    for entry in entries:
        path, kind = PurePosixPath(entry.filename), stat.S_IFMT(entry.external_attr >> 16)
        is_plain = not path.is_absolute() and ".." not in path.parts and not set(entry.filename) & {"\\", ":", "\0"}
        if not is_plain or kind not in (0, stat.S_IFREG, stat.S_IFDIR) or entry.flag_bits & 0x1:
            raise BundleError(
                f"{quote(entry.filename)} in the bundle is a link, encrypted, or would leave the folder; a bundle has "
                "plain files with relative names"
            )
        if entry.file_size > SMALL and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
            raise BundleError(
                f"{quote(entry.filename)} in the bundle unpacks to {entry.file_size:,} bytes from "
                f"{entry.compress_size:,}; allowed is {MAX_RATIO} times"
            )
    _check_sizes([(entry.filename, entry.file_size) for entry in entries])


def _check_sizes(sizes: list[tuple[str, int]]) -> None:
    if len(sizes) > MAX_ENTRIES:
        raise BundleError(f"the bundle has {len(sizes):,} files; allowed are {MAX_ENTRIES:,}")
    if sum(size for name, size in sizes if not name.startswith(WEIGHTS)) > MAX_BYTES:
        raise BundleError(f"the files of the bundle are too large; allowed are {MAX_BYTES >> 30} GiB without weights")


def check_manifest(archive: Archive) -> list[str]:
    """What differs from the manifest, as sentences: changed, missing and added files. A line of the manifest is checked
    whether or not it is one of ours.
    """
    listed: dict[str, str] = {}
    for line in archive.read(MANIFEST).decode("utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    found = [f"{quote(name)} is missing" for name in sorted(listed.keys() - archive.entries)]
    found += [f"{quote(name)} is not in {MANIFEST}" for name in sorted(archive.entries - listed.keys() - {MANIFEST})]
    return found + [
        f"{quote(name)} was changed: its SHA-256 is not that in {MANIFEST}"
        for name in sorted(listed.keys() & archive.entries)
        if archive.digest(name) != listed[name]
    ]


def _describe(error: BaseException) -> str:
    return describe_os_error(error) if isinstance(error, OSError) else str(error) or type(error).__name__
