from __future__ import annotations

import inspect
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from fastapi import APIRouter
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from service.api import lanes
from service.api.health import is_alive
from service.api.lanes import Kind, Lane, take_turn
from service.api.parameters import get_context, refuse_unknown_parameters
from service.api.problems import Refusal
from service.app import _include, create_app
from service.context import Context, open_context
from service.settings import Settings
from service.store import session

pytestmark = pytest.mark.timeout(60)


def request(is_gone: bool = False) -> Any:
    async def is_disconnected() -> bool:
        return is_gone

    return SimpleNamespace(is_disconnected=is_disconnected)


def lane(places: int = 1, queue: int = 1, wait_s: float = 60.0) -> Lane:
    return Lane(Kind("plans", places, queue, wait_s), anyio.Semaphore(places))


def test_the_next_one_waits_for_the_place() -> None:
    order = []

    async def use(one: Lane) -> None:
        async with one.turn(request()), anyio.create_task_group() as group:

            async def second() -> None:
                async with one.turn(request()):
                    order.append("second")

            async with anyio.create_task_group() as others:
                others.start_soon(second)
                await anyio.wait_all_tasks_blocked()
                assert order == []
                others.cancel_scope.cancel()
            group.cancel_scope.cancel()
        async with one.turn(request()):
            order.append("third")

    anyio.run(use, lane())
    assert order == ["third"]


@pytest.mark.parametrize("options", [{"queue": 0}, {"wait_s": 0.0}])
def test_one_that_would_wait_too_long_is_refused(options: dict[str, Any]) -> None:
    async def use(one: Lane) -> None:
        async with one.turn(request()):
            with pytest.raises(Refusal, match="too many plans") as refused:
                async with one.turn(request()):
                    pass
        assert refused.value.answer().headers["retry-after"] == "5"
        async with one.turn(request()):
            pass

    anyio.run(use, lane(**options))


def test_a_client_that_left_gives_its_turn_to_the_next() -> None:
    async def use(one: Lane) -> None:
        async def gone() -> None:
            with pytest.raises(ClientDisconnect):
                async with one.turn(request(is_gone=True)):
                    pass

        async with anyio.create_task_group() as group, one.turn(request()):
            group.start_soon(gone)
            await anyio.wait_all_tasks_blocked()
        assert one.places.value == 1

    anyio.run(use, lane())


def test_all_lanes_together_leave_threads_free() -> None:
    async def threads() -> float:
        return anyio.to_thread.current_default_thread_limiter().total_tokens

    kinds = [kind for kind in vars(lanes).values() if isinstance(kind, Kind)]
    assert sum(kind.places for kind in kinds) < anyio.run(threads)


def test_health_takes_no_thread() -> None:
    for call in (is_alive, refuse_unknown_parameters, get_context):
        assert inspect.iscoroutinefunction(call)
    assert inspect.isasyncgenfunction(take_turn)


def test_health_is_answered_while_all_threads_and_places_are_taken(context: Context) -> None:
    gate, begun = threading.Event(), threading.Semaphore(0)
    router = APIRouter()

    @router.get("/block")
    def block() -> None:
        begun.release()
        gate.wait()

    app = create_app(context)
    _include(app, router)
    with TestClient(app, base_url="http://localhost") as client:
        others = [threading.Thread(target=client.get, args=("/block",)) for _ in range(lanes.READING.places + 30)]
        for other in others:
            other.start()
        for _ in range(lanes.READING.places):
            begun.acquire()
        assert not begun.acquire(blocking=False)
        assert client.get("/healthz").status_code == 200
        gate.set()
        for other in others:
            other.join()


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A client of a service whose database another program keeps locked."""
    monkeypatch.setattr(session, "BUSY_MS", 10)
    context = open_context(Settings(home=tmp_path, tracking_uri="off"))
    with (
        closing(sqlite3.connect(tmp_path / "ablate.db", isolation_level=None)) as other,
        TestClient(create_app(context), base_url="http://localhost") as client,
    ):
        other.execute("BEGIN IMMEDIATE")
        yield client
    context.close()


def test_a_locked_database_is_answered_with_503_and_reads_go_on(locked: TestClient, study: dict[str, Any]) -> None:
    answer = locked.post("/api/v1/studies", json={"study": study})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert (
        answer.json()["detail"] == "the database cannot be written (another program has locked it); nothing was stored"
    )
    assert locked.get("/api/v1/studies").status_code == 200
    assert locked.get("/healthz").status_code == 200
