"""The rules of the fuzz lane notice what they are for."""

from __future__ import annotations

import logging
import mmap
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.fuzz import harness
from tests.fuzz.harness import Watch, check_answer, timed


def test_a_traceback_in_the_log_is_a_failure(watch: Watch) -> None:
    log = logging.getLogger("service.anywhere")
    with watch.example():
        log.error("an error in words")
    with pytest.raises(AssertionError, match="ValueError: planted"), watch.example():
        log.error("an error", exc_info=ValueError("planted"))


def take(count: int) -> mmap.mmap:
    """So many new bytes of memory. The heap would not do: it may have as many that an earlier test left free."""
    block = mmap.mmap(-1, count)
    block[:: mmap.PAGESIZE] = b"x" * (count // mmap.PAGESIZE)
    return block


def test_memory_is_a_failure_also_if_it_is_free_again(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "MOST_BYTES", 20 << 20)
    with watch.example():
        take(1 << 20).close()
    with pytest.raises(AssertionError, match=r"an example took (39|4.) MiB"), watch.example():
        take(40 << 20).close()


def test_memory_that_every_example_keeps_is_a_failure(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "MOST_BYTES", 20 << 20)
    kept: list[mmap.mmap] = []

    def keep() -> None:
        with watch.example():
            kept.append(take(9 << 20))

    for _ in range(3):
        keep()
    with pytest.raises(AssertionError, match="examples kept"):
        keep()


def test_only_an_answer_that_is_late_three_times_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "_busyness", lambda: 1.0)
    times = iter([0.0, 2.1, 3.0, 5.1, 6.0, 8.0, 0.0, 2.1, 3.0, 5.1, 6.0, 8.1])
    monkeypatch.setattr(harness.time, "perf_counter", lambda: next(times))
    assert timed("an answer", lambda: 7) == 7
    with pytest.raises(AssertionError, match=r"an answer took 2.1, 2.1, 2.1 s; allowed: 2 s"):
        timed("an answer", lambda: 7)


@pytest.mark.parametrize(
    ("status", "headers", "text", "is_failure"),
    [
        (200, {}, "", False), (422, {}, "an internal error", False), (409, {}, "not yet", False),
        (503, {"retry-after": "5"}, "", False), (503, {}, "", True), (500, {}, "", True),
        (409, {}, "the table ended with an internal error, reported as E-7f3a", True),
    ],
)  # fmt: skip
def test_an_internal_error_is_a_failure(status: int, headers: dict[str, str], text: str, is_failure: bool) -> None:
    answer = httpx2.Response(status, headers=headers, text=text)
    if is_failure:
        with pytest.raises(AssertionError):
            check_answer(answer)
    else:
        check_answer(answer)


TARGET = """
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.harness import examples
@examples(5)
@given(st.integers())
def show(number):
    print(number)
show()
"""


def test_the_seed_decides_the_examples() -> None:
    def run(seed: str) -> str:
        environment = {**os.environ, "FUZZ_SEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(
            [sys.executable, "-"], input=TARGET, capture_output=True, text=True, check=True, env=environment
        ).stdout

    assert run("7") == run("7") != run("8")
