"""The catalog of data sets: what each holds, where it lies on this machine, and how it gets there.

Fashion-MNIST is fetched from the first of three sources that works; every file is checked against a pinned digest
before it gets its name. What is inside an image is `ablate.training.data`'s business: this module imports no torch
(torchvision's list of mirrors is read only when a download from there begins).
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
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
class _Member:
    """One file of Fashion-MNIST, decompressed.

    Attributes:
        name: torchvision's name of it, less `.gz`.
        size_bytes: its length.
        sha256: of the decompressed bytes; the MD5 that torchvision publishes is that of one particular `.gz`, and
            Debian compresses the same bytes anew.
    """

    name: str
    size_bytes: int
    sha256: str


FASHION_MNIST = (
    _Member("train-images-idx3-ubyte", 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
    _Member("train-labels-idx1-ubyte", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    _Member("t10k-images-idx3-ubyte", 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
    _Member("t10k-labels-idx1-ubyte", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
)
_PACKAGE = "dataset-fashion-mnist"
_PACKAGE_FOLDER = Path("usr/share/datasets/fashion-mnist")
_NETWORK_TIMEOUT_S = 20
_STEP_TIMEOUT_S = 300
_LOCK_TIMEOUT_S = 900


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
    if name == "fashion-mnist":
        raw = _raw_folder()
        return raw if all(_has_length(raw / member.name, member.size_bytes) for member in FASHION_MNIST) else None
    return None


def get_path(name: str, *, train: bool | None = None) -> Path:
    """Where an intact data set lies.

    Args:
        name: see `describe`.
        train: check only the files of the training set (True) or of the test set (False).

    Raises:
        DataError: unknown, not supported, missing or damaged; the damaged file is named.
    """
    _require_built(name)
    path = find(name)
    if name == "fashion-mnist":
        for member in FASHION_MNIST:
            if train is None or member.name.startswith("train") == train:
                _check_file(_raw_folder() / member.name, member)
    elif path is None:
        raise DataError(f"data set {name!r}: scikit-learn, which carries it, is not installed here; pip install scikit-learn")
    return path if path is not None else _raw_folder()


def fetch(name: str, progress: Progress = lambda line: None, routes: tuple[Route, ...] | None = None) -> Path:
    """Bring a data set here unless an intact copy is here already. Several processes may call it at once.

    Args:
        name: see `describe`.
        progress: called with one line at a time.
        routes: ways to try in turn, `ROUTES` if None.

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
            if all(_is_intact(raw / member.name, member) for member in FASHION_MNIST):
                progress(f"{name}: already in {raw}")
            else:
                _fetch_fashion_mnist(raw, progress, ROUTES if routes is None else routes)
    except OSError as error:
        raise DataError(f"data set {name!r}: cannot write to {raw}: {error}; set ABLATE_DATA to another folder") from error
    return raw


def _fetch_fashion_mnist(raw: Path, progress: Progress, routes: tuple[Route, ...]) -> None:
    failures = []
    for route in routes:
        progress(f"fashion-mnist: trying {route.title}")
        with tempfile.TemporaryDirectory(prefix="ablate-fetch-") as scratch:
            try:
                _install(route.bring(Path(scratch), progress), raw)
            except (DataError, OSError, EOFError, zlib.error, subprocess.SubprocessError) as error:
                failures.append(f"  {route.title}: {error}")
            else:
                progress(f"fashion-mnist: 4 files verified in {raw}")
                return
    names = ", ".join(f"{member.name}.gz" for member in FASHION_MNIST)
    raise DataError(
        "data set 'fashion-mnist' could not be fetched:\n" + "\n".join(failures) + f"\nBy hand: put {names} "
        f"(github.com/zalandoresearch/fashion-mnist, folder data/fashion), decompressed by gunzip, into {raw}"
    )


def _install(folder: Path, raw: Path) -> None:
    """Decompress and check the four files of `folder`; each appears in `raw` whole or not at all."""
    for member in FASHION_MNIST:
        source, temporary = folder / f"{member.name}.gz", raw / f".{member.name}.{os.getpid()}"
        try:
            with gzip.open(source) as packed, temporary.open("wb") as out:
                # One byte more than expected is enough to tell that a file is too long.
                out.write(packed.read(member.size_bytes + 1))
                out.flush()
                os.fsync(out.fileno())
            _check_file(temporary, member, shown=source)
            temporary.replace(raw / member.name)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{source} is damaged: {error}") from error
        finally:
            temporary.unlink(missing_ok=True)
    _sync_folder(raw)


