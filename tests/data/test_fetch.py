"""How Fashion-MNIST gets onto a machine."""

from __future__ import annotations

import gzip
import multiprocessing
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from ablate.data import fashion_mnist_sources, lock
from ablate.data.datasets import CATALOG, find, get_path
from ablate.data.fashion_mnist import FashionMnist
from ablate.data.fashion_mnist_sources import BY_APT, FROM_MIRRORS, INSTALLED, SOURCES, Source
from ablate.data.fetch import fetch
from ablate.data.lock import Progress
from ablate.data.pinned_files import FASHION_MNIST
from ablate.errors import DataError
from tests.http_servers import Quiet, answering

needs_package = pytest.mark.skipif(
    not Path("/", fashion_mnist_sources.PACKAGE_FOLDER).is_dir(),
    reason="needs the Debian package dataset-fashion-mnist",
)
(FASHION,) = [one for one in CATALOG if isinstance(one, FashionMnist)]


def fetch_from(root: Path, *given: Source, progress: Progress = lambda line: None) -> Path:
    """Fetch Fashion-MNIST from these sources alone."""
    return replace(FASHION, sources=given).fetch(root, progress)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_digits_are_fetched_without_torch() -> None:
    code = "import sys, ablate.data.fetch as f; f.fetch('digits'); assert not {'torch', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_digits_need_no_fetching() -> None:
    assert fetch("digits") == find("digits") == get_path("digits")
    assert get_path("digits").name == "digits.csv.gz"


def test_imagenet_cannot_be_fetched_and_says_where_it_is_looked_for_and_what_is_expected(root: Path) -> None:
    assert find("imagenet") is None
    for call in (fetch, get_path):
        with pytest.raises(DataError) as caught:
            call("imagenet")
        text = str(caught.value)
        assert f"{root / 'imagenet' / 'train'} cannot be listed: No such file or directory" in text
        assert "1,000 folders" in text
        assert "1,281,167 images" in text
        assert "50,000 images" in text


@needs_package
def test_the_installed_package_is_copied_and_a_second_fetch_changes_nothing(root: Path) -> None:
    lines: list[str] = []
    raw = fetch_from(root, INSTALLED, progress=lines.append)
    assert raw == find("fashion-mnist") == get_path("fashion-mnist") == root / "FashionMNIST" / "raw"
    before = {path.name: path.stat().st_mtime_ns for path in raw.iterdir()}
    assert fetch_from(root, progress=lines.append) == raw
    assert {path.name: path.stat().st_mtime_ns for path in raw.iterdir()} == before
    assert set(before) == {member.name for member in FASHION_MNIST} | {".lock"}
    (raw / ".lock").unlink()
    (raw / ".lock").mkdir()  # no lock can be made, as in a folder that is shared and cannot be written
    assert fetch_from(root) == raw
    assert [line for line in lines if "verified" in line] == [f"fashion-mnist: 4 files verified in {raw}"] * 2


