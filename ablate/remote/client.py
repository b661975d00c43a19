"""The commands' side of REST: one client that speaks JSON, follows a study's events, and turns problems into errors."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from ablate.errors import AblateError, Problem, StudyError
from ablate.study.document import NAME

TIMEOUT_S = 120.0
"""Of an answer; the first study of a service waits for the import of torch."""
RECONNECT_S = 60.0
"""How long a lost stream of events is tried for again."""
RETRY_S = 1.0
KEY = re.compile(r"[0-9a-f]{8,64}")


class UnreachableError(AblateError):
    """The service does not answer."""

    exit_status = 3


class RefusedError(AblateError):
    """The service answered with a problem."""


class BrokenError(AblateError):
    """The service answered that it failed."""

    exit_status = 70


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event."""

    id: str
    kind: str
    data: dict[str, Any]


@dataclass(slots=True)
class Absence:
    """How long a service has not answered.

    Attributes:
        url: of the service.
        tell: hears in a sentence when it begins and when it ends.
        since_s: monotonic time at which it began.
    """

    url: str
    tell: Callable[[str], None]
    since_s: float | None = None

    def wait(self, error: UnreachableError) -> None:
        """Wait a moment before the next attempt; raise UnreachableError where there were enough."""
        if self.since_s is None:
            self.since_s = time.monotonic()
            self.tell(f"{error}; reconnecting, for at most {RECONNECT_S:g} s")
        if time.monotonic() - self.since_s > RECONNECT_S:
            text = f"no answer from {self.url} for {RECONNECT_S:g} s ({error}); what the service has is kept"
            raise UnreachableError(f"{text}: start it with `ablate serve`, and watch again") from error
        time.sleep(RETRY_S)

    def end(self) -> None:
        """The service answers."""
        if self.since_s is not None:
            self.since_s = None
            self.tell("connected again")


