"""Indexes by which a schedule's last firing, and what happened since a moment, are found without reading the rest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_index("ix_firings_ended_at", "firings", ["ended_at"], unique=False)
    op.create_index(
        "ix_firings_last",
        "firings",
        ["schedule_seq", "id"],
        unique=False,
        sqlite_where=sa.text("state <> 'skipped'"),
        postgresql_where=sa.text("state <> 'skipped'"),
    )
