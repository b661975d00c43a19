"""The picture of a study of scenes: what its trials left, put together, and 404 with the reason where there is none."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from ablate.tables.plots.panel import GAP_HEIGHT_PX
from ablate.trials.panels import GAP_PX, TILE_PX
from service.context import Context
from tests.coco_folders import put_coco

DETECTOR = {
    "task": "detect", "dataset": "coco", "resolution_px": 64, "batch_size": 2, "steps": 2, "width": 0.125,
    "depth": [1, 1, 1, 1], "stem": "small_s2", "pyramid_channels": 8, "head_convs": 1, "anchor_px": 8,
}  # fmt: skip


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A study of two detectors that are trained for two steps, on a folder of four images."""
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    put_coco(tmp_path / "data" / "coco", [(64, 64)] * 4)
    rows = [{"label": name, "set": {"activation": name}} for name in ("relu", "swish")]
    return {"name": "detectors", "seeds": [4], "base": DETECTOR, "rows": rows}


@pytest.mark.slow
def test_a_study_has_a_picture_until_the_folders_of_its_trials_are_gone(
    client: TestClient, context: Context, post: Callable[..., Any], finish: Callable[[str], None]
) -> None:
    posted = post()
    url = f"{posted['links']['self']}/plots/panel.png"
    early = client.get(url)
    assert early.status_code == 404
    assert "no trial of seed 4 has written one here" in early.json()["detail"]

    finish(posted["id"])
    assert client.get(posted["links"]["self"]).json()["state"] == "succeeded"
    answer = client.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.height == 3 * TILE_PX + 2 * GAP_PX
    assert client.get(url).content == answer.content
    assert f'src="{url}"' in client.get(f"/studies/{posted['id']}").text

    trials = {one["row"]: one["key"] for one in client.get(posted["links"]["trials"]).json()["items"]}
    shutil.rmtree(context.settings.workdir(trials["swish"]))
    with Image.open(io.BytesIO(client.get(url).content)) as image:
        assert image.height == 2 * TILE_PX + GAP_HEIGHT_PX + 2 * GAP_PX
    shutil.rmtree(context.settings.workdir(trials["relu"]))
    assert client.get(url).status_code == 404
    table = client.get(posted["links"]["table"]).json()
    assert all(row["params"] and row["multiply_adds"] for row in table["rows"])


def test_a_picture_comes_as_png_alone(client: TestClient, post: Callable[..., Any]) -> None:
    answer = client.get(f"{post()['links']['self']}/plots/panel.svg")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "unknown format 'svg' of plot 'panel'; allowed: png"


def test_what_is_wrong_with_a_row_is_said_when_it_is_submitted(client: TestClient, study: dict[str, Any]) -> None:
    rows = [
        {"label": "foreign", "set": {"model": "torchvision/resnet18"}},
        {"label": "many", "set": {"test_images": 5_001}},
        {"label": "digits", "set": {"dataset": "digits"}},
    ]
    answer = client.post("/api/v1/studies/plan", json={"study": {**study, "rows": rows}})
    assert answer.status_code == 422
    found = {
        error["pointer"].removeprefix("/study"): (error["code"], error["message"]) for error in answer.json()["errors"]
    }
    assert found["/rows/0"][0] == "not_buildable"
    assert "torchvision/resnet18 cannot be a backbone" in found["/rows/0"][1]
    assert found["/rows/1"] == (
        "invalid",
        "row 'many': test_images is 5,001, and data set 'coco' has 5,000; 0 takes all",
    )
    assert "is for the task classify, not detect" in found["/rows/2"][1]
