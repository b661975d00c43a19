"""Child processes: they end with their parent, with everything that they started, and report how they ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ablate.workers.child import LIFELINE, Child, describe_end

SOON_S = 20.0

FAMILY = """
import subprocess, sys
from ablate.workers.child import end_with_parent
end_with_parent({grace_s})
below = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(below.pid, flush=True)
below.wait()
"""
"""A child that starts a process of its own and prints its number."""

PARENT = """
import signal, subprocess
from ablate.workers.child import Child
child = Child(["-c", {code!r}], stdout=subprocess.PIPE)
print(child.pid, int(child.process.stdout.readline()), flush=True)
signal.pause()
"""


def start_family(grace_s: float = 0.0) -> tuple[Child, list[psutil.Process]]:
    child = Child(["-c", FAMILY.format(grace_s=grace_s)], stdout=subprocess.PIPE)
    assert child.process.stdout is not None
    below = int(child.process.stdout.readline())
    return child, [psutil.Process(child.pid), psutil.Process(below)]


@pytest.mark.parametrize("grace_s", [0.0, 0.1])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_and_its_own_children_end_with_a_parent_that_is_killed(number: int, grace_s: float) -> None:
    code = PARENT.format(code=FAMILY.format(grace_s=grace_s))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        family = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(family) == 2
        parent.send_signal(number)
    assert psutil.wait_procs(family, timeout=SOON_S)[1] == []


def test_kill_ends_the_whole_group_and_may_be_called_twice() -> None:
    child, family = start_family()
    child.kill()
    child.kill()
    assert not child.is_alive
    assert psutil.wait_procs(family, timeout=SOON_S)[1] == []
    assert child.how_it_ended() == "was ended by SIGKILL (out of memory?)"


def test_what_a_dead_child_started_is_still_found_by_kill() -> None:
    child, (leader, below) = start_family()
    leader.kill()
    child.wait()
    assert not child.is_alive
    assert below.is_running()
    child.kill()
    assert psutil.wait_procs([below], timeout=SOON_S)[1] == []


def test_a_signal_reaches_the_whole_group() -> None:
    child, family = start_family()
    child.signal(signal.SIGTERM)
    assert child.how_it_ended() == "was ended by SIGTERM"
    assert psutil.wait_procs(family, timeout=SOON_S)[1] == []
    child.signal(signal.SIGTERM)  # its number may belong to another process by now


def test_an_exit_status_is_reported_although_the_child_is_killed_afterwards() -> None:
    assert Child(["-c", "raise SystemExit(3)"]).how_it_ended() == "ended with status 3"


def test_a_child_that_cannot_be_started_leaves_no_descriptor(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError):
        Child(["-c", ""], cwd=tmp_path / "nowhere")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_processes_below_a_child_do_not_get_its_lifeline() -> None:
    code = "import os; from ablate.workers.child import end_with_parent; end_with_parent(); print(os.environ.get('{}'))"
    child = Child(["-c", code.format(LIFELINE)], stdout=subprocess.PIPE)
    assert child.process.stdout is not None
    assert child.process.stdout.readline() == b"None\n"
    child.kill()


@pytest.mark.parametrize(
    ("status", "text"),
    [(0, "ended with status 0"), (7, "ended with status 7"), (-15, "was ended by SIGTERM")],
)
def test_an_end_is_described(status: int, text: str) -> None:
    assert describe_end(status) == text
