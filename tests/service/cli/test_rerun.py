"""`ablate rerun` against a service that runs: a trial by its key and as a cell of a study, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import install_chain
from tests.service.conftest import chain_study
from tests.service.processes import Running, install_task, serving, until

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("rerun")
    options = {"ABLATE_DISPATCHER": "inline", "ABLATE_TRACKING_URI": "off", "ABLATE_WORKERS": "1"}
    with serving(folder / "home", install_chain(install_task(folder / "site")), **options) as running:
        yield running


def gated(name: str, gate: str = "") -> dict[str, Any]:
    rows = [{"label": "offset: 1", "set": {"offset": 1.0}}]
    return {"name": name, "seeds": [0, 4], "base": {"task": "gated", "gate": gate}, "rows": rows}


def test_a_real_training_of_the_service_is_equal_at_the_desk(running: Running, document: dict[str, Any]) -> None:
    posted = running.client.post("/studies", {"study": {**document, "seeds": 1, "rows": document["rows"][1:2]}})
    running.wait_for(posted, "succeeded")
    (cell,) = running.client.get(f"/studies/{posted['id']}/trials")["items"]
    stored = running.client.get(f"/trials/{cell['key']}")
    done = running.ablate("rerun", cell["key"][:10], "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["key"], answer["verdict"], answer["notes"]) == (cell["key"], "equal", [])
    assert {name: pair["now"] for name, pair in answer["metrics"].items()} == stored["outcome"]["metrics"]
    assert answer["first_difference_step"] is None
    assert list(answer["provenance"]) == ["commit", "lock", "device"]
    assert not any(answer["provenance"][name]["differs"] for name in ("lock", "device")), "a commit may come meanwhile"
    assert running.client.get(f"/trials/{cell['key']}") == stored


def test_a_cell_is_named_by_study_row_and_seed_and_what_is_wrong_is_said(running: Running) -> None:
    posted = running.client.post("/studies", {"study": gated("toys")})
    running.wait_for(posted, "succeeded")
    for study in ("toys", posted["id"]):
        done = running.ablate("rerun", f"{study}:offset: 1:4")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("equal: ")
    for target, text in {
        "toys:offset 1:4": "no row 'offset 1' in study toys; did you mean 'offset: 1'?",
        "toys:offset: 1:5": "no seed 5 of row 'offset: 1' in study toys; it has 0, 4",
        "none:offset: 1:4": "no study has the id or the name 'none'",
        "0" * 8: "no trial with that key",
    }.items():
        refused = running.ablate("rerun", target)
        assert refused.returncode == 2
        assert text in refused.stderr


def test_a_trial_that_has_not_ended_is_told_with_its_state(running: Running) -> None:
    posted = running.client.post("/studies", {"study": gated("endless", gate="never")})
    trials = f"/studies/{posted['id']}/trials"
    until(lambda: running.client.get(trials)["items"][0]["state"] == "running", "one runs", running.log)
    for seed, state in ((0, "running"), (4, "queued")):
        refused = running.ablate("rerun", f"endless:offset: 1:{seed}")
        assert refused.returncode == 2
        assert f"is {state}" in refused.stderr
        assert f"`ablate watch {posted['id']}` waits for it" in refused.stderr
    running.client.post(f"/studies/{posted['id']}/cancel")
    refused = running.ablate("rerun", "endless:offset: 1:4")
    assert f"`ablate retry {posted['id']}` queues it again" in refused.stderr


def test_without_a_service_it_ends_with_3(running: Running) -> None:
    done = running.ablate("rerun", "0" * 8, "--url", "http://127.0.0.1:1")
    assert done.returncode == 3
    assert "ablate serve" in done.stderr


def test_a_trial_that_needed_another_is_trained_from_its_weights_or_those_are_trained_again(running: Running) -> None:
    posted = running.client.post("/studies", {"study": chain_study(rows={"A": {"offset": 1.0}, "B": {}})})
    assert running.wait_for(posted, "succeeded")["progress"]["succeeded"] == 4
    assert (running.site / "runs.txt").read_text().splitlines()[-3:] == ["base 10 0", "chain 1 0", "chain 0 0"]
    done = running.ablate("rerun", "chains:A:0", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["verdict"], answer["metrics"]["error"]["now"], answer["notes"]) == ("equal", 11.0, [])
    assert (running.site / "runs.txt").read_text().splitlines()[-2:] == ["chain 0 0", "chain 1 0"]

    needed = running.client.get(f"/trials/{answer['key']}")["needs"]["backbone"]
    (running.home / "trials" / needed[:2] / needed / "weights.txt").unlink()
    done = running.ablate("rerun", "chains:A:0", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    told = f"its backbone, trial {needed[:12]}, is trained again first, since its weights are not on this machine"
    assert (answer["verdict"], answer["notes"]) == ("equal", [told])
    assert (running.site / "runs.txt").read_text().splitlines()[-2:] == ["base 10 0", "chain 1 0"]
    assert f"needs    backbone {needed[:12]}" in running.ablate("trial", answer["key"][:12]).stdout
