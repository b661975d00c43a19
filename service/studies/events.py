"""Events of a study for its viewers: stored events in order, and between them the current progress.

Stored events (`trial` when a state changes, `table`) have their own ids and are never missed: a stream resumes after
the last id that its reader received. Current values (`progress`, and `trial` with the current step) are read each time,
carry the id of the last stored event, and are sent only if they changed; `done` is the last event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from service.context import Context
from service.documents.events import Event
from service.documents.states import LIVE
from service.store import cells, studies
from service.store.heartbeat import find_machines
from service.store.overview import read_overview
from service.studies.view import estimate_left_s

MAX_EVENTS = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader has received: the last stored event, and the last current values.

    Attributes:
        last_id: id of a stored event; 0 for all events.
    """

    last_id: int = 0
    progress: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, Any] = field(default_factory=dict)


def read_changes(context: Context, study_id: str, seen: Seen) -> tuple[list[Event], Seen, bool]:
    """The events of a study since `seen`.

    Returns:
        The events, what the reader has received after them, and whether the stream has ended.

    Raises:
        NotFoundError: there is no study with that id.
    """
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        found = studies.events_after(connection, stored.seq, seen.last_id, MAX_EVENTS)
        overview = read_overview(connection, stored)
        eta_s = estimate_left_s(stored, overview, find_machines(connection))
        progress = {**overview.progress.model_dump(), "state": stored.state, "eta_s": eta_s, "reason": stored.reason}
        live = {cell["key"] + cell["row"]: cell for cell in cells.list_live(connection, stored.seq)}
    last_id = found[-1][0] if found else seen.last_id
    is_over = stored.state not in LIVE and len(found) < MAX_EVENTS
    events = [Event(id=id_, kind=kind, data=data) for id_, kind, data in found]
    under_way = [cell for name, cell in live.items() if seen.steps.get(name) != cell and cell["step"] is not None]
    events += [Event(id=last_id, kind="trial", data=cell) for cell in under_way]
    if progress != seen.progress:
        events.append(Event(id=last_id, kind="progress", data=progress))
    if is_over:
        events.append(Event(id=last_id, kind="done", data={"id": stored.id, "state": stored.state}))
    return events, Seen(last_id, progress, live), is_over
