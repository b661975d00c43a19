"""One scheduler per database: a lock that is released with the process that holds it, however the process ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import make_url, text

from service.errors import UnavailableError
from service.store.session import Store

ADVISORY = 7235197403
"""Number of our advisory lock on PostgreSQL."""


@contextmanager
def held(url: str) -> Iterator[None]:
    """Hold the database for this process: for all it does on SQLite, for scheduling on PostgreSQL.

    Raises:
        UnavailableError: another process holds it; on SQLite the text names its pid.
    """
    if make_url(url).get_backend_name() != "sqlite":
        with closing(Store(url)) as store, store.read() as connection:  # the lock lives as long as its connection
            connection.execution_options(isolation_level="AUTOCOMMIT")  # no transaction that stays open for days
            if not connection.execute(text("SELECT pg_try_advisory_lock(:n)"), {"n": ADVISORY}).scalar_one():
                raise UnavailableError("another scheduler uses this database; stop it first, or use --role api")
            yield
        return
    path = Path(f"{make_url(url).database}.lock")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A soft lock, which is a file that exists, would outlive a killed process.
    lock = FileLock(path, blocking=False, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        holder = path.read_text(encoding="ascii", errors="replace").strip()[:20] or "unknown"
        text_ = f"another ablate service (pid {holder}) uses this database; stop it, or set another ABLATE_HOME"
        raise UnavailableError(text_) from error
    try:
        path.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        lock.release()
