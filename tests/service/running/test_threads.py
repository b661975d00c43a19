from __future__ import annotations

import threading
from typing import Any

import pytest

from service.context import Context
from service.faults import pauses
from service.running.threads import Threads


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def test_a_thread_that_dies_is_started_again(
    context: Context, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pauses, "LONGEST_S", 0.0)
    built: list[int] = []
    works = threading.Event()

    def build() -> Any:
        built.append(1)
        if len(built) == 1:
            raise RuntimeError("it cannot be built")
        return die if len(built) < 4 else live

    def die(_: threading.Event) -> None:
        raise SystemExit("foreign code")

    def live(stop: threading.Event) -> None:
        works.set()
        stop.wait()

    threads = Threads(context)
    threads.start("scheduler", build)
    assert works.wait(20)
    assert len(built) == 4
    assert caplog.text.count("the scheduler broke, reported as E-") == 3
    assert context.faults.counts["thread"] == 3
    threads.stop()
    assert "scheduler" not in {thread.name for thread in threading.enumerate()}


def test_a_thread_that_waits_to_be_started_again_is_stopped(context: Context) -> None:
    broke = threading.Event()

    def build() -> Any:
        broke.set()
        raise RuntimeError

    threads = Threads(context)
    threads.start("mirror", build)
    assert broke.wait(20)
    threads.stop()
