from __future__ import annotations

from pathlib import Path

import pytest

from service.faults import disk as disk_module
from service.faults.disk import FREE_BYTES, Disk
from service.faults.outages import Outages
from service.faults.pauses import Pauses


def test_an_absence_is_one_line_at_its_begin_and_one_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages()
    for reason in ("it is full", "it is read-only", "it is full"):
        outages.begin("the disk", reason)
    assert outages.find("the disk") == "it is full"
    assert outages.all() == {"the disk": "it is full"}
    outages.end("the disk")
    outages.end("the disk")
    assert [record.message for record in caplog.records] == [
        "the disk is away; the service waits for it: it is full",
        "the disk is back after 0 s",
    ]
    assert outages.find("the disk") is None


def test_pauses_double_up_to_a_minute_and_start_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = Pauses()
    assert [pauses.grow("x") for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pauses.is_waiting("x")
    assert not pauses.is_waiting("y")
    assert pauses.end("x")
    assert not pauses.end("x")
    assert pauses.grow("x") == 1


def test_a_disk_that_can_be_written_has_no_fault_and_keeps_no_file(tmp_path: Path) -> None:
    assert Disk(tmp_path).find_fault() is None
    assert [path.name for path in tmp_path.rglob("*")] == ["trials"]


@pytest.mark.parametrize("extra", [-1, 0])
def test_the_limit_of_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: int) -> None:
    free = FREE_BYTES + extra
    monkeypatch.setattr(Disk, "free_bytes", lambda _: free)
    fault = Disk(tmp_path).find_fault()
    assert (fault is None) == (extra == 0)


def test_a_folder_of_trials_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "trials").write_text("a file where the folder should be")
    assert Disk(tmp_path).find_fault() == "the state directory cannot be written (File exists)"


def test_an_answer_is_used_again_for_some_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path)
    assert disk.find_fault() is None
    monkeypatch.setattr(disk_module, "FREE_BYTES", 1 << 60)
    assert disk.find_fault() is None
    assert "are free" in str(disk.find_fault(anew=True))
