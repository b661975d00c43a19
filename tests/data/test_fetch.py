"""How Fashion-MNIST gets onto a machine."""

from __future__ import annotations

import fcntl
import gzip
import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ablate.data.datasets import find, get_path
from ablate.data.digests import FASHION_MNIST
from ablate.data.fetch import ROUTES, Route, fetch
from ablate.data.lock import Progress
from ablate.errors import DataError

INSTALLED = Path("/usr/share/datasets/fashion-mnist")
needs_package = pytest.mark.skipif(not INSTALLED.is_dir(), reason="needs the Debian package dataset-fashion-mnist")


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
    raw = fetch("fashion-mnist", lines.append, ROUTES[:1])
    assert raw == find("fashion-mnist") == get_path("fashion-mnist") == root / "FashionMNIST" / "raw"
    before = {path.name: path.stat().st_mtime_ns for path in raw.iterdir()}
    assert fetch("fashion-mnist", lines.append, []) == raw
    assert {path.name: path.stat().st_mtime_ns for path in raw.iterdir()} == before
    assert set(before) == {member.name for member in FASHION_MNIST} | {".lock"}
    assert [line for line in lines if "verified" in line] == [f"fashion-mnist: 4 files verified in {raw}"] * 2


@needs_package
def test_a_damaged_copy_is_found_out_and_replaced(root: Path) -> None:
    raw = fetch("fashion-mnist", routes=ROUTES[:1])
    labels = raw / "t10k-labels-idx1-ubyte"
    labels.write_bytes(bytes(10_008))
    assert find("fashion-mnist") == raw
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte is damaged: SHA-256 .*; run `ablate data fetch"):
        get_path("fashion-mnist")
    labels.write_bytes(b"short")
    assert find("fashion-mnist") is None
    fetch("fashion-mnist", routes=ROUTES[:1])
    assert get_path("fashion-mnist") == raw


def route_to(folder: Path) -> Route:
    return "a folder of the test", lambda scratch, progress: folder


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
        fetch("fashion-mnist", routes=[route_to(folder)])
    assert str(folder / "train-images-idx3-ubyte.gz") in str(caught.value)
    assert [path.name for path in (root / "FashionMNIST" / "raw").iterdir()] == [".lock"]


def refuse(scratch: Path, progress: Progress) -> Path:
    raise DataError("the source is closed")


def test_when_all_ways_fail_each_is_listed_with_its_reason_and_what_to_do_by_hand(root: Path, tmp_path: Path) -> None:
    routes = [("the first way", refuse), route_to(tmp_path / "nowhere")]
    with pytest.raises(DataError) as caught:
        fetch("fashion-mnist", routes=routes)
    text = str(caught.value)
    assert "  the first way: the source is closed\n" in text
    assert "  a folder of the test: [Errno 2]" in text
    assert f"by hand: take train-images-idx3-ubyte.gz, {FASHION_MNIST[1].name}.gz" in text
    assert text.endswith(f"put them into {root / 'FashionMNIST' / 'raw'}")


def test_without_apt_that_way_is_listed_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"apt-get download dataset-fashion-mnist: .*No such file.*apt-get"):
        fetch("fashion-mnist", routes=ROUTES[1:2])


@needs_package
def test_a_later_way_is_taken_where_an_earlier_one_fails() -> None:
    lines: list[str] = []
    fetch("fashion-mnist", lines.append, [("the first way", refuse), ROUTES[0]])
    assert lines[:2] == ["fashion-mnist: trying the first way", "fashion-mnist: trying the installed Debian package"]
    assert find("fashion-mnist") is not None


def test_a_folder_that_cannot_be_written_is_an_error_with_advice(root: Path) -> None:
    root.write_text("a file stands in the way")
    with pytest.raises(DataError, match=r"cannot write to .*set ABLATE_DATA elsewhere"):
        fetch("fashion-mnist")


@needs_package
def test_processes_that_fetch_at_once_all_find_intact_files() -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        paths = pool.map(fetch, ["fashion-mnist"] * 3)
    assert paths == [get_path("fashion-mnist")] * 3


@needs_package
def test_whoever_waits_for_another_process_is_told_so(root: Path) -> None:
    lock = root / "FashionMNIST" / "raw" / ".lock"
    lock.parent.mkdir(parents=True)
    handle = lock.open("a")
    fcntl.flock(handle, fcntl.LOCK_EX)
    lines: list[str] = []

    def note(line: str) -> None:
        lines.append(line)
        if "waiting" in line:
            handle.close()

    thread = threading.Thread(target=fetch, args=("fashion-mnist", note, ROUTES[:1]))
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert "waiting" in lines[0]
    assert find("fashion-mnist") is not None
