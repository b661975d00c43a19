from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ablate.data.add_folder import register
from ablate.recipes.classify import ClassifyRecipe
from service.context import Context
from tests.image_folders import write_folder


def test_the_catalog_has_every_recipe_field(client: TestClient) -> None:
    catalog = client.get("/api/v1/catalog").json()
    fields = {field["name"]: field for field in catalog["recipe"]}
    assert set(fields) == set(ClassifyRecipe.model_fields)
    assert fields["window"] == {
        "name": "window",
        "type": "one of 1x1, 3x3, 5x5, 7x7, 1x3+3x1",
        "default": "3x3",
        "text": fields["window"]["text"],
        "fields": [],
    }
    assert all(field["text"] for field in catalog["recipe"])


def test_the_catalog_has_what_a_study_can_name(client: TestClient, toy: str) -> None:
    catalog = client.get("/api/v1/catalog").json()
    assert "frelu" in catalog["activations"]
    assert "resnet50" in catalog["networks"]
    digits = next(entry for entry in catalog["datasets"] if entry["name"] == "digits")
    assert digits["is_here"]
    assert {entry["name"] for entry in catalog["scales"]} == {"mini", "lab", "paper", "paper-all", "released-code"}
    assert "T7" in {entry["id"] for entry in catalog["published"]}
    assert catalog["study_schema"]["properties"]["base"]["properties"]["window"]["default"] == "3x3"
    tasks = {entry["name"]: entry for entry in catalog["tasks"]}
    assert next(iter(tasks["classify"]["metrics"])) == "top1_error_pct"
    assert [field["name"] for field in tasks[toy]["fields"]] == ["offset", "ending", "tags"]


def test_a_folder_whose_registration_is_damaged_is_told_and_the_rest_listed(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    register("pets", write_folder(tmp_path / "pets", {"cat": 9, "dog": 9}))
    assert client.get("/api/v1/catalog").json()["damaged_datasets"] == {}
    (tmp_path / "data" / "registered" / "pets.jsonl").write_bytes(b"\xff\xfe")
    catalog = client.get("/api/v1/catalog").json()
    assert "pets" not in {entry["name"] for entry in catalog["datasets"]}
    assert catalog["damaged_datasets"]["pets"].startswith("data set 'pets': registered/pets.jsonl in the data folder")


@pytest.mark.parametrize(
    "code",
    ["from json import nothing_of_this_name", "raise RuntimeError('/srv/a/b')", "def def", "raise SystemExit(3)"],
)
def test_a_task_that_does_not_load_says_why_without_a_path_and_harms_no_other_study(
    client: TestClient, toy: str, context: Context, document: dict[str, Any], code: str
) -> None:
    site = context.settings.home.parent / "site"
    (site / "toy_task.py").write_text(code + "\n")
    tasks = {entry["name"]: entry for entry in client.get("/api/v1/catalog").json()["tasks"]}
    assert tasks["classify"]["problem"] is None
    assert tasks[toy]["problem"].startswith("task 'toy' cannot be loaded: ")
    assert "/" not in tasks[toy]["problem"].replace("(path)", "")
    assert (tasks[toy]["metrics"], tasks[toy]["fields"]) == ({}, [])
    using = {"name": "a", "base": {"task": toy}, "rows": [{"label": "x"}]}
    answer = client.post("/api/v1/studies", json={"study": using})
    assert answer.status_code == 422
    [finding] = answer.json()["errors"]
    assert finding["code"] == "unknown_task"
    assert "task 'toy' cannot be loaded: " in finding["message"]
    assert client.post("/api/v1/studies", json={"study": document}).status_code == 201


@pytest.mark.slow
def test_the_call_sites_of_a_network_are_listed(client: TestClient) -> None:
    sites = client.get("/api/v1/sites", params={"model": "resnet50"}).json()["sites"]
    assert len(sites) == 49
    assert sites[0]["kind"] == "stem"
    answer = client.get("/api/v1/sites", params={"model": "torchvision/no_such_network"})
    assert answer.status_code == 422
