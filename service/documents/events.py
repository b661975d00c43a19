"""Events of a study as the database stores them."""

from __future__ import annotations

from typing import Any, Literal

from ablate.documents import Document


class Event(Document):
    """One event of a study; `id` grows. `ablate.remote.documents.events` describes the data of each kind."""

    id: int
    kind: Literal["progress", "trial", "table", "fault", "done"]
    data: dict[str, Any]
