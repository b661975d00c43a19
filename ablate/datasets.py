"""The catalog of data sets: what each holds, where it lies on this machine, and how it gets there.

Fashion-MNIST is fetched from the first of three sources that works; every file is checked against a pinned digest
before it gets its name. Reading images is `ablate.training.data`'s business: this module imports no torch (but for
torchvision's list of mirrors, when a download from there begins). Longer than most, since the ways to fetch are here.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import importlib.util
import os
import subprocess
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ablate.errors import DataError, nearest, quote

Progress = Callable[[str], None]
"""Takes one line of text for a person who waits."""


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What is known of a data set without opening it.

    Attributes:
        name: as in a recipe's `dataset`.
        title: for people.
        kind: task it is made for, `classify`.
        classes: number of labels.
        channels: of a stored image, 1 (grey) or 3; grey images are repeated to 3 for the network.
        resolution_px: side of a stored image; for ImageNet, whose images differ, the side it is trained at.
        train_images: size of the training set.
        test_images: size of the test set (ImageNet: the validation set).
        mean: per stored channel, of pixels on 0..1 in the training set.
        std: likewise the standard deviation.
        is_built: whether training can read it today; if not, only `ablate check` works on it.
        text: one sentence on its origin.
    """

    name: str
    title: str
    kind: str
    classes: int
    channels: int
    resolution_px: int
    train_images: int
    test_images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    is_built: bool
    text: str


