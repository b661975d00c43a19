"""Alembic's environment: it runs inside the service, on a connection that `schema.upgrade` passes."""

from alembic import context

from service.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
context.run_migrations()
