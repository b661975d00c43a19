"""How a data set gets onto this machine.

Fashion-MNIST is fetched from the first of three sources that works; every file is checked against a digest, pinned in
`ablate.data.digests`, before it gets its name. CIFAR is torchvision's to download; miniature scenes are composed here.
This module imports no torch (but for torchvision, when a download of its own begins).
"""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from ablate.data.datasets import data_root, describe, get_path, place_of
from ablate.data.digests import FASHION_MNIST, PLACES, find_file_fault
from ablate.data.lock import Progress, locked
from ablate.data.scenes.recipes import MINIATURES
from ablate.errors import DataError

PACKAGE = "dataset-fashion-mnist"
PACKAGE_FOLDER = Path("usr/share/datasets/fashion-mnist")
NETWORK_TIMEOUT_S = 20
STEP_TIMEOUT_S = 300
CIFAR = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}
"""Names of torchvision's readers."""


def can_fetch(name: str) -> bool:
    """Whether `fetch` can bring a data set here; the others are given out by their makers, or are somebody's own."""
    return name in {"fashion-mnist", *CIFAR, *MINIATURES}


def describe_way(name: str) -> str:
    """How a data set that is missing gets here: the end of a sentence that says so."""
    if can_fetch(name):
        return f"fetch it with: ablate data fetch {name}"
    return f"ablate cannot fetch it: `ablate data fetch {name}` tells where it is looked for and what is expected"


def fetch(name: str, progress: Progress = lambda line: None, routes: Sequence[Route] | None = None) -> Path:
    """Bring a data set here unless an intact copy is here already. Several processes may call it at once.

    Args:
        name: see `ablate.data.datasets.describe`.
        progress: called with one line at a time.
        routes: ways to try in turn; None for `ROUTES`.

    Returns:
        The folder or file where it lies.

    Raises:
        DataError: unknown, or every way failed, each listed with its reason; or it cannot be fetched at all.
    """
    describe(name)
    if name in MINIATURES:
        return _compose(name, progress)
    if name in CIFAR and _has_fault(name):
        _fetch_cifar(name, progress)
    if name != "fashion-mnist":
        return get_path(name)
    raw, _ = place_of(name)
    try:
        raw.mkdir(parents=True, exist_ok=True)
        with locked(raw / ".lock", progress):
            if _has_fault(name):
                _try_routes(raw, progress, ROUTES if routes is None else routes)
    except OSError as error:
        raise DataError(f"data set {name!r}: cannot write to {raw}: {error}; set ABLATE_DATA elsewhere") from error
    progress(f"{name}: 4 files verified in {raw}")
    return raw


def _compose(name: str, progress: Progress) -> Path:
    """Scenes of garments, so Fashion-MNIST comes first."""
    from ablate.data.scenes.make import make  # which takes this module's lock

    garments = fetch("fashion-mnist", progress)
    folder = data_root() / name
    manifest = make(folder, MINIATURES[name], garments, progress)
    progress(f"{name}: {len(manifest.files):,} files verified in {folder}")
    return folder


def _has_fault(name: str) -> bool:
    folder, members = place_of(name)
    return any(find_file_fault(folder / member.name, member) for member in members)


def _fetch_cifar(name: str, progress: Progress) -> None:
    """Let torchvision download the archive and unpack it, or unpack one that is there already."""
    from torchvision import datasets

    reader = getattr(datasets, CIFAR[name])
    root, patience_s = data_root(), socket.getdefaulttimeout()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locked(root / f".{name}.lock", progress), redirect_stdout(sys.stderr):
            progress(f"{name}: {reader.filename}, 170 MB, by torchvision's download")
            socket.setdefaulttimeout(NETWORK_TIMEOUT_S)  # torchvision waits for ever otherwise
            reader(root, download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"data set {name!r} could not be fetched: torchvision's download says: {error}\n  by hand: put "
            f"{reader.filename} (MD5 {reader.tgz_md5}) into {root} and run this command again, or unpack it there, so "
            f"that {root / PLACES[name][0]} has {', '.join(member.name for member in PLACES[name][1])}"
        ) from error
    finally:
        socket.setdefaulttimeout(patience_s)


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
                assert member.size_bytes is not None
                out.write(packed.read(member.size_bytes + 1))  # one byte more tells that a file is too long
                out.flush()
                os.fsync(out.fileno())
            fault = find_file_fault(temporary, member)
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
