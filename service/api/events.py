"""The event stream of a study (Server-Sent Events): every change, until the study has ended.

A stream has no queue: it reads from the database what its client has not received, after each commit and at least once
a second (another process may have written). So a slow client costs nothing, and a client that reconnects continues at
the last event it received.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.requests import Request

from service.api.parameters import InContext, StudyId
from service.api.problems import INVALID, NOT_FOUND, TOO_MANY, UNAVAILABLE, Refusal, documented
from service.context import Context
from service.errors import UnavailableError
from service.http.descriptors import most_streams
from service.studies.events import MAX_EVENTS, Seen, read_changes
from service.studies.lifecycle import get_study

MAX_OF_CLIENT = 100
"""Most streams of one address; a page opens one."""
READERS = 8
"""Number of threads that read for all streams, so that other routes keep their threads."""
RETRY_MS = 2000
POLL_S = 0.2
PATIENCE_S = 1.0
MAX_ID = 2**63 - 1

router = APIRouter(tags=["events"])


@dataclass(slots=True)
class OpenStreams:
    """The open streams of an application. Only the event loop changes the counts.

    Attributes:
        is_stopping: whether the server is about to stop; streams then end, because the server waits for them.
        most: limit of all streams.
        by_client: open streams of each address.
    """

    is_stopping: Callable[[], bool]
    most: int = field(default_factory=most_streams)
    by_client: Counter[str] = field(default_factory=Counter)
    readers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(READERS))

    async def wait_for_change(self, context: Context, version: int) -> None:
        """Wait until something was committed since `version`, the server stops, or a second has passed.

        It waits at least once, so that a busy store is not read continuously.
        """
        with anyio.move_on_after(PATIENCE_S):
            await anyio.sleep(POLL_S)
            while context.store.version == version and not self.is_stopping():
                await anyio.sleep(POLL_S)


async def take_place(request: Request) -> AsyncIterator[OpenStreams]:
    """A slot for a stream, released when the response has ended."""
    streams: OpenStreams = request.app.state.streams
    client = request.client.host if request.client else ""
    if streams.by_client.total() >= streams.most:
        raise UnavailableError(f"{streams.most:,} event streams are open, which is the limit; close one or try later")
    if streams.by_client[client] >= MAX_OF_CLIENT:
        raise Refusal(TOO_MANY, f"this address has {MAX_OF_CLIENT:,} event streams open, which is the limit; close one")
    streams.by_client[client] += 1
    try:
        yield streams
    finally:
        streams.by_client[client] -= 1
        if not streams.by_client[client]:
            del streams.by_client[client]


Streams = Annotated[OpenStreams, Depends(take_place)]


async def require_study(context: InContext, study_id: StudyId, streams: Streams) -> str:
    """The id of the study, whatever names it; 404 before the stream starts."""
    return (await to_thread.run_sync(get_study, context, study_id, limiter=streams.readers)).id


async def start_after(
    last_event_id: Annotated[
        int | None,
        Header(
            alias="Last-Event-ID", ge=0, le=MAX_ID, description="id of the last received event, as browsers send it"
        ),
    ] = None,
    last_event_id_: Annotated[
        int | None,
        Query(
            alias="last_event_id", ge=0, le=MAX_ID, description="the same, as a query parameter of the first connection"
        ),
    ] = None,
) -> int:
    """The id after which to begin. The header takes precedence: a browser that reconnects keeps the address."""
    return last_event_id if last_event_id is not None else last_event_id_ or 0


EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The stream. It ends after `done`.",
        "content": {
            "text/event-stream": {
                "example": 'event: progress\ndata: {"trials": 4, "succeeded": 1, "running": 2}\nid: 17\n\n',
            }
        },
    }
}


@router.get(
    "/studies/{study_id}/events",
    response_class=EventSourceResponse,
    responses=EVENTS | documented(NOT_FOUND, INVALID, TOO_MANY, UNAVAILABLE),
    summary="Stream the events of a study",
)
async def follow_study(
    context: InContext,
    study_id: Annotated[str, Depends(require_study)],
    last_id: Annotated[int, Depends(start_after)],
    streams: Streams,
) -> AsyncIterator[ServerSentEvent]:
    """Server-Sent Events, each with an integer `id`, its kind in `event`, and JSON in `data`.

    `progress`: the counts and `eta_s`. `trial`: `{key, row, seed, state, reason, step, metrics}`. `table`:
    `{provisional}`, the table has changed. `fault`: `{number, work, stuck}`, work on the study ended with an internal
    error. `done`: `{id, state}`, and the stream ends. A client that reconnects sends
    the last id it received as `Last-Event-ID` and misses no event. A comment every 15 s keeps the connection open.
    """
    yield ServerSentEvent(retry=RETRY_MS)
    seen = Seen(last_id=last_id)
    while not streams.is_stopping():
        version = context.store.version
        try:
            events, seen, is_over = await to_thread.run_sync(
                read_changes, context, study_id, seen, limiter=streams.readers
            )
        except UnavailableError:  # the database is away; the stream continues when it is back
            events, is_over = [], False
        for event in events:
            yield ServerSentEvent(id=str(event.id), event=event.kind, data=event.data)
        if is_over:
            return
        if len(events) < MAX_EVENTS:  # else there is more to read immediately
            await streams.wait_for_change(context, version)
