"""What a text that is no id or name of a study may mean: the beginning of ids, or a misspelt name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import Connection, select

from ablate.errors import quote
from ablate.limits import MAX_SIFTED
from ablate.names import closest
from service.errors import AmbiguousError, NotFoundError
from service.store.tables import studies

BEGINNING = re.compile(r"[0-9a-z]{4,19}")
"""Text that can be the beginning of an id. Ids of the same days begin alike."""
MAX_CANDIDATES = 10
"""Studies that an error lists."""


def ambiguous_study(study: str, found: Sequence[tuple[str, str, str]]) -> AmbiguousError:
    """The error for the beginning of several ids, given id, name and state of these studies."""
    shown = [f"{id_} ({name}, {state})" for id_, name, state in found[:MAX_CANDIDATES]]
    more = ", ..." if len(found) > MAX_CANDIDATES else ""
    text = f"several studies have an id that begins with {quote(study)}: {', '.join(shown)}{more}; give more of the id"
    return AmbiguousError(text, [id_ for id_, _, _ in found[:MAX_CANDIDATES]])


def unknown_study(connection: Connection, study: str) -> NotFoundError:
    """The error for a text that means no study, with the most similar name."""
    newest = select(studies.c.name).order_by(studies.c.seq.desc()).limit(MAX_SIFTED)
    match = closest(study, dict.fromkeys(connection.execute(newest).scalars()))
    near = f"; did you mean {quote(match.name)}?" if match else ""
    return NotFoundError(
        f"no study has the id or the name {quote(study)}{near}",
        rest="GET /api/v1/studies lists them",
        command="`ablate list` lists them",
    )
