from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from service.api import events

Post = Callable[..., dict[str, Any]]
Finish = Callable[[str], None]
STUDIES = "/api/v1/studies"

pytestmark = pytest.mark.timeout(60)


def frames(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Server-Sent Events as dictionaries of their fields; a comment is the field ""."""
    frame: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            assert name not in frame, "a field is given twice, so the data has more than one line"
            frame[name] = value
        elif frame:
            yield frame
            frame = {}


@contextmanager
def following(client: httpx2.Client, study: dict[str, Any], **request: Any) -> Iterator[Iterator[dict[str, str]]]:
    with client.stream("GET", study["links"]["events"], **request) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        yield frames(response.iter_lines())


def until(stream: Iterator[dict[str, str]], kind: str) -> list[dict[str, str]]:
    """The events up to the first of a kind."""
    seen = []
    for frame in stream:
        if "event" in frame:
            seen.append(frame)
            if frame["event"] == kind:
                return seen
    raise AssertionError(f"the stream ended without {kind}")


@pytest.fixture
def remote(served: Any) -> Iterator[httpx2.Client]:
    with served.client() as client:
        yield client


@pytest.fixture
def queued(remote: httpx2.Client, study: dict[str, Any]) -> dict[str, Any]:
    """The study, submitted to the real server."""
    document: dict[str, Any] = remote.post(STUDIES, json={"study": study}).json()
    return document


def test_a_study_is_followed_to_its_end(remote: httpx2.Client, queued: dict[str, Any], finish: Finish) -> None:
    with following(remote, queued) as stream:
        assert next(stream) == {"retry": "2000"}
        [first] = until(stream, "progress")
        assert json.loads(first["data"])["queued"] == 4
        finish(queued["id"])
        seen = until(stream, "done")
        assert list(stream) == []
    ids = [int(frame["id"]) for frame in seen]
    assert ids == sorted(ids)
    assert ids[-1] > 0
    assert {frame["event"] for frame in seen} == {"trial", "progress", "table", "done"}
    ended = [json.loads(frame["data"]) for frame in seen if frame["event"] == "trial"]
    assert len({(cell["row"], cell["seed"]) for cell in ended if cell["state"] == "succeeded"}) == 4
    assert json.loads(seen[-1]["data"]) == {"id": queued["id"], "state": "succeeded"}


@pytest.mark.parametrize("how", ["header", "parameter", "both"])
def test_who_comes_back_misses_nothing_and_sees_nothing_twice(
    remote: httpx2.Client, queued: dict[str, Any], finish: Finish, how: str
) -> None:
    finish(queued["id"])
    with following(remote, queued) as stream:
        whole = [frame for frame in until(stream, "done") if frame["event"] in ("trial", "table")]
    middle = whole[len(whole) // 2 - 1]["id"]
    header, parameter = {"Last-Event-ID": middle}, {"last_event_id": middle}
    request: dict[str, Any] = {
        "header": {"headers": header},
        "parameter": {"params": parameter},
        "both": {"headers": header, "params": {"last_event_id": "0"}},  # as browsers do
    }[how]
    with following(remote, queued, **request) as stream:
        rest = [frame for frame in until(stream, "done") if frame["event"] in ("trial", "table")]
    assert rest == whole[len(whole) // 2 :]


@pytest.mark.parametrize("last", ["-1", "x", "9223372036854775808"])
def test_a_last_id_is_a_number(remote: httpx2.Client, queued: dict[str, Any], last: str) -> None:
    path = queued["links"]["events"]
    by_header = remote.get(path, headers={"Last-Event-ID": last})
    by_parameter = remote.get(path, params={"last_event_id": last})
    assert by_header.status_code == by_parameter.status_code == 422
    assert by_parameter.json()["errors"][0]["pointer"] == "/last_event_id"


def test_an_unknown_study_is_not_found_before_the_stream_starts(client: TestClient) -> None:
    assert client.get(f"{STUDIES}/nothing/events").status_code == 404


@pytest.mark.parametrize(("limited", "status"), [("all", 503), ("client", 429)])
def test_streams_have_a_limit_and_give_their_place_back(
    served: Any,
    remote: httpx2.Client,
    queued: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    limited: str,
    status: int,
) -> None:
    streams = served.server.config.app.state.streams
    if limited == "all":
        monkeypatch.setattr(streams, "most", 2)
    else:
        monkeypatch.setattr(events, "MAX_OF_CLIENT", 2)
    with following(remote, queued) as first, following(remote, queued):
        next(first)
        assert streams.by_client == {"127.0.0.1": 2}
        answer = remote.get(queued["links"]["events"])
        assert answer.status_code == status
        assert answer.headers["retry-after"]
    while streams.by_client:  # the server notices that its clients are gone; the test's time limit defines "soon"
        remote.get("/healthz")
    with following(remote, queued) as again:
        next(again)


def test_a_server_that_stops_does_not_wait_for_streams(
    served: Any, remote: httpx2.Client, queued: dict[str, Any]
) -> None:
    with following(remote, queued) as stream:
        until(stream, "progress")
        assert served.stop()
        assert [frame for frame in stream if "event" in frame] == []
