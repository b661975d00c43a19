"""What was known before a design was fixed: a look without a decision hands on no date, the same design again does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from service.studies.prepare import prepare
from service.studies.submit import add_prepared
from tests.service.conftest import Desk, toy_study
from tests.service.studies.test_tries import table_of

LOOKS: dict[str, dict[str, Any]] = {"pilot": {"pilot": True}, "firing": {}}


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_that_decides_nothing_does_not_hand_on_its_date(desk: Desk, look: str) -> None:
    document = toy_study("look", seeds=6, **LOOKS[look])
    with desk.context.store.write() as connection:
        found = prepare(desk.context, document, scale=None)
        schedule = "nightly" if look == "firing" else None
        _, study_id = add_prepared(connection, found, desk.context.settings.home, schedule=schedule)
    assert not table_of(desk, SimpleNamespace(id=study_id)).families
    table = table_of(desk, desk.submit(toy_study("look", seeds=6)))
    assert table.exploratory
    assert any("12 results were known; 6 of them belong to rows" in one for one in table.provenance)
    assert not any("other study tests these rows" in note for note in table.notes), "only decisions can be chosen from"
