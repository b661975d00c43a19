"""One scheduler per database: a lock that is released with the process that holds it, however the process ends."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from filelock import Timeout
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DatabaseError

from ablate.machine.locks import describe_holder, explained, file_lock
from ablate.machine.mounts import warn_of_network
from ablate.trials.machine import describe_os_error
from service.errors import UnavailableError
from service.store.session import Store

log = logging.getLogger(__name__)

ADVISORY = 7235197403
"""Number of our advisory lock on PostgreSQL."""


class HeldFile:
    """The lock of a SQLite database: a locked file, which stays locked as long as the process lives.

    Args:
        url: of the database.

    Raises:
        UnavailableError: another process holds it; the text names its pid.
    """

    def __init__(self, url: str) -> None:
        database = Path(make_url(url).database or "")
        path = database.with_name(f"{database.name}.lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UnavailableError(
                f"the database's folder {path.parent} cannot be used: {error.strerror}; set ABLATE_DATABASE_URL to "
                "another file"
            ) from error
        if warning := warn_of_network(database.absolute()):
            log.warning("%s", warning)
        self._lock = file_lock(path, blocking=False, thread_local=False)
        try:
            with explained(path):
                self._lock.acquire()
        except Timeout as error:
            holder = describe_holder(path).replace("process", "ablate service")
            raise UnavailableError(f"{holder} uses this database; stop it, or set another ABLATE_HOME") from error
        except OSError as error:
            raise UnavailableError(
                f"the database {database} cannot be locked: {describe_os_error(error)}; set ABLATE_HOME to another "
                "folder, or ABLATE_DATABASE_URL to PostgreSQL"
            ) from error
        path.write_text(str(os.getpid()), encoding="ascii")

    def keep(self) -> None:
        """Nothing to do: nobody can take it away."""

    def close(self) -> None:
        """Release it."""
        self._lock.release()


class HeldConnection:
    """The lock of a PostgreSQL database, which lasts as long as its connection: a restart of PostgreSQL ends both.

    Args:
        url: of the database.

    Raises:
        UnavailableError: another process holds it, or the database is away.
    """

    def __init__(self, url: str) -> None:
        self._open = ExitStack()
        self._connection: Connection | None = None
        with ExitStack() as stack:
            self._store = stack.enter_context(closing(Store(url)))
            self._take()
            stack.pop_all()

    def keep(self) -> None:
        """Take the lock again if its connection is lost.

        Raises:
            UnavailableError: another process has taken it since, or the database is away.
        """
        if self._connection is not None:
            try:
                self._connection.execute(text("SELECT 1"))
            except DatabaseError:
                self._release()
        if self._connection is None:
            self._take()

    def _take(self) -> None:
        with ExitStack() as stack:
            connection = stack.enter_context(self._store.read())
            connection.execution_options(isolation_level="AUTOCOMMIT")  # no transaction that stays open for days
            if not connection.execute(text("SELECT pg_try_advisory_lock(:n)"), {"n": ADVISORY}).scalar_one():
                raise UnavailableError("another scheduler uses this database; stop it first, or use --role api")
            self._connection, self._open = connection, stack.pop_all()

    def _release(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()  # closed, not given back: the lock ends with it
        self._connection = None
        self._open.close()

    def close(self) -> None:
        """Release it."""
        self._release()
        self._store.close()


Held = HeldFile | HeldConnection


@contextmanager
def held(url: str) -> Iterator[Held]:
    """Hold the database for this process: for all it does on SQLite, for scheduling on PostgreSQL.

    Raises:
        UnavailableError: another process holds it.
    """
    is_file = make_url(url).get_backend_name() == "sqlite"
    with closing(HeldFile(url) if is_file else HeldConnection(url)) as lock:
        yield lock
