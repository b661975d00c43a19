from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from ablate.remote.documents.schedules import ScheduleSpec
from service.schedules import fire as firing
from service.schedules import lifecycle
from service.store.sql import now


@pytest.fixture
def fire(desk: Any, toy_study: Callable[..., Any]) -> Callable[..., None]:
    """Fires a schedule, which is added first, and lets each seed end so, with these metrics."""
    spec = ScheduleSpec(name="nightly", cron="0 2 * * *", study=toy_study())
    lifecycle.add_schedule(desk.context, spec, now())
    fired = 0

    def run(ends: Sequence[str] = ("succeeded",), **metrics: float) -> None:
        nonlocal fired
        fired += 1
        lifecycle.trigger(desk.context, "nightly", now() + timedelta(seconds=fired))
        for _ in range(20):
            desk.tick()
            for ticket in list(desk.dispatcher.running.values()):
                desk.dispatcher.end(ticket, ends[ticket.trial.seed % len(ends)], **metrics)
        firing.tick(desk.context, now())

    return run


def text_of(client: TestClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return " ".join(answer.text.split())


def test_without_schedules_the_page_says_how_to_add_one(client: TestClient) -> None:
    assert "ablate schedule add nightly --cron" in text_of(client, "/schedules")


def test_a_schedule_is_listed_with_what_comes_next(client: TestClient, fire: Callable[..., None]) -> None:
    text = text_of(client, "/schedules")
    assert "At 02:00 every day" in text
    assert "none yet" in text
    assert "Nothing needs attention" in text
    assert "This schedule has not fired yet" in text_of(client, "/schedules/nightly")


def test_firings_that_agree_are_steady_and_stand_side_by_side(client: TestClient, fire: Callable[..., None]) -> None:
    fire(error=1.0)
    fire(error=1.0)
    text = text_of(client, "/schedules/nightly")
    assert text.count("● done") == 2
    assert "● steady" in text
    assert text.count("with the previous firing") == 1
    assert "<polyline" in text
    assert 'data-send="/api/v1/schedules/nightly/ack"' not in text


def test_drift_is_told_with_its_alarm_and_a_form_to_acknowledge_it(
    client: TestClient, fire: Callable[..., None]
) -> None:
    fire(error=1.0)
    fire(error=1.5)
    text = text_of(client, "/schedules/nightly")
    assert "▲ alarm" in text
    assert "last good firing and this one" in text
    assert 'data-send="/api/v1/schedules/nightly/ack"' in text
    listed = text_of(client, "/schedules")
    assert "needs attention" in listed
    assert '<a href="/schedules/nightly">nightly</a>' in listed
    body = {"reason": "torch was upgraded", "keep_reference": False}  # as the form sends it
    assert client.post("/api/v1/schedules/nightly/ack", json=body).status_code == 200
    assert "Nothing needs attention" in text_of(client, "/schedules")


def test_lost_seeds_are_told_and_a_row_without_a_number_needs_attention(
    client: TestClient, fire: Callable[..., None]
) -> None:
    fire(ends=("succeeded", "diverged"))
    assert "over the 1 of 2 seeds that ended" in text_of(client, "/schedules/nightly")
    assert "Nothing needs attention" in text_of(client, "/schedules")
    fire(ends=("diverged",))
    text = text_of(client, "/schedules/nightly")
    assert "unknown, none of 2 seeds has a number" in text
    assert "▲ alarm" in text, "one trial ended otherwise than in the reference"
    listed = text_of(client, "/schedules")
    assert "row &#39;offset 0&#39; is unknown, since all 2 seeds diverged or failed" in listed


def test_an_unknown_row_without_an_alarm_has_a_form_to_acknowledge_it(
    client: TestClient, fire: Callable[..., None]
) -> None:
    fire(ends=("diverged",))
    text = text_of(client, "/schedules/nightly")
    assert "<h2>Unknown rows</h2>" in text
    assert 'data-send="/api/v1/schedules/nightly/ack"' in text
    assert client.post("/api/v1/schedules/nightly/ack", json={"reason": "known"}).status_code == 200
    assert "/ack" not in text_of(client, "/schedules/nightly")


def test_an_unknown_schedule_is_a_page_that_says_so(client: TestClient) -> None:
    answer = client.get("/schedules/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
