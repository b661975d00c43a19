"""A run whose disk becomes full, or whose folder is damaged: it stops in a sentence, and nothing is lost."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import MachineError, TrialError
from ablate.local.folder import Folder
from ablate.local.run import run_study
from ablate.local.slots import check_cpus
from ablate.study.plan import Plan, plan_document
from ablate.study.preregistration import register
from ablate.study.resources import Resources
from ablate.trials.machine import find_fault

ROOT = Path(__file__).parents[2]
SEEDS = 12
STUDY = f"""
name = "toys"
seeds = {SEEDS}
[base]
task = "toy"
[[rows]]
label = "A"
"""


def small_plan(**changes: Any) -> Plan:
    return plan_document({"name": "toys", "seeds": SEEDS, "base": {"task": "toy"}, "rows": [{"label": "A"}], **changes})


def run_command(tmp_path: Path, out: Path, *before: str, **options: Any) -> subprocess.CompletedProcess[str]:
    study = tmp_path / "toys.toml"
    study.write_text(STUDY)
    path = os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])
    command = [*before, sys.executable, "-m", "ablate", "run", str(study), "--workers", "1", "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, **options)


@pytest.mark.slow
def test_a_run_that_can_no_longer_write_stops_with_what_is_stored_and_resumes(toy: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))  # noqa: E731
    stopped = run_command(tmp_path, out, preexec_fn=limit)
    assert stopped.returncode == 1, stopped.stderr
    assert "Traceback" not in stopped.stderr
    stored = len(Folder(out).read())
    assert 0 < stored < SEEDS
    assert (
        f"error: cannot write to {out}: a file is larger than the limit of the process or the disk allows; {stored} of "
        f"{SEEDS} trials are stored; correct this and run the same command to resume"
    ) in stopped.stderr
    assert stopped.stderr.count("it was not run") == SEEDS - stored
    resumed = run_command(tmp_path, out)
    assert resumed.returncode == 0, resumed.stderr
    assert f"{stored} of {SEEDS} known" in resumed.stderr
    assert (out / "trials.torn").exists()
    assert len((out / "trials.jsonl").read_bytes().splitlines()) == SEEDS


@pytest.mark.slow
def test_a_disk_without_inodes_fails_no_trial(toy: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"""
        mount -t tmpfs -o size=4m,nr_inodes=12 none {disk} || exit 77
        "$@"; status=$?
        cp {disk}/out/*.jsonl {tmp_path}; exit $status
    """
    ended = run_command(tmp_path, disk / "out", "unshare", "-Urm", "sh", "-c", mount, "sh")
    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip(f"no tmpfs can be mounted here: {ended.stderr}")
    assert ended.returncode == 1, ended.stderr
    assert "the disk is full, or has no room for another file; " in ended.stderr
    assert "Traceback" not in ended.stderr
    kept = Folder(tmp_path).read()
    assert 0 < len(kept) < SEEDS
    assert {record.outcome.status for record in kept.values()} == {"succeeded"}


@pytest.mark.slow
def test_a_disk_that_is_full_for_the_home_too_ends_the_run_once(toy: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"""
        mount -t tmpfs -o size=36k none {disk} || exit 77
        ABLATE_HOME={disk}/home "$@"; first=$?
        cp {disk}/out/trials.jsonl {tmp_path}
        mount -o remount,size=64m {disk} || exit 77
        ABLATE_HOME={disk}/home "$@" || exit 78
        exit $first
    """
    ended = run_command(tmp_path, disk / "out", "unshare", "-Urm", "sh", "-c", mount, "sh")
    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip(f"no tmpfs can be mounted here: {ended.stderr}")
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.count("error: ") == 1
    kept = Folder(tmp_path).read()
    assert {record.outcome.status for record in kept.values()} <= {"succeeded"}
    assert f"{len(kept)} of {SEEDS} known" in ended.stderr or not kept


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), "the disk is full"),
        (RuntimeError("database or disk is full"), "the disk is full"),
        (ValueError("[Errno 122] Disk quota exceeded"), "the disk quota is used up"),
        (RuntimeError("a bug of the task"), None),
    ],
)
def test_a_full_disk_in_the_words_of_a_library_is_no_fault_of_the_trial(
    error: Exception, fault: str | None, tmp_path: Path
) -> None:
    found = find_fault(error, tmp_path)
    assert (found is None) if fault is None else (found is not None and found.startswith(fault))


def test_a_folder_that_cannot_be_written_at_the_start_is_wrong_input(toy: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    ended = run_command(tmp_path, tmp_path / "out" / "deeper")
    assert ended.returncode == 2
    assert f"cannot write to {tmp_path}/out/deeper: Not a directory" in ended.stderr


def test_a_worker_that_cannot_make_a_folder_stops_the_run_and_not_the_trial(toy: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "out")
    with folder.locked():
        (folder.path / "trials").write_text("a file in place of the folder")
        with pytest.raises(
            MachineError, match=f"a trial cannot be trained in {folder.path}: FileExistsError|NotADirect"
        ):
            list(run_study(small_plan(), folder, workers=1))
    assert folder.read() == {}


@pytest.mark.parametrize("line", ["{}", "\x00", "[[[", '{"study": 7}'])
def test_a_damaged_registration_is_named_with_what_to_do(toy: str, tmp_path: Path, line: str) -> None:
    folder = Folder(tmp_path)
    folder.register(register(small_plan()))
    with folder.registrations_file.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(TrialError, match=r"line 2 of .*registrations.jsonl is not a registered design; restore"):
        folder.registrations("toys")


def test_a_registration_that_a_crash_cut_off_is_moved_aside(toy: str, tmp_path: Path) -> None:
    folder, design = Folder(tmp_path), register(small_plan())
    folder.register(design)
    with folder.registrations_file.open("a") as file:
        file.write('{"study": "to')
    assert folder.registrations("toys") == [design]
    with folder.locked():
        folder.register(register(small_plan(seeds=3)))
    assert len(folder.registrations("toys")) == 2
    assert (tmp_path / "registrations.torn").read_text() == '{"study": "to\n'


def test_more_cpus_than_there_are_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    check_cpus(Resources(cpus=2))
    with pytest.raises(TrialError, match="asks for cpus = 3 per trial, and this machine has 2; set cpus under"):
        check_cpus(Resources(cpus=3))
