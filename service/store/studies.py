"""Studies as they are stored: created, moved from state to state, read. One query per function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select, update

from ablate.remote.choices import StudyState
from ablate.tables.table import Table
from ablate.trials.trial import Repetition
from service.documents.states import LIVE
from service.store.names_of_studies import BEGINNING, MAX_CANDIDATES, ambiguous_study, unknown_study
from service.store.sql import cell_state, chunks
from service.store.tables import events, idempotency, memberships, studies, trials

UNREAD = ("result", "owner", "hours", "parallel", "budget_from")
FIELDS = [column for column in studies.c if column.name not in UNREAD]


@dataclass(frozen=True, slots=True)
class Stored:
    """A study's row.

    Attributes:
        seq: number in the order of creation.
        replicate, repeat, canary_only: see `repetition`.
        schedule: name of the schedule that fired it.
        document: the study document of the last plan, with seeds, scale and resources resolved.
        registrations: the preregistration, as submitted and after each change; see `ablate.study.preregistration`.
        costs: row name -> counted cost as JSON values.
    """

    seq: int
    id: str
    name: str
    title: str
    scale: str | None
    state: StudyState
    reason: str | None
    priority: int
    replicate: int
    repeat: int
    canary_only: bool
    schedule: str | None
    document: dict[str, Any]
    registrations: list[dict[str, Any]]
    warnings: list[dict[str, str]]
    costs: dict[str, dict[str, int]]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def repetition(self) -> Repetition:
        """Of its trials."""
        return Repetition(self.replicate, self.repeat, self.canary_only)


@dataclass(frozen=True, slots=True)
class CellKey:
    """A cell of a study and the trial that fills it; `group` is that of the row, where it is known."""

    row: str
    seed: int
    key: str
    group: str | None = field(default=None, compare=False)


def add_study(connection: Connection, values: dict[str, Any]) -> int:
    """Store a new study. Returns its `seq`."""
    return int(connection.execute(studies.insert().values(values).returning(studies.c.seq)).scalar_one())


def add_cells(connection: Connection, study_seq: int, cells: Sequence[CellKey], queued: set[str]) -> None:
    """Add cells after those that the study has; a cell whose trial is not in `queued` is shared."""
    last = connection.execute(
        select(func.max(memberships.c.position)).where(memberships.c.study_seq == study_seq)
    ).scalar()
    first = 0 if last is None else last + 1
    own = set(queued)
    values = []
    for position, cell in enumerate(cells, start=first):
        values.append(
            {
                "study_seq": study_seq, "position": position, "row": cell.row, "group": cell.group,
                "seed": cell.seed,
                "trial_key": cell.key, "shared": cell.key not in own, "settled": None,
            }
        )  # fmt: skip
        own.discard(cell.key)  # a second row of the same recipe shares the trial with the first
    for part in chunks(values):
        connection.execute(memberships.insert(), part)


def update_plan(connection: Connection, study_seq: int, values: dict[str, Any]) -> None:
    """Replace the columns that an extension changes: document, registrations, warnings, costs."""
    connection.execute(update(studies).where(studies.c.seq == study_seq).values(**values))


def move(connection: Connection, study_seq: int, leaving: Sequence[StudyState], to: StudyState, **values: Any) -> bool:
    """Move a study from one of some states to another. Returns whether it was in one of them."""
    guarded = update(studies).where(studies.c.seq == study_seq, studies.c.state.in_(leaving))
    return connection.execute(guarded.values(state=to, **values)).rowcount > 0


def settle_holes(connection: Connection, study_seq: int, states: Sequence[str], settled: str) -> list[str]:
    """Fix for this study the state of its cells whose trial is in one of these states. Returns the trials' keys."""
    theirs = select(trials.c.key).where(trials.c.key == memberships.c.trial_key, trials.c.state.in_(states))
    statement = (
        update(memberships)
        .where(memberships.c.study_seq == study_seq, memberships.c.settled.is_(None), theirs.exists())
        .values(settled=settled)
        .returning(memberships.c.trial_key)
    )
    return list(connection.execute(statement).scalars())


def unsettle(connection: Connection, study_seq: int) -> list[str]:
    """Let settled cells follow their trials again. Returns the trials' keys."""
    statement = (
        update(memberships)
        .where(memberships.c.study_seq == study_seq, memberships.c.settled.is_not(None))
        .values(settled=None)
        .returning(memberships.c.trial_key)
    )
    return list(connection.execute(statement).scalars())


def has_started(connection: Connection, study_seq: int) -> bool:
    """Whether any of a study's trials is running or over."""
    statement = _cells(study_seq).where(trials.c.state != "queued").limit(1)
    return connection.execute(statement).first() is not None


def is_finished(connection: Connection, study_seq: int) -> bool:
    """Whether no trial of a study is queued or running. It reads from the end, where open trials usually are."""
    statement = (
        _cells(study_seq).where(cell_state.in_(("queued", "running"))).order_by(memberships.c.position.desc()).limit(1)
    )
    return connection.execute(statement).first() is None


def _cells(study_seq: int) -> Select[Any]:
    return (
        select(memberships.c.position)
        .join(trials, trials.c.key == memberships.c.trial_key)
        .where(memberships.c.study_seq == study_seq)
    )


def list_finished(connection: Connection) -> list[int]:
    """Live studies without queued or running trials."""
    cells_of = select(memberships.c.position).join(trials, trials.c.key == memberships.c.trial_key)
    open_ = cells_of.where(
        memberships.c.study_seq == studies.c.seq,
        memberships.c.settled.is_(None),
        trials.c.state.in_(("queued", "running")),
    ).order_by(memberships.c.position.desc())
    statement = select(studies.c.seq).where(studies.c.state.in_(LIVE), ~open_.limit(1).exists())
    return list(connection.execute(statement).scalars())