_CATALOG = (
    DatasetInfo(
        "fashion-mnist", "Fashion-MNIST", "classify", 10, 1, 28, 60_000, 10_000, (0.2860,), (0.3530,), True,
        "Zalando's article images, grey, the size and split of MNIST (Xiao et al. 2017, arXiv 1708.07747).",
    ),
    DatasetInfo(
        "digits", "Digits 8x8", "classify", 10, 1, 8, 1_442, 355, (0.3052,), (0.3760,), True,
        "Handwritten digits that scikit-learn carries; of each class every fifth image is for testing.",
    ),
    DatasetInfo(
        "cifar10", "CIFAR-10", "classify", 10, 3, 32, 50_000, 10_000,
        (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), False,
        "Colour photographs of ten kinds of object (Krizhevsky 2009).",
    ),
    DatasetInfo(
        "cifar100", "CIFAR-100", "classify", 100, 3, 32, 50_000, 10_000,
        (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762), False,
        "Colour photographs of a hundred kinds of object (Krizhevsky 2009).",
    ),
    DatasetInfo(
        "imagenet", "ImageNet-1k", "classify", 1_000, 3, 224, 1_281_167, 50_000,
        (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), False,
        "Photographs of the ILSVRC 2012 challenge (Russakovsky et al. 2015, arXiv 1409.0575).",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """One file of Fashion-MNIST.

    Attributes:
        name: torchvision's, without `.gz`.
        size_bytes: decompressed.
        sha256: of the decompressed bytes. (The MD5 that torchvision publishes is that of one particular `.gz`;
            Debian compressed the same bytes anew.)
    """

    name: str
    size_bytes: int
    sha256: str


FASHION_MNIST = (
    Member("train-images-idx3-ubyte", 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
    Member("train-labels-idx1-ubyte", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    Member("t10k-images-idx3-ubyte", 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
    Member("t10k-labels-idx1-ubyte", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
)
PACKAGE = "dataset-fashion-mnist"
PACKAGE_FOLDER = Path("usr/share/datasets/fashion-mnist")
NETWORK_TIMEOUT_S = 20
STEP_TIMEOUT_S = 300
LOCK_TIMEOUT_S = 900


def list_datasets() -> tuple[DatasetInfo, ...]:
    """Every data set that a recipe may name."""
    return _CATALOG


def describe(name: str) -> DatasetInfo:
    """The entry of one data set.

    Raises:
        DataError: no such name.
    """
    for info in _CATALOG:
        if info.name == name:
            return info
    raise DataError(f"no data set {quote(name)}{nearest(name, (info.name for info in _CATALOG))}")


def data_root() -> Path:
    """Folder of the data sets: `ABLATE_DATA`, else `data` in `ABLATE_HOME` (default `~/.local/share/ablate`)."""
    if given := os.environ.get("ABLATE_DATA"):
        return Path(given).expanduser()
    return Path(os.environ.get("ABLATE_HOME") or "~/.local/share/ablate").expanduser() / "data"


def find(name: str) -> Path | None:
    """Where a data set lies, or None. Looks at names and lengths only; `get_path` reads every byte.

    Raises:
        DataError: no such name.
    """
    describe(name)
    if name == "digits":
        return _find_digits()
    raw = _raw_folder()
    is_here = name == "fashion-mnist" and all(_has_length(raw / member.name, member) for member in FASHION_MNIST)
    return raw if is_here else None


def get_path(name: str) -> Path:
    """Where an intact data set lies.

    Raises:
        DataError: unknown, not supported, missing or damaged; the file is named.
    """
    _require_built(name)
    if name == "digits":
        if path := _find_digits():
            return path
        raise DataError(f"data set {name!r} is part of scikit-learn, which is not installed here")
    raw = _raw_folder()
    for member in FASHION_MNIST:
        if fault := _fault(raw / member.name, member):
            raise DataError(f"data set {name!r}: {raw / member.name} {fault}; run `ablate data fetch {name}`")
    return raw


def fetch(name: str, progress: Progress = lambda line: None, routes: Sequence[Route] | None = None) -> Path:
    """Bring a data set here unless an intact copy is here already. Several processes may call it at once.

    Args:
        name: see `describe`.
        progress: called with one line at a time.
        routes: ways to try in turn; None for `ROUTES`.

    Returns:
        The folder or file where it lies.

    Raises:
        DataError: unknown or not supported, or every way failed; each is listed with its reason.
    """
    _require_built(name)
    if name != "fashion-mnist":
        return get_path(name)
    raw = _raw_folder()
    try:
        raw.mkdir(parents=True, exist_ok=True)
        with _locked(raw / ".lock", progress):
            if any(_fault(raw / member.name, member) for member in FASHION_MNIST):
                _try_routes(raw, progress, ROUTES if routes is None else routes)
    except OSError as error:
        raise DataError(f"data set {name!r}: cannot write to {raw}: {error}; set ABLATE_DATA elsewhere") from error
    progress(f"{name}: 4 files verified in {raw}")
    return raw


def _try_routes(raw: Path, progress: Progress, routes: Sequence[Route]) -> None:
    failures = []
    for title, bring in routes:
        progress(f"fashion-mnist: trying {title}")
        with tempfile.TemporaryDirectory(prefix="ablate-fetch-") as scratch:
            try:
                return _install(bring(Path(scratch), progress), raw)
            except (DataError, OSError, ImportError, subprocess.SubprocessError) as error:
                failures.append(f"  {title}: {error}")
    names = ", ".join(f"{member.name}.gz" for member in FASHION_MNIST)
    raise DataError(
        "data set 'fashion-mnist' could not be fetched:\n" + "\n".join(failures) + f"\n  by hand: take {names} from "
        f"github.com/zalandoresearch/fashion-mnist (folder data/fashion), gunzip them, put them into {raw}"
    )


def _install(folder: Path, raw: Path) -> None:
    """Decompress and check the four files of `folder`; each appears in `raw` whole or not at all."""
    for member in FASHION_MNIST:
        source, temporary = folder / f"{member.name}.gz", raw / f".{member.name}.part"
        try:
            with gzip.open(source) as packed, temporary.open("wb") as out:
                out.write(packed.read(member.size_bytes + 1))  # one byte more tells that a file is too long
                out.flush()
                os.fsync(out.fileno())
            fault = _fault(temporary, member)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            fault = f"is damaged: {error}"
        if fault:
            temporary.unlink(missing_ok=True)
            raise DataError(f"{source} {fault}")
        temporary.replace(raw / member.name)
    folder_handle = os.open(raw, os.O_RDONLY)
    os.fsync(folder_handle)
    os.close(folder_handle)


def _bring_installed(scratch: Path, progress: Progress) -> Path:
    del scratch, progress
    return Path("/") / PACKAGE_FOLDER


def _bring_by_apt(scratch: Path, progress: Progress) -> Path:
    """Download and unpack the package with state of its own, so that neither root nor filled lists are needed."""
    for folder in ("lists/partial", "archives/partial"):
        (scratch / folder).mkdir(parents=True)
    options = {
        "Dir::State": scratch,
        "Dir::Cache": scratch,
        "Acquire::http::Timeout": NETWORK_TIMEOUT_S,
        "Acquire::https::Timeout": NETWORK_TIMEOUT_S,
        "Acquire::Languages": "none",
        # As root, apt would leave the download to user _apt, who may not enter the scratch folder.
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]
    progress("fashion-mnist: apt-get update, into a temporary folder")
    # Its status also speaks of other people's sources and of hooks, which need not matter: the download decides.
    _, complaint = _call([*apt, "update"], scratch)
    progress(f"fashion-mnist: apt-get download {PACKAGE}, 26 MB")
    status, reason = _call([*apt, "download", PACKAGE], scratch)
    package = next(scratch.glob(f"{PACKAGE}_*.deb"), None)
    if status or package is None:
        raise DataError(f"apt-get download: {reason or 'no package came'} (apt-get update: {complaint or 'done'})")
    status, reason = _call(["dpkg-deb", "-x", str(package), str(scratch / "root")], scratch)
    if status:
        raise DataError(f"dpkg-deb: {reason}")
    return scratch / "root" / PACKAGE_FOLDER


def _bring_from_mirrors(scratch: Path, progress: Progress) -> Path:
    from torchvision.datasets import FashionMNIST  # type: ignore[import-untyped, unused-ignore]

    failures = []
    for mirror in FashionMNIST.mirrors:
        try:
            for name, _ in FashionMNIST.resources:
                progress(f"fashion-mnist: {mirror}{name}")
                _download(mirror + name, scratch / name)
            return scratch
        except OSError as error:
            failures.append(f"{mirror}: {error}")
    raise DataError("; ".join(failures))


Route = tuple[str, Callable[[Path, Progress], Path]]
"""A way to get Fashion-MNIST: its title, and what, given a scratch folder, returns the folder with the four `.gz`."""

ROUTES: tuple[Route, ...] = (
    ("the installed Debian package", _bring_installed),
    (f"apt-get download {PACKAGE}", _bring_by_apt),
    ("torchvision's mirrors", _bring_from_mirrors),
)


def _download(url: str, target: Path) -> None:
    deadline = time.monotonic() + STEP_TIMEOUT_S
    with urllib.request.urlopen(url, timeout=NETWORK_TIMEOUT_S) as answer, target.open("wb") as out:
        while block := answer.read1(1 << 16):
            out.write(block)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not complete after {STEP_TIMEOUT_S} s")


def _call(command: list[str], folder: Path) -> tuple[int, str]:
    """Run a command in a folder. Returns its status and the last line that it wrote to stderr."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, said = process.communicate(timeout=STEP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, (said.strip().splitlines() or [""])[-1]


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold an exclusive lock on a file; it falls with the process, however that ends."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    with path.open("a") as handle:
        if is_held := not _lock(handle.fileno()):
            progress("another process is fetching the same data; waiting for it")
        while is_held and not _lock(handle.fileno()):
            if time.monotonic() > deadline:
                raise DataError(f"{path} has been held by another process for {LOCK_TIMEOUT_S} s")
            time.sleep(0.1)
        yield


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _require_built(name: str) -> None:
    if not describe(name).is_built:
        built = ", ".join(info.name for info in _CATALOG if info.is_built)
        raise DataError(
            f"data set {name!r} is not supported for training yet; these are: {built}. "
            "`ablate check` works on a study that names it"
        )


def _raw_folder() -> Path:
    return data_root() / "FashionMNIST" / "raw"


def _find_digits() -> Path | None:
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    return path if path.is_file() else None


def _has_length(path: Path, member: Member) -> bool:
    return path.is_file() and path.stat().st_size == member.size_bytes


def _fault(path: Path, member: Member) -> str | None:
    """What is wrong with a decompressed file, as the end of a sentence; None if nothing."""
    if not path.is_file():
        return "is missing"
    if not _has_length(path, member):
        return f"is damaged: {path.stat().st_size} bytes decompressed, {member.size_bytes} expected"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return (
        None if digest == member.sha256 else f"is damaged: SHA-256 {digest[:12]}..., expected {member.sha256[:12]}..."
    )
