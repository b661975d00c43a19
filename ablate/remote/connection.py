"""A connection to a service: JSON over HTTP, the event stream, and problems as exceptions.

The only module of `ablate.remote` that imports `httpx2`; it is imported when a client is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Self, cast
from urllib.parse import urlsplit, urlunsplit

import httpx2
from pydantic import Field, ValidationError
from pydantic_core import from_json

from ablate.documents import Document
from ablate.errors import Code, Problem, StudyError, quote
from ablate.remote.answers import read_answer
from ablate.remote.documents.studies import Finding, Page
from ablate.remote.errors import BrokenError, RefusedError, UnreachableError
from ablate.text import visible

TIMEOUT_S = 120.0
"""For one answer; the first study of a service waits for the import of torch."""
PAGE = 200


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event: `data` is the parsed JSON."""

    id: str
    kind: str
    data: dict[str, Any]


class ProblemAnswer(Document):
    """A problem document (RFC 9457) of a server, which need not be an ablate service."""

    title: str | None = None
    detail: str | None = None
    command: str | None = None
    errors: list[Finding] = Field(default_factory=list)
    more: int = 0


class Connection:
    """A connection to a service; a context manager.

    Args:
        url: address of the service, without a path.
        api_key: sent as bearer token; None sends none.

    Attributes:
        url: the address, without a user name and password.

    Raises:
        RefusedError: the address is not valid.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        url = url.strip()  # a variable that was read from a file often ends in a line break
        _check_address(url)
        if api_key is not None:
            api_key = api_key.strip()
            _check_header("the API key", api_key)
        parts = urlsplit(url.rstrip("/"))
        self.url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def check_ready(self) -> None:
        """Raise UnreachableError unless the service accepts and runs studies."""
        self._call("GET", "/readyz", prefix="")

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON answer to a GET below `/api/v1`.

        Raises:
            UnreachableError: the service does not answer.
            RefusedError, StudyError: the service answered with a problem.
            BrokenError: the service failed.
        """
        return _read(self._call("GET", path, params=_given(parameters)).content)

    def get_all(self, path: str) -> list[Any]:
        """The items of all pages of a list."""
        page = read_answer(Page[Any], self.get(path, limit=PAGE))
        items = list(page.items)
        while page.next is not None:
            page = read_answer(Page[Any], self.get(path, limit=PAGE, cursor=page.next))
            items += page.items
        return items

    def get_text(self, path: str, **parameters: Any) -> str:
        """The answer to a GET as text."""
        return self._call("GET", path, params=_given(parameters)).text

    def get_bytes(self, path: str, **parameters: Any) -> bytes:
        """The answer to a GET as bytes."""
        return self.get_file(path, **parameters).content

    def get_file(self, path: str, **parameters: Any) -> httpx2.Response:
        """The answer to a GET of a file, with its headers."""
        return self._call("GET", path, params=_given(parameters))

    def download(self, path: str, file: IO[bytes], **parameters: Any) -> None:
        """Write the answer to a GET into a file, without keeping it in memory.

        Raises:
            UnreachableError: the connection broke.
            RefusedError, StudyError: the service answered with a problem.
        """
        self._refuse_if_closed()
        try:
            with self._http.stream("GET", f"/api/v1{path}", params=_given(parameters)) as answer:
                if answer.status_code != 200:
                    answer.read()
                    _raise(answer)
                for part in answer.iter_bytes():
                    file.write(part)
        except httpx2.RequestError as error:
            raise UnreachableError(f"the download broke: {error}; try again") from error

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None) -> Any:
        """The JSON answer to a POST; with an idempotency key it is sent a second time if the connection breaks."""
        headers = {"Idempotency-Key": key} if key is not None else {}
        if key is not None:
            _check_header("the idempotency key", key)
        try:
            return _read(self._call("POST", path, json=body, headers=headers).content)
        except UnreachableError:
            if key is None:
                raise
            return _read(self._call("POST", path, json=body, headers=headers).content)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON answer to a PATCH."""
        return _read(self._call("PATCH", path, json=body).content)

    def delete(self, path: str) -> None:
        """Delete the resource at a path."""
        self._call("DELETE", path)

    def stream(self, path: str, last_id: str, begin: Callable[[], None]) -> Iterator[ServerEvent]:
        """The events at a path after an id; `begin` is called when the service answers.

        Raises:
            UnreachableError: the connection broke.
        """
        self._refuse_if_closed()
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        try:
            with self._http.stream("GET", f"/api/v1{path}", headers=headers) as answer:
                if answer.status_code != 200:
                    answer.read()
                    _raise(answer)
                begin()
                for event in httpx2.EventSource(answer):
                    if event.data:  # else it only sets the time before the next attempt
                        yield ServerEvent(event.id, event.event, _read(event.data))
        except httpx2.RequestError as error:
            raise UnreachableError(f"the event stream broke: {error}") from error

    def _refuse_if_closed(self) -> None:
        if self._http.is_closed:
            raise RefusedError("the client is closed; make a new one")

    def _call(self, method: str, path: str, *, prefix: str = "/api/v1", **options: Any) -> httpx2.Response:
        self._refuse_if_closed()
        try:
            answer = self._http.request(method, prefix + path, **options)
        except httpx2.InvalidURL as error:  # made of an id that the server sent
            raise BrokenError("the service sent an id that cannot be part of an address") from error
        except httpx2.RequestError as error:
            text = f"no answer from {self.url} ({error})"
            raise UnreachableError(
                f"{text}; start the service with `ablate serve`, or give its address with --url"
            ) from error
        if answer.status_code >= 400:
            _raise(answer)
        return answer


def _read(text: str | bytes) -> Any:
    """The value of a JSON text from a server."""
    try:
        return from_json(text)
    except ValueError as error:
        raise BrokenError("the answer is not JSON; check that the address is that of an ablate service") from error


def _given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _check_header(what: str, value: str) -> None:
    if not (isinstance(value, str) and value.isascii() and value.isprintable()):
        raise RefusedError(f"{what} cannot be sent; give a text of printable ASCII characters in one line")


def _check_address(url: str) -> None:
    try:
        address = urlsplit(url)
        is_valid = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
        is_valid &= not (address.query or address.fragment)
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):  # an invalid port, IPv6 address or host name
        is_valid = False
    if not is_valid or re.search(r"\s", url):
        shown = re.sub(r"(?<=[?#]).*", "***", re.sub(r"(^|//).*@", r"\1***@", url))  # it may contain a password
        text = f"the address of the service is {quote(shown)}, which is not an http:// or https:// address"
        raise RefusedError(f"{text}; give one such as http://127.0.0.1:8080 with --url or ABLATE_URL")


def _raise(answer: httpx2.Response) -> None:
    """Raise the problem of an answer; its title only names the kind of problem."""
    try:
        problem = ProblemAnswer.model_validate_json(answer.content, extra="ignore")
    except ValidationError:
        text = f"status {answer.status_code} without a problem document"
        raise BrokenError(f"{text}; check that the address is that of an ablate service") from None
    if problem.errors:
        raise StudyError([_as_problem(finding) for finding in problem.errors], problem.more)
    text = visible(problem.command or problem.detail or problem.title or f"status {answer.status_code}")
    if answer.status_code in (502, 503, 504):
        raise UnreachableError(text)
    raise (BrokenError if answer.status_code >= 500 and answer.status_code != 501 else RefusedError)(text)


def _as_problem(finding: Finding) -> Problem:
    """A problem with a pointer into the study file, not into the body."""
    code = cast(Code, finding.code)  # a newer service may send further codes
    return Problem(visible(finding.pointer.removeprefix("/study")), code, visible(finding.message))
