from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from ablate.tasks.command.bind import with_command as bound
from service.api.examples import EXTENSIONS, SUBMISSIONS
from service.context import Context
from service.store import studies, tables

Post = Callable[..., dict[str, Any]]
STUDIES = "/api/v1/studies"


def test_a_new_study_is_created_and_says_where_it_is(client: TestClient, study: dict[str, Any]) -> None:
    answer = client.post(STUDIES, json={"study": study})
    assert answer.status_code == 201
    document = answer.json()
    assert answer.headers["location"] == document["links"]["self"] == f"{STUDIES}/{document['id']}"
    assert document["state"] == "queued"
    assert document["progress"]["trials"] == document["progress"]["queued"] == 4
    assert client.get(answer.headers["location"]).json() == document


def test_the_same_key_and_body_give_the_same_study(client: TestClient, study: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "mine ~!".replace(" ", "-")}
    first = client.post(STUDIES, json={"study": study, "seeds": 1}, headers=headers)
    again = client.post(STUDIES, json={"seeds": 1, "study": study}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert "location" not in again.headers
    assert len(client.get(STUDIES).json()["items"]) == 1


def test_the_same_key_with_another_body_is_refused(client: TestClient, study: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "mine"}
    client.post(STUDIES, json={"study": study}, headers=headers)
    answer = client.post(STUDIES, json={"study": study, "seeds": 1}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:ablate:problem:key-reused"


@pytest.mark.parametrize("key", ["a" * 255, "!", "~"])
def test_a_key_is_visible_ascii(client: TestClient, study: dict[str, Any], key: str) -> None:
    assert client.post(STUDIES, json={"study": study}, headers={"Idempotency-Key": key}).status_code == 201


@pytest.mark.parametrize("key", [b"", b"a" * 256, b"a b", b"\xe4", b"a\x7f", b"a\tb"])
def test_another_key_is_refused(client: TestClient, study: dict[str, Any], key: bytes) -> None:
    answer = client.post(STUDIES, json={"study": study}, headers={b"Idempotency-Key": key})
    assert answer.status_code == 422
    assert "visible ASCII" in answer.json()["detail"]


@pytest.mark.timeout(60)
def test_twelve_equal_posts_at_once_give_one_study(served: Any, study: dict[str, Any]) -> None:
    start, answers = threading.Barrier(12), []

    def submit() -> None:
        with served.client() as client:
            start.wait()
            answers.append(client.post(STUDIES, json={"study": study}, headers={"Idempotency-Key": "once"}))

    threads = [threading.Thread(target=submit) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    with served.client() as client:
        assert len(client.get(STUDIES).json()["items"]) == 1


def test_other_resources_change_no_trial_and_are_checked(client: TestClient, study: dict[str, Any]) -> None:
    plain = client.post(STUDIES, json={"study": study}).json()
    other = client.post(STUDIES, json={"study": study | {"resources": {"cpus": 7}}, "resources": {"cpus": 2}}).json()
    assert other["progress"]["shared"] == plain["progress"]["trials"]
    refused = client.post(STUDIES, json={"study": study, "resources": {"gpus": 1.5}})
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["pointer"], "not a whole number" in error["message"]) == ("/resources/gpus", True)


def test_errors_of_the_study_point_into_the_body(client: TestClient, study: dict[str, Any]) -> None:
    study["rows"][1]["set"] = {"offset": "much"}
    for path in (STUDIES, f"{STUDIES}/plan"):
        [error] = client.post(path, json={"study": study}).json()["errors"]
        assert error["pointer"] == "/study/rows/1/set/offset"


def test_a_plan_stores_nothing(client: TestClient, study: dict[str, Any]) -> None:
    answer = client.post(f"{STUDIES}/plan", json={"study": study, "seeds": 3})
    assert answer.status_code == 200
    plan = answer.json()
    assert plan["trials"] == plan["distinct"] == 6
    assert list(plan) == [
        "study", "scale", "rows", "trials", "distinct", "needed", "known", "estimate_s", "excluded", "pivot",
        "overrides", "code", "warnings",
    ]  # fmt: skip
    assert [row["label"] for row in plan["rows"]] == ["plain", "shifted"]
    assert list(plan["rows"][0]) == [
        "label", "group", "set", "key_fields", "baseline", "line", "params", "params_without_norm", "multiply_adds",
        "published_params", "published_multiply_adds",
    ]  # fmt: skip
    assert client.get(STUDIES).json() == {"items": [], "next": None}


def test_lists_come_newest_first_page_by_page(client: TestClient, post: Post) -> None:
    ids = [post()["id"] for _ in range(5)]
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(STUDIES, params=parameters).json()
        seen += [item["id"] for item in page["items"]]
        cursor, pages = page["next"], pages + 1
    assert seen == ids[::-1]
    assert pages == 3


def test_lists_can_be_narrowed(client: TestClient, post: Post) -> None:
    first, second = post()["id"], post(seeds=1)["id"]
    client.post(f"{STUDIES}/{first}/pause")
    assert [item["id"] for item in client.get(STUDIES, params={"state": "paused"}).json()["items"]] == [first]
    assert [item["id"] for item in client.get(STUDIES, params={"state": "queued"}).json()["items"]] == [second]
    assert len(client.get(STUDIES, params={"name": "toys"}).json()["items"]) == 2
    assert client.get(STUDIES, params={"name": "others"}).json()["items"] == []


def test_a_study_is_paused_resumed_cancelled_and_retried(client: TestClient, post: Post) -> None:
    here = post()["links"]["self"]
    for verb, state, message in (
        ("resume", "queued", "nothing changed: the study is not paused"),
        ("pause", "paused", "paused: no more of its trials start; those that run go on"),
        ("pause", "paused", "nothing changed: the study is already paused, so there is nothing to pause"),
        ("resume", "queued", "resumed: its trials start"),
        ("retry", "queued", "nothing changed: no trial of the study has failed or is cancelled"),
        ("cancel", "cancelled", "cancelled: 4 trials will not run for this study; its results stay"),
        ("cancel", "cancelled", "nothing changed: the study is already cancelled, so there is nothing to cancel"),
        ("retry", "queued", "4 failed or cancelled trials are queued again"),
    ):
        answer = client.post(f"{here}/{verb}")
        assert answer.status_code == 200
        found = answer.json()
        assert (found["state"], found["message"]) == (state, message)
        assert found["changed"] is not message.startswith("nothing changed")


def test_an_ended_study_says_that_nothing_was_done(client: TestClient, context: Context, post: Post) -> None:
    study = post()
    with context.store.write() as connection:
        stored = studies.get_study(connection, study["id"])
        studies.move(connection, stored.seq, ("queued",), "succeeded")
    for verb in ("pause", "resume", "cancel"):
        found = client.post(f"{study['links']['self']}/{verb}").json()
        assert found["message"] == f"nothing changed: the study has ended (succeeded), so there is nothing to {verb}"
        assert (found["changed"], found["state"]) == (False, "succeeded")


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        (1, "nothing changed: the study already has 2 seeds, more than 1; results are never removed"),
        ([1], "nothing changed: the study already has 2 seeds, these among them"),
        (3, "extended: 2 trials added"),
    ],
)
def test_an_extension_says_what_it_added(client: TestClient, post: Post, seeds: Any, message: str) -> None:
    found = client.post(f"{post()['links']['self']}/extend", json={"seeds": seeds}).json()
    assert (found["message"], found["changed"]) == (message, not message.startswith("nothing"))


