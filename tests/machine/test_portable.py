"""What Linux alone has is taken away, as on macOS, in conda's Python or in a sandbox: everything falls back."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from ablate.data.regular_files import DataError, open_regular, read_regular
from ablate.machine.resources import usable_cpus, usable_memory_bytes
from ablate.workers.child import Child, open_process
from service.dispatch.leftovers import end, is_alive, wait_for_end

LINUX = {
    os: (
        "pidfd_open", "waitid", "sched_getaffinity", "sched_setaffinity", "memfd_create", "eventfd", "O_PATH",
        "copy_file_range", "posix_fadvise", "process_cpu_count",
    ),
    signal: ("pidfd_send_signal",),
}  # fmt: skip

TAKEN = f"""
import io, os, pathlib, signal
for module, names in ((os, {LINUX[os]}), (signal, {LINUX[signal]})):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)

def hide(function):
    def call(path, *args, **options):
        if isinstance(path, (str, os.PathLike)) and str(path).startswith(("/proc", "/sys")):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return function(path, *args, **options)
    return call

for module, name in ((io, "open"), (os, "open"), (os, "stat"), (os, "listdir"), (os, "scandir")):
    setattr(module, name, hide(getattr(module, name)))
"""
STUDY = {
    "name": "small", "seeds": 3, "base": {"task": "null"},
    "rows": [{"label": "a", "set": {"row": 0}}, {"label": "b", "set": {"row": 1}}],
}  # fmt: skip
RUN = """
import json, os, sys
from pathlib import Path
from ablate.local.folder import Folder
from ablate.local.prepare import prepared
from ablate.local.run import run_study
from ablate.study.plan import plan_document
plan, folder = plan_document(json.loads(sys.argv[1])), Folder(Path(sys.argv[2]))
print(hasattr(os, "pidfd_open"))
with prepared(plan, folder, print):
    list(run_study(plan, folder))
records = folder.read().values()
print({record.outcome.status for record in records}, len(records))
"""


@pytest.fixture(params=["missing", "refused"])
def bare(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Python without the names of Linux, or a kernel that refuses `pidfd_open`."""
    if request.param == "missing":
        for module, names in LINUX.items():
            for name in names:
                monkeypatch.delattr(module, name, raising=False)
        return "missing"

    def refuse(*_: Any) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("os.pidfd_open", refuse)
    return "refused"


def test_a_study_runs_without_anything_that_linux_alone_has(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(TAKEN)  # of the workers, too
    folders = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")]), str(Path(__file__).parents[2])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    command = [sys.executable, "-c", RUN, json.dumps(STUDY), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "False\n{'succeeded'} 6\n"


def test_a_child_is_waited_for_and_ended(bare: str) -> None:
    assert open_process(os.getpid()) is None
    child = Child(["-c", "import sys; sys.stdin.read(); sys.exit(3)"], stdin=subprocess.PIPE)
    assert not child.wait(0.05)
    assert child.is_alive
    assert child.process.stdin is not None
    child.process.stdin.close()
    assert child.wait()
    assert child.how_it_ended() == "ended with status 3"
    stopped = Child(["-c", "import signal; signal.pause()"])
    stopped.kill()
    stopped.kill()
    assert not stopped.is_alive
    assert stopped.process.returncode == -signal.SIGKILL


def test_what_a_dead_child_started_is_ended_too(bare: str) -> None:
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True)"
    child = Child(["-c", code], stdout=subprocess.PIPE)
    assert child.process.stdout is not None
    below = psutil.Process(int(child.process.stdout.readline()))
    assert child.wait(20)
    child.kill()
    ended = time.monotonic() + 20
    while below.is_running() and below.status() != psutil.STATUS_ZOMBIE and time.monotonic() < ended:
        threading.Event().wait(0.02)
    assert not below.is_running() or below.status() == psutil.STATUS_ZOMBIE


def test_a_process_that_is_not_a_child_is_ended(bare: str) -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        left = psutil.Process(process.pid)
        assert is_alive(left)
        assert end([left]) == 1
        wait_for_end(left, 5)
        assert not is_alive(left)
        assert end([left]) == 0
    assert process.returncode == -signal.SIGKILL


def test_a_rank_that_dies_is_noticed(bare: str) -> None:
    from ablate.training.rank_processes import _ready

    ours, theirs = Pipe()
    child = Child(["-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    member: Any = SimpleNamespace(pipe=ours, sentinel=open_process(child.pid), child=child)
    assert member.sentinel is None
    assert _ready([member], 0.05) == []
    theirs.send("a message")
    assert _ready([member]) == [member]
    ours.recv()
    started_s = time.monotonic()
    child.signal(signal.SIGKILL)
    assert _ready([member]) == [member]
    assert time.monotonic() - started_s < 20
    child.kill()


def test_files_of_a_folder_are_still_checked(bare: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablate.data.regular_files.DESCRIPTORS", tmp_path / "no-proc")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_bytes(b"abc")
    (folder / "link").symlink_to(folder / "a")
    (tmp_path / "outside").write_bytes(b"secret")
    (folder / "out").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "fifo")
    assert read_regular(folder / "link", folder, 10)[0] == b"abc"
    for name, text in (
        ("out", "leads out of"),
        ("fifo", "is a FIFO"),
        ("nothing", "cannot be read"),
        (".", "is a fold"),
    ):
        with pytest.raises(DataError, match=text), open_regular(folder / name, folder, 10):
            pass
    with open_regular(folder / "a", folder, 10) as (_, status):
        assert stat.S_ISREG(status.st_mode)


def test_cpus_and_memory_are_counted(bare: str) -> None:
    assert usable_cpus() >= 1
    assert (usable_memory_bytes() or 1) > 0
