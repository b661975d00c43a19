"""Turns: how many requests of a kind are worked on together, and how long the others wait.

Requests share one pool of threads. Without turns, requests of one kind take all of them: plans of large studies, or
writes that wait for a locked database. Each kind has a lane, with fewer places in all than the pool has threads. A
request that does not get a place in time, or finds too many others waiting, is answered with 503 and `Retry-After`.
Routes of the event loop (`async def`) take no thread and no turn.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
from starlette.requests import ClientDisconnect, Request

from service.api.problems import UNAVAILABLE, Refusal

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request.

    Attributes:
        what: for the error's text.
        places: how many are worked on together.
        queue: how many may wait.
        wait_s: how long one may wait.
    """

    what: str
    places: int
    queue: int
    wait_s: float


READING = Kind("reads", places=16, queue=256, wait_s=10.0)
WRITING = Kind("changes", places=2, queue=64, wait_s=10.0)
PLANNING = Kind("plans", places=2, queue=64, wait_s=30.0)
DRAWING = Kind("tables and plots", places=2, queue=64, wait_s=30.0)
"""Plans, tables and plots are pure computation: more places would make each one slower, and the event loop too."""

_KINDS: dict[Callable[..., Any], Kind] = {}


def plans(endpoint: Endpoint) -> Endpoint:
    """Mark a route that works out a plan. It is the decorator next to the function."""
    _KINDS[endpoint] = PLANNING
    return endpoint


def draws(endpoint: Endpoint) -> Endpoint:
    """Mark a route that works out a table or draws a plot."""
    _KINDS[endpoint] = DRAWING
    return endpoint


@dataclass(frozen=True, slots=True)
class Lane:
    """The requests of one kind in one application."""

    kind: Kind
    places: anyio.Semaphore

    @asynccontextmanager
    async def turn(self, request: Request) -> AsyncIterator[None]:
        """Wait for a place and keep it.

        Raises:
            Refusal: 503, because no place became free in time.
            ClientDisconnect: the client left while it waited.
        """
        if self.places.value == 0:
            await self._wait(request)
        else:
            self.places.acquire_nowait()
        try:
            yield
        finally:
            self.places.release()

    async def _wait(self, request: Request) -> None:
        has_place = False
        if self.places.statistics().tasks_waiting < self.kind.queue:
            with anyio.move_on_after(self.kind.wait_s):
                await self.places.acquire()
                has_place = True
        if not has_place:
            text = f"too many {self.kind.what} are being worked on; try again later"
            raise Refusal(UNAVAILABLE, text)
        if await request.is_disconnected():
            self.places.release()
            raise ClientDisconnect


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of an application."""

    lanes: dict[Kind, Lane] = field(
        default_factory=lambda: {
            kind: Lane(kind, anyio.Semaphore(kind.places)) for kind in (READING, WRITING, PLANNING, DRAWING)
        }
    )

    def of(self, request: Request) -> Lane:
        """The lane of a request."""
        kind = _KINDS.get(request.scope["route"].endpoint, READING if request.method in ("GET", "HEAD") else WRITING)
        return self.lanes[kind]


async def take_turn(request: Request) -> AsyncIterator[None]:
    """A dependency of all routes. The body is read first, so that a slow client does not keep a place."""
    endpoint = request.scope["route"].endpoint
    if inspect.iscoroutinefunction(endpoint) or inspect.isasyncgenfunction(endpoint):
        yield
        return
    await request.body()
    lanes: Lanes = request.app.state.lanes
    async with lanes.of(request).turn(request):
        yield
