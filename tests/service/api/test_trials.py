from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

Post = Callable[..., dict[str, Any]]
Finish = Callable[[str], None]


def test_the_cells_of_a_study_come_page_by_page(client: TestClient, post: Post) -> None:
    trials = post()["links"]["trials"]
    first = client.get(trials, params={"limit": 3}).json()
    last = client.get(trials, params={"limit": 3, "cursor": first["next"]}).json()
    cells = [(cell["row"], cell["seed"]) for cell in first["items"] + last["items"]]
    assert cells == [("plain", 0), ("shifted", 0), ("plain", 1), ("shifted", 1)]
    assert last["next"] is None
    assert client.get(trials, params={"state": "running"}).json()["items"] == []


def test_a_finished_trial_tells_everything(client: TestClient, post: Post, finish: Finish) -> None:
    study = post()
    finish(study["id"])
    [cell, *_] = client.get(study["links"]["trials"], params={"state": "succeeded"}).json()["items"]
    trial = client.get(f"/api/v1/trials/{cell['key']}").json()
    assert trial["rows"] == [{"study_id": study["id"], "row": "plain", "seed": 0}]
    assert trial["outcome"]["status"] == trial["state"] == "succeeded"
    assert trial["metrics"] == cell["metrics"]
    assert trial["recipe"]["offset"] == 0.0
    assert len(trial["curve"]) == 1
    log = client.get(f"/api/v1/trials/{cell['key']}/log")
    assert log.headers["content-type"] == "text/plain; charset=utf-8"
    assert log.text == "the toy ran\n"


@pytest.mark.parametrize("what", ["", "/log"])
def test_a_trial_that_nobody_wants_is_not_found(client: TestClient, what: str) -> None:
    assert client.get(f"/api/v1/trials/{'0' * 64}{what}").status_code == 404


def test_a_trial_that_has_not_started_has_no_log(client: TestClient, post: Post) -> None:
    [cell, *_] = client.get(post()["links"]["trials"]).json()["items"]
    answer = client.get(f"/api/v1/trials/{cell['key']}/log")
    assert answer.status_code == 404
    assert "not started" in answer.json()["detail"]
