from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.context import Context
from service.faults import boundary
from service.faults.work import Work
from service.studies import results

Post = Callable[..., dict[str, Any]]


def stick(context: Context, subject: str = "9") -> None:
    """A notice that ends with an internal error three times."""
    for _ in range(3):
        with context.faults.boundary(Work("notice", f"{subject}:url", f"notice {subject}")):
            raise OSError(f"cannot open {__file__}")


def test_stuck_work_is_listed_page_by_page_and_retried(client: TestClient, context: Context) -> None:
    assert client.get("/api/v1/faults").json() == {"items": [], "next": None}
    for subject in ("9", "10", "11"):
        stick(context, subject)
    with context.faults.boundary(Work("notice", "12:url", "notice 12")):
        raise ZeroDivisionError
    first = client.get("/api/v1/faults", params={"stuck": True, "limit": 2}).json()
    last = client.get("/api/v1/faults", params={"stuck": True, "limit": 2, "cursor": first["next"]}).json()
    assert [fault["work"] for fault in first["items"] + last["items"]] == ["notice 11", "notice 10", "notice 9"]
    assert last["next"] is None
    (waiting,) = client.get("/api/v1/faults", params={"stuck": False}).json()["items"]
    assert (waiting["work"], waiting["tries"], waiting["stuck"]) == ("notice 12", 1, False)
    fault = first["items"][0]
    assert fault["error"] == "OSError: cannot open (path)", "a path of the machine is not shown"
    assert client.post(f"/api/v1/faults/{fault['number']}/retry").json() == fault
    again = client.post(f"/api/v1/faults/{fault['number']}/retry")
    assert again.status_code == 404
    what = f"no internal error has the number '{fault['number']}'"
    assert again.json()["detail"] == f"{what}; GET /api/v1/faults lists them"
    assert again.json()["command"] == f"{what}; `ablate list --stuck` lists them"


@pytest.mark.parametrize("number", ["E-", "E-XYZW", "E-12", "e-7f3a", "E-7f3a7f3a7f3a7", "7f3a"])
def test_a_number_of_another_form_is_not_found(client: TestClient, number: str) -> None:
    assert client.post(f"/api/v1/faults/{number}/retry").status_code == 404


def test_readiness_and_metrics_count_them(client: TestClient, context: Context) -> None:
    context.parts["scheduler"] = "running"
    stick(context)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["parts"]["faults"] == {"state": "stuck", "stuck": 1, "since_start": 3}
    metrics = client.get("/metrics").text
    assert 'ablate_faults_total{kind="notice"} 3.0' in metrics
    assert "ablate_stuck 1.0" in metrics


@pytest.mark.parametrize("part", ["table", "plots/seeds.svg", "compare?a=plain&b=shifted"])
def test_a_result_that_cannot_be_made_is_a_conflict_with_the_number(
    client: TestClient, post: Post, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def planted(*_: object, **__: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(results, "build_table", planted)
    monkeypatch.setattr(results, "compare_rows", planted)
    study = post()
    answer = client.get(f"{study['links']['self']}/{part}")
    assert answer.status_code == 409
    assert "ended with an internal error, reported as E-" in answer.json()["detail"]
    page = client.get(f"/studies/{study['id']}", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "ended with an internal error, reported as E-" in page.text


def test_the_waits_are_short_enough_for_a_person_who_watches() -> None:
    assert sum(boundary.WAITS_S) <= 15
