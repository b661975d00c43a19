"""The tables. Trials are global and identified by the key of their content; a study has memberships in them.

Counts are not stored, except two derived values that the index of the queue needs in the row. `trials.priority` is the
highest priority among the studies that need the trial now, null if none does; `demand.refresh_demand` sets it in the
transaction that changes a study. `trials.open_needs` is the number of needed trials that have not succeeded;
`needs.settle_needs` sets it in the transaction that changes one of them, or queues the trial.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import TypeDecorator

from service.documents.states import STUDY_STATES, TRIAL_STATES


class UtcTime(TypeDecorator[datetime]):
    """An aware instant. SQLite stores no time zone, so everything is stored in UTC and is read as aware."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """The time in UTC; raises ValueError for one without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a time zone: {value}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)


BigId = BigInteger().with_variant(Integer, "sqlite")
"""An autoincrement key: 64 bits on PostgreSQL; SQLite increments only INTEGER, which has 64 bits there."""


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


studies = Table(
    "studies",
    metadata,
    Column("seq", BigId, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("owner", String(64)),
    Column("name", String(64), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("scale", String(64)),
    Column("state", String(16), CheckConstraint(_one_of("state", STUDY_STATES), name="state"), nullable=False),
    Column("reason", Text),
    Column("priority", Integer, nullable=False),
    Column("replicate", Integer, nullable=False),
    Column("repeat", Integer, nullable=False, server_default="0"),
    Column("canary_only", Boolean, nullable=False, server_default=false()),
    Column("schedule", String(64)),
    Column("document", JSON, nullable=False),
    Column("registrations", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("costs", JSON, nullable=False),
    Column("result", JSON),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    sqlite_autoincrement=True,
)
Index("ix_studies_state", studies.c.state, studies.c.seq)
Index("ix_studies_schedule", studies.c.schedule, studies.c.seq)

trials = Table(
    "trials",
    metadata,
    Column("seq", BigId, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("task", String(64), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("replicate", Integer, nullable=False),
    Column("repeat", Integer, nullable=False, server_default="0"),
    Column("recipe", JSON, nullable=False),
    Column("cpus", Integer, nullable=False),
    Column("gpus", Float, nullable=False),
    Column("state", String(16), CheckConstraint(_one_of("state", TRIAL_STATES), name="state"), nullable=False),
    Column("reason", Text),
    Column("priority", Integer),
    Column("open_needs", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("ooms", Integer, nullable=False),
    Column("step", Integer),
    Column("steps", Integer),
    Column("live", JSON),
    Column("curve", JSON),
    Column("outcome", JSON),
    Column("provenance", JSON),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    sqlite_autoincrement=True,
)
_waiting = (trials.c.state == "queued") & trials.c.priority.is_not(None) & (trials.c.open_needs == 0)
Index("ix_trials_queue", trials.c.priority.desc(), trials.c.seq, sqlite_where=_waiting, postgresql_where=_waiting)
_running = trials.c.state == "running"
Index("ix_trials_running", trials.c.seq, sqlite_where=_running, postgresql_where=_running)

registered_rows = Table(
    "registered_rows",
    metadata,
    Column("seq", BigId, primary_key=True),
    Column("study_seq", ForeignKey("studies.seq"), nullable=False, index=True),
    Column("pair", String(32), nullable=False, index=True),
    Column("recipe", String(32), nullable=False, index=True),
    Column("exact", String(32), nullable=False, server_default=""),
    Column("has_decisions", Boolean, nullable=False),
    Column("number", Integer),
    Column("document", JSON, nullable=False),
    sqlite_autoincrement=True,
)

needs = Table(
    "needs",
    metadata,
    Column("trial_key", ForeignKey("trials.key"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("needed_key", ForeignKey("trials.key"), nullable=False, index=True),
)

memberships = Table(
    "memberships",
    metadata,
    Column("study_seq", ForeignKey("studies.seq"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("row", Text, nullable=False),  # name of the row, see `ablate.study.names`
    Column("group", Text),
    Column("seed", BigInteger, nullable=False),
    Column("trial_key", ForeignKey("trials.key"), nullable=False, index=True),
    Column("shared", Boolean, nullable=False),
    Column("settled", String(16), CheckConstraint(_one_of("settled", ("failed", "cancelled")), name="settled")),
    UniqueConstraint("study_seq", "row", "seed"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("trial_key", ForeignKey("trials.key"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text),
    Column("claimed_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
)

events = Table(
    "events",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("study_seq", ForeignKey("studies.seq"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("data", JSON, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_events_study", events.c.study_seq, events.c.id)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("study_seq", ForeignKey("studies.seq"), nullable=False),
    Column("trial_key", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("study_seq", "trial_key"),
    sqlite_autoincrement=True,
)

mirrored = Table(
    "mirrored",
    metadata,
    Column("study_seq", ForeignKey("studies.seq"), primary_key=True),
    Column("trial_key", String(64), primary_key=True),
    Column("run_id", String(64), nullable=False),
    Column("experiment_id", String(64), nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("study_seq", ForeignKey("studies.seq"), nullable=False),
)

costs = Table(
    "costs",
    metadata,
    Column("architecture", String(64), primary_key=True),
    Column("answer", JSON, nullable=False),
)

scheduler = Table(
    "scheduler",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("dispatcher", String(16), nullable=False),
    Column("machines", JSON, nullable=False),
    Column("beat_at", UtcTime, nullable=False),
)

faults = Table(
    "faults",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("number", String(16), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("study_seq", ForeignKey("studies.seq"), index=True),
    Column("work", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("is_stuck", Boolean, nullable=False),
    Column("first_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False),
    UniqueConstraint("kind", "subject"),
    sqlite_autoincrement=True,
)
