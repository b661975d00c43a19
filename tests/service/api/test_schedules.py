from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.context import Context
from service.schedules import fire
from service.store.schedules import schedules as stored
from service.store.sql import now

PATH = "/api/v1/schedules"


@pytest.fixture
def body(study: dict[str, Any]) -> dict[str, Any]:
    return {"name": "nightly", "cron": "0 2 * * *", "tz": "Europe/Berlin", "study": study}


@pytest.fixture
def added(client: TestClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    schedule: dict[str, Any] = answer.json()
    return schedule


@pytest.fixture
def settle(context: Context, finish: Callable[[str], None]) -> Callable[[str], None]:
    """Lets a study end, and its firing get its numbers."""

    def run(study_id: str) -> None:
        finish(study_id)
        fire.tick(context, now())

    return run


def errors(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {one["pointer"]: one["message"] for one in answer.json()["errors"]}


def test_a_schedule_says_in_words_when_it_fires_next(added: dict[str, Any], body: dict[str, Any]) -> None:
    assert added["cron_text"] == "At 02:00 every day"
    assert ", 02:00 CE" in added["next_text"]
    assert " (in " in added["next_text"]
    defaults = {"mode": "verify", "missed": "coalesce", "overlap": "skip", "jitter_s": 0, "seeds": None, "scale": None}
    assert {name: added[name] for name in defaults} == defaults
    assert (added["study"], added["study_name"], added["state"]) == (body["study"], "toys", "active")
    assert (added["last"], added["alarms"], added["needs_person"]) == (None, [], False)


def test_the_same_schedule_again_changes_nothing_and_another_of_that_name_is_refused(
    client: TestClient, added: dict[str, Any], body: dict[str, Any]
) -> None:
    again = client.post(PATH, json=body)
    assert (again.status_code, again.json()["created_at"]) == (200, added["created_at"])
    other = client.post(PATH, json=body | {"cron": "0 3 * * *"})
    assert other.status_code == 409
    assert "'nightly' exists, with different content" in other.json()["detail"]


def test_schedules_are_listed_newest_first_page_by_page(client: TestClient, body: dict[str, Any]) -> None:
    for name in ("a", "b", "c"):
        assert client.post(PATH, json=body | {"name": name}).status_code == 201
    first = client.get(PATH, params={"limit": 2}).json()
    rest = client.get(PATH, params={"limit": 2, "cursor": first["next"]}).json()
    assert [[one["name"] for one in page["items"]] for page in (first, rest)] == [["c", "b"], ["a"]]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("cron", "text"),
    [
        ("0 2 * *", "is not a cron expression; use five fields"),
        ("0 2 * * * *", "has 6 fields; leave out the seconds"),
        ("61 2 * * *", "invalid value of field 'minute'; the fields are minute (0-59)"),
        ("0 24 * * *", "invalid value of field 'hour'"),
        ("0 2 30 2 *", "invalid value of field 'day of month'"),
        ("0 2 * * MOON", "invalid value of field 'day of week'"),
        ("0 2 * * *; rm", "is not a cron expression"),
        ("\u0660 2 * * *", "is not a cron expression"),
        ("*/0 2 * * *", "invalid value of field 'minute'"),
        ("", "is not a cron expression"),
        ("5-1 2 * * *", "invalid value of field 'minute'"),
        ("* * * * *", "has times that are less than 5 minutes apart; give a longer interval, such as '*/5 * * * *'"),
        ("*/90 * * * *", "the step 90 is beyond the field 'minute'; allowed: 1 to 59"),
        ("0 */24 * * *", "the step 24 is beyond the field 'hour'; allowed: 1 to 23"),
        ("@dayly", "there is no macro '@dayly'; did you mean '@daily'?"),
        ("@reboot", "'@reboot' is no time of day; use a time, such as '0 2 * * *'"),
        ("0 0 2 * * ?", "has 6 fields; leave out the seconds"),
        ("TZ=UTC 0 2 * * *", "give the time zone in 'tz' (--tz)"),
        ("0 0 15W * *", "invalid value of field 'day of month'"),
        ("0 2 * * *" + " " * 92, "should have at most 100 characters"),
    ],
)
def test_a_wrong_cron_text_is_refused_with_what_is_allowed(
    client: TestClient, body: dict[str, Any], cron: str, text: str
) -> None:
    assert text in errors(client.post(PATH, json=body | {"cron": cron}))["/cron"]


@pytest.mark.parametrize(
    ("cron", "stored"),
    [
        (" 0  2\t* * * \n", "0 2 * * *"),
        ("@daily", "0 0 * * *"),
        ("@Hourly", "0 * * * *"),
        ("0 2 ? * monday-FRIDAY", "0 2 * * MON-FRI"),
        ("0 2 1 january,Jul *", "0 2 1 JAN,Jul *"),
    ],
)
def test_a_cron_text_of_crontab_or_quartz_is_stored_in_its_plain_form(
    client: TestClient, body: dict[str, Any], cron: str, stored: str
) -> None:
    assert client.post(PATH, json=body | {"cron": cron}).json()["cron"] == stored
    again = client.post(PATH, json=body | {"cron": cron})
    assert (again.status_code, again.json()["message"]) == (
        200, "nothing changed: the schedule exists, with the same content"
    )  # fmt: skip
    changed = client.patch(f"{PATH}/{body['name']}", json={"cron": cron}).json()
    assert changed["message"] == "nothing changed: the schedule has these values already"


@pytest.mark.parametrize(
    ("tz", "text"),
    [
        ("Europe/Berln", "unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ("", "allowed: IANA names such as UTC"),
        ("../../etc/passwd", "unknown time zone "),
        ("/etc/localtime", "unknown time zone "),
        ("UTC+25", "unknown time zone 'UTC+25'; allowed: IANA names"),
        ("UTC+2", "2 h ahead of UTC is 'Etc/GMT-2', since these names have the sign reversed; a city, such as "),
        ("-03:00", "3 h behind UTC is 'Etc/GMT+3', since these names have the sign reversed"),
        ("UTC+5:30", "a city, such as Asia/Kolkata, follows its clock changes"),
        ("utc", "did you mean 'UTC'?"),
        ("berlin", "did you mean 'Europe/Berlin'?"),
        ("CEST", "give a city, such as Europe/Berlin"),
    ],
)
def test_a_wrong_zone_is_refused_with_the_nearest_one(
    client: TestClient, body: dict[str, Any], tz: str, text: str
) -> None:
    assert text in errors(client.post(PATH, json=body | {"tz": tz}))["/tz"]


def test_everything_that_is_wrong_is_told_at_once(client: TestClient, body: dict[str, Any]) -> None:
    wrong = body | {"cron": "x", "tz": "Mars", "scale": "paper"}
    wrong["study"] = wrong["study"] | {"canary": {"rows": ["plane"]}}
    assert set(errors(client.post(PATH, json=wrong))) == {"/cron", "/tz", "/scale", "/study/canary/rows/0"}
    found = errors(client.post(PATH, json=wrong | {"scale": None}))
    assert found["/study/canary/rows/0"] == "no row 'plane'; did you mean 'plain'?"
    found = errors(client.post(PATH, json=body | {"seed": 3, "missed": "never", "study": {"name": "a b"}}))
    assert {"/seed", "/missed", "/study/name"} <= set(found)


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "x" * 65, "-x", "a\n", "\u00e9"])
def test_a_hostile_name_is_refused(client: TestClient, body: dict[str, Any], name: str) -> None:
    assert "/name" in errors(client.post(PATH, json=body | {"name": name}))