@needs_package
def test_a_damaged_copy_is_found_out_and_replaced(root: Path) -> None:
    raw = fetch_from(root, INSTALLED)
    labels = raw / "t10k-labels-idx1-ubyte"
    labels.write_bytes(bytes(10_008))
    assert find("fashion-mnist") == raw
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte is damaged: SHA-256 .*; run `ablate data fetch"):
        get_path("fashion-mnist")
    labels.write_bytes(b"short")
    assert find("fashion-mnist") is None
    fetch_from(root, INSTALLED)
    assert get_path("fashion-mnist") == raw


def source_of(folder: Path) -> Source:
    return Source("a folder of the test", lambda scratch, progress: folder)


def put(folder: Path, *, content: bytes) -> Path:
    folder.mkdir()
    for member in FASHION_MNIST:
        (folder / f"{member.name}.gz").write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (gzip.compress(b"something else"), "is damaged: 14 bytes decompressed, 47040016 expected"),
        (gzip.compress(bytes(47_040_016), 1), "is damaged: SHA-256"),
        (gzip.compress(bytes(47_040_020), 1), "is damaged: 47040017 bytes decompressed"),
        (gzip.compress(b"cut" * 100)[:-9], "is damaged: Compressed file ended"),
        (b"<html>no such page</html>", "is damaged: Not a gzipped file"),
    ],
    ids=["other", "same length", "too long", "cut", "no gzip"],
)
def test_a_damaged_source_is_named_and_leaves_nothing_behind(
    content: bytes, fault: str, root: Path, tmp_path: Path
) -> None:
    folder = put(tmp_path / "source", content=content)
    with pytest.raises(DataError, match=fault) as caught:
        fetch_from(root, source_of(folder))
    assert str(folder / "train-images-idx3-ubyte.gz") in str(caught.value)
    assert [path.name for path in (root / "FashionMNIST" / "raw").iterdir()] == [".lock"]


def refuse(scratch: Path, progress: Progress) -> Path:
    raise DataError("the source is closed")


def test_when_all_sources_fail_each_is_listed_with_its_reason_and_what_to_do_manually(
    root: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        fetch_from(root, Source("the first way", refuse), source_of(tmp_path / "nowhere"))
    text = str(caught.value)
    assert "  the first way: the source is closed\n" in text
    assert "  a folder of the test: [Errno 2]" in text
    assert f"manually: take train-images-idx3-ubyte.gz, {FASHION_MNIST[1].name}.gz" in text
    assert text.endswith(f"put them into {root / 'FashionMNIST' / 'raw'}")


def test_without_apt_that_source_is_listed_as_such(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"apt-get download dataset-fashion-mnist: .*No such file.*apt-get"):
        fetch_from(root, BY_APT)


@needs_package
def test_a_later_source_is_taken_where_an_earlier_one_fails(root: Path) -> None:
    lines: list[str] = []
    fetch_from(root, Source("the first way", refuse), INSTALLED, progress=lines.append)
    assert lines[:2] == ["fashion-mnist: trying the first way", "fashion-mnist: trying the installed Debian package"]
    assert find("fashion-mnist") is not None


def test_a_folder_that_cannot_be_written_is_an_error_with_advice(root: Path) -> None:
    root.mkdir()
    (root / "FashionMNIST").write_text("a file stands in the way")
    with pytest.raises(DataError, match=r"cannot write to .*set ABLATE_DATA to another folder"):
        fetch("fashion-mnist")


@needs_package
def test_processes_that_fetch_at_once_all_find_intact_files() -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        paths = pool.map(fetch, ["fashion-mnist"] * 3)
    assert paths == [get_path("fashion-mnist")] * 3


@needs_package
def test_a_process_that_waits_for_another_one_reports_it(root: Path) -> None:
    held = FileLock(root / "FashionMNIST" / "raw" / ".lock", thread_local=False)
    held.acquire()
    lines: list[str] = []

    def note(line: str) -> None:
        lines.append(line)
        if "waiting" in line:
            held.release()

    thread = threading.Thread(target=fetch_from, args=(root, INSTALLED), kwargs={"progress": note})
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert "waiting" in lines[0]
    assert find("fashion-mnist") is not None


def test_a_process_that_waits_too_long_gives_up_with_the_name_of_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LOCK_TIMEOUT_S", 0.1)
    path = tmp_path / "some.lock"
    expected = rf"another process has held {path} for 0.1 s"
    with FileLock(path), pytest.raises(DataError, match=expected), lock.locked(path, lambda line: None):
        pass


def test_sources_are_tried_by_what_an_attempt_costs() -> None:
    assert SOURCES == FASHION.sources == (INSTALLED, FROM_MIRRORS, BY_APT)


class Mirror(Quiet):
    """Answers with 26 bytes for any file, and 404 below `/none/`."""

    def do_HEAD(self) -> None:
        self.send_response(404 if self.path.startswith("/none/") else 200)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"what a mirror has: " + self.path[-7:].encode())


@pytest.fixture
def mirror() -> Iterator[str]:
    with answering(Mirror) as url:
        yield f"{url}/"


def test_the_first_mirror_that_answers_is_downloaded_from(mirror: str, tmp_path: Path) -> None:
    lines: list[str] = []
    fashion_mnist_sources.download_from_mirrors(tmp_path, lines.append, (f"{mirror}none/", mirror))
    assert lines == [f"fashion-mnist: {mirror}{member.name}.gz" for member in FASHION_MNIST]
    assert {path.name for path in tmp_path.iterdir()} == {f"{member.name}.gz" for member in FASHION_MNIST}
    assert (tmp_path / "train-images-idx3-ubyte.gz").read_bytes() == b"what a mirror has: byte.gz"


def test_mirrors_that_do_not_answer_cost_seconds_and_each_is_listed(
    tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist_sources, "PROBE_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # it accepts a connection and sends nothing
        silent = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        with pytest.raises(DataError) as caught:
            fashion_mnist_sources.download_from_mirrors(tmp_path, refuse_lines, (silent, f"{mirror}none/"))
    reason, other = str(caught.value).split("; ")
    assert reason.startswith(f"{silent}: ")
    assert "timed out" in reason or "no answer within 0.2 s" in reason
    assert other == f"{mirror}none/: HTTP Error 404: Not Found"


def refuse_lines(line: str) -> None:
    raise AssertionError(f"nothing should be downloaded: {line}")
