"""Which trials a trial needs, and how many of them are still to succeed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BEFORE = "state = 'queued' AND priority IS NOT NULL"


def upgrade() -> None:
    op.add_column("trials", sa.Column("open_needs", sa.Integer(), server_default="0", nullable=False))
    _index_queue_where(f"{BEFORE} AND open_needs = 0")
    op.create_table(
        "needs",
        sa.Column("trial_key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("needed_key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["trial_key"], ["trials.key"], name=op.f("fk_needs_trial_key")),
        sa.ForeignKeyConstraint(["needed_key"], ["trials.key"], name=op.f("fk_needs_needed_key")),
        sa.PrimaryKeyConstraint("trial_key", "name", name=op.f("pk_needs")),
    )
    op.create_index(op.f("ix_needs_needed_key"), "needs", ["needed_key"], unique=False)


def _index_queue_where(condition: str) -> None:
    op.drop_index("ix_trials_queue", table_name="trials")
    op.create_index(
        "ix_trials_queue",
        "trials",
        [sa.literal_column("priority DESC"), "seq"],
        unique=False,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
