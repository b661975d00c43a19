"""Cells know the group of their row, and stored leave-one-out studies keep the labels of their rows.

Labels may be equal in two groups since this version. Groups that a study's document states are filled in; those that a
field of the recipe decides stay unknown. Rows of leave-one-out studies were labelled `- NAME`; their documents, and
those of schedules, say so from now on, since they are planned again for every table and firing.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

cells = sa.table("memberships", *map(sa.column, ("study_seq", "row", "group")))
studies = sa.table("studies", sa.column("seq"), sa.column("document", sa.JSON))
schedules = sa.table("schedules", sa.column("seq"), sa.column("study", sa.JSON))


def upgrade() -> None:
    op.add_column("memberships", sa.Column("group", sa.Text(), nullable=True))
    connection = op.get_bind()
    for study in connection.execute(sa.select(studies)).all():
        for row in study.document.get("rows", []):
            if row.get("group") is not None:
                own = (cells.c.study_seq == study.seq) & (cells.c.row == row["label"])
                connection.execute(sa.update(cells).where(own).values(group=row["group"]))
    _mark({"minus_labels": True})


def _mark(added: dict[str, Any]) -> None:
    """Write every document of a leave-one-out study again, with these fields and no other mark of its labels."""
    connection = op.get_bind()
    for table, column in ((studies, studies.c.document), (schedules, schedules.c.study)):
        for seq, document in connection.execute(sa.select(table.c.seq, column)).all():
            if document.get("design") == "leave_one_out":
                rest = {name: value for name, value in document.items() if name != "minus_labels"}
                connection.execute(sa.update(table).where(table.c.seq == seq).values({column.name: rest | added}))


def downgrade() -> None:
    _mark({})
    op.drop_column("memberships", "group")
