"""The schema's version: brought up to date before anything else uses the store."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from service.errors import UnavailableError
from service.store.session import Store


def upgrade(store: Store) -> None:
    """Bring the database to the newest schema; nothing happens where it is.

    Raises:
        UnavailableError: the database was written by a newer version of ablate.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with store.write() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise UnavailableError(
                f"the database has schema {found}, which this version does not know; use the ablate that wrote it"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
