"""The whole service as a user runs it: real processes, Ray, MLflow, HTTP, and a look at what is left afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from ablate.cli.app import status_of
from tests.conftest import install_chain
from tests.service.conftest import chain_study
from tests.service.processes import END_S, Running, install_task, serving, until

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with serving(folder / "home", install_chain(install_task(folder / "site"))) as running:
        yield running


def gated(name: str, *offsets: float, gate: str = "", seeds: int = 2) -> dict[str, Any]:
    rows = [{"label": f"offset {offset:g}", "set": {"offset": offset}} for offset in offsets]
    return {"name": name, "seeds": seeds, "base": {"task": "gated", "gate": gate}, "rows": rows}


def runs_of(running: Running, study: dict[str, Any]) -> list[Any]:
    """The study's MLflow runs, as MLflow's own API behind our proxy gives them."""
    experiments = {"filter": f"name = '{study['name']}'", "max_results": 10}
    url = f"{running.client.url}/mlflow/ajax-api/2.0/mlflow"
    found = httpx2.post(f"{url}/experiments/search", json=experiments).json()
    ids = [one["experiment_id"] for one in found.get("experiments", [])]
    answer = httpx2.post(f"{url}/runs/search", json={"experiment_ids": ids, "max_results": 100}).json()
    return [run for run in answer.get("runs", []) if tags_of(run)["ablate.study_id"] == study["id"]]


def tags_of(run: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def test_trials_on_ray_start_from_the_weights_of_those_that_they_need(running: Running) -> None:
    posted = running.client.post("/studies", {"study": chain_study(seeds=2)})
    assert running.wait_for(posted, "succeeded")["progress"]["succeeded"] == 8
    table = running.client.get(f"/studies/{posted['id']}/table")
    found = {row["label"]: row["cells"]["error"]["values"] for row in table["rows"]}
    assert found == {"A": {"0": 5.0, "1": 6.0}, "B": {"0": 6.0, "1": 7.0}}
    until(lambda: len(runs_of(running, posted)) == 9, "MLflow has the study and its trials", running.log)
    tags = [tags_of(run) for run in runs_of(running, posted)]
    rows = sorted(one["ablate.row"] for one in tags if "ablate.row" in one)
    assert rows == sorted(["(backbone) A", "A", "(backbone) B", "B"] * 2)


def test_a_real_study_over_rest_gives_the_numbers_of_ablate_run(
    running: Running, document: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "study.json"
    file.write_text(json.dumps(document))
    waited = running.ablate("submit", str(file), "--wait")
    assert waited.returncode == 0, waited.stderr
    assert "| FReLU " in waited.stdout
    assert "[6]" in waited.stderr
    assert status_of(["run", str(file), "--out", str(tmp_path / "out")]) == 0
    here = json.loads((tmp_path / "out" / "table.json").read_text())
    there = json.loads(running.ablate("table", "small", "--format", "json").stdout)
    assert [row["cells"] for row in there["rows"]] == [row["cells"] for row in here["rows"]]
    assert [row["trials"] for row in there["rows"]] == [row["trials"] for row in here["rows"]]
    assert [row["params"] for row in there["rows"]] == [row["params"] for row in here["rows"]]
    exported = running.ablate("export", "small", str(tmp_path / "small.zip"))
    assert exported.returncode == 0, exported.stderr
    assert status_of(["verify", str(tmp_path / "small.zip")]) == 0
    saved = running.ablate("table", "small", "--out", str(tmp_path / "saved"))
    assert saved.returncode == 0, saved.stderr
    assert {path.name for path in (tmp_path / "saved").iterdir()} >= {
        "table.tex",
        "table.csv",
        "seeds.csv",
        "forest.svg",
        "seeds.png",
    }


def test_mlflow_shows_the_study_its_trials_and_its_tables(running: Running) -> None:
    study = running.client.post("/studies", {"study": gated("shown", 0.0, 1.0)})
    assert running.wait_for(study, "succeeded")["progress"]["succeeded"] == 4
    until(lambda: [run["info"]["status"] for run in runs_of(running, study)] == ["FINISHED"] * 5, "5 runs", running.log)
    runs = runs_of(running, study)
    (parent,) = [run for run in runs if "ablate.trial_key" not in tags_of(run)]
    children = [run for run in runs if run is not parent]
    assert {tags_of(run)["mlflow.parentRunId"] for run in children} == {parent["info"]["run_id"]}
    assert {(tags_of(run)["ablate.row"], tags_of(run)["ablate.seed"]) for run in children} == {
        (row, seed) for row in ("offset 0", "offset 1") for seed in ("0", "1")
    }
    link = lambda: running.client.get(f"/studies/{study['id']}")["links"]["mlflow"]  # noqa: E731
    until(lambda: link() is not None, "the study links to its run", running.log)
    assert f"/runs/{parent['info']['run_id']}?" in link()
    artifact = {"run_uuid": parent["info"]["run_id"], "path": "table.md"}
    text = httpx2.get(f"{running.client.url}/mlflow/get-artifact", params=artifact).text
    assert text == running.client.get_text(f"/studies/{study['id']}/table", format="md", notes="true")
    values = httpx2.get(f"{running.client.url}/mlflow/get-artifact", params=artifact | {"path": "seeds.csv"}).text
    assert values == running.client.get_text(f"/studies/{study['id']}/seeds.csv")


def test_a_shared_baseline_is_trained_once_and_a_cancel_leaves_it_to_the_other(running: Running) -> None:
    one = running.client.post("/studies", {"study": gated("one", 10.0, 11.0, gate="shared", seeds=1)})
    two = running.client.post("/studies", {"study": gated("two", 10.0, 12.0, gate="shared", seeds=1)})
    assert two["progress"]["shared"] == 1
    running.wait_for(one, "running")
    assert running.client.post(f"/studies/{one['id']}/cancel")["state"] == "cancelled"
    running.open_gate("shared")
    assert running.wait_for(two, "succeeded")["progress"]["succeeded"] == 2
    assert [offset for offset, _, _ in running.runs()].count("10") == 1


def test_a_running_trial_is_cancelled_within_two_seconds(running: Running) -> None:
    study = running.client.post("/studies", {"study": gated("endless", 20.0, gate="never", seeds=1)})
    until(lambda: any(offset == "20" for offset, _, _ in running.runs()), "it runs", running.log)
    (cell,) = running.client.get(f"/studies/{study['id']}/trials")["items"]
    running.client.post(f"/studies/{study['id']}/cancel")
    log = lambda: running.client.get_text(f"/trials/{cell['key']}/log")  # noqa: E731
    began = time.monotonic()
    until(lambda: log().rstrip().endswith("stopped"), "the trial is stopped", running.log, timeout_s=10)
    assert time.monotonic() - began < 2
    assert "the task says hello" in log()
    after = running.client.post("/studies", {"study": gated("after", 21.0, seeds=1)})
    running.wait_for(after, "succeeded")


def test_a_broken_stream_of_events_goes_on_without_a_gap(running: Running) -> None:
    study = running.client.post("/studies", {"study": gated("streamed", 30.0, 31.0, gate="stream")})
    url = f"{running.client.url}/api/v1/studies/{study['id']}/events"

    def read(last_id: str = "", most: int = 1000) -> list[tuple[int, str, str]]:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        found = []
        with httpx2.stream("GET", url, headers=headers, timeout=END_S) as answer:
            for event in httpx2.EventSource(answer):
                if not event.data:
                    continue
                found.append((int(event.id), event.event, json.loads(event.data).get("state", "")))
                if len(found) == most:
                    break
        return found

    first = read(most=2)
    running.open_gate("stream")
    rest = read(str(first[-1][0]))
    assert rest[-1][1:] == ("done", "succeeded")
    everything = [event for event in read() if event[1] == "trial" and event[2] != "running"]
    seen = [event for event in first + rest if event[1] == "trial" and event[2] != "running"]
    assert [event[0] for event in seen] == [event[0] for event in everything]


def test_after_kill_9_it_goes_on_trains_nothing_twice_and_mlflow_tells_the_truth(tmp_path: Path) -> None:
    site = install_task(tmp_path / "site")
    study = gated("killed", 0.0, 1.0, 2.0, seeds=1)
    study["rows"][1]["set"]["gate"] = study["rows"][2]["set"]["gate"] = "later"
    with serving(tmp_path / "home", site) as first:
        posted = first.client.post("/studies", {"study": study})
        until(lambda: len(first.runs()) == 3, "two of three are under way", first.log)
        below = psutil.Process(first.process.pid).children(recursive=True)
        first.process.kill()
        first.process.wait()
    with serving(tmp_path / "home", site) as second:
        assert not [process for process in below if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
        until(lambda: len(second.runs()) == 5, "the two that ran are started again", second.log)
        second.open_gate("later")
        done = second.wait_for(posted, "succeeded")
        assert done["progress"]["succeeded"] == 3
        assert [offset for offset, _, _ in second.runs()].count("0") == 1
        until(lambda: {run["info"]["status"] for run in runs_of(second, posted)} == {"FINISHED"}, "final", second.log)
        assert len(runs_of(second, posted)) == 4


def test_a_ray_that_is_killed_under_running_trials_takes_neither_service_nor_results_along(tmp_path: Path) -> None:
    site = install_task(tmp_path / "site")
    with serving(tmp_path / "home", site) as running:
        posted = running.client.post("/studies", {"study": gated("shaken", 0.0, 1.0, gate="open", seeds=1)})
        for number, victim in enumerate(["raylet", "gcs_server", "raylet"], 1):
            until(lambda: len(running.runs()) >= 2 * number, f"both run, attempt {number}", running.log)  # noqa: B023
            below = psutil.Process(running.process.pid).children(recursive=True)
            next(process for process in below if process.name() == victim).kill()
        until(lambda: len(running.runs()) >= 8, "both run again", running.log)
        running.open_gate("open")
        done = running.wait_for(posted, "succeeded")
        assert done["progress"]["succeeded"] == 2
        until(lambda: {run["info"]["status"] for run in runs_of(running, posted)} == {"FINISHED"}, "final", running.log)


def test_a_second_service_on_the_same_state_says_who_has_it(running: Running) -> None:
    refused = running.ablate("serve", "--port", "0")
    assert refused.returncode == 2
    assert f"pid {running.process.pid}" in refused.stderr
