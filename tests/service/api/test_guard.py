from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.testclient import TestClient

from service.api.guard import DRAIN_BYTES, Frame
from service.api.problems import HANDLERS
from service.app import create_app
from service.context import Context, open_context
from service.http.server import Server
from service.settings import Settings
from service.tracking.ui import NoServer
from tests.service.servers import Served, running

HOST = "http://localhost:8080"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080", "ablate.example:443"])
def test_our_names_are_answered_on_any_port(empty: TestClient, host: str) -> None:
    assert empty.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8080", "127.0.0.2", "localhost.", "[::2]:8080", "0.0.0.0"]
)
def test_a_foreign_name_is_misdirected(empty: TestClient, host: str) -> None:
    assert empty.get("/healthz", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "host", ["", "a b", "localhost:port", "evil@localhost", "localhost/..", "[::1", "localhost:99999999"]
)
def test_what_is_no_host_is_malformed(empty: TestClient, host: str) -> None:
    assert empty.get("/healthz", headers={"host": host}).status_code == 400


def test_two_hosts_are_malformed(empty: TestClient) -> None:
    request = empty.build_request("GET", "/healthz")
    request.headers = type(request.headers)([("host", "localhost"), ("host", "evil.example")])
    assert empty.send(request).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8081"},
        {"origin": "https://localhost:8080"},
        {"origin": "http://localhost:8080.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://localhost:8080", "sec-fetch-site": "cross-site"},
    ],
)
def test_a_browser_on_another_page_can_change_nothing(empty: TestClient, headers: dict[str, str]) -> None:
    answer = empty.post("/api/v1/studies/some/cancel", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:ablate:problem:cross-origin"


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://localhost:8080"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}],
)
def test_our_own_page_and_programs_pass(empty: TestClient, headers: dict[str, str]) -> None:
    assert empty.post("/api/v1/studies/some/cancel", headers=headers).status_code == 404


def test_a_foreign_page_may_ask_and_cannot_read(empty: TestClient) -> None:
    answer = empty.get("/api/v1/studies", headers={"origin": "http://evil.example", "sec-fetch-site": "cross-site"})
    assert answer.status_code == 200
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_preflight_gets_no_permission(empty: TestClient) -> None:
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    answer = empty.options("/api/v1/studies", headers=headers)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


def test_answers_are_neither_kept_nor_embedded(empty: TestClient) -> None:
    headers = empty.get("/healthz").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_each_request_has_an_id_of_its_own(empty: TestClient) -> None:
    first, second = (empty.get("/healthz", headers={"x-request-id": "mine"}).headers["x-request-id"] for _ in "ab")
    assert len({first, second, "mine"}) == 3


def test_mlflow_keeps_its_own_policies() -> None:
    page = PlainTextResponse("a page", headers={"Cache-Control": "max-age=60"})
    client = TestClient(Frame(page))
    theirs, ours = client.get("/mlflow/static-files/app.js").headers, client.get("/mlflowish").headers
    assert (theirs["cache-control"], ours["cache-control"]) == ("max-age=60", "no-store")
    assert "content-security-policy" not in theirs
    assert "content-security-policy" in ours


def test_mlflow_stands_behind_the_same_gate(context: Context) -> None:
    app = create_app(context, mlflow=NoServer("http://mlflow.example"))
    with TestClient(app, base_url=HOST, follow_redirects=False) as client:
        assert client.get("/mlflow").headers["location"] == "/mlflow/"
        assert "http://mlflow.example" in client.get("/mlflow/").json()["detail"]
        assert client.get("/mlflow/", headers={"host": "evil.example"}).status_code == 421
        search = "/mlflow/ajax-api/2.0/mlflow/runs/search"
        assert client.post(search, headers={"origin": "http://evil.example"}).status_code == 403
        assert client.get("/mlflow/../api/v1/studies").status_code == 200


