from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from ablate.errors import StudyError
from service.api import guard
from service.api.body import digest_of, read_json
from service.api.problems import Refusal
from service.settings import Settings

JSON = {"content-type": "application/json"}
PLACES = ("/api/v1/studies", "/api/v1/studies/plan", "/api/v1/studies/some/extend")

NOT_JSON = {
    "nothing": b"",
    "spaces": b" \n\t ",
    "no JSON": b"{'study': 1}",
    "cut off": b'{"study": {',
    "two values": b"{} {}",
    "NaN": b'{"study": {"lr": NaN}}',
    "Infinity": b'{"study": {"lr": -Infinity}}',
    "1e999": b'{"study": {"lr": 1e999}}',
    "surrogate value": b'{"study": {"name": "\\ud800"}}',
    "surrogate key": b'{"\\udc00": 1}',
    "NUL value": b'{"study": {"name": "a\\u0000b"}}',
    "NUL key": b'{"study": {"a\\u0000b": 1}}',
    "raw NUL": b'{"study": "\x00"}',
    "duplicate keys": b'{"study": {"seeds": 1, "seeds": 2}}',
    "depth 33": b'{"study": ' + b"[" * 32 + b"1" + b"]" * 32 + b"}",
    "depth 900": b"[" * 900 + b"]" * 900,
    "depth 100,000": b"[" * 100_000 + b"]" * 100_000,
    "309 digits": b'{"seeds": ' + b"9" * 309 + b"}",
    "5,000 digits": b'{"seeds": -' + b"9" * 5_000 + b"}",
    "10,001 keys": json.dumps({"study": dict.fromkeys(map(str, range(10_001)), 1)}).encode(),
    "50,001 keys in all": json.dumps({"study": [dict.fromkeys(range(5_000), 1)] * 10}).encode(),
    "a string of 65,537 bytes": json.dumps({"study": "x" * 65_537}).encode(),
    "100,001 items": json.dumps({"study": [0] * 100_001}).encode(),
    "no UTF-8": b'{"study": "\xff"}',
    "UTF-16": json.dumps({"study": {}}).encode("utf-16"),
    "UTF-16 without mark": json.dumps({"study": {}}).encode("utf-16-le"),
    "byte order mark": b"\xef\xbb\xbf{}",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("content", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_no_strict_json_is_refused(empty: TestClient, place: str, content: bytes) -> None:
    answer = empty.post(place, content=content, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:ablate:problem:not-json"
    assert "sys." not in answer.text
    assert "utf-8-sig" not in answer.text


WRONG = {
    "null": "null",
    "a list": "[]",
    "a text": '"study"',
    "a number": "3",
    "no study": "{}",
    "the study is a list": '{"study": []}',
    "unknown field": '{"study": {"name": "x"}, "seedz": 1}',
    "a number as text": '{"study": {}, "seeds": "3"}',
    "a number with a point": '{"study": {}, "seeds": 3.0}',
    "a truth as number": '{"study": {}, "seeds": true}',
    "a number as truth": '{"study": {}, "fresh": 1}',
    "0 seeds": '{"study": {}, "seeds": 0}',
    "2 to the 63": '{"study": {}, "seeds": 9223372036854775808}',
    "10,000 keys": json.dumps({"study": dict.fromkeys(map(str, range(10_000)), 1)}),
    "a string of 65,536 bytes": json.dumps({"study": "x" * 65_536}),
    "10,001 rows": json.dumps({"study": {"name": "x", "rows": [{"label": "a"}] * 10_001}}),
    "308 digits": '{"study": {}, "priority": ' + "9" * 308 + "}",
    "NaN as text": '{"study": {"name": "x", "base": {"lr": "NaN"}, "rows": [{"label": "a"}]}}',
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_document_is_refused_with_its_place(empty: TestClient, content: str) -> None:
    answer = empty.post("/api/v1/studies", content=content, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert all(set(error) == {"pointer", "code", "message"} for error in answer.json()["errors"])


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "", None])
def test_only_json_is_taken(empty: TestClient, media: str | None) -> None:
    headers = {} if media is None else {"content-type": media}
    assert empty.post("/api/v1/studies", content=b'{"study": {}}', headers=headers).status_code == 415


def test_a_compressed_body_is_not_taken(empty: TestClient) -> None:
    answer = empty.post("/api/v1/studies", content=b"{}", headers=JSON | {"content-encoding": "gzip"})
    assert answer.status_code == 415


def test_a_charset_behind_the_media_type_is_fine(empty: TestClient) -> None:
    answer = empty.post("/api/v1/studies", content=b"{}", headers={"content-type": "Application/JSON; charset=utf-8"})
    assert answer.status_code == 422


def in_chunks(content: bytes) -> Iterator[bytes]:
    yield from (content[start : start + 65_536] for start in range(0, len(content), 65_536))


@pytest.mark.parametrize("send", [bytes, in_chunks], ids=["announced", "chunked"])
@pytest.mark.parametrize(("beyond", "status"), [(0, 422), (1, 413)])
def test_a_body_has_a_limit(
    empty: TestClient, settings: Settings, send: Callable[[bytes], Any], beyond: int, status: int
) -> None:
    content = b"{}".ljust(settings.max_body_bytes + beyond)
    assert empty.post("/api/v1/studies", content=send(content), headers=JSON).status_code == status


def answer_to(url: str, head: Sequence[str], content: bytes) -> bytes:
    """What a client gets that sends everything before it reads anything, and then reads to the end."""
    address = urlsplit(url)
    lines = ("POST /api/v1/studies HTTP/1.1", "Host: localhost", "Content-Type: application/json", *head, "", "")
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode())
        connection.sendall(content)
        parts = []
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("above", [1, 8 << 20])
def test_a_client_that_reads_only_when_it_has_sent_too_much_hears_why(
    served: Any, settings: Settings, above: int
) -> None:
    content = b"{}".ljust(settings.max_body_bytes + above)
    answer = answer_to(served.url, [f"Content-Length: {len(content)}"], content)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "urn:ablate:problem:body-too-large"


def test_a_client_of_unknown_length_hears_it_too(served: Any, settings: Settings) -> None:
    content = b"{}".ljust(settings.max_body_bytes + (8 << 20))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in in_chunks(content)) + b"0\r\n\r\n"
    answer = answer_to(served.url, ["Transfer-Encoding: chunked", "Connection: close"], chunks)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_without_end_is_not_read_for_ever(
    served: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "DRAIN_S", 0.2)
    with served.client() as client:
        client.get("/healthz")  # so that it is up
    began = time.monotonic()
    answer = answer_to(served.url, [f"Content-Length: {settings.max_body_bytes * 4}"], b"{")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert time.monotonic() - began < 2


def test_every_error_of_body_and_study_is_told_at_once(empty: TestClient) -> None:
    study = {"name": "x", "bse": {}, "base": {"windw": "3x3"}, "rows": [{"label": "a"}, {"label": "a"}]}
    answer = empty.post("/api/v1/studies", json={"study": study, "prioritty": 3, "seeds": "3"})
    errors = {error["pointer"]: error for error in answer.json()["errors"]}
    assert {"/prioritty", "/seeds", "/study/bse", "/study/base/windw"} <= set(errors)
    assert errors["/prioritty"]["code"] == "unknown_field"
    assert "did you mean 'priority'?" in errors["/prioritty"]["message"]


@pytest.mark.parametrize("path", ["/api/v1/studies", "/api/v1/studies/plan"])
@pytest.mark.parametrize(
    ("members", "places"),
    [
        ({"scale": "huge"}, ["/scale"]),
        ({"scale": 3}, ["/scale"]),
        ({"seeds": 0}, ["/seeds"]),
        ({"seeds": [0, 1]}, ["/seeds"]),
        ({"priority": 101}, ["/priority"]),
        ({"priority": "high"}, ["/priority"]),
        ({"scale": "huge", "seeds": "x", "priority": 1.5}, ["/priority", "/scale", "/seeds"]),
    ],
)
def test_what_is_wrong_beside_the_study_is_placed_beside_it(
    empty: TestClient, document: dict[str, Any], path: str, members: dict[str, Any], places: list[str]
) -> None:
    answer = empty.post(path, json={"study": document, **members})
    assert answer.status_code == 422
    assert sorted(error["pointer"] for error in answer.json()["errors"]) == places


def test_a_deceptive_name_is_shown_with_escapes_and_without_its_middle(empty: TestClient) -> None:
    name = "<script>\u202e;" + "a" * 60
    answer = empty.post("/api/v1/studies", json={"study": {"name": "x", name: 1}, name: 1})
    assert answer.status_code == 422
    shown = rf"<script>\u202e;{'a' * 20}...{'a' * 31}"
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{shown}", f"/study/{shown}"]
    assert all(f"'{shown}'" in error["message"] for error in answer.json()["errors"])
    assert answer.headers["content-type"] == "application/problem+json"


def test_at_most_a_hundred_errors_are_listed(empty: TestClient) -> None:
    for number, more in ((150, 50), (5_000, 900)):
        wrong = {f"field{index}": 1 for index in range(number)}
        answer = empty.post("/api/v1/studies/plan", json={"study": {"name": "x", "rows": [{"label": "a"}]}, **wrong})
        assert (len(answer.json()["errors"]), answer.json()["more"]) == (100, more)
        assert answer.json()["detail"].startswith(f"{100 + more} problems")


@pytest.mark.parametrize(
    ("extension", "places"),
    [
        ({"seeds": [1, 1]}, {"/seeds": "the list repeats a seed"}),
        ({"seeds": "8"}, {"/seeds": "should be a count (1 to 10,000) or a list of distinct seeds, not text"}),
        ({"seeds": {}}, {"/seeds": "should be a count (1 to 10,000) or a list of distinct seeds, not a table"}),
        ({"seeds": []}, {"/seeds": "the list is empty; give a count or at least one seed"}),
        ({}, {"/seeds": "'seeds' is missing; give a total number of seeds, a list of seeds to add, or 'rows' to add"}),
        ({"seeds": None, "rows": []}, {"/seeds": "'seeds' is missing"}),
        ({"seeds": [0, "1", -1]}, {"/seeds/1": "a whole number", "/seeds/2": "greater than or equal to 0"}),
        (
            {"rows": [{"label": "x", "sett": {}}, {}]},
            {"/rows/0/sett": "did you mean 'set'?", "/rows/1/label": "missing"},
        ),
        ({"seed": 3}, {"/seed": "did you mean 'seeds'?"}),
    ],
)
def test_a_wrong_extension_is_told_in_words(
    empty: TestClient, extension: dict[str, Any], places: dict[str, str]
) -> None:
    answer = empty.post("/api/v1/studies/some/extend", json=extension)
    found = {error["pointer"]: error["message"] for error in answer.json()["errors"]}
    assert set(found) == set(places)
    assert all(text in found[place] for place, text in places.items())


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(Refusal, StudyError):
        assert isinstance(read_json(content), dict)


KEYS = st.text(st.characters(codec="ascii", min_codepoint=32))
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
NUMBERS = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_is_read_is_what_was_sent_and_the_digest_is_of_the_content(document: dict[str, Any]) -> None:
    spaced = json.dumps(dict(reversed(document.items())), indent=3, ensure_ascii=False).encode()
    dense = json.dumps(document, separators=(",", ":")).encode()
    assert read_json(spaced) == document
    assert digest_of(read_json(spaced)) == digest_of(read_json(dense))
    assert digest_of(document) != digest_of(document | {"and": "more"})
