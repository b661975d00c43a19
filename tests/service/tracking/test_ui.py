from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx2
import psutil
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from ablate.trials.trial import EpochMetrics
from service.api.mlflow_proxy import mlflow_routes
from service.documents.runs import StudyRun, TrialRun
from service.http.server import Server
from service.tracking.mlflow_file import MirrorError, embedded_store
from service.tracking.mlflow_writer import Mirror
from service.tracking.ui import MlflowServer, NoServer, choose_server
from tests.service.servers import running

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
STUDY = StudyRun(
    study_id="study",
    name="table07",
    title="Window size",
    scale="mini",
    state="succeeded",
    started_at=START,
    ended_at=START + timedelta(hours=1),
    row_means={"A": {"top1_error_pct": 12.5}},
    files={"table.md": "| row |\n|---|\n| A |\n", "table.html": "<table></table>"},
)
TRIAL = TrialRun(
    study_id="study",
    name="table07",
    key="a" * 64,
    row="A",
    seed=0,
    state="succeeded",
    reason=None,
    started_at=START,
    ended_at=START + timedelta(minutes=1),
    recipe={"lr": 0.1},
    metrics={"top1_error_pct": 12.5},
    curve=(EpochMetrics(step=5, steps=10, epoch=0.5, metrics={"loss": 2.0}),),
    attempts=("1 succeeded",),
    shared=False,
)
API = "/mlflow/ajax-api/2.0/mlflow"
PROBLEM = "application/problem+json"


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    with running(Server(app)) as served:
        yield served.url


@dataclass
class Upstream:
    """Replaces MLflow's server in the tests of the proxy."""

    url: str | None = None
    state: str = "ready"


@contextmanager
def proxy_to(upstream: Any, **options: Any) -> Iterator[httpx2.Client]:
    app = Starlette(routes=mlflow_routes(upstream, **options))
    with serving(app) as url, httpx2.Client(base_url=url, trust_env=False, timeout=60) as client:
        yield client


def processes_of(server: MlflowServer) -> list[psutil.Process]:
    assert server.pid is not None
    leader = psutil.Process(server.pid)
    return [leader, *leader.children(recursive=True)]


# MLflow's own server ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """A server that shows one study with one trial."""

    home: Path
    server: MlflowServer
    mirror: Mirror
    study: str
    trial: str


