"""What every target of the fuzz lane shares: its seed, and what counts as a failure."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from hypothesis import HealthCheck, Phase, seed, settings
from starlette.testclient import TestClient

SEED = int(os.environ.get("FUZZ_SEED", "0"))
"""Decides every example; `make fuzz SEED=...` sets it, and the whole suite takes 0."""
MOST_S = 2.0
MOST_BYTES = 200 << 20
TRIES = 3
"""How often something must take too long before it counts: the machine may be busy."""

T = TypeVar("T")


def examples(count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """So many examples of a target, which follow from the seed alone. Shrinking one that fails would take minutes."""
    limits = settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    return lambda target: seed(SEED)(limits(target))


def timed(what: str, do: Callable[[], T]) -> T:
    """Its answer, which takes at most 2 s in one of three tries; longer on a machine that does other work too."""
    took = []
    for _ in range(TRIES):
        started_s = time.perf_counter()
        answer = do()
        took_s = time.perf_counter() - started_s
        if took_s <= MOST_S or took_s <= MOST_S * _busyness():
            return answer
        took.append(f"{took_s:.1f}")
    raise AssertionError(f"{what} took {', '.join(took)} s; allowed: {MOST_S:g} s")


def _busyness() -> float:
    """How much longer this thread takes now than it would alone, from 1 on."""
    started_s, worked_s = time.perf_counter(), time.thread_time()
    while time.thread_time() - worked_s < 0.1:
        pass
    return (time.perf_counter() - started_s) / (time.thread_time() - worked_s)


def ask(client: TestClient, method: str, address: str, **options: Any) -> httpx2.Response:
    """An answer of the service that is not an internal error, in time."""
    answer = timed(f"{method} {address[:200]}", lambda: client.request(method, address, **options))
    check_answer(answer)
    return answer


def check_answer(answer: Any) -> None:
    """No internal error, neither as 500 nor as 409; 503 says when to try again."""
    is_away = answer.status_code == 503 and "retry-after" in answer.headers
    assert answer.status_code < 500 or is_away, answer.text
    assert answer.status_code != 409 or "internal error" not in answer.text, answer.text


class Watch(logging.Handler):
    """Looks for tracebacks in the log, and for memory that an example took or that all examples kept."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._found: list[str] = []
        self._start_bytes: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._found.append(self.format(record))

    @contextmanager
    def example(self) -> Iterator[None]:
        """One example; the first one of a process may also import what it needs."""
        self._found.clear()
        before = _memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again at the present size
        yield
        assert not self._found, "\n".join(["a traceback in the log:", *self._found])
        peak, after = _memory("VmHWM") - before, _memory("VmRSS")
        self._start_bytes = self._start_bytes or after
        assert peak <= MOST_BYTES, f"an example took {peak >> 20} MiB"
        assert after - self._start_bytes <= MOST_BYTES, f"examples kept {(after - self._start_bytes) >> 20} MiB"


def _memory(name: str) -> int:
    """Bytes of this process: `VmRSS` now, `VmHWM` at most."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) << 10
