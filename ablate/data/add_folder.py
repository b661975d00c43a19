"""Registering a folder of images as a data set: every image is opened once, and the results are stored.

The layout of a folder: `ablate.data.layout`. If the folder has no split, an image is a test image if the SHA-256 of its
file is in the first fifth of all values: the same bytes are always in the same split, even if images are added later.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablate.data.datasets import is_in_catalog, writing_data
from ablate.data.images import MAX_BYTES, Traits, decode_with_traits, to_rgb
from ablate.data.layout import Layout, is_writable, read_layout
from ablate.data.lock import Progress, locked
from ablate.data.registered.store import NAME, ImageEntry, Registered, Skipped, find_registered, write_registered
from ablate.data.regular_files import printable, read_regular
from ablate.errors import DataError, RegistryError, quote
from ablate.machine.resources import usable_cpus

TEST_SHARE = 0.2
REPORT_EVERY_S = 5.0
MAX_LISTED = 20
MIN_STD = 1 / 255
"""Of a channel that does not vary: the normalisation divides by it."""
DECIMALS = 6
FLOOR = round(MIN_STD, DECIMALS)
CHANNELS = ("red", "green", "blue")
NO_TRAITS = Traits(is_turned=False, is_transparent=False, is_animated=False)


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Results of opening an image; if it has a `fault`, the other fields have no meaning.

    Attributes:
        size_px: width and height.
        moments: (3, 2), mean and mean square of each channel on 0..1.
        traits: what is unusual about it.
        fault: what is wrong with it; empty if nothing.
    """

    path: str
    label: int
    is_test: bool | None
    size_bytes: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    size_px: tuple[int, int] = (0, 0)
    moments: NDArray[np.float64] = field(default_factory=lambda: np.empty((3, 2)))
    traits: Traits = NO_TRAITS
    fault: str = ""


@dataclass(frozen=True, slots=True)
class RegisteredFolder:
    """Result of `register`.

    Attributes:
        registered: the registration.
        status: `registered`, `replaced`, or `unchanged` if the same content already had the name.
        others: files that are not images by their names; they are left out.
        unused: folders next to `train` and the test folder; they are left out.
        turned: images that were turned or mirrored, as their EXIF data say.
        transparent: images with pixels that are not opaque; the colour that is stored below these is used.
        animated: images with further pictures; only the first is used.
    """

    registered: Registered
    status: str
    others: tuple[str, ...]
    unused: tuple[str, ...]
    turned: tuple[str, ...]
    transparent: tuple[str, ...]
    animated: tuple[str, ...]

    @property
    def flat(self) -> tuple[str, ...]:
        """Channels in which the training pixels hardly vary, so that their standard deviation is at its lower limit."""
        return tuple(name for name, std in zip(CHANNELS, self.registered.std, strict=True) if std <= FLOOR)


def register(
    name: str,
    folder: Path,
    *,
    skip_damaged: bool = False,
    replace: bool = False,
    progress: Progress = lambda line: None,
) -> RegisteredFolder:
    """Open every image of a folder and register the folder under a name.

    Args:
        name: at most 40 letters, digits, dots, underscores and hyphens; not a name of the catalog.
        folder: a folder with one folder per class, or with `train` and `test` (or `val`) that contain those.
        skip_damaged: leave damaged files out instead of refusing the folder; they are recorded.
        replace: replace a registration of the same name with other content.
        progress: called with one line of text at a time.

    Raises:
        DataError: an invalid name, a folder of another layout, damaged files, all named; or a split in which a class
            has no training image.
        RegistryError: the registration of that name cannot be read, and `replace` is false.
    """
    _check_name(name)
    folder = _expand(name, folder)
    layout = read_layout(name, folder)
    images = list(_open_all(folder, [Image(*image) for image in layout.images], f"{name}: ", progress))
    damaged = [image for image in images if image.fault]
    if damaged and not skip_damaged:
        raise DataError(_refusal(folder, damaged))
    if unwritable := [image for image in damaged if not is_writable(image.path)]:
        raise DataError(_refusal(folder, unwritable, "since a name that is not UTF-8 cannot be stored"))
    entries = sorted(_entry_of(image) for image in images if not image.fault)
    sound = [image for image in images if not image.fault]
    _check_split(folder, entries, layout.classes)
    found = _describe(name, folder, layout, sound, entries, damaged)
    with writing_data() as root:
        status = _write(root, found, entries, replace, progress)
    return RegisteredFolder(
        found,
        status,
        layout.others,
        layout.unused,
        turned=_turned(sound),
        transparent=tuple(sorted(image.path for image in sound if image.traits.is_transparent)),
        animated=tuple(sorted(image.path for image in sound if image.traits.is_animated)),
    )


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise DataError(
            f"{quote(name)} cannot name a data set; allowed: 1 to 40 letters, digits, dots, underscores and "
            "hyphens, beginning with a letter or digit"
        )
    if is_in_catalog(name):
        raise DataError(f"{quote(name)} is one of ablate's own data sets (see `ablate data list`); choose another name")


def _expand(name: str, folder: Path) -> Path:
    try:
        return folder.expanduser().absolute()
    except RuntimeError as error:
        text = f"data set {quote(name)}: {quote(folder)} begins with an unknown home folder"
        raise DataError(f"{text}; give the absolute path: ablate data add {name} FOLDER") from error


def _open_all(folder: Path, images: Sequence[Image], prefix: str, progress: Progress) -> Iterator[Image]:
    """The same images, opened, in threads: decoding and hashing release the interpreter's lock."""
    reported = time.monotonic()
    with ThreadPoolExecutor(usable_cpus()) as threads:
        for number, image in enumerate(threads.map(partial(open_image, folder), images), 1):
            if time.monotonic() - reported > REPORT_EVERY_S:
                progress(f"{prefix}{number:,} of {len(images):,} images validated")
                reported = time.monotonic()
            yield image