def _bring_installed(scratch: Path, progress: Progress) -> Path:
    del scratch, progress
    folder = Path("/") / _PACKAGE_FOLDER
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist")
    return folder


def _bring_by_apt(scratch: Path, progress: Progress) -> Path:
    """Download and unpack the package with state of its own, so that neither root nor filled lists are needed."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise DataError("there is no apt-get here")
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True)
    options = {
        "Dir::State": scratch / "state",
        "Dir::State::lists": scratch / "state/lists",
        "Dir::Cache": scratch / "cache",
        "Acquire::http::Timeout": _NETWORK_TIMEOUT_S,
        "Acquire::https::Timeout": _NETWORK_TIMEOUT_S,
        "Acquire::Languages": "none",
        # apt as root would hand the download to user _apt, who may not enter our temporary folder.
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in options.items())]
    progress("fashion-mnist: apt-get update, into a temporary folder")
    # Its exit status counts third-party sources and hooks that have nothing to do with us; the download decides.
    update = _call([*apt, "update"], scratch, check=False)
    progress(f"fashion-mnist: apt-get download {_PACKAGE}, 26 MB")
    try:
        _call([*apt, "download", _PACKAGE], scratch)
    except DataError as error:
        raise DataError(f"{error}; update said: {update or 'nothing'}") from error
    package = next(scratch.glob(f"{_PACKAGE}_*.deb"), None)
    if package is None:
        raise DataError("apt-get download left no .deb")
    _call(["dpkg-deb", "-x", str(package), str(scratch / "root")], scratch)
    return scratch / "root" / _PACKAGE_FOLDER


def _bring_from_mirrors(scratch: Path, progress: Progress) -> Path:
    from torchvision.datasets import FashionMNIST

    for resource, _ in FashionMNIST.resources:
        errors = []
        for mirror in FashionMNIST.mirrors:
            progress(f"fashion-mnist: {mirror}{resource}")
            try:
                _download(mirror + resource, scratch / resource)
                break
            except OSError as error:
                errors.append(f"{mirror}{resource}: {error}")
        else:
            raise DataError("; ".join(errors))
    return scratch


@dataclass(frozen=True, slots=True)
class Route:
    """One way to get Fashion-MNIST.

    Attributes:
        title: for people.
        bring: given a scratch folder, returns the folder with the four `.gz` files; raises DataError or OSError.
    """

    title: str
    bring: Callable[[Path, Progress], Path]


ROUTES = (
    Route("the installed Debian package", _bring_installed),
    Route(f"apt-get download {_PACKAGE}", _bring_by_apt),
    Route("torchvision's mirrors", _bring_from_mirrors),
)


def _download(url: str, target: Path) -> None:
    deadline = time.monotonic() + _STEP_TIMEOUT_S
    with urllib.request.urlopen(url, timeout=_NETWORK_TIMEOUT_S) as answer, target.open("wb") as out:
        while block := answer.read1(1 << 16):
            out.write(block)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not complete after {_STEP_TIMEOUT_S} s")


def _call(command: list[str], folder: Path, *, check: bool = True) -> str:
    """Run a command; return the last line that it wrote to stderr."""
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_STEP_TIMEOUT_S, check=False
    )
    said = (done.stderr.strip().splitlines() or [""])[-1]
    if check and done.returncode:
        raise DataError(f"{Path(command[0]).name} ended with status {done.returncode}: {said}")
    return said


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold an exclusive lock on a file; it falls with the process, however that ends."""
    deadline = time.monotonic() + _LOCK_TIMEOUT_S
    with path.open("a") as handle:
        is_waiting = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DataError(f"{path} has been held by another process for {_LOCK_TIMEOUT_S} s") from None
                if not is_waiting:
                    progress("another process is fetching the same data; waiting for it")
                is_waiting = True
                time.sleep(0.1)
        yield


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


def _has_length(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes


def _is_intact(path: Path, member: _Member) -> bool:
    return _has_length(path, member.size_bytes) and _sha256(path) == member.sha256


def _check_file(path: Path, member: _Member, shown: Path | None = None) -> None:
    shown = path if shown is None else shown
    advice = "" if shown != path else "; run `ablate data fetch fashion-mnist`"
    if not path.is_file():
        raise DataError(f"data set 'fashion-mnist': {shown} is missing{advice}")
    if not _is_intact(path, member):
        raise DataError(
            f"data set 'fashion-mnist': {shown} is damaged ({path.stat().st_size} bytes decompressed, "
            f"{member.size_bytes} expected, SHA-256 {member.sha256[:12]}...){advice}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
