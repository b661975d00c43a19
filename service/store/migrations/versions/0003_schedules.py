"""Schedules, their firings and alarms, notices to operators, and repeats of trials."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("about", sa.String(length=200), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("about", name=op.f("uq_notices_about")),
        sa.UniqueConstraint("uid", name=op.f("uq_notices_uid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_notices_created_at"), "notices", ["created_at"], unique=False)
    op.create_table(
        "schedules",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("cron", sa.String(length=100), nullable=False),
        sa.Column("tz", sa.String(length=64), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("study", sa.JSON(), nullable=False),
        sa.Column("scale", sa.String(length=64), nullable=True),
        sa.Column("seeds", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("missed", sa.String(length=16), nullable=False),
        sa.Column("grace_s", sa.Integer(), nullable=False),
        sa.Column("overlap", sa.String(length=16), nullable=False),
        sa.Column("jitter_s", sa.Integer(), nullable=False),
        sa.Column("tolerance", sa.Float(), nullable=False),
        sa.Column("reference_firings", sa.Integer(), nullable=False),
        sa.Column("false_alarm_every", sa.Integer(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_seed", sa.Integer(), nullable=False),
        sa.Column("reference", sa.JSON(), nullable=True),
        sa.Column("renews", sa.Boolean(), nullable=False),
        sa.Column("watched_from", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("mode IN ('verify', 'fresh')", name=op.f("ck_schedules_mode")),
        sa.CheckConstraint("missed IN ('coalesce', 'skip', 'all')", name=op.f("ck_schedules_missed")),
        sa.CheckConstraint("overlap IN ('skip', 'queue')", name=op.f("ck_schedules_overlap")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_schedules")),
        sa.UniqueConstraint("name", name=op.f("uq_schedules_name")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_schedules_due", "schedules", ["due_at"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("notice_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_deliveries_notice_id")),
        sa.PrimaryKeyConstraint("notice_id", "channel", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_next_try_at", "deliveries", ["next_try_at"], unique=False)
    op.create_table(
        "firings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("schedule_seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("instant", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("stands_for", sa.Integer(), nullable=False),
        sa.Column("study_seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("repeat", sa.Integer(), nullable=True),
        sa.Column("seeds", sa.JSON(), nullable=False),
        sa.Column("reference", sa.JSON(), nullable=True),
        sa.Column("metric", sa.String(length=64), nullable=True),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.Column("comparisons", sa.JSON(), nullable=False),
        sa.Column("drift", sa.JSON(), nullable=True),
        sa.Column("provenance", sa.JSON(), nullable=True),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["schedule_seq"], ["schedules.seq"], name=op.f("fk_firings_schedule_seq")),
        sa.ForeignKeyConstraint(["study_seq"], ["studies.seq"], name=op.f("fk_firings_study_seq")),
        sa.CheckConstraint("cause IN ('cron', 'manual')", name=op.f("ck_firings_cause")),
        sa.CheckConstraint("kind IN ('reference', 'verify', 'fresh')", name=op.f("ck_firings_kind")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'holes', 'cancelled', 'skipped', 'missed', 'refused')",
            name=op.f("ck_firings_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_firings")),
        sa.UniqueConstraint("schedule_seq", "instant", name=op.f("uq_firings_schedule_seq")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_firings_state", "firings", ["state"], unique=False)
    op.create_index(op.f("ix_firings_study_seq"), "firings", ["study_seq"], unique=False)
    op.create_table(
        "alarms",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("schedule_seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("firing_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.Column("direction", sa.String(length=16), nullable=True),
        sa.Column("size", sa.Float(), nullable=True),
        sa.Column("changed_instant", sa.DateTime(timezone=True), nullable=False),
        sa.Column("good_instant", sa.DateTime(timezone=True), nullable=True),
        sa.Column("good_study_id", sa.String(length=32), nullable=True),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("differences", sa.JSON(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ack_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["firing_id"], ["firings.id"], name=op.f("fk_alarms_firing_id")),
        sa.ForeignKeyConstraint(["schedule_seq"], ["schedules.seq"], name=op.f("fk_alarms_schedule_seq")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
        sa.UniqueConstraint("firing_id", "row", name=op.f("uq_alarms_firing_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_alarms_schedule_seq"), "alarms", ["schedule_seq"], unique=False)
    op.add_column("studies", sa.Column("repeat", sa.Integer(), server_default="0", nullable=False))
    op.add_column("studies", sa.Column("canary_only", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("studies", sa.Column("schedule", sa.String(length=64), nullable=True))
    op.create_index("ix_studies_schedule", "studies", ["schedule", "seq"], unique=False)
    op.add_column("trials", sa.Column("repeat", sa.Integer(), server_default="0", nullable=False))
