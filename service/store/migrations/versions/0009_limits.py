"""Trials know how long an attempt may take, how often they are tried again, and how many attempts have failed.

Studies know for how many hours their trials start, and how many run at once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("trials", sa.Column("timeout_s", sa.Float(), nullable=True))
    op.add_column("trials", sa.Column("max_retries", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("trials", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("studies", sa.Column("hours", sa.Float(), nullable=True))
    op.add_column("studies", sa.Column("parallel", sa.Integer(), nullable=True))
    op.add_column("studies", sa.Column("budget_from", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in ("budget_from", "parallel", "hours"):
        op.drop_column("studies", name)
    for name in ("failures", "max_retries", "timeout_s"):
        op.drop_column("trials", name)
