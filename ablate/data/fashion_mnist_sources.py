"""Sources of Fashion-MNIST. A source gets the four `.gz` files; `ablate.data.fashion_mnist` checks and unpacks them.

The order of `SOURCES` is by what an attempt costs:

1. An installed Debian package is a local copy; looking for it costs nothing.
2. torchvision's mirrors have the original files and need neither Debian nor apt. A short probe comes first: on a
   machine without internet a download would wait for its timeout once per file, and the look-up of the host's name even
   longer.
3. Debian's package, by apt, exists only on Debian and its relatives, but it also works where only a package mirror can
   be reached, as in many institutes and build machines.
"""

from __future__ import annotations

import queue
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError

from ablate.data.lock import Progress
from ablate.data.pinned_files import FASHION_MNIST
from ablate.errors import DataError

PACKAGE = "dataset-fashion-mnist"
PACKAGE_FOLDER = Path("usr/share/datasets/fashion-mnist")
MIRRORS = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
"""Those of torchvision's `FashionMNIST`. The connection need not be trusted: every file's digest is pinned."""
PROBE_TIMEOUT_S = 3.0
NETWORK_TIMEOUT_S = 20
STEP_TIMEOUT_S = 300


class Source(NamedTuple):
    """A way to get Fashion-MNIST.

    Attributes:
        title: for people.
        get: given an empty folder and where to report, returns the folder with the four `.gz` files. Raises DataError,
            OSError or SubprocessError where this source does not work.
    """

    title: str
    get: Callable[[Path, Progress], Path]


def copy_installed(scratch: Path, progress: Progress) -> Path:
    """The folder of the installed Debian package."""
    del scratch, progress
    return Path("/") / PACKAGE_FOLDER


def download_from_mirrors(scratch: Path, progress: Progress, mirrors: tuple[str, ...] = MIRRORS) -> Path:
    """Download from the first mirror that answers."""
    failures = []
    for mirror in mirrors:
        try:
            _probe(mirror)
            for member in FASHION_MNIST:
                url = f"{mirror}{member.name}.gz"
                progress(f"fashion-mnist: {url}")
                _download(url, scratch / f"{member.name}.gz")
            return scratch
        except (OSError, HTTPException) as error:
            failures.append(f"{mirror}: {error}")
    raise DataError("; ".join(failures))


def download_by_apt(scratch: Path, progress: Progress) -> Path:
    """Download and unpack Debian's package with apt's state in `scratch`, so that it needs no root and no lists."""
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
    # Its status also reports faults of unrelated sources and hooks, which need not matter: the download decides.
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


INSTALLED = Source("the installed Debian package", copy_installed)
FROM_MIRRORS = Source("torchvision's mirrors", download_from_mirrors)
BY_APT = Source(f"apt-get download {PACKAGE}", download_by_apt)
SOURCES = (INSTALLED, FROM_MIRRORS, BY_APT)


def _probe(mirror: str) -> None:
    """Make sure that a mirror answers within `PROBE_TIMEOUT_S`.

    The request runs in a thread, since its own timeout does not cover the look-up of the host's name.

    Raises:
        OSError, HTTPException: it does not answer.
    """
    url = urllib.request.Request(f"{mirror}{FASHION_MNIST[0].name}.gz", method="HEAD")
    answers: queue.SimpleQueue[OSError | HTTPException | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            with _open(url, PROBE_TIMEOUT_S):
                answers.put(None)
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError):
                error.close()  # it has the open answer
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        error = answers.get(timeout=PROBE_TIMEOUT_S)
    except queue.Empty:
        raise TimeoutError(f"no answer within {PROBE_TIMEOUT_S:g} s") from None
    if error is not None:
        raise error


def _open(url: str | urllib.request.Request, timeout_s: float) -> HTTPResponse:
    """`urlopen` by an opener of its own: the one that urllib keeps would still use the proxies of its first call."""
    answer: HTTPResponse = urllib.request.build_opener().open(url, timeout=timeout_s)
    return answer


def _download(url: str, target: Path) -> None:
    deadline = time.monotonic() + STEP_TIMEOUT_S
    with _open(url, NETWORK_TIMEOUT_S) as answer, target.open("wb") as out:
        while block := answer.read1(1 << 16):
            out.write(block)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not complete after {STEP_TIMEOUT_S} s")


def _call(command: list[str], folder: Path) -> tuple[int, str]:
    """Run a command in a folder. Returns its status and the last line that it wrote to stderr."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=folder, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
    ) as process:
        try:
            _, errors = process.communicate(timeout=STEP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, (errors.strip().splitlines() or [""])[-1]
