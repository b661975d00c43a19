"""One scheduler a database: a lock that ends with the process that holds it, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import make_url, text

from service.errors import UnavailableError
from service.store.session import Store

ADVISORY = 7235197403
"""Number of our advisory lock on PostgreSQL."""


@contextmanager
def held(url: str) -> Iterator[None]:
    """Hold the database for this process: for all it does on SQLite, for scheduling on PostgreSQL.

    Raises:
        UnavailableError: another process holds it; the text names its pid.
    """
    if make_url(url).get_backend_name() != "sqlite":
        with closing(Store(url)) as store, store.read() as connection:  # the lock lives as long as its connection
            connection.execution_options(isolation_level="AUTOCOMMIT")  # no transaction that stays open for days
            if not connection.execute(text("SELECT pg_try_advisory_lock(:n)"), {"n": ADVISORY}).scalar_one():
                raise UnavailableError("another scheduler works on this database; stop it first, or use --role api")
            yield
        return
    path = Path(f"{make_url(url).database}.lock")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            text_ = f"another ablate service (pid {holder}) works on this database; stop it, or set another ABLATE_HOME"
            raise UnavailableError(text_) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