@pytest.mark.parametrize("name", ["other", "a b", "%00", "x" * 65, "caf\u00e9"])
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("GET", "/history"), ("DELETE", ""), ("POST", "/trigger")])
def test_a_schedule_that_is_not_there_is_not_found(client: TestClient, method: str, name: str, rest: str) -> None:
    assert client.request(method, f"{PATH}/{name}{rest}").status_code == 404


def test_it_is_paused_resumed_and_moved(client: TestClient, added: dict[str, Any]) -> None:
    path = f"{PATH}/nightly"
    paused = client.patch(path, json={"paused": True}).json()
    assert (paused["state"], paused["next_at"]) == ("paused", None)
    assert "until it is resumed" in paused["next_text"]
    assert client.patch(path, json={"paused": False}).json()["state"] == "active"
    moved = client.patch(path, json={"cron": "15 3 * * MON-FRI", "tz": "Asia/Kolkata", "seeds": 1}).json()
    assert ", 03:15 IST" in moved["next_text"]
    assert moved["seeds"] == 1
    assert client.patch(path, json={"seeds": None}).json()["seeds"] is None
    assert "/cron" in errors(client.patch(path, json={"cron": "nonsense"}))
    assert "/cron" in errors(client.patch(path, json={"cron": None}))
    assert "the body changes no field" in errors(client.patch(path, json={}))[""]
    assert client.get(path).json()["cron"] == "15 3 * * MON-FRI"


def test_another_study_begins_a_new_reference(
    client: TestClient, context: Context, added: dict[str, Any], settle: Callable[[str], None], study: dict[str, Any]
) -> None:
    settle(client.post(f"{PATH}/nightly/trigger").json()["study_id"])
    with context.store.read() as connection:
        assert stored.get_schedule(connection, "nightly").reference is not None
    client.patch(f"{PATH}/nightly", json={"jitter_s": 5})
    with context.store.read() as connection:
        assert stored.get_schedule(connection, "nightly").reference is not None
    client.patch(f"{PATH}/nightly", json={"study": study | {"seeds": 1}})
    with context.store.read() as connection:
        assert stored.get_schedule(connection, "nightly").reference is None


