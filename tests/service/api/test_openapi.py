from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.api.problems import KINDS


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/openapi.json").json()
    return answer


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_of_the_contract_is_there(document: dict[str, Any]) -> None:
    v1 = "/api/v1"
    assert set(operations(document)) == {
        f"POST {v1}/studies", f"POST {v1}/studies/plan", f"GET {v1}/studies", f"GET {v1}/studies/{{study_id}}",
        f"GET {v1}/studies/{{study_id}}/trials", f"GET {v1}/trials/{{key}}", f"GET {v1}/trials/{{key}}/log",
        f"GET {v1}/trials/{{key}}/items", f"GET {v1}/trials/{{key}}/files", f"GET {v1}/trials/{{key}}/files/{{path}}",
        f"GET {v1}/studies/{{study_id}}/table", f"GET {v1}/studies/{{study_id}}/seeds.csv",
        f"GET {v1}/studies/{{study_id}}/bundle.zip",
        f"GET {v1}/studies/{{study_id}}/compare",
        f"GET {v1}/studies/{{study_id}}/plots/{{name}}.{{format}}", f"GET {v1}/studies/{{study_id}}/events",
        f"POST {v1}/studies/{{study_id}}/cancel", f"POST {v1}/studies/{{study_id}}/retry",
        f"POST {v1}/studies/{{study_id}}/pause", f"POST {v1}/studies/{{study_id}}/resume",
        f"POST {v1}/studies/{{study_id}}/extend", f"POST {v1}/paper", f"POST {v1}/paper/plan",
        f"GET {v1}/paper/gains.{{format}}", f"GET {v1}/schedules", f"POST {v1}/schedules",
        f"GET {v1}/schedules/{{name}}", f"PATCH {v1}/schedules/{{name}}", f"DELETE {v1}/schedules/{{name}}",
        f"GET {v1}/schedules/{{name}}/history", f"POST {v1}/schedules/{{name}}/trigger",
        f"POST {v1}/schedules/{{name}}/ack", f"GET {v1}/schedules/{{name}}/history.{{format}}",
        f"GET {v1}/faults", f"POST {v1}/faults/{{number}}/retry", f"GET {v1}/ledger",
        f"GET {v1}/today", f"GET {v1}/catalog", f"GET {v1}/sites", "GET /healthz", "GET /readyz", "GET /metrics",
    }  # fmt: skip


def test_every_operation_is_explained_and_its_problems_are_listed(document: dict[str, Any]) -> None:
    statuses = {str(kind.status) for kind in KINDS}
    for name, operation in operations(document).items():
        assert operation["summary"], name
        assert operation["description"], name
        for status, response in operation["responses"].items():
            if status in statuses:
                assert list(response["content"]) == ["application/problem+json"], (name, status)
        assert {"421", "422", "500"} <= set(operation["responses"]), name
        assert all(parameter["description"] for parameter in operation.get("parameters", [])), name


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(node: object) -> list[str]:
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        own = [node["$ref"]] if isinstance(node, dict) and isinstance(node.get("$ref"), str) else []
        return own + [found for child in inner for found in references(child)]

    components = document["components"]["schemas"]
    found = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert found <= set(components)
    assert {"Study", "Problem", "StudyView", "Table", "PlanView", "PaperPlan", "CellPage"} <= found
    assert not [name for name in components if "__" in name]


def test_the_body_of_a_submission_is_the_study_document(document: dict[str, Any]) -> None:
    submission = document["components"]["schemas"]["Submission"]
    assert submission["properties"]["study"] == {"$ref": "#/components/schemas/Study"}
    study = document["components"]["schemas"]["Study"]
    assert "window" in study["properties"]["base"]["properties"]


def test_a_plan_has_a_declared_answer(document: dict[str, Any]) -> None:
    def answer_to(path: str) -> object:
        return document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]

    assert answer_to("/api/v1/studies/plan") == {"$ref": "#/components/schemas/PlanView"}
    assert answer_to("/api/v1/paper/plan") == {"$ref": "#/components/schemas/PaperPlan"}
    row = document["components"]["schemas"]["PlanRow"]
    assert row["required"] == [name for name in row["properties"] if name != "row"], "it is there where not the label"
    assert {"label", "key_fields", "params", "multiply_adds"} <= set(row["properties"])


def test_no_page_loads_from_elsewhere(client: TestClient) -> None:
    assert {client.get(path).status_code for path in ("/docs", "/redoc", "/docs/oauth2-redirect")} == {404}


def test_the_web_side_starts_without_the_heavy_libraries() -> None:
    code = (
        "import sys; from service.app import create_app; "
        "print(*{'torch', 'ray', 'mlflow', 'matplotlib', 'sklearn'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
