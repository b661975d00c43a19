"""Studies from submission to page: whatever their trials report, the service answers."""

from __future__ import annotations

import json
import random
from typing import Any, NoReturn

from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from ablate.tables.plots.plot import PLOT_FORMATS, PLOTS
from service.dispatch.interface import TrialMessage
from tests.fuzz.harness import Watch, ask, examples, timed
from tests.fuzz.studies import documents, ends
from tests.service.conftest import Desk
from tests.study.test_any_text import NAMES, VALUES

FORMATS = ("json", "md", "tex", "csv", "html")


@examples(10)
@given(
    documents(),
    ends(),
    st.integers(0, 2**32),
    st.sampled_from([f"{name}.{form}" for name in PLOTS for form in PLOT_FORMATS]),
)
def test_any_study_with_any_results_is_concluded_and_shown(
    desk: Desk, client: TestClient, watch: Watch, document: dict[str, Any], ways: Any, chance: int, plot: str
) -> None:
    with watch.example():
        submitted = ask(client, "POST", "/api/v1/studies", json={"study": document, "fresh": True})
        assert submitted.status_code == 201, submitted.text
        study_id = submitted.json()["id"]
        train(desk, study_id, ways, random.Random(chance))
        assert ask(client, "GET", f"/api/v1/studies/{study_id}").json()["state"] in ("succeeded", "failed")
        show(client, study_id, plot)
        assert not desk.context.faults.counts


def train(desk: Desk, study_id: str, ways: Any, chance: random.Random) -> None:
    """Let the trials of a study report what they do, until it has ended."""
    for _ in range(50):
        timed("a tick", desk.tick)
        running = list(desk.dispatcher.running.values())
        for ticket in running:
            points, outcome = chance.choice(ways)
            del desk.dispatcher.running[ticket.name]
            desk.dispatcher.reports += [TrialMessage(ticket, message) for message in (*points, outcome)]
        if not running and not desk.dispatcher.reports:
            return
    raise AssertionError(f"study {study_id} does not end")


def show(client: TestClient, study_id: str, plot: str) -> None:
    """Read everything that is shown of a study that has ended."""
    v1 = f"/api/v1/studies/{study_id}"
    for format in FORMATS:
        table = ask(client, "GET", f"{v1}/table?format={format}")
        assert table.status_code == 200, table.text
        if format == "json":
            labels = [row["label"] for row in json.loads(table.text, parse_constant=refuse)["rows"]]
    pair = {"a": labels[0], "b": labels[-1]}
    comparison = ask(client, "GET", f"{v1}/compare", params=pair)
    assert comparison.status_code in ((200, 409) if len(labels) > 1 else (422,)), comparison.text
    assert ask(client, "GET", f"/studies/{study_id}", params=pair).status_code == 200
    assert ask(client, "GET", f"/studies/{study_id}/document").status_code == 200
    assert ask(client, "GET", f"{v1}/events").status_code == 200
    cells = ask(client, "GET", f"{v1}/trials").json()["items"]
    for address in (f"/trials/{cells[0]['key']}", f"/api/v1/trials/{cells[0]['key']}", "/?name=any", "/api/v1/today"):
        assert ask(client, "GET", address).status_code == 200
    assert ask(client, "GET", f"/compare?a={study_id}&b={study_id}").status_code == 200
    assert ask(client, "GET", f"{v1}/plots/{plot}").status_code in (200, 404, 409)


def refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} in JSON")


@examples(60)
@given(documents(), st.dictionaries(NAMES, VALUES, max_size=4), st.sampled_from(["studies", "studies/plan"]))
def test_a_study_with_any_fields_is_accepted_or_has_findings(
    client: TestClient, watch: Watch, document: dict[str, Any], fields: dict[str, Any], route: str
) -> None:
    try:
        body = json.dumps({"study": document | fields}).encode()
    except TypeError:  # a date, which JSON does not have
        return
    with watch.example():
        answer = ask(client, "POST", f"/api/v1/{route}", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (200, 201, 400, 409, 422), answer.text
        if answer.status_code == 422:
            assert answer.json()["errors"]
