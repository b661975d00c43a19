from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.context import Context


def test_a_process_that_answers_is_alive(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}


@pytest.mark.parametrize(("scheduler", "status"), [("running", 200), ("starting", 503), ("broken", 503), ("none", 503)])
def test_it_is_ready_when_studies_can_run(client: TestClient, context: Context, scheduler: str, status: int) -> None:
    context.parts["scheduler"] = scheduler
    answer = client.get("/readyz")
    assert answer.status_code == status
    assert answer.json()["ready"] is (status == 200)
    assert answer.json()["parts"]["scheduler"]["state"] == scheduler
    assert answer.json()["parts"]["database"]["state"] == "ok"


def test_metrics_are_for_prometheus(client: TestClient, post: Callable[..., dict[str, Any]]) -> None:
    post()
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'ablate_studies{state="queued"} 1.0' in answer.text
    assert 'ablate_trials{state="queued"} 4.0' in answer.text