class Client:
    """A connection to the service; a context manager.

    Args:
        url: address of the service, without a path.
        api_key: sent as bearer token where there is one.

    Raises:
        RefusedError: the address is none.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        _check_address(url)
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx2.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def check_ready(self) -> None:
        """Raise UnreachableError where the service cannot accept and run studies yet."""
        self._call("GET", "/readyz", prefix="")

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON answer to a GET below `/api/v1`.

        Raises:
            UnreachableError: no answer. RefusedError, StudyError: a problem. BrokenError: an error of the service.
        """
        return self._call("GET", path, params=_given(parameters)).json()

    def get_all(self, path: str) -> list[Any]:
        """The items of every page of a list."""
        page = self.get(path, limit=200)
        items: list[Any] = page["items"]
        while page["next"] is not None:
            page = self.get(path, limit=200, cursor=page["next"])
            items += page["items"]
        return items

    def get_text(self, path: str, **parameters: Any) -> str:
        """The answer to a GET as text."""
        return self._call("GET", path, params=_given(parameters)).text

    def get_bytes(self, path: str) -> bytes:
        """The answer to a GET as it is."""
        return self._call("GET", path).content

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, is_repeatable: bool = False) -> Any:
        """The JSON answer to a POST; a repeatable one carries an idempotency key, and is sent again where it broke."""
        headers = {"Idempotency-Key": secrets.token_hex(16)} if is_repeatable else {}
        try:
            return self._call("POST", path, json=body, headers=headers).json()
        except UnreachableError:
            if not is_repeatable:
                raise
            return self._call("POST", path, json=body, headers=headers).json()

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON answer to a PATCH."""
        return self._call("PATCH", path, json=body).json()

    def delete(self, path: str) -> None:
        """Delete what is at a path."""
        self._call("DELETE", path)

    def check_name(self, text: str) -> str:
        """A text that can be the name of a schedule; RefusedError where it cannot, so that no path is made of it."""
        if not re.fullmatch(NAME, text):
            has = "a name has letters, digits, '.', '_' and '-', at most 64"
            raise RefusedError(f"{text!r} is no name of a schedule; {has}; `ablate schedule list` has them")
        return text

    def find_study(self, text: str) -> str:
        """The id of a study, from its id or its name: the newest one of that name, before any that a schedule fired."""
        if re.fullmatch(r"[0-9a-z]{20}", text):
            return text
        found = self.get("/studies", name=text, limit=200)["items"]
        found.sort(key=lambda study: study["schedule"] is not None)
        if not found:
            raise RefusedError(f"no study has the id or the name '{text}'; `ablate list` names them")
        return str(found[0]["id"])

    def check_key(self, text: str) -> str:
        """A text that can be a trial's key, or the beginning of one; RefusedError where it cannot."""
        if not KEY.fullmatch(text):
            has = "a key has 64 digits, 0-9 and a-f, of which the first 8 are enough"
            raise RefusedError(f"{text!r} is no key of a trial; {has}; `ablate show ID` lists those of a study")
        return text

    def events(self, study_id: str, tell: Callable[[str], None] = lambda sentence: None) -> Iterator[ServerEvent]:
        """A study's events until it is done; a connection that breaks is taken up where it broke.

        Args:
            study_id: of the study.
            tell: hears when the connection is lost, and when it is there again.

        Raises:
            UnreachableError: it was lost for more than `RECONNECT_S`.
        """
        last_id, absence = "", Absence(self.url, tell)
        while True:
            try:
                for event in self._stream(study_id, last_id, absence.end):
                    last_id = event.id or last_id
                    yield event
                    if event.kind == "done":
                        return
                raise UnreachableError("the service closed the stream of events")
            except UnreachableError as error:
                absence.wait(error)

    def _stream(self, study_id: str, last_id: str, begin: Callable[[], None]) -> Iterator[ServerEvent]:
        """A study's events behind an id; `begin` is called once the service answers."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        try:
            with self._http.stream("GET", f"/api/v1/studies/{study_id}/events", headers=headers) as answer:
                if answer.status_code != 200:
                    answer.read()
                    _raise(answer)
                begin()
                for event in httpx2.EventSource(answer):
                    if event.data:  # else it only says how long to wait before the next attempt
                        yield ServerEvent(event.id, event.event, json.loads(event.data))
        except httpx2.TransportError as error:
            raise UnreachableError(f"the stream of events broke: {error}") from error

    def _call(self, method: str, path: str, *, prefix: str = "/api/v1", **options: Any) -> httpx2.Response:
        try:
            answer = self._http.request(method, prefix + path, **options)
        except httpx2.TransportError as error:
            text = f"no answer from {self.url} ({error}); start the service with `ablate serve`, or name it with --url"
            raise UnreachableError(text) from error
        if answer.status_code >= 400:
            _raise(answer)
        return answer


def _given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _check_address(url: str) -> None:
    try:
        address = urlsplit(url)
        is_one = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):  # a port or an IPv6 address that is none, a name that cannot be one
        is_one = False
    if not is_one or re.search(r"\s", url):
        text = f"--url or ABLATE_URL is {url!r}, which is no http:// or https:// address"
        raise RefusedError(f"{text}; give one such as http://127.0.0.1:8080, or none: then this machine's is found")


def _raise(answer: httpx2.Response) -> None:
    """The problem in an answer as an error; its title only says what kind it is."""
    try:
        problem = answer.json()
    except ValueError:
        raise BrokenError(f"status {answer.status_code}, and no problem document; is this an ablate service?") from None
    if problem.get("errors"):
        places = [Problem(_place(one["pointer"]), one["code"], one["message"]) for one in problem["errors"]]
        raise StudyError(places)
    text = problem.get("detail") or problem.get("title") or f"status {answer.status_code}"
    if answer.status_code in (502, 503, 504):
        raise UnreachableError(text)
    raise (BrokenError if answer.status_code >= 500 and answer.status_code != 501 else RefusedError)(text)


def _place(pointer: str) -> str:
    """Pointers of the body are pointers of the study file without their first step."""
    return pointer.removeprefix("/study")