def get_study(connection: Connection, study: str) -> Stored:
    """The study that a text means: by its id, else by its exact name, else by the beginning of its id.

    Of the studies with a name it is the newest one that no schedule fired, or the newest one if all were fired.

    Args:
        connection: to the store.
        study: an id, a name, or the first 4 letters or more of an id.

    Raises:
        NotFoundError: there is none.
        AmbiguousError: several ids begin like this.
    """
    named = select(*FIELDS).where(studies.c.name == study)
    newest = named.order_by(studies.c.schedule.is_not(None), studies.c.seq.desc()).limit(1)
    for exact in (select(*FIELDS).where(studies.c.id == study), newest):
        if row := connection.execute(exact).first():
            return Stored(**row._mapping)
    if not BEGINNING.fullmatch(study):
        raise unknown_study(connection, study)
    alike = select(*FIELDS).where(studies.c.id.startswith(study, autoescape=True)).order_by(studies.c.seq.desc())
    found = [Stored(**row._mapping) for row in connection.execute(alike.limit(MAX_CANDIDATES + 1))]
    if not found:
        raise unknown_study(connection, study)
    if len(found) > 1:
        raise ambiguous_study(study, [(one.id, one.name, one.state) for one in found])
    return found[0]


def get_by_seq(connection: Connection, study_seq: int) -> Stored:
    """The study of that number, which must exist."""
    return Stored(**connection.execute(select(*FIELDS).where(studies.c.seq == study_seq)).one()._mapping)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filter of a list of studies; None: no condition."""

    state: StudyState | None = None
    name: str | None = None
    schedule: str | None = None


def list_studies(connection: Connection, wanted: Wanted, *, limit: int, before: int | None) -> list[Stored]:
    """Newest first, those with a smaller `seq` than `before`."""
    statement = select(*FIELDS).order_by(studies.c.seq.desc()).limit(limit)
    for name, value in asdict(wanted).items():
        if value is not None:
            statement = statement.where(studies.c[name] == value)
    if before is not None:
        statement = statement.where(studies.c.seq < before)
    return [Stored(**row._mapping) for row in connection.execute(statement)]


def list_ended(connection: Connection, since: datetime, limit: int) -> list[Stored]:
    """Studies that ended since a moment, the last one first."""
    statement = select(*FIELDS).where(studies.c.ended_at >= since).order_by(studies.c.ended_at.desc()).limit(limit)
    return [Stored(**row._mapping) for row in connection.execute(statement)]


def list_cell_keys(connection: Connection, study_seq: int) -> list[CellKey]:
    """Every cell of a study, in order."""
    rows = connection.execute(
        select(memberships.c.row, memberships.c.seed, memberships.c.trial_key)
        .where(memberships.c.study_seq == study_seq)
        .order_by(memberships.c.position)
    )
    return [CellKey(row.row, row.seed, row.trial_key) for row in rows]


def list_holders(connection: Connection, key: str) -> list[str]:
    """Ids of the studies that have a trial and were not cancelled."""
    mine = select(memberships.c.study_seq).where(memberships.c.trial_key == key)
    statement = select(studies.c.id).where(studies.c.seq.in_(mine), studies.c.state != "cancelled")
    return list(connection.execute(statement.order_by(studies.c.seq)).scalars())


def list_registrations(connection: Connection, key: str) -> list[tuple[int, list[dict[str, Any]]]]:
    """(number of the study, registrations) of each study with a trial, if not cancelled nor fired, oldest first."""
    holders = select(memberships.c.study_seq).where(memberships.c.trial_key == key)
    statement = (
        select(studies.c.seq, studies.c.registrations)
        .where(studies.c.seq.in_(holders), studies.c.state != "cancelled", studies.c.schedule.is_(None))
        .order_by(studies.c.seq)
    )
    return [(row.seq, row.registrations) for row in connection.execute(statement)]


def find_table(connection: Connection, study_seq: int) -> Table | None:
    """The final table, where there is one."""
    document = connection.execute(select(studies.c.result).where(studies.c.seq == study_seq)).scalar()
    return Table.from_json(document) if document else None


def find_submission(connection: Connection, owner: str, key: str) -> tuple[str, str] | None:
    """(digest of the body, id of the study) of an idempotency key."""
    row = connection.execute(
        select(idempotency.c.digest, studies.c.id)
        .join(studies, studies.c.seq == idempotency.c.study_seq)
        .where(idempotency.c.owner == owner, idempotency.c.key == key)
    ).first()
    return (row.digest, row.id) if row else None


def record_submission(connection: Connection, owner: str, key: str, digest: str, study_seq: int) -> None:
    """Remember an idempotency key; an IntegrityError where another transaction was faster."""
    values = {"owner": owner, "key": key, "digest": digest, "study_seq": study_seq}
    connection.execute(idempotency.insert().values(values))


def highest_replicate(connection: Connection) -> int:
    """The highest replicate that any trial has."""
    return int(connection.execute(select(func.max(trials.c.replicate))).scalar() or 0)


def events_after(
    connection: Connection, study_seq: int, last_id: int, limit: int
) -> list[tuple[int, str, dict[str, Any]]]:
    """(id, kind, data) of a study's events above an id."""
    rows = connection.execute(
        select(events.c.id, events.c.kind, events.c.data)
        .where(events.c.study_seq == study_seq, events.c.id > last_id)
        .order_by(events.c.id)
        .limit(limit)
    )
    return [(row.id, row.kind, row.data) for row in rows]
