from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from service.app import create_app
from service.context import open_context
from service.http.server import Server
from service.settings import Settings
from tests.service.servers import Served, running


@dataclass
class Upstream:
    url: str | None
    state: str = "ready"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """In the place of MLflow: answers with what it was sent, and with headers that are not ASCII; half if asked."""
    if scope["type"] == "lifespan":
        raise RuntimeError("has none")
    given = b"\n".join(name + b": " + value for name, value in scope["headers"])
    headers = [(b"etag", b'"\xff"'), (b"content-disposition", "attachment; filename=ä☃".encode()), (b"server", b"x")]
    size = len(given) + (b"accept: half" in given)
    headers.append((b"content-length", str(size).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": given, "more_body": size > len(given)})


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    context = open_context(Settings(home=tmp_path_factory.mktemp("home"), tracking_uri="off"))
    with running(Server(echo)) as mlflow, running(Server(create_app(context, mlflow=Upstream(mlflow.url)))) as served:
        yield served
    context.close()


def get(served: Served, headers: bytes) -> bytes:
    return served.send(b"GET /mlflow/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + b"\r\n")


@pytest.mark.parametrize("name", [b"accept", b"accept-language", b"if-none-match", b"if-modified-since", b"range"])
def test_bytes_that_are_not_ascii_pass_unchanged(proxy: Served, name: bytes) -> None:
    answer = get(proxy, name + b": \xe4\xff\r\n" + name + b": b\r\nCookie: secret\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert name + b": \xe4\xff\n" in body
    assert name + b": b\n" in body
    assert b"secret" not in body
    assert b'etag: "\xff"' in head
    assert "filename=ä☃".encode() in head
    assert b"server:" not in head


def test_a_response_that_mlflow_does_not_finish_is_cut_off(proxy: Served, caplog: pytest.LogCaptureFixture) -> None:
    answer = get(proxy, b"Accept: half\r\n")
    size = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(answer.partition(b"\r\n\r\n")[2]) == size - 1
    assert "did not finish a response" in caplog.text
    assert "Traceback" not in caplog.text
