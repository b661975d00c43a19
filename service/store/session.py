"""Connections and transactions.

SQLite: one write connection behind a lock, `BEGIN IMMEDIATE`, WAL, `synchronous=FULL`; readers open the file read-only,
so that only the writer ever checkpoints (SQLite 3.40 corrupts a WAL that two connections checkpoint). PostgreSQL: an
ordinary pool, and an advisory lock that each writing transaction holds. Code that writes uses `with store.write() as
connection`, which commits everything or nothing. On both, a write sees all earlier writes, and no two run at the same
time: a count stays true until the end of its transaction, and transactions never wait for each other's rows.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy import Connection as Connection
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    PendingRollbackError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool, StaticPool

from service.errors import UnavailableError

BUSY_MS = 5_000
"""How long SQLite waits for another program's lock on the file."""


LOCK_S = 30.0
"""How long a write waits for other writes of this process, and a statement for a free connection."""
POSTGRES = {
    "connect_timeout": 5,
    "options": "-c lock_timeout=30000",
    "keepalives_idle": 30,
    "tcp_user_timeout": 30_000,
}
"""A PostgreSQL that is away, or half away, is noticed within seconds."""

WRITING = 7235197405
"""Number of the advisory lock that a writing transaction holds on PostgreSQL."""


class Store:
    """The database.

    Attributes:
        version: number of commits of this process, by which a reader notices cheaply that something changed.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.version = 0
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._lock: Any = _WriteLock() if self.is_sqlite else nullcontext()
        if self.is_sqlite:
            path = Path(self.url.database or "")
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._writer = _sqlite_writer(path)
            self._reader = _sqlite_reader(path)
        else:
            self._writer = self._reader = _postgres(self.url)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end of the block, rolled back if it raises.

        Raises:
            UnavailableError: the database cannot be written (locked, full, gone); nothing was stored.
        """
        try:
            with self._lock, self._writer.begin() as connection:
                if not self.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": WRITING})
                yield connection
        except AWAY as error:
            if _is_ours(error):
                raise
            raise UnavailableError(
                f"the database cannot be written ({_in_words(error)}); nothing was stored"
            ) from error
        self.version += 1

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; keep it short.

        Raises:
            UnavailableError: the database cannot be reached.
        """
        try:
            with self._reader.connect() as connection:
                yield connection
        except AWAY as error:
            if _is_ours(error):
                raise
            raise UnavailableError(f"the database cannot be read ({_in_words(error)})") from error

    def check(self) -> None:
        """Refuse a damaged file.

        Raises:
            UnavailableError: SQLite's `quick_check` finds damage.
        """
        if not self.is_sqlite:
            return
        try:
            with self._writer.connect() as connection:
                found = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
        except AWAY as error:
            raise UnavailableError(f"the database cannot be read ({_in_words(error)})") from error
        if found != "ok":
            raise UnavailableError(f"the database file is damaged ({found}); replace it by a backup")

    def close(self) -> None:
        """Close every connection."""
        self._reader.dispose()
        self._writer.dispose()


AWAY = DatabaseError, InterfaceError, PendingRollbackError, PoolTimeoutError
"""A database that is away, full, locked or damaged raises one of these;"""
OURS = IntegrityError, DataError, ProgrammingError
"""a wrong statement or value of ours raises one of these,"""
OURS_IN_WORDS = re.compile(
    "too many (SQL variables|terms|arguments)|too (large|big|complex)|number of parameters|stack (overflow|depth)"
)
"""or says this: waiting for the database would not end it."""


def _is_ours(error: Exception) -> bool:
    return isinstance(error, OURS) or OURS_IN_WORDS.search(str(getattr(error, "orig", ""))) is not None


def _in_words(error: Exception) -> str:
    """The driver's reason without statements, values and paths."""
    text = " ".join(str(getattr(error, "orig", None) or "it has no free connection").split())
    return next((words for part, words in REASONS.items() if part in text), "it does not answer")


REASONS = {
    "locked": "another program has locked it",
    "full": "its disk is full",
    "readonly": "its file cannot be written",
    "unable to open": "its file cannot be opened",
    "malformed": "its file is damaged; replace it by a backup",
    "not a database": "its file is damaged; replace it by a backup",
    "I/O": "its disk does not work",
    "no free connection": "every connection is in use",
    "Connection refused": "nothing listens at its address",
    "resolve host": "its host is not known",
    "translate host": "its host is not known",
    "timeout expired": "its host does not answer",
    "authentication failed": "it does not accept the user or the password",
    "no password supplied": "it asks for a password",
    "does not exist": "it has no such database or user",
    "read-only transaction": "it is read-only, as during a failover",
    "recovery": "it is read-only, as during a failover",
    "starting up": "it is starting",
    "terminating connection": "it closed the connection",
    "shutting down": "it is shutting down",
    "too many clients": "it has no free connection",
    "remaining connection slots": "it has no free connection",
}
"""What SQLite and PostgreSQL say, and what we say; of anything else, only that the database does not answer."""


class _WriteLock:
    """One writer at a time, who waits for the others no longer than `LOCK_S`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def __enter__(self) -> None:
        if self._owner == threading.get_ident():
            raise RuntimeError("a write inside a write would wait for itself")
        if not self._lock.acquire(timeout=LOCK_S):
            raise UnavailableError("the database cannot be written (other writes take too long); nothing was stored")
        self._owner = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._owner = None
        self._lock.release()


def _postgres(url: URL) -> Engine:
    """Raises UnavailableError if PostgreSQL's library is missing, or does not know an option of the URL."""
    try:
        from psycopg import ProgrammingError as UnknownOption
        from psycopg.conninfo import make_conninfo
    except ModuleNotFoundError:
        raise
    except ImportError as error:  # psycopg is there, and libpq is not
        raise UnavailableError(
            "PostgreSQL's library libpq is missing; install it: pip install 'psycopg[binary]'"
        ) from error
    try:
        make_conninfo(**{name: str(value) for name, value in url.query.items()})
    except UnknownOption:
        raise UnavailableError("ABLATE_DATABASE_URL has an option after `?` that PostgreSQL does not know") from None
    return create_engine(url, pool_pre_ping=True, pool_size=8, pool_timeout=LOCK_S, connect_args=POSTGRES)


PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "journal_size_limit=67108864")


def _sqlite_writer(path: Path) -> Engine:
    return _sqlite(URL.create("sqlite", database=str(path)), "BEGIN IMMEDIATE", PRAGMAS, poolclass=StaticPool)


def _sqlite_reader(path: Path) -> Engine:
    url = URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
    return _sqlite(url, "BEGIN", (), poolclass=QueuePool, pool_size=8, max_overflow=32)


def _sqlite(url: URL, begin: str, pragmas: Sequence[str], **pool: Any) -> Engine:
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000}, **pool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # we begin transactions, not the driver
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
