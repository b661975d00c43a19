"""Expressions and helpers that several queries share."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, func
from sqlalchemy.dialects import postgresql, sqlite

from ablate.documents import Document
from ablate.trials.trial import Trial
from service.store.tables import memberships, trials

CHUNK = 500
"""Most values in one IN list: below the limits of every database."""

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter that looks like a digit."""

Item = TypeVar("Item")
Kind = TypeVar("Kind", bound=Document)

cell_state = func.coalesce(memberships.c.settled, trials.c.state)
"""State of a cell in its study: the settled one of this study, else that of the trial."""


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """A study's id: 10 digits of time in milliseconds, 10 random ones; ids sort by time and cannot be guessed."""
    number = (time.time_ns() // 1_000_000) << 50 | secrets.randbits(50)
    return "".join(ALPHABET[number >> shift & 31] for shift in range(95, -1, -5))


def chunks(items: Sequence[Item]) -> Iterator[list[Item]]:
    """The items, at most CHUNK at a time."""
    iterator = iter(items)
    while part := list(islice(iterator, CHUNK)):
        yield part


def document_of(kind: type[Kind], row: object, **rest: Any) -> Kind:
    """A document whose fields are the columns of a row with these names, except those in `rest`."""
    return kind(**{name: getattr(row, name) for name in kind.model_fields.keys() - rest.keys()}, **rest)


def trial_of(row: Any, needs: Mapping[str, str]) -> Trial:
    """The trial in a row of `trials`, with what it needs by name."""
    return document_of(Trial, row, needs=dict(needs))


def insert(connection: Connection, table: Table) -> Any:
    """The dialect's own INSERT, which knows ON CONFLICT."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