@pytest.mark.parametrize(("verb", "body"), [("pause", None), ("resume", None), ("extend", {"seeds": 4})])
def test_a_cancelled_study_is_in_conflict_with_some_calls(
    client: TestClient, post: Post, verb: str, body: dict[str, Any] | None
) -> None:
    here = post()["links"]["self"]
    client.post(f"{here}/cancel")
    answer = client.post(f"{here}/{verb}", json=body)
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:ablate:problem:conflict"


@pytest.mark.parametrize(
    ("extension", "trials"),
    [
        ({"seeds": 4}, 8),
        ({"seeds": [7]}, 6),
        ({"rows": [{"label": "more", "set": {"offset": 2.0}}]}, 6),
        ({"seeds": 2}, 4),
    ],
)
def test_a_study_is_extended(client: TestClient, post: Post, extension: dict[str, Any], trials: int) -> None:
    answer = client.post(f"{post()['links']['self']}/extend", json=extension)
    assert answer.status_code == 200
    assert answer.json()["progress"]["trials"] == trials


def test_an_extension_of_nothing_is_not_found(client: TestClient) -> None:
    assert client.post(f"{STUDIES}/nothing/extend", json={"seeds": 3}).status_code == 404


@pytest.mark.slow
def test_every_example_works_as_it_stands(client: TestClient) -> None:
    for example in SUBMISSIONS.values():
        assert client.post(f"{STUDIES}/plan", json=example["value"]).status_code == 200
        answer = client.post(STUDIES, json=example["value"])
        assert answer.status_code == 201, answer.text
        assert {warning["code"] for warning in answer.json()["warnings"]} <= {"power"}
    first = client.post(STUDIES, json=SUBMISSIONS["rows"]["value"]).json()
    for example in EXTENSIONS.values():
        answer = client.post(f"{first['links']['self']}/extend", json=example["value"])
        assert answer.status_code == 200, answer.text
    assert answer.json()["progress"]["trials"] == 3 * 6