def test_a_trigger_fires_at_once_and_its_study_names_its_schedule(
    client: TestClient, added: dict[str, Any], post: Callable[..., dict[str, Any]], settle: Callable[[str], None]
) -> None:
    post()
    fired = client.post(f"{PATH}/nightly/trigger")
    assert fired.status_code == 201
    one = fired.json()
    assert (one["cause"], one["kind"], one["state"]) == ("manual", "reference", "running")
    assert client.get(f"/api/v1/studies/{one['study_id']}").json()["schedule"] == "nightly"
    listed = client.get("/api/v1/studies", params={"schedule": "nightly"}).json()["items"]
    assert [one["id"] for one in listed] == [one["study_id"]]
    busy = client.post(f"{PATH}/nightly/trigger")
    assert busy.status_code == 409
    assert "still runs" in busy.json()["detail"]
    settle(one["study_id"])
    (last,) = client.get(f"{PATH}/nightly/history").json()["items"]
    assert (last["state"], last["drift"]["state"]) == ("done", "reference")
    assert [row["row"] for row in last["rows"]] == ["plain"]


def test_the_history_is_paged(client: TestClient, added: dict[str, Any], settle: Callable[[str], None]) -> None:
    ids = []
    for _ in range(3):
        one = client.post(f"{PATH}/nightly/trigger").json()
        settle(one["study_id"])
        ids.insert(0, one["id"])
    first = client.get(f"{PATH}/nightly/history", params={"limit": 2}).json()
    rest = client.get(f"{PATH}/nightly/history", params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["id"] for one in [*first["items"], *rest["items"]]] == ids
    assert client.get(f"{PATH}/nightly/history", params={"cursor": "x"}).status_code == 422
    newest = first["items"][0]
    assert [(one["row"], one["seed"], one["verdict"]) for one in newest["comparisons"]] == [
        ("plain", 0, "equal"), ("plain", 1, "equal"),
    ]  # fmt: skip
    assert newest["drift"]["state"] == "steady"


@pytest.mark.parametrize(("format", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_the_history_is_a_picture_of_all_rows_or_one(
    client: TestClient, added: dict[str, Any], settle: Callable[[str], None], format: str, begins: bytes
) -> None:
    path = f"{PATH}/nightly/history.{format}"
    assert client.get(path).content.startswith(begins)
    settle(client.post(f"{PATH}/nightly/trigger").json()["study_id"])
    whole, one = client.get(path), client.get(path, params={"row": "plain"})
    assert [answer.status_code for answer in (whole, one)] == [200, 200]
    assert (format == "png") or b"plain" in whole.content
    missing = client.get(path, params={"row": "plane"})
    assert (missing.status_code, "did you mean 'plain'?" in missing.json()["detail"]) == (404, True)
    assert client.get(f"{PATH}/nightly/history.gif").status_code == 404
    assert client.get(f"{PATH}/other/history.{format}").status_code == 404


def test_today_says_what_ended_and_what_comes(
    client: TestClient, added: dict[str, Any], settle: Callable[[str], None]
) -> None:
    study = client.post(f"{PATH}/nightly/trigger").json()["study_id"]
    settle(study)
    today = client.get("/api/v1/today").json()
    assert [one["id"] for one in today["finished"]] == [study]
    assert [one["schedule"] for one in today["next"]] == ["nightly"]
    assert (today["needs_person"], today["attention"], today["missed"]) == (False, [], [])
    assert client.get("/api/v1/today", params={"since": "2999-01-01T00:00:00Z"}).json()["finished"] == []


@pytest.mark.parametrize(
    "since", ["yesterday", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:00-12"]
)
def test_a_wrong_since_is_refused(client: TestClient, since: str) -> None:
    assert "/since" in errors(client.get("/api/v1/today", params={"since": since}))


def test_a_removed_schedule_leaves_its_studies(
    client: TestClient, added: dict[str, Any], settle: Callable[[str], None]
) -> None:
    one = client.post(f"{PATH}/nightly/trigger").json()
    settle(one["study_id"])
    assert client.delete(f"{PATH}/nightly").status_code == 204
    assert client.get(f"{PATH}/nightly").status_code == 404
    assert client.get(f"/api/v1/studies/{one['study_id']}").json()["schedule"] == "nightly"


def test_an_acknowledgement_wants_a_reason(client: TestClient, added: dict[str, Any]) -> None:
    path = f"{PATH}/nightly/ack"
    assert errors(client.post(path, json={})) == {"/reason": "'reason' is missing"}
    assert "/reason" in errors(client.post(path, json={"reason": " "}))
    assert "/reason" in errors(client.post(path, json={"reason": "a\u0007b"}))


def test_an_acknowledgement_of_nothing_is_a_conflict_and_keeps_the_reference(
    client: TestClient, added: dict[str, Any]
) -> None:
    answer = client.post(f"{PATH}/nightly/ack", json={"reason": "torch was upgraded"})
    assert answer.status_code == 409
    assert "has no open alarm and no unknown row, so there is nothing to acknowledge" in answer.json()["detail"]


def test_new_seeds_have_no_reference_to_keep(client: TestClient, body: dict[str, Any]) -> None:
    client.post(PATH, json=body | {"mode": "fresh"})
    found = errors(client.post(f"{PATH}/nightly/ack", json={"reason": "x", "keep_reference": True}))
    assert "no reference to keep" in found["/keep_reference"]
