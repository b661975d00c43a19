"""Any results that a task can report have a page, a table in every format and plots, live and ended."""

from __future__ import annotations

import json
import random
from itertools import count
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.hostile_studies import numbers

pytestmark = pytest.mark.slow

EXAMPLES = count(1)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One kind of database is enough: what is tested is made from what was read."""
    return sqlite_url


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_results_are_shown(desk: Any, client: TestClient, data: st.DataObject) -> None:
    pool = data.draw(st.lists(numbers(), min_size=1, max_size=4))
    statuses = data.draw(st.lists(st.sampled_from(["succeeded"] * 4 + ["diverged", "failed"]), min_size=1, max_size=4))
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    view = desk.submit(study(data))
    desk.dispatcher.places = 100
    desk.tick()
    check_pages(client, view.id)
    for ticket in list(desk.dispatcher.running.values()):
        for step in (0, 1, 2**53):
            desk.dispatcher.say(ticket, step, 2**53, error=chance.choice(pool), score=chance.choice(pool))
        status = chance.choice(statuses)
        values = {"error": chance.choice(pool), "score": chance.choice(pool)}
        desk.dispatcher.end(ticket, status, **values if status == "succeeded" else {})
    desk.tick(2)
    assert desk.study(view).state in ("succeeded", "failed")
    check_pages(client, view.id)
    if data.draw(st.integers(0, 4)) == 0:
        for name in ("forest", "seeds", "curves"):
            assert client.get(f"/api/v1/studies/{view.id}/plots/{name}.svg").status_code == 200
    check(client, f"/trials/{desk.cells(view)[0].key}")


def study(data: st.DataObject) -> dict[str, Any]:
    """A study of the task `toy`, with trials that no other example has."""
    first = 100 * next(EXAMPLES)
    rows = data.draw(st.integers(1, 4))
    return {
        "name": "any",
        "seeds": data.draw(st.integers(1, 4)),
        "metrics": ["score"],
        "base": {"task": "toy"},
        "rows": [{"label": f"row {index}", "set": {"offset": float(first + index)}} for index in range(rows)],
        "table": {
            "alpha": data.draw(st.sampled_from([0.05, 0.5])),
            "test": data.draw(st.sampled_from(["auto", "t", "pooled"])),
            **data.draw(st.sampled_from([{}, {"margin": 0.001}, {"margin": 1e308}])),
        },
    }


def check_pages(client: TestClient, study_id: str) -> None:
    rows = check(client, f"/studies/{study_id}").count("<option")
    check(client, f"/compare?a={study_id}&b={study_id}")
    check(client, "/")
    if rows:
        check(client, f"/studies/{study_id}?a=row+0&b=row+1")
    table = f"/api/v1/studies/{study_id}/table"
    json.loads(check(client, f"{table}?format=json"), parse_constant=refuse)
    for format in ("md", "tex", "csv", "html"):
        check(client, f"{table}?format={format}")


def check(client: TestClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.text


def refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} in JSON")
