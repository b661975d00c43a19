"""CPUs and memory by the limits of a container, and how many workers start on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate.errors import TrialError
from ablate.local.slots import check_cpus, slots
from ablate.machine import resources
from ablate.machine.resources import usable_cpus, usable_memory_bytes
from ablate.study.resources import Resources
from service.dispatch.machines import Machine
from service.dispatch.this_machine import find_limit, find_machine

GIB = 1 << 30


class Container:
    """The control groups that a process sees, as files below a folder."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, own: str) -> None:
        self.root = root
        (root / "own").write_text(own)
        monkeypatch.setattr(resources, "GROUPS", root / "fs")
        monkeypatch.setattr(resources, "OWN_GROUP", root / "own")
        monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)))
        monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": 64 * GIB // 4096, "SC_PAGE_SIZE": 4096}.__getitem__)

    def set(self, **files: str) -> None:
        for name, text in files.items():
            path = self.root / "fs" / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")


@pytest.fixture
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    return Container(tmp_path, monkeypatch, "0::/pod/box\n")


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    container = Container(tmp_path, monkeypatch, "9:name=systemd:/\n4:memory:/box\n2:cpu,cpuacct:/box\n")
    container.set(cpu__tasks="")
    return container


def test_without_a_limit_the_whole_machine_may_be_used(second: Container) -> None:
    second.set(pod__box__cpu_dot_max="max 100000", pod__box__memory_dot_max="max")
    assert (usable_cpus(), usable_memory_bytes()) == (16, 64 * GIB)


@pytest.mark.parametrize(
    ("text", "cpus"), [("350000 100000", 3), ("50000 100000", 1), ("9900000 100000", 16), ("broken", 16), ("", 16)]
)
def test_a_quota_counts_in_whole_cpus_and_never_below_one(second: Container, text: str, cpus: int) -> None:
    second.set(pod__box__cpu_dot_max=text)
    assert usable_cpus() == cpus


def test_the_smallest_limit_of_all_groups_above_counts(second: Container) -> None:
    second.set(cpu_dot_max="800000 100000", pod__cpu_dot_max="200000 100000", pod__box__cpu_dot_max="400000 100000")
    second.set(pod__memory_dot_max=str(3 * GIB), pod__box__memory_dot_max=str(5 * GIB))
    assert (usable_cpus(), usable_memory_bytes()) == (2, 3 * GIB)


def test_the_first_version_of_control_groups_is_read_too(first: Container) -> None:
    first.set(cpu__box__cpu_dot_cfs_quota_us="250000", cpu__box__cpu_dot_cfs_period_us="100000")
    first.set(memory__box__memory_dot_limit_in_bytes=str(6 * GIB), memory__memory_dot_limit_in_bytes=str(2**63 - 4096))
    assert (usable_cpus(), usable_memory_bytes()) == (2, 6 * GIB)
    first.set(cpu__box__cpu_dot_cfs_quota_us="-1")
    assert usable_cpus() == 16


def test_a_group_outside_the_container_is_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container = Container(tmp_path, monkeypatch, "0::/../../other\n")
    container.set(cpu_dot_max="100000 100000")
    assert usable_cpus() == 16


def test_as_many_workers_start_as_cpus_and_memory_allow(second: Container) -> None:
    second.set(pod__box__cpu_dot_max="400000 100000")
    assert len(slots(Resources(), None)) == 4
    assert len(slots(Resources(cpus=2), None)) == 2
    assert find_machine(None) == Machine(4, 0)
    assert find_limit(None) is None
    with pytest.raises(TrialError, match="asks for cpus = 5 per trial, and this machine has 4"):
        check_cpus(Resources(cpus=5))
    second.set(pod__box__memory_dot_max=str(2 * GIB + 1))
    assert len(slots(Resources(), None)) == 2
    assert find_limit(None) == 2
    assert len(slots(Resources(), 7)) == 7, "who sets a number knows better"
    assert find_limit(7) == 7
    second.set(pod__box__memory_dot_max="1000")
    assert len(slots(Resources(), None)) == 1