def open_image(folder: Path, image: Image) -> Image:
    """Open one image."""
    path = folder / image.path
    try:
        content, status = read_regular(path, folder, MAX_BYTES)
        decoded, traits = decode_with_traits(content, path)
        pixels = to_rgb(decoded, path)
    except DataError as error:
        return Image(image.path, image.label, image.is_test, fault=str(error))
    digest = hashlib.sha256(content).hexdigest()
    shares = np.array(pixels.histogram()).reshape(3, 256) / (pixels.width * pixels.height)
    values = np.arange(256) / 255
    moments = np.stack([shares @ values, shares @ values**2], axis=1)
    is_test = _falls_to_testing(digest) if image.is_test is None else image.is_test
    stamp = status.st_size, status.st_mtime_ns
    return Image(image.path, image.label, is_test, *stamp, digest, pixels.size, moments, traits)


def _falls_to_testing(digest: str) -> bool:
    return int(digest[:16], 16) < TEST_SHARE * 2**64


def _refusal(folder: Path, damaged: Sequence[Image], advice: str = "or leave them out with --skip-damaged") -> str:
    lines = [f"  {image.fault}" for image in damaged[:MAX_LISTED]]
    if len(damaged) > MAX_LISTED:
        lines.append(f"  and {len(damaged) - MAX_LISTED:,} more")
    these = "1 file" if len(damaged) == 1 else f"{len(damaged):,} files"
    return "\n".join([f"{these} in {printable(folder)} cannot be used; repair or remove them, {advice}:", *lines])


def _entry_of(image: Image) -> ImageEntry:
    return ImageEntry(image.path, image.label, bool(image.is_test), image.size_bytes, image.mtime_ns, image.sha256)


def _check_split(folder: Path, entries: Sequence[ImageEntry], classes: Sequence[str]) -> None:
    trained = {entry.label for entry in entries if not entry.is_test}
    lacking = [name for label, name in enumerate(classes) if label not in trained]
    if lacking:
        raise DataError(
            f"class {quote(lacking[0])} in {printable(folder)} has no training image ({len(lacking)} such classes); "
            "add images, or make your own split: folders train and test with the classes in each"
        )
    if not any(entry.is_test for entry in entries):
        raise DataError(
            f"{printable(folder)} has {len(entries):,} images, but none of them is in the test set, which gets about "
            "every fifth by its content; add images, or make your own split: folders train and test"
        )


def _describe(
    name: str,
    folder: Path,
    layout: Layout,
    images: Sequence[Image],
    entries: Sequence[ImageEntry],
    damaged: Sequence[Image],
) -> Registered:
    mean, square = np.mean([image.moments for image in images if not image.is_test], axis=0).T  # (3,), (3,)
    std = np.sqrt(np.maximum(square - mean**2, MIN_STD**2))
    trained = {entry.sha256 for entry in entries if not entry.is_test}
    tests = [entry for entry in entries if entry.is_test]
    return Registered(
        name=name,
        folder=str(folder),
        test_folder=layout.test_folder,
        classes=layout.classes,
        train_images=len(entries) - len(tests),
        test_images=len(tests),
        resolution_px=int(statistics.median_low([min(image.size_px) for image in images])),
        mean=tuple(round(float(value), DECIMALS) for value in mean),
        std=tuple(round(float(value), DECIMALS) for value in std),
        duplicates=sum(entry.sha256 in trained for entry in tests),
        fingerprint=_fingerprint(entries, _turned(images)),
        skipped=tuple(Skipped(path=image.path, reason=image.fault) for image in damaged),
        registered_at=datetime.now(UTC).isoformat(timespec="seconds"),
        upright=True,
    )


def _turned(images: Sequence[Image]) -> tuple[str, ...]:
    return tuple(sorted(image.path for image in images if image.traits.is_turned))


def _fingerprint(entries: Sequence[ImageEntry], turned: Collection[str]) -> str:
    """Earlier versions read a turned image as it is stored, so such an image makes another fingerprint than theirs."""
    digest, turned = hashlib.sha256(), set(turned)
    for entry in entries:
        upright = "\0turned" if entry.path in turned else ""
        line = f"{entry.path}\0{entry.sha256}\0{'test' if entry.is_test else 'train'}{upright}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _write(root: Path, found: Registered, entries: Sequence[ImageEntry], replace: bool, progress: Progress) -> str:
    """Returns the status; see `RegisteredFolder`."""
    try:
        (root / "registered").mkdir(parents=True, exist_ok=True)
        with locked(root / "registered" / ".lock", progress):
            before, is_damaged = _find_before(root, found.name, replace=replace)
            is_same = before is not None and before.fingerprint == found.fingerprint
            if before and not is_same and not replace:
                raise DataError(
                    f"data set {quote(found.name)} is registered with other content: {before.train_images:,} + "
                    f"{before.test_images:,} images in {before.folder}, now {found.train_images:,} + "
                    f"{found.test_images:,} in {found.folder}. Choose another name, or give --replace: trials of the "
                    "new content get new keys, results of the old content are kept"
                )
            write_registered(
                root, found, entries
            )  # even for the same content: it may have been moved, or have new times
    except OSError as error:
        raise DataError(f"cannot write to {root / 'registered'}: {error}; set ABLATE_DATA to another folder") from error
    return "unchanged" if is_same else "replaced" if before or is_damaged else "registered"


def _find_before(root: Path, name: str, *, replace: bool) -> tuple[Registered | None, bool]:
    """The registration of a name, and whether it is damaged; that is an error unless it may be replaced."""
    try:
        return find_registered(root, name), False
    except RegistryError:
        if not replace:
            raise
        return None, True