@pytest.fixture
def broken() -> Iterator[TestClient]:
    """An application of two routes that break, one of them half way through its answer."""
    app = FastAPI(exception_handlers=HANDLERS)

    @app.get("/break")
    def break_at_once() -> None:
        raise RuntimeError("telltale in /home/someone/secret")

    @app.get("/half")
    def break_half_way() -> Response:
        def half() -> Iterator[bytes]:
            yield b"half"
            raise RuntimeError("telltale")

        return StreamingResponse(half())

    app.add_middleware(Frame)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_what_escapes_is_a_problem_and_the_log_has_the_rest(
    broken: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = broken.get("/break")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "content-security-policy" in answer.headers
    assert "telltale" not in answer.text
    assert "someone" not in answer.text
    assert answer.headers["x-request-id"] in caplog.text
    assert "telltale in /home/someone/secret" in caplog.text


def test_a_path_cannot_forge_a_line_of_the_log(broken: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        broken.get("/break?x=%0Aforged")
    assert not [record for record in caplog.records if "\n" in record.getMessage()]


def test_half_an_answer_cannot_pass_for_a_whole_one(broken: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with running(Server(broken.app)) as served:
        answer = served.send(b"GET /half HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n4\r\nhalf\r\n")  # without the last chunk
    assert caplog.text.count("RuntimeError: telltale") == 1


def test_a_client_that_hangs_up_in_its_body_is_no_failure(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    lines = ("POST /api/v1/studies HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Content-Length: 99")
    address = urlsplit(served.url)
    with served.client() as client, socket.create_connection((address.hostname, address.port)) as connection:
        client.get("/healthz")  # so that it is up
        connection.sendall("\r\n".join((*lines, "", '{"study"')).encode())
        client.get("/healthz")
    assert served.stop()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (ExceptionGroup("queue", [anyio.BrokenResourceError()]), 0),
        (ExceptionGroup("queue", [anyio.BrokenResourceError(), RuntimeError("telltale")]), 1),
        (RuntimeError("telltale"), 1),
    ],
)
def test_a_client_that_leaves_a_stream_is_not_in_the_log(
    caplog: pytest.LogCaptureFixture, error: Exception, lines: int
) -> None:
    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()
        raise error

    async def leave() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def nowhere(message: Any) -> None:
        return None

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    anyio.run(Frame(stream), scope, leave, nowhere)
    assert len([record for record in caplog.records if record.levelno > logging.DEBUG]) == lines


JSON = "Content-Type: application/json\r\n"
NUMBERED = [f"X-{number}: y\r\n" for number in range(100)]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    context = open_context(Settings(home=tmp_path_factory.mktemp("hostile"), tracking_uri="off"))
    with running(Server(create_app(context, mlflow=NoServer(None)))) as served:
        yield served
    context.close()


def status_of(served: Served, line: str, headers: str = "", body: bytes = b"") -> int:
    head = f"{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
    answer = served.send(head.encode("latin-1") + body)
    if answer.split(b" ", 2)[1] in (b"429", b"503"):
        assert b"retry-after: " in answer
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        ("GET /healthz", "".join(NUMBERED[:98]), 200),
        ("GET /healthz", "".join(NUMBERED[:99]), 431),
        ("GET /healthz", f"Authorization: {'x' * 65_000}\r\n", 200),
        ("GET /healthz", f"Authorization: {'x' * 65_536}\r\n", 431),
        (f"GET /{'x' * 32_767}", "", 404),
        (f"GET /{'x' * 32_768}", "", 414),
        (f"GET /?{'x' * 32_768}", "", 414),
        ("GET http://localhost/healthz", "", 400),
        ("OPTIONS *", "", 400),
        ("CONNECT localhost:80", "", 400),
        ("TRACE /healthz", "", 405),
        ("GET /healthz", "Content-Length: 1\r\n", 400),
        ("GET /healthz", "Transfer-Encoding: chunked\r\n", 400),
        ("GET /healthz", "Content-Length: 00\r\n", 200),
        ("POST /preview", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        ("GET /?example=%00", "", 404),
        ("GET /help/%00", "", 404),
        ("GET /help/pictures/%00", "", 404),
        ("GET /static/%00", "", 404),
        ("GET /?again=%00", "", 404),
        ("GET /paper?scale=%00", "", 422),
        ("GET /help/%ff", "", 404),
        ("GET /?example=%ff", "", 404),
        ("GET /api/v1/studies?limit=" + "9" * 5000, "", 422),
        ("GET /api/v1/studies?" + "&".join(f"p{number}" for number in range(5000)), "", 422),
    ],
)
def test_hostile_addresses_and_headers_are_refused(hostile: Served, line: str, headers: str, status: int) -> None:
    assert status_of(hostile, line, headers, b"0\r\n\r\n" if "chunked" in headers else b"x") == status


def test_another_version_of_http_is_refused(hostile: Served) -> None:
    assert hostile.send(b"GET /healthz HTTP/2.0\r\nHost: localhost\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 400 "
    )
    assert hostile.send(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_body_in_chunks_above_the_limit_is_not_read_to_its_end(hostile: Served) -> None:
    head = f"POST /api/v1/studies HTTP/1.1\r\nHost: localhost\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n"
    sent = 0
    with hostile.connect(head.encode()) as connection, suppress(ConnectionResetError, BrokenPipeError):
        while sent < 1 << 30:
            connection.sendall(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
            sent += 1 << 16
    assert sent < 3 * DRAIN_BYTES
    with hostile.connect(head.encode() + b"100001\r\n" + bytes((1 << 20) + 1) + b"\r\n0\r\n\r\n") as connection:
        assert b"413" in connection.recv(20)
