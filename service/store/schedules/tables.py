"""The tables of schedules: schedules, firings, alarms, and notices to operators.

(schedule, instant) is unique, so an instant fires at most once, with any number of schedulers. The firings and alarms
of a removed schedule are removed too; the studies that it fired stay, and keep its name.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from service.documents.states import CAUSES, FIRING_STATES, KINDS, MODES, WHEN_BUSY, WHEN_MISSED
from service.store.tables import BigId, UtcTime, metadata


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


schedules = Table(
    "schedules",
    metadata,
    Column("seq", BigId, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("cron", String(100), nullable=False),
    Column("tz", String(64), nullable=False),
    Column("mode", String(16), _one_of("mode", MODES), nullable=False),
    Column("study", JSON, nullable=False),
    Column("scale", String(64)),
    Column("seeds", Integer),
    Column("priority", Integer),
    Column("missed", String(16), _one_of("missed", WHEN_MISSED), nullable=False),
    Column("grace_s", Integer, nullable=False),
    Column("overlap", String(16), _one_of("overlap", WHEN_BUSY), nullable=False),
    Column("jitter_s", Integer, nullable=False),
    Column("tolerance", Float, nullable=False),
    Column("reference_firings", Integer, nullable=False),
    Column("false_alarm_every", Integer, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("last_at", UtcTime),
    Column("next_at", UtcTime, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("next_seed", Integer, nullable=False),
    Column("reference", JSON),
    Column("renews", Boolean, nullable=False),
    Column("watched_from", UtcTime, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_schedules_due", schedules.c.due_at)

firings = Table(
    "firings",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("schedule_seq", ForeignKey("schedules.seq"), nullable=False),
    Column("instant", UtcTime, nullable=False),
    Column("cause", String(16), _one_of("cause", CAUSES), nullable=False),
    Column("kind", String(16), _one_of("kind", KINDS)),
    Column("state", String(16), _one_of("state", FIRING_STATES), nullable=False),
    Column("reason", Text),
    Column("stands_for", Integer, nullable=False),
    Column("study_seq", ForeignKey("studies.seq"), index=True),
    Column("repeat", Integer),
    Column("seeds", JSON, nullable=False),
    Column("reference", JSON),
    Column("metric", String(64)),
    Column("rows", JSON, nullable=False),
    Column("comparisons", JSON, nullable=False),
    Column("drift", JSON),
    Column("provenance", JSON),
    Column("fired_at", UtcTime),
    Column("ended_at", UtcTime),
    UniqueConstraint("schedule_seq", "instant"),
    sqlite_autoincrement=True,
)
Index("ix_firings_state", firings.c.state)
Index("ix_firings_ended_at", firings.c.ended_at)
HAPPENED = text("state <> 'skipped'")
"""A literal: a database uses a partial index only where the query obviously asks for no more."""
Index("ix_firings_last", firings.c.schedule_seq, firings.c.id, sqlite_where=HAPPENED, postgresql_where=HAPPENED)

alarms = Table(
    "alarms",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("schedule_seq", ForeignKey("schedules.seq"), nullable=False, index=True),
    Column("firing_id", ForeignKey("firings.id"), nullable=False),
    Column("row", Text, nullable=False),
    Column("direction", String(16)),
    Column("size", Float),
    Column("changed_instant", UtcTime, nullable=False),
    Column("good_instant", UtcTime),
    Column("good_study_id", String(32)),
    Column("sentence", Text, nullable=False),
    Column("differences", JSON, nullable=False),
    Column("raised_at", UtcTime, nullable=False),
    Column("acknowledged_at", UtcTime),
    Column("ack_reason", Text),
    UniqueConstraint("firing_id", "row"),
    sqlite_autoincrement=True,
)

notices = Table(
    "notices",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("uid", String(32), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("about", String(200), nullable=False, unique=True),
    Column("document", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False, index=True),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("notice_id", ForeignKey("notices.id"), primary_key=True),
    Column("channel", String(16), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("next_try_at", UtcTime, nullable=False),
    Column("error", Text),
)
Index("ix_deliveries_next_try_at", deliveries.c.next_try_at)
