"""Tables of the paper, submitted at once. Most tests share one service, since counting networks takes seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from ablate.paper import list_tables
from service.api.examples import PAPERS
from service.context import Context, open_context
from service.paper import LIMIT_GPU_HOURS
from service.settings import Settings
from tests.service.api.conftest import calling

PAPER = "/api/v1/paper"
ELSEWHERE = "ray://elsewhere:10001"
"""A cluster whose machines may have the data; nothing connects to it here."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    home = tmp_path_factory.mktemp("paper")
    context = open_context(Settings(home=home, tracking_uri="off", ray_address=ELSEWHERE))
    yield context
    context.close()


@pytest.fixture(scope="module")
def api(desk: Context) -> Iterator[TestClient]:
    with calling(desk) as client:
        yield client


def studies_of(client: TestClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/studies", params={"limit": 200}).json()["items"]
    return found


def post(client: TestClient, path: str = PAPER, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.post(path, json=body, headers=headers)


@pytest.mark.parametrize(
    ("body", "pointer", "code", "word"),
    [
        ({"tables": ["T5", "T77"]}, "/tables/1", "unknown_table", "'T7'"),
        ({"tables": ["nothing"]}, "/tables/0", "unknown_table", "T5"),
        ({"tables": ["T5", "T5"]}, "/tables/1", "duplicate", "twice"),
        ({"tables": ["T3"]}, "/tables/0", "not_yet_supported", "no study file"),
        ({"tables": "T5"}, "/tables", "invalid", "list"),
        ({"table": ["T5"]}, "/table", "unknown_field", "tables"),
        ({"seeds": 0}, "/seeds", "invalid", "greater"),
        ({"tables": ["T5"], "seeds": 5_000}, "/tables/0", "too_many", "T5: the study expands to 25,000 trials"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    api: TestClient, body: dict[str, Any], pointer: str, code: str, word: str
) -> None:
    for path in (PAPER, f"{PAPER}/plan"):
        answer = api.post(path, json=body)
        assert answer.status_code == 422
        [error] = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == (pointer, code)
        assert word in error["message"]


def test_an_unknown_scale_names_every_table_that_lacks_it(api: TestClient) -> None:
    before = len(studies_of(api))
    errors = post(api, tables=["T7", "T5"], scale="medium").json()["errors"]
    assert [error["pointer"] for error in errors] == ["/scale", "/scale"]
    assert [error["message"].split(":")[0] for error in errors] == ["T7", "T5"]
    assert all("it has mini, paper" in error["message"] for error in errors)
    assert len(studies_of(api)) == before


def test_a_plan_counts_what_tables_share_once_and_stores_nothing(api: TestClient) -> None:
    before = len(studies_of(api))
    plan = post(api, f"{PAPER}/plan", tables=["T5", "T7"], seeds=3).json()
    assert [(item["id"], item["rows"], item["trials"]) for item in plan["items"]] == [("T5", 5, 15), ("T7", 6, 18)]
    assert (plan["rows"], plan["trials"]) == (11, 33)
    assert plan["distinct"] == 30  # A of Table 5 is B of Table 7
    assert not plan["needs_confirmation"]
    assert 0 < plan["gpu_hours"] < sum(item["gpu_hours"] for item in plan["items"])
    assert len(studies_of(api)) == before


def test_what_takes_weeks_has_to_be_confirmed(api: TestClient) -> None:
    plan = post(api, f"{PAPER}/plan", tables=["T5"], scale="paper", seeds=1).json()
    assert plan["needs_confirmation"]
    assert plan["limit_gpu_hours"] == LIMIT_GPU_HOURS < plan["gpu_hours"]
    # five trainings of a network as large as ResNet-50: 120 x 1.28 M images at 938 a second are 45.5 hours
    assert plan["gpu_hours"] == pytest.approx(5 * 45.5, rel=0.1)
    before = len(studies_of(api))
    answer = post(api, tables=["T5"], scale="paper", seeds=1)
    assert answer.status_code == 422
    [error] = [error for error in answer.json()["errors"] if error["code"] == "needs_confirmation"]
    assert error["pointer"] == "/confirm"
    assert f"about {plan['gpu_hours']:,.0f} GPU-hours" in error["message"]
    assert len(studies_of(api)) == before


def test_tables_are_submitted_together_and_a_key_gives_them_again(api: TestClient) -> None:
    headers = {"Idempotency-Key": "k" * 255}
    answer = post(api, headers=headers, tables=["T7", "T5"], seeds=2, priority=3)
    assert answer.status_code == 201
    paper = answer.json()
    assert [study["name"] for study in paper["items"]] == ["table07", "table05"]
    assert [study["priority"] for study in paper["items"]] == [3, 3]
    assert [study["progress"]["trials"] for study in paper["items"]] == [12, 10]
    assert [study["progress"]["shared"] for study in paper["items"]] == [0, 2]
    assert [paper[name] for name in ("rows", "trials", "distinct", "known")] == [11, 22, 20, 0]

    again = post(api, headers=headers, priority=3, seeds=2, tables=["T7", "T5"])
    assert again.status_code == 200
    assert again.json() == paper
    other = post(api, headers=headers, tables=["T7"], seeds=2)
    assert (other.status_code, other.json()["type"]) == (422, "urn:ablate:problem:key-reused")


def test_equal_posts_at_once_give_the_tables_once(api: TestClient) -> None:
    before, start, answers = len(studies_of(api)), threading.Barrier(4), []

    def submit() -> None:
        start.wait()
        answers.append(post(api, headers={"Idempotency-Key": "once"}, tables=["T5", "T7"], seeds=1))

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({tuple(study["id"] for study in answer.json()["items"]) for answer in answers}) == 1
    assert len(studies_of(api)) == before + 2


@pytest.mark.slow
def test_every_example_works_as_it_stands(api: TestClient) -> None:
    for example in PAPERS.values():
        answer = api.post(PAPER, json=example["value"])
        assert answer.status_code == 201, answer.text
    assert [study["name"] for study in answer.json()["items"]] == [table.name for table in list_tables()]


@pytest.mark.slow
def test_without_the_data_nothing_is_queued(client: TestClient, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path))
    errors = post(client, tables=["T5", "T7"], seeds=1).json()["errors"]
    assert [(error["pointer"], error["code"]) for error in errors] == [
        ("/tables/0", "no_data"),
        ("/tables/1", "no_data"),
    ]
    assert errors[1]["message"].startswith("T7 (base.dataset): data set 'fashion-mnist' is not on this machine")
    assert studies_of(client) == []
    plan = post(client, f"{PAPER}/plan", tables=["T5"], seeds=1).json()
    assert "no_data" in [warning["code"] for warning in plan["items"][0]["warnings"]]
