"""The rows of studies by their recipes, so that a study that repeats another one is found without reading the rest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "registered_rows",
        sa.Column("seq", big, nullable=False),
        sa.Column("study_seq", big, nullable=False),
        sa.Column("pair", sa.String(length=32), nullable=False),
        sa.Column("recipe", sa.String(length=32), nullable=False),
        sa.Column("has_decisions", sa.Boolean(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["study_seq"], ["studies.seq"], name=op.f("fk_registered_rows_study_seq")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_registered_rows")),
        sqlite_autoincrement=True,
    )
    for column in ("study_seq", "pair", "recipe"):
        op.create_index(op.f(f"ix_registered_rows_{column}"), "registered_rows", [column], unique=False)
