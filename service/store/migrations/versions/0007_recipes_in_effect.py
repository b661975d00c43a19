"""Registered rows by what their recipes train in effect, next to the recipes as they are written.

The digests of rows that are stored already are computed again from their trials. A row whose task is not installed
keeps the old one, so it is found only by the same recipe in the same spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from alembic import op

from ablate.study.effective import digest_of_stored
from ablate.study.tries import pair_of

revision = "0007"
down_revision = "0006"

rows = sa.table(
    "registered_rows", sa.column("seq"), sa.column("study_seq"), sa.column("pair"), sa.column("recipe"),
    sa.column("exact"), sa.column("document", sa.JSON),
)  # fmt: skip
cells = sa.table("memberships", *map(sa.column, ("study_seq", "row", "seed", "trial_key")))
trials = sa.table("trials", sa.column("key"), sa.column("task"), sa.column("recipe", sa.JSON))


def upgrade() -> None:
    op.add_column("registered_rows", sa.Column("exact", sa.String(length=32), nullable=False, server_default=""))
    connection = op.get_bind()
    stored = connection.execute(sa.select(rows.c.seq, rows.c.study_seq, rows.c.document).order_by(rows.c.seq)).all()

    @cache
    def keys_of(study_seq: int, row: str) -> dict[int, str]:
        found = sa.select(cells.c.seed, cells.c.trial_key).where(cells.c.study_seq == study_seq, cells.c.row == row)
        return {cell.seed: cell.trial_key for cell in connection.execute(found)}

    @cache
    def digest_of(key: str) -> str | None:
        found = connection.execute(sa.select(trials.c.task, trials.c.recipe).where(trials.c.key == key)).first()
        return digest_of_stored(found.task, found.recipe) if found else None

    digests: dict[str, str] = {}
    for row in stored:
        keys = list(keys_of(row.study_seq, row.document["row"]).values())
        if row.document["recipe"] not in digests and keys and (digest := digest_of(keys[0])):
            digests[row.document["recipe"]] = digest
    for row in stored:
        document = _in_effect(row.document, digests, keys_of(row.study_seq, row.document["row"]))
        pair = pair_of(document["recipe"], document["baseline"])
        values = {"pair": pair, "recipe": document["recipe"], "exact": document["exact"], "document": document}
        connection.execute(sa.update(rows).where(rows.c.seq == row.seq).values(**values))


def _in_effect(document: Mapping[str, Any], digests: Mapping[str, str], keys: Mapping[int, str]) -> dict[str, Any]:
    recipe, baseline, seeds = document["recipe"], document["baseline"], document["seeds"]
    return {
        **document,
        "recipe": digests.get(recipe, recipe),
        "baseline": digests.get(baseline, baseline),
        "exact": recipe,
        "exact_baseline": baseline,
        "trials": [keys[seed] for seed in seeds] if keys.keys() >= set(seeds) else [],
    }


def downgrade() -> None:
    op.drop_column("registered_rows", "exact")
