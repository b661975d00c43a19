"""Trying again until it works is told: tries of the same rows, over the real store and scheduler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ablate.tables.table import Table
from service.studies import results
from tests.service.conftest import Desk, toy_study
from tests.service.studies.test_conclude import finish


def table_of(desk: Desk, view: Any) -> Table:
    assert finish(desk, view).state == "succeeded"
    return results.get_table(desk.context, view.id)


def is_marked(table: Table) -> bool:
    return table.exploratory and any("try " in note for note in table.notes)


def number(table: Table, label: str = "offset 1") -> int:
    tries = table.row(label).cells["error"].tries
    return tries.number if tries else 1


AGAIN: dict[str, Callable[[int], tuple[dict[str, Any], dict[str, Any]]]] = {
    "fresh": lambda turn: (toy_study(seeds=8), {"fresh": turn > 0}),
    "other seeds": lambda turn: (toy_study(seeds=list(range(8 * turn, 8 * turn + 8))), {}),
    "other name": lambda turn: (toy_study(f"name-{turn}", seeds=8), {"fresh": turn > 0}),
    "other labels": lambda turn: (
        toy_study(
            seeds=list(range(8 * turn, 8 * turn + 8)),
            rows=[],
        )
        | {"rows": [{"label": f"{turn} {offset:g}", "set": {"offset": offset}} for offset in (0.0, 1.0)]},
        {},
    ),
    "a scale that changes nothing": lambda turn: (
        toy_study(seeds=8, scales={f"s{turn}": {"offset": 0.0}}),
        {"scale": f"s{turn}", "fresh": turn > 0},
    ),
    "other margin": lambda turn: (toy_study(seeds=8, table={"margin": 1.0 + turn}), {"fresh": turn > 0}),
    "another row beside it": lambda turn: (toy_study(rows=(0.0, 1.0, 2.0 + turn), seeds=8), {"fresh": turn > 0}),
    "roles exchanged": lambda turn: (
        toy_study(rows=(0.0, 1.0)[:: 1 if turn % 2 == 0 else -1], seeds=8),
        {"fresh": turn > 0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", AGAIN)
@pytest.mark.parametrize("after_results", [True, False])
def test_each_later_try_is_told_with_its_number(desk: Desk, way: str, after_results: bool) -> None:
    posted = []
    for turn in range(3):
        document, options = AGAIN[way](turn)
        posted.append(desk.submit(document, **options))
        if after_results:
            finish(desk, posted[-1])
    tables = [table_of(desk, view) for view in posted]
    assert [table.exploratory for table in tables] == [False, True, True]
    assert [any(f"try {turn + 1} of these rows" in note for note in tables[turn].notes) for turn in range(3)] == [
        False, True, True,
    ]  # fmt: skip
    last = next(row for row in tables[2].rows if row.cells["error"].tries)
    tries = last.cells["error"].tries
    assert tries is not None
    assert (tries.number, tries.n, tries.lost) == (3, 24, 0)
