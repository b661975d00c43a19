from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from ablate.errors import AblateError, DataError, Problem, SiteError, StudyError, TableError, TrialError
from service.api.guard import Frame
from service.api.problems import HANDLERS, KINDS, METHODS, below, publishable
from service.errors import ConflictError, KeyReusedError, NotFoundError, UnavailableError
from service.faults.outages import Outages


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (NotFoundError("x"), 404, "not-found"),
        (ConflictError("x"), 409, "conflict"),
        (KeyReusedError("x"), 422, "key-reused"),
        (UnavailableError("x"), 503, "unavailable"),
        (StudyError([Problem("/name", "invalid", "x")]), 422, "invalid"),
        (SiteError("x"), 422, "invalid"),
        (TableError("x"), 422, "invalid"),
        (TrialError("x"), 422, "invalid"),
        (DataError("x"), 422, "invalid"),
        (AblateError("the probe gave no answer"), 503, "unavailable"),
    ],
)
def test_every_error_has_one_status(error: AblateError, status: int, slug: str) -> None:
    app = FastAPI(exception_handlers=HANDLERS)
    app.state.context = SimpleNamespace(outages=Outages())

    @app.get("/")
    def fail() -> None:
        raise error

    app.add_middleware(Frame)
    with TestClient(app) as client:
        answer = client.get("/")
    assert answer.status_code == status
    assert answer.json()["type"] == f"urn:ablate:problem:{slug}"
    assert ("retry-after" in answer.headers) == (status == 503)


def test_kinds_are_told_apart_by_their_slug() -> None:
    assert len({kind.slug for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/api/v1/", "/api/v1/studies/", "/docs", "/redoc", "/%00"])
def test_an_unknown_address_is_a_problem_and_no_redirect(empty: TestClient, path: str) -> None:
    assert empty.get(path, follow_redirects=False).status_code == 404


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/studies", {"GET", "POST"}),
        ("/api/v1/studies/plan", {"GET", "POST"}),  # to GET it is a study whose id could be `plan`
        ("/api/v1/studies/x/cancel", {"POST"}),
        ("/api/v1/trials/x", {"GET"}),
        ("/api/v1/schedules/x", {"GET", "PATCH", "DELETE"}),
        ("/openapi.json", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_told_all_the_right_ones(empty: TestClient, path: str, allowed: set[str]) -> None:
    for method in {*METHODS, "TRACE", "OPTIONS", "FOO"} - allowed - {"HEAD"}:
        answer = empty.request(method, path)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "no answer: [Errno 2] No such file: '/home/me/.venv/bin/python'",
            "no answer: [Errno 2] No such file: '(path)'",
        ),
        ("cannot import name 'x' (/usr/lib/python3/x.py)", "cannot import name 'x' ((path))"),
        ("see GET /api/v1/studies and torchvision/resnet18, 1x3+3x1/2", None),
        ("row 'a/b': '/' is fine", None),
    ],
)
def test_paths_of_the_machine_are_left_out(text: str, shown: str | None) -> None:
    assert publishable(text) == (text if shown is None else shown)


def test_a_prefix_stands_before_every_pointer() -> None:
    with pytest.raises(StudyError) as caught, below("/study"):
        raise StudyError([Problem("", "a", "b"), Problem("/base/lr", "a", "b")])
    assert [problem.pointer for problem in caught.value.problems] == ["/study", "/study/base/lr"]


def test_what_is_beside_the_study_keeps_its_pointer() -> None:
    with pytest.raises(StudyError) as caught, below("/study", beside=("/scale",)):
        raise StudyError([Problem("/scale", "a", "b"), Problem("/scales", "a", "b")])
    assert [problem.pointer for problem in caught.value.problems] == ["/scale", "/study/scales"]


UNKNOWN: list[Callable[[str], tuple[str, str]]] = [
    lambda one: ("GET", f"/api/v1/studies/{one}"),
    lambda one: ("GET", f"/api/v1/studies/{one}/trials"),
    lambda one: ("GET", f"/api/v1/studies/{one}/table"),
    lambda one: ("GET", f"/api/v1/studies/{one}/plots/seeds.svg"),
    lambda one: ("GET", f"/api/v1/studies/{one}/events"),
    lambda one: ("POST", f"/api/v1/studies/{one}/cancel"),
    lambda one: ("POST", f"/api/v1/studies/{one}/retry"),
    lambda one: ("POST", f"/api/v1/studies/{one}/pause"),
    lambda one: ("POST", f"/api/v1/studies/{one}/resume"),
    lambda one: ("GET", f"/api/v1/trials/{one}"),
    lambda one: ("GET", f"/api/v1/trials/{one}/log"),
]


@pytest.mark.parametrize(
    "identifier", ["01m86mzwj9j3grjnrjy6", "a" * 64, "a" * 5000, "%00", "a%20b", "%ed%a0%80", "-1", "..%5c"]
)
@pytest.mark.parametrize("address", UNKNOWN)
def test_an_unknown_id_is_not_found_however_it_looks(
    empty: TestClient, address: Callable[[str], tuple[str, str]], identifier: str
) -> None:
    assert empty.request(*address(identifier)).status_code == 404


@pytest.mark.parametrize(
    ("path", "pointer", "text"),
    [
        ("/api/v1/studies?limt=3", "/limt", "did you mean 'limit'?"),
        ("/api/v1/studies?limit=0", "/limit", "greater than or equal to 1"),
        ("/api/v1/studies?limit=201", "/limit", "less than or equal to 200"),
        ("/api/v1/studies?limit=ten", "/limit", "a whole number"),
        ("/api/v1/studies?limit=1&limit=2", "/limit", "given 2 times"),
        ("/api/v1/studies?state=done", "/state", "'queued', 'running'"),
        ("/api/v1/studies?cursor=%00", "/cursor", "unknown cursor"),
        ("/api/v1/studies?cursor=zzz", "/cursor", "unknown cursor"),
        ("/api/v1/studies?name=a%0A", "/name", "is not a study name"),
        ("/api/v1/studies/x?a=1", "/a", "unknown query parameter 'a'"),
        ("/api/v1/studies/x/trials?state=paused", "/state", "'diverged'"),
        ("/api/v1/studies/x/table?format=pdf", "/format", "'json', 'md', 'tex', 'csv' or 'html'"),
        ("/api/v1/studies/x/table?digits=13", "/digits", "less than or equal to 12"),
        ("/api/v1/studies/x/table?measured=maybe", "/measured", "a boolean"),
        ("/api/v1/sites", "/model", "missing"),
        ("/api/v1/sites?model=resnet51", "/model", "no network 'resnet51'; did you mean 'resnet50'?"),
        ("/api/v1/sites?model=resnet50&resolution_px=2000", "/resolution_px", "less than or equal to 1024"),
        ("/healthz?verbose", "/verbose", "unknown query parameter"),
        ("/metrics?a%22b=1", '/a"b', """unknown query parameter 'a"b'"""),
        ("/metrics?a%1b%e2%80%ae=1", "/a\\x1b\\u202e", "unknown query parameter 'a\\x1b\\u202e'"),
    ],
)
def test_a_wrong_parameter_is_told(empty: TestClient, path: str, pointer: str, text: str) -> None:
    answer = empty.get(path)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert text in error["message"]


def test_every_wrong_parameter_is_told_at_once(empty: TestClient) -> None:
    errors = empty.get("/api/v1/studies?limit=0&state=x&cursor=%20").json()["errors"]
    assert {error["pointer"] for error in errors} == {"/limit", "/state", "/cursor"}
