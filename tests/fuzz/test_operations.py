"""Every operation of the OpenAPI document: requests that follow it and requests that do not.

What the document says of the answers has to be true. Two checks of Schemathesis are left out because they know less
than the service: `negative_data_rejection` counts a request as wrong if its JSON type is, `positive_data_acceptance`
as right if its types are; a study is right if it can be planned.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from starlette.testclient import TestClient

from service.faults.boundary import Work
from service.store.faults import list_faults
from tests.fuzz.harness import Watch, check_answer, examples, timed
from tests.service.conftest import Desk, toy_study

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance, missing_required_header, unsupported_method,
]  # fmt: skip
NOT_TRIED = "/sites"
"""It loads torch in another process, and the networks of the catalog take long."""


@pytest.fixture
def places(desk: Desk, client: TestClient) -> dict[str, list[str]]:
    """Studies in several states, a schedule and an internal error: parameters of paths that lead somewhere."""
    quiet, ended, failed, running = (desk.submit(toy_study(name, rows=rows)) for name, rows in STUDIES.items())
    desk.tick()
    for ticket in list(desk.dispatcher.running.values()):
        if ticket.trial.recipe["offset"] < 8:
            desk.dispatcher.say(ticket, error=2.0)
            is_well = ticket.trial.recipe["offset"] < 4
            desk.dispatcher.end(ticket, "succeeded" if is_well else "failed", None if is_well else "it broke")
    desk.tick(3)
    states = [desk.study(one).state for one in (quiet, ended, failed, running)]
    assert states == ["succeeded", "succeeded", "failed", "running"]
    schedule = {"name": "nightly", "cron": "0 2 * * *", "study": toy_study()}
    assert client.post("/api/v1/schedules", json=schedule).status_code == 201
    return {
        "quiet": [quiet.id],
        "study_id": [ended.id, ended.id, failed.id, running.id],
        "key": [desk.cells(one)[0].key for one in (ended, failed, running)],
        "name": ["nightly"],
        "number": [plant_fault(desk)],
    }


STUDIES = {"quiet": (2.0, 3.0), "ended": (0.0, 1.0), "failed": (4.0, 5.0), "running": (8.0, 9.0)}


def plant_fault(desk: Desk) -> str:
    """An internal error of a notice; returns its number."""
    with desk.context.faults.boundary(Work("notice", "7:url", "notice 7")):
        raise ZeroDivisionError("planted")
    with desk.context.store.read() as connection:
        return list_faults(connection)[0].number


@pytest.mark.timeout(280)
@pytest.mark.parametrize("mode", GenerationMode)
def test_nothing_that_can_be_sent_breaks_it(
    client: TestClient, places: dict[str, list[str]], watch: Watch, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app)
    for found in schema.exclude(path_regex=NOT_TRIED).get_all_operations():
        operation = found.ok()

        @examples(5)
        @given(case=operation.as_strategy(generation_mode=mode), chance=st.randoms(), is_known=st.booleans())
        def attempt(case: Any, chance: Any, is_known: bool) -> None:
            for name in places.keys() & case.path_parameters.keys():
                if is_known and (name != "name" or "/schedules/" in case.path):
                    case.path_parameters[name] = chance.choice(places[name])
            if case.path.endswith("/events"):  # those of a study that runs, or is extended here, have no end
                [case.path_parameters["study_id"]] = places["quiet"]
            with watch.example():
                response = timed(case.operation.label, partial(case.call, timeout=60))
                check_answer(response)
                if response.status_code >= 300:
                    assert response.headers["content-type"] == ["application/problem+json"]
                    assert set(response.json()) >= {"type", "title", "status", "detail", "instance"}
                case.validate_response(response, checks=CHECKS)

        try:
            attempt()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, operation.label  # nothing can be wrong where nothing is asked
