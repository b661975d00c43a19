"""The version of the schema: it is upgraded before anything else uses the store."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from service.errors import UnavailableError
from service.store.schedules import tables  # noqa: F401 - its tables are part of the schema
from service.store.session import Store

UPGRADING = 7235197404
"""Number of the advisory lock under which PostgreSQL's schema is changed."""


def upgrade(store: Store) -> None:
    """Upgrade the database to the newest schema; does nothing if it has that already.

    Raises:
        UnavailableError: the database was written by a newer version of ablate.
    """
    config = Config()
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")  # the option is interpolated
    config.set_main_option("script_location", folder)
    with store.write() as connection:
        if connection.dialect.name == "postgresql":  # processes that start at the same time do it one after the other
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": UPGRADING})
        found = MigrationContext.configure(connection).get_current_revision()
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise UnavailableError(
                f"the database has schema {found}, which this version does not know; use the ablate that wrote it"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
