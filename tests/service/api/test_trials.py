from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.context import Context

Post = Callable[..., dict[str, Any]]
Finish = Callable[[str], None]


def test_the_cells_of_a_study_come_page_by_page(client: TestClient, post: Post) -> None:
    trials = post()["links"]["trials"]
    first = client.get(trials, params={"limit": 3}).json()
    last = client.get(trials, params={"limit": 3, "cursor": first["next"]}).json()
    cells = [(cell["row"], cell["seed"]) for cell in first["items"] + last["items"]]
    assert cells == [("plain", 0), ("shifted", 0), ("plain", 1), ("shifted", 1)]
    assert last["next"] is None
    assert client.get(trials, params={"state": "running"}).json()["items"] == []


def test_a_finished_trial_tells_everything(client: TestClient, post: Post, finish: Finish) -> None:
    study = post()
    finish(study["id"])
    [cell, *_] = client.get(study["links"]["trials"], params={"state": "succeeded"}).json()["items"]
    trial = client.get(f"/api/v1/trials/{cell['key']}").json()
    assert trial["rows"] == [{"study_id": study["id"], "row": "plain", "group": None, "seed": 0}]
    assert trial["outcome"]["status"] == trial["state"] == "succeeded"
    assert trial["metrics"] == cell["metrics"]
    assert trial["recipe"]["offset"] == 0.0
    assert len(trial["curve"]) == 1
    log = client.get(f"/api/v1/trials/{cell['key']}/log")
    assert log.headers["content-type"] == "text/plain; charset=utf-8"
    assert log.text == "the toy ran\n"
    rest = client.get(f"/api/v1/trials/{cell['key']}/log", params={"start": 4})
    assert (rest.text, rest.headers["Ablate-Log-End"]) == ("toy ran\n", "12")


@pytest.mark.parametrize("what", ["", "/log", "/items", "/files", "/files/x"])
def test_a_trial_that_nobody_wants_is_not_found(client: TestClient, what: str) -> None:
    assert client.get(f"/api/v1/trials/{'0' * 64}{what}").status_code == 404


def test_a_trial_that_has_not_started_has_no_log(client: TestClient, post: Post) -> None:
    [cell, *_] = client.get(post()["links"]["trials"]).json()["items"]
    answer = client.get(f"/api/v1/trials/{cell['key']}/log")
    assert answer.status_code == 404
    assert "not started" in answer.json()["detail"]


def test_the_files_of_a_trial_are_listed_and_sent(
    client: TestClient, context: Context, post: Post, finish: Finish
) -> None:
    study = post()
    finish(study["id"])
    key = client.get(study["links"]["trials"]).json()["items"][0]["key"]
    folder = context.settings.workdir(key)
    (folder / "out").mkdir()
    (folder / "out" / "größe 1.bin").write_bytes(bytes(range(256)) * 1000)
    (folder / "secret").symlink_to("/etc/passwd")
    (folder / "etc").symlink_to("/etc")
    found = client.get(f"/api/v1/trials/{key}/files").json()
    assert found == {"key": key, "files": [{"path": "out/größe 1.bin", "size": 256_000}], "more": 0}
    sent = client.get(f"/api/v1/trials/{key}/files/out/größe 1.bin")
    assert sent.content == bytes(range(256)) * 1000
    assert sent.headers["content-type"] == "application/octet-stream"
    assert sent.headers["content-length"] == "256000"
    assert sent.headers["content-disposition"] == "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe%201.bin"
    outside = ("..%2F..%2Fablate.db", "%2Fetc%2Fpasswd", "out%2F..%2Flog.txt")
    for path in ("secret", "etc/passwd", "log.txt", "out", *outside):
        refused = client.get(f"/api/v1/trials/{key}/files/{path}")
        assert (refused.status_code, refused.headers["content-type"]) == (404, "application/problem+json"), path
        assert "the trial wrote no file" in refused.json()["detail"]
    page = client.get(f"/trials/{key}").text
    assert f'<a href="/api/v1/trials/{key}/files/out/gr%C3%B6%C3%9Fe%201.bin">out/größe 1.bin</a>' in page


def test_a_trial_that_has_not_started_has_no_files(client: TestClient, post: Post) -> None:
    [cell, *_] = client.get(post()["links"]["trials"]).json()["items"]
    answer = client.get(f"/api/v1/trials/{cell['key']}/files")
    assert answer.status_code == 404
    assert "no files here: the trial has not started" in answer.json()["detail"]


def test_a_trained_study_has_its_correct_images_and_two_rows_are_compared_by_image(
    client: TestClient, document: dict[str, Any], finish: Finish
) -> None:
    study = client.post("/api/v1/studies", json={"study": document | {"rows": document["rows"][:2]}}).json()
    key = client.get(study["links"]["trials"]).json()["items"][0]["key"]
    early = client.get(f"/api/v1/trials/{key}/items")
    assert (early.status_code, early.json()["detail"].split(",")[0]) == (409, "the trial has not ended")
    finish(study["id"])
    trial = client.get(f"/api/v1/trials/{key}").json()
    assert "items" not in trial["outcome"]
    items = client.get(f"/api/v1/trials/{key[:12]}/items").json()
    listed = client.get(f"/api/v1/trials/{key}/items", params={"bits": "list"}).json()
    assert {name: items[name] for name in ("key", "n")} == {"key": key, "n": 355}
    assert np.unpackbits(np.frombuffer(base64.b64decode(items["bits"]), np.uint8), count=355).tolist() == listed["bits"]
    assert sum(listed["bits"]) == items["correct"]
    assert trial["metrics"]["top1_error_pct"] == 100 * (355 - items["correct"]) / 355
    assert client.get(f"/api/v1/trials/{key}/items", params={"bits": "hex"}).status_code == 422
    found = client.get(f"{study['links']['self']}/compare", params={"a": "FReLU", "b": "ReLU"}).json()
    assert found["images"]["test_images"] == 355
    assert found["images"]["diff"]["mean"] == pytest.approx(found["diff"]["mean"])
    assert found["images"]["sentences"][0].startswith("over seeds and test images (2 seeds x 355 images, 95 %): ")


def test_a_trial_without_correctness_by_image_says_so(client: TestClient, post: Post, finish: Finish) -> None:
    study = post()
    finish(study["id"])
    key = client.get(study["links"]["trials"]).json()["items"][0]["key"]
    answer = client.get(f"/api/v1/trials/{key}/items")
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("the trial kept no correctness by test image: another task or an earlier")