@pytest.mark.parametrize("task", ["imported", "null"])
def test_imported_results_never_come_with_a_request(empty: TestClient, task: str) -> None:
    imported = {"file": "x.csv", "sha256": "0" * 64, "metrics": {"error": "min"}}
    study = {"name": "mine", "base": {"task": task}, "imported": imported, "rows": [{"label": "one"}]}
    for path in ("/api/v1/studies", "/api/v1/studies/plan"):
        answer = empty.post(path, json={"study": study})
        assert answer.status_code == 422
        assert [problem["code"] for problem in answer.json()["errors"]] == ["not_supported"]


@pytest.mark.parametrize("with_command", [True, False])
def test_code_never_comes_with_a_request(empty: TestClient, with_command: bool, tmp_path: Path) -> None:
    command = {"run": "python -c pass {seed}", "metrics": {"acc": "max"}}
    study = {"name": "mine", "command": command, "rows": [{"label": "one"}]}
    if not with_command:  # a command that was stored in this home by somebody at the desk
        study = {"name": "mine", "base": bound(study, tmp_path)["base"], "rows": [{"label": "one"}]}
    answer = empty.post("/api/v1/studies", json={"study": study})
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["code"] == "not_supported"
    assert problem["message"].startswith(
        "code never comes with a request. On the machine of the service, `ablate task add"
    )


@pytest.fixture
def named(client: TestClient, context: Context, study: dict[str, Any]) -> Callable[..., str]:
    """Stores a study with this name, id and schedule, and gives its id."""

    def store(name: str, study_id: str, schedule: str | None = None) -> str:
        answer = client.post(STUDIES, json={"study": study | {"name": name}})
        values = {"id": study_id, "schedule": schedule}
        with context.store.write() as connection:
            connection.execute(update(tables.studies).where(tables.studies.c.id == answer.json()["id"]).values(values))
        return study_id

    return store


def test_a_study_is_found_by_id_then_by_name_then_by_the_beginning_of_its_id(
    client: TestClient, named: Callable[..., str]
) -> None:
    twenty = "a" * 20
    first = named("wide", "abcd1" + "0" * 15)
    by_name, of_twenty = named("abcd", "w" * 20), named(twenty, "t" * 20)
    newest = named("wide", "abcd2" + "0" * 15)
    named("wide", "f" * 20, schedule="nightly")
    found = {
        text: client.get(f"{STUDIES}/{text}").json().get("id")
        for text in (first, "wide", "abcd", twenty, "abcd1", "tttt", "ttt", "TTTT")
    }
    assert found == {
        first: first, "wide": newest, "abcd": by_name, twenty: of_twenty, "abcd1": first, "tttt": of_twenty,
        "ttt": None, "TTTT": None,
    }  # fmt: skip
    named(first, "z" * 20)
    assert client.get(f"{STUDIES}/{first}").json()["id"] == first, "an id goes before a name"
    cancelled = client.post(f"{STUDIES}/wide/cancel").json()
    assert (cancelled["id"], cancelled["state"]) == (newest, "cancelled")


def test_the_beginning_of_several_ids_is_refused_with_the_candidates(
    client: TestClient, named: Callable[..., str]
) -> None:
    ids = [named("one", "abcd1" + "0" * 15), named("two", "abcd2" + "0" * 15)]
    answer = client.get(f"{STUDIES}/abcd")
    assert (answer.status_code, answer.json()["candidates"]) == (409, ids[::-1])
    listed = f"{ids[1]} (two, queued), {ids[0]} (one, queued)"
    assert answer.json()["detail"] == (
        f"several studies have an id that begins with 'abcd': {listed}; give more of the id"
    )


def test_an_unknown_study_is_answered_with_the_nearest_name(client: TestClient, named: Callable[..., str]) -> None:
    named("window-size", "a" * 20)
    answer = client.get(f"{STUDIES}/windowsize")
    text = "no study has the id or the name 'windowsize'; did you mean 'window-size'?"
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"{text}; GET /api/v1/studies lists them"
    assert answer.json()["command"] == f"{text}; `ablate list` lists them"