SECRETS = (
    "ABLATE_DATABASE_URL",
    "ABLATE_API_KEY",
    "ABLATE_NOTIFY_URL",
    "AWS_SECRET_ACCESS_KEY",
    "HF_TOKEN",
    "PGPASSWORD",
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Server and mirror open a new store at the same time. At the end it is closed, which leaves no process."""
    home = tmp_path_factory.mktemp("home")
    server = choose_server(home, None)
    assert isinstance(server, MlflowServer)
    assert server.state == "stopped"
    with pytest.MonkeyPatch.context() as environment:
        for name in SECRETS:
            environment.setenv(name, "canary")
        environment.setenv("MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", "true")
        server.start()
        assert server.state == "starting"
        try:
            mirror = Mirror(*embedded_store(home))
            study = mirror.record_study(STUDY)
            trial = mirror.record_trial(TRIAL, study)
            assert server.wait_ready(120)
            yield Shown(home, server, mirror, study, trial)
            processes = processes_of(server)
        finally:
            server.close()
    assert (server.state, server.url, server.pid) == ("stopped", None, None)
    assert not psutil.wait_procs(processes, timeout=0)[1]


@pytest.fixture(scope="module")
def browser(shown: Shown) -> Iterator[httpx2.Client]:
    with proxy_to(shown.server) as client:
        yield client


def search_runs(client: httpx2.Client, experiment: str) -> dict[str, Any]:
    answer = client.post(f"{API}/runs/search", json={"experiment_ids": [experiment]})
    assert answer.status_code == 200
    return {run["info"]["run_id"]: run["info"] for run in answer.json()["runs"]}


@pytest.mark.slow
def test_the_page_and_its_scripts_are_served(browser: httpx2.Client) -> None:
    page = browser.get("/mlflow/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    scripts = re.findall(r'src="(static-files/[^"]+\.js)"', page.text)
    assert scripts
    for script in scripts:
        answer = browser.get(f"/mlflow/{script}")
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/javascript")
        assert browser.get(f"/mlflow/{script}", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
        assert browser.head(f"/mlflow/{script}").headers["content-length"] == str(len(answer.content))


@pytest.mark.slow
def test_runs_charts_and_artifacts_can_be_browsed(browser: httpx2.Client, shown: Shown) -> None:
    experiment = shown.mirror.experiment_id("table07")
    assert set(search_runs(browser, experiment)) == {shown.study, shown.trial}
    run = browser.get(f"{API}/runs/get", params={"run_id": shown.trial}).json()["run"]
    assert {"key": "mlflow.parentRunId", "value": shown.study} in run["data"]["tags"]
    history = f"{API}/metrics/get-history-bulk-interval"
    points = browser.get(history, params={"run_ids": shown.trial, "metric_key": "loss"}).json()["metrics"]
    assert [(point["step"], point["value"]) for point in points] == [(5, 2.0)]
    listed = browser.get(f"{API}/artifacts/list", params={"run_id": shown.study}).json()["files"]
    assert [file["path"] for file in listed] == ["table.html", "table.md"]
    file = browser.get("/mlflow/get-artifact", params={"run_uuid": shown.study, "path": "table.md"})
    assert file.text == STUDY.files["table.md"]
    html = browser.get("/mlflow/get-artifact", params={"run_uuid": shown.study, "path": "table.html"})
    assert html.headers["content-disposition"].startswith("attachment")
    query = "query Q($i: MlflowGetRunInput!) { mlflowGetRun(input: $i) { run { info { status } } } }"
    asked = browser.post("/mlflow/graphql", json={"query": query, "variables": {"i": {"runId": shown.trial}}})
    assert asked.json()["data"]["mlflowGetRun"]["run"]["info"]["status"] == "FINISHED"


@pytest.mark.slow
def test_nothing_can_be_deleted_through_us(browser: httpx2.Client, shown: Shown) -> None:
    experiment = shown.mirror.experiment_id("table07")
    for path, body in [
        ("runs/delete", {"run_id": shown.trial}),
        ("runs/set-tag", {"run_id": shown.trial, "key": "a", "value": "b"}),
        ("experiments/delete", {"experiment_id": experiment}),
    ]:
        answer = browser.post(f"{API}/{path}", json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (403, PROBLEM)
    assert set(search_runs(browser, experiment)) == {shown.study, shown.trial}


@pytest.mark.slow
def test_the_server_is_two_processes_on_loopback_that_know_no_secret(shown: Shown) -> None:
    processes = processes_of(shown.server)
    assert len(processes) == 2
    for process in processes:
        assert "canary" not in process.environ().values()
        assert "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE" not in process.environ()
        assert {connection.laddr.ip for connection in process.net_connections("tcp")} <= {"127.0.0.1"}
    assert "Uvicorn running" in (shown.home / "logs" / "mlflow-ui.log").read_text()


@pytest.mark.slow
def test_the_servers_own_address_answers_under_no_other_host_name(shown: Shown) -> None:
    assert shown.server.url is not None
    url = f"{shown.server.url}/mlflow/"
    assert httpx2.get(url, trust_env=False).status_code == 200
    assert httpx2.get(url, headers={"host": "rebound.example"}, trust_env=False).status_code == 403


@pytest.mark.slow
def test_a_mirror_writes_over_http_as_well(shown: Shown) -> None:
    address = f"{shown.server.url}/mlflow"
    study, trial = replace(STUDY, name="remote"), replace(TRIAL, name="remote")
    remote = Mirror(address, None)
    study_run = remote.record_study(study)
    trial_run = remote.record_trial(trial, study_run)
    assert Mirror(address, None).record_trial(trial, study_run) == trial_run
    assert remote.reconcile(lambda *_: "succeeded") == 0
    with pytest.raises(MirrorError) as caught:
        remote.record_study(replace(STUDY, study_id="new", name="x" * 600))
    assert caught.value.is_refused


@pytest.mark.slow
def test_a_server_that_died_is_started_again_and_found_at_its_new_address(shown: Shown, browser: httpx2.Client) -> None:
    before, processes = shown.server.url, processes_of(shown.server)
    processes[0].kill()  # its child, which has the port, is alive
    assert not psutil.wait_procs(processes, timeout=10)[1]
    assert browser.get("/mlflow/").status_code == 503
    assert shown.server.wait_ready(120)
    assert shown.server.url != before
    assert browser.get("/mlflow/").status_code == 200


PARENT = """
import signal, sys
from pathlib import Path
from service.tracking.ui import choose_server
server = choose_server(Path(sys.argv[1]), None)
server.start()
assert server.wait_ready(120)
print(server.pid, flush=True)
signal.pause()
"""


@pytest.mark.slow
def test_a_killed_service_leaves_no_process_behind(shown: Shown, tmp_path: Path) -> None:
    shutil.copy(shown.home / "mlflow.db", tmp_path)
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        leader = psutil.Process(int(parent.stdout.readline()))
        processes = [leader, *leader.children(recursive=True)]
        assert len(processes) == 2
        parent.kill()
    assert not psutil.wait_procs(processes, timeout=20)[1]


def test_closing_while_it_starts_leaves_no_process(tmp_path: Path) -> None:
    server = MlflowServer(tmp_path, *embedded_store(tmp_path))
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    server.start()
    server.close()
    assert server.state == "stopped"
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
    MlflowServer(tmp_path, *embedded_store(tmp_path)).close()  # one that was never started


def test_a_server_that_cannot_start_has_failed_and_can_be_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "logs").write_text("no folder")
    server = MlflowServer(tmp_path, *embedded_store(tmp_path))
    server.start()
    with server._changed:
        assert server._changed.wait_for(lambda: server.state == "failed", 10)
    server.close()
    assert "cannot be started" in caplog.text


@pytest.mark.parametrize(
    ("tracking_uri", "url"),
    [
        ("https://user:hunter2@mlflow.example:5000/team?token=hunter2", "https://mlflow.example:5000/team"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("postgresql://user:hunter2@db/mlflow", None),
        ("off", None),
    ],
)
def test_where_mlflow_is_elsewhere_no_server_is_started(tmp_path: Path, tracking_uri: str, url: str | None) -> None:
    server = choose_server(tmp_path, tracking_uri)
    server.start()
    server.close()
    assert server == NoServer(url)


# The proxy ----------------------------------------------------------------------------------------------------------


class Echo:
    """An upstream that answers with what it was sent, slowly or not at all."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = [
            (b"set-cookie", b"a=b"),
            (b"access-control-allow-origin", b"*"),
            (b"etag", b"x"),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"].endswith("/slow"):
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
            await anyio.to_thread.run_sync(self.may_end.wait)
            await send({"type": "http.response.body", "body": b"second"})
        elif scope["path"].endswith("/cut"):
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
            raise ConnectionResetError
        else:
            sent = {
                "method": scope["method"],
                "path": scope["raw_path"].decode(),
                "query": scope["query_string"].decode(),
            }
            sent["headers"] = {name.decode(): value.decode() for name, value in scope["headers"]}
            await send({"type": "http.response.body", "body": json.dumps({**sent, "body": body.decode()}).encode()})


@pytest.fixture(scope="module")
def echo() -> Echo:
    return Echo()


@pytest.fixture(scope="module")
def proxy(echo: Echo) -> Iterator[httpx2.Client]:
    with serving(echo) as url, proxy_to(Upstream(url), max_body_bytes=1000) as client:
        yield client


def test_the_address_without_a_slash_leads_to_the_page(proxy: httpx2.Client) -> None:
    answer = proxy.get("/mlflow", headers={"host": "evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/mlflow/")


def test_only_what_mlflow_needs_is_handed_on_and_back(proxy: httpx2.Client) -> None:
    ours = {"host": "ablate.example", "origin": "http://ablate.example", "referer": "http://ablate.example/mlflow/"}
    secret = {"authorization": "Bearer abl_x", "cookie": "a=b", "x-forwarded-for": "1.2.3.4", "x-mlflow-workspace": "w"}
    answer = proxy.post(f"{API}/runs/search?a=%2F[1]&b", json={"max_results": 1}, headers={**ours, **secret})
    sent = answer.json()
    assert (sent["method"], sent["path"], sent["query"]) == ("POST", f"{API}/runs/search", "a=%2F[1]&b")
    assert json.loads(sent["body"]) == {"max_results": 1}
    assert sent["headers"].pop("host").startswith("127.0.0.1:")
    names = {"accept", "accept-encoding", "content-type", "content-length", "user-agent", "connection"}
    assert set(sent["headers"]) == names
    assert sent["headers"]["accept-encoding"] == "identity"
    assert answer.headers["etag"] == "x"
    assert not {"set-cookie", "access-control-allow-origin", "connection"} & set(answer.headers)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_is_never_handed_on_with_a_read(proxy: httpx2.Client, method: str) -> None:
    answer = proxy.request(method, f"{API}/runs/get", content=b"{}")
    assert answer.status_code == 200
    assert not answer.content or answer.json()["body"] == ""


READ = [
    *(
        "/mlflow/",
        "/mlflow/version",
        "/mlflow/health",
        "/mlflow/get-artifact",
        "/mlflow/static-files/static/js/a-1.b.js",
    ),
    *(f"{API}/experiments/get", f"{API}/experiments/search", f"{API}/experiments/get-by-name", f"{API}/runs/get"),
    *(f"{API}/metrics/get-history", f"{API}/metrics/get-history-bulk", f"{API}/metrics/get-history-bulk-interval"),
    *(f"{API}/artifacts/list", f"{API}/registered-models/search", f"{API}/model-versions/search"),
    *("/mlflow/ajax-api/3.0/mlflow/server-info", "/mlflow/api/2.0/mlflow/runs/get"),
]
SEARCH = [
    *(f"{API}/experiments/search", f"{API}/experiments/search-datasets", f"{API}/runs/search"),
    *(f"{API}/logged-models/search", "/mlflow/api/2.0/mlflow/runs/search"),
    *(f"/mlflow/ajax-api/3.0/mlflow/{name}" for name in ("datasets/search", "traces/search", "traces/metrics")),
]


@pytest.mark.parametrize("path", READ)
def test_what_the_pages_read_passes(proxy: httpx2.Client, path: str) -> None:
    assert proxy.get(path).status_code == 200


@pytest.mark.parametrize("path", SEARCH)
def test_what_the_pages_search_passes(proxy: httpx2.Client, path: str) -> None:
    assert proxy.post(path, json={}).status_code == 200


FOREIGN = [
    *(f"GET {API}/gateway-proxy", f"POST {API}/gateway-proxy", "GET /mlflow/gateway/x/mlflow/invocations"),
    *("GET /mlflow/ajax-api/3.0/mlflow/assistant/config", "POST /mlflow/ajax-api/3.0/mlflow/assistant/message"),
    *("GET /mlflow/ajax-api/3.0/mlflow/gateway/secrets/list", "GET /mlflow/ajax-api/3.0/jobs/1", f"GET {API}/webhooks"),
    *(
        "GET /mlflow/ajax-api/3.0/mlflow/jobs/1",
        f"POST {API}/webhooks/1/test",
        "GET /mlflow/ajax-api/3.0/mlflow/mcp-servers",
    ),
    *(
        "POST /mlflow/v1/traces",
        f"GET {API}/users/current",
        f"POST {API}/upload-artifact",
        f"GET {API}/get-trace-artifact",
    ),
    *("GET /mlflow/ajax-api/2.0/mlflow-artifacts/artifacts/x", "PUT /mlflow/api/2.0/mlflow-artifacts/artifacts/x"),
    *("GET /mlflow/graphql", "POST /mlflow/ajax-api/3.0/mlflow/ui-telemetry", f"POST {API}/registered-models/search"),
    *(
        f"POST {API}/runs/create",
        f"POST {API}/runs/log-batch",
        f"POST {API}/experiments/update",
        f"POST {API}/runs/get",
    ),
    *(
        f"DELETE {API}/model-versions/delete",
        f"PATCH {API}/registered-models/update",
        "OPTIONS /mlflow/",
        "TRACE /mlflow/",
    ),
    *("GET /mlflow/static-files/", "GET /mlflow/ajax-api/2.0mlflow/experiments/search", "GET /mlflow/metrics"),
    # forms of a path that the server after the proxy could read differently
    *(
        "GET /mlflow/static-files/../ajax-api/2.0/mlflow/webhooks",
        "GET /mlflow/static-files/..",
        "GET /mlflow/static-files/./a",
    ),
    *(
        "GET /mlflow/static-files/%2e%2e/x",
        "GET /mlflow/static-files/a%2fb",
        "GET /mlflow/static-files/a%00",
        "GET /mlflow/%67raphql",
    ),
    *(
        f"POST /mlflow/{API}/runs/search",
        "GET /mlflow//version",
        "GET /mlflow/static-files//etc/passwd",
        "GET /mlflow/version;x",
    ),
    *(
        "GET /mlflow/static-files/..\\x",
        "GET /mlflow/version/",
        "GET /mlflow/static-files/a/..",
        f"POST {API}/runs/search%20",
    ),
    *("POST /mlflow/ajax-api/2.0/mlflow/runs/search/", "GET /mlflow/version%0a"),
]


@pytest.mark.parametrize("call", FOREIGN)
def test_all_else_is_refused(proxy: httpx2.Client, call: str) -> None:
    method, _, path = call.partition(" ")
    connection = http.client.HTTPConnection(proxy.base_url.host, proxy.base_url.port)  # sends a path as it is
    connection.request(method, path, b"{}", {"content-type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["content-type"]) == (403, PROBLEM)
    document = json.loads(answer.read())
    connection.close()
    assert document["type"] == "urn:ablate:problem:forbidden"
    assert set(document) == {"type", "title", "status", "detail", "instance"}


@pytest.mark.parametrize("value", ["../../etc/passwd", "a/../../b", "..", "%2e%2e/b", "%252e%252e%252fb", "..%5cb"])
def test_a_parameter_that_climbs_is_refused(proxy: httpx2.Client, value: str) -> None:
    for name in ("path", "anything"):
        assert proxy.get(f"/mlflow/get-artifact?run_uuid=1&{name}={value}").status_code == 403
    assert proxy.get("/mlflow/get-artifact?path=plots/a..b.svg").status_code == 200


@pytest.mark.parametrize("query", ["a" * 32_001, "path=\xe9"])
def test_a_query_that_cannot_be_handed_on_is_malformed(proxy: httpx2.Client, query: str) -> None:
    connection = http.client.HTTPConnection(proxy.base_url.host, proxy.base_url.port)
    connection.putrequest("GET", "/mlflow/version?" + "a" * (len(query) - 1))
    connection._buffer[0] = f"GET /mlflow/version?{query} HTTP/1.1".encode("latin-1")  # type: ignore[attr-defined]
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"query": "query { mlflowGetRun { run { info { status } } } }"}', 200),
        (b'{"query": "{ test(inputString: \\"x\\") { output } }"}', 200),
        (b'{"query": "mutation { testMutation { output } }"}', 403),
        (b'{"query": "\\u006dutation { testMutation { output } }"}', 403),
        (b'{"query": "query A { test { output } } mutation B { testMutation { output } }", "operationName": "B"}', 403),
        (b'{"query": "{ a }", "query": "mutation { a }"}', 403),
        (b'{"query": "subscription { a }"}', 403),
        (b'{"query": 1}', 403),
        (b'[{"query": "{ a }"}]', 400),
        (b"{}", 400),
        (b"", 400),
        (b"[" * 900, 400),
        (b"\xff", 400),
    ],
)
def test_graphql_only_asks(proxy: httpx2.Client, body: bytes, status: int) -> None:
    assert proxy.post("/mlflow/graphql", content=body).status_code == status


@pytest.mark.parametrize("path", ["/mlflow/graphql", f"{API}/runs/search"])
def test_bodies_have_a_limit(proxy: httpx2.Client, path: str) -> None:
    fits = json.dumps({"query": "{ a }"}).encode().ljust(1000)
    assert proxy.post(path, content=fits).status_code == 200
    for content in (fits + b" ", iter([fits, b" "])):
        answer = proxy.post(path, content=content)
        assert (answer.status_code, answer.headers["content-type"]) == (413, PROBLEM)


def test_answers_are_handed_on_while_they_come(proxy: httpx2.Client, echo: Echo) -> None:
    with proxy.stream("GET", "/mlflow/static-files/slow") as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"first"
        echo.may_end.set()
        assert b"".join(parts) == b"second"


def test_half_an_answer_cannot_pass_for_a_whole_one(proxy: httpx2.Client) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        proxy.get("/mlflow/static-files/cut")


@pytest.mark.parametrize("state", ["starting", "failed", "stopped"])
def test_a_server_that_is_not_ready_is_to_be_asked_again(state: str) -> None:
    with proxy_to(Upstream(None, state)) as client:
        answer = client.get("/mlflow/")
        assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)
        assert int(answer.headers["retry-after"]) > 0
        assert client.post(f"{API}/runs/delete", json={}).status_code == 403


def test_a_server_that_does_not_answer_is_to_be_asked_again() -> None:
    with proxy_to(Upstream("http://127.0.0.1:9")) as client:
        assert client.get("/mlflow/").status_code == 503


@pytest.mark.parametrize(
    ("url", "told"), [("https://mlflow.example", "open https://mlflow.example"), (None, "does not show MLflow")]
)
def test_where_mlflow_is_elsewhere_the_page_says_where(url: str | None, told: str) -> None:
    with proxy_to(NoServer(url)) as client:
        answer = client.get("/mlflow/")
        assert answer.status_code == 404
        assert told in answer.json()["detail"]
