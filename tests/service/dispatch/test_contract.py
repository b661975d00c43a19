"""The contract of every dispatcher, tested with real processes and a real Ray."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from ablate.study.resources import Resources
from ablate.trials import gpus
from ablate.trials.provenance import describe_process
from ablate.trials.trial import EpochMetrics, Outcome
from service.dispatch.inline import InlineDispatcher
from service.dispatch.interface import Dispatcher, TrialLost, TrialMessage
from service.dispatch.leftovers import is_alive
from service.dispatch.own_process import Apart
from service.dispatch.ray import RayDispatcher
from tests.traps import folder_of_traps

if TYPE_CHECKING:
    from tests.service.dispatch.conftest import Stage

WORKERS = 2


def _ray_beside(devices: Path, home: Path) -> RayDispatcher:
    """Ray's dispatcher in a process of its own, which finds the GPUs of this folder of devices."""
    gpus.DEVICES = devices
    return RayDispatcher(home, None, WORKERS)


@pytest.fixture(scope="module", params=["inline", pytest.param("ray", marks=pytest.mark.ray)])
def stage(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    play: Path,
    open_stage: Callable[[Dispatcher, Path], Stage],
) -> Iterator[Stage]:
    """One dispatcher for all tests, on a machine of which it believes that it has two GPUs."""
    folder = tmp_path_factory.mktemp("trials")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder_of_traps(tmp_path_factory.mktemp("traps")))
        patch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        devices = tmp_path_factory.mktemp("dev")
        for number in range(2):
            (devices / f"nvidia{number}").touch()
        patch.setattr(gpus, "DEVICES", devices)
        patch.setenv("ABLATE_DATABASE_URL", "postgresql://ablate:hush@db/ablate")
        patch.setenv("SOME_API_TOKEN", "hush")
        patch.setenv("UNLISTED", "x")
        home = tmp_path_factory.mktemp("home")
        dispatcher: Dispatcher = InlineDispatcher(WORKERS)
        if request.param == "ray":
            dispatcher = Apart("ray", partial(_ray_beside, devices, home), home)
        stage = open_stage(dispatcher, folder)
        stage.call(dispatcher.start)
        yield stage
        stage.close()


@pytest.fixture(autouse=True)
def _emptied(stage: Stage) -> Iterator[None]:
    yield
    stage.empty()


@pytest.mark.parametrize(
    ("ending", "status", "reason"),
    [
        ("succeeded", "succeeded", ""),
        ("diverged", "diverged", "as told"),
        ("silent", "failed", "ended without an outcome"),
        (
            "raises",
            "failed",
            "FileNotFoundError: no file .../data.bin here (traceback in the trial's traceback.txt and log)",
        ),
    ],
)
def test_the_last_word_of_a_trial_is_its_outcome(stage: Stage, ending: str, status: str, reason: str) -> None:
    ticket = stage.submit(ending)
    end = stage.end_of(ticket)
    outcome = stage.outcome(end)
    assert outcome.status == status, outcome.reason
    assert reason in (outcome.reason or "")
    assert "/" not in (outcome.reason or "").replace(".../", ""), "a reason names no folder of the machine"
    assert isinstance(end, TrialMessage)
    assert end.provenance["processor"]
    assert end.provenance["lock"] == describe_process()["lock"], "Ray has packages of its own on the path"
    assert stage.poll() == []


def test_messages_come_in_their_order_and_only_the_outcome_says_where_it_comes_from(stage: Stage) -> None:
    ticket = stage.submit(steps=500)
    reports = stage.hear(ticket)[ticket.trial.key]
    messages = [report.message for report in reports if isinstance(report, TrialMessage)]
    assert [message.step for message in messages if isinstance(message, EpochMetrics)] == list(range(1, 501))
    assert isinstance(messages[-1], Outcome)
    assert messages[-1].items is not None
    assert messages[-1].items.is_correct().tolist() == [True, False] * 4 + [True]
    assert not any(report.provenance for report in reports[:-1] if isinstance(report, TrialMessage))
    assert all(report.ticket == ticket for report in reports)


def test_a_worker_that_dies_costs_its_own_trial_only(stage: Stage, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    neighbour = stage.submit(gate=str(gate))
    stage.hear_first(neighbour)
    end = stage.end_of(stage.submit("dies"))
    assert isinstance(end, TrialLost)
    assert end.kind == "worker"
    words = (end.ticket.workdir / "log.txt").read_text()
    assert words.index("the play begins") < words.index("last words") < words.index("lost: its worker process")
    assert "/" not in end.reason
    assert stage.room() == 1, "the place of the dead is free, that of the neighbour is not"
    assert stage.outcome(stage.end_of(stage.submit())).status == "succeeded"
    gate.touch()
    assert stage.outcome(stage.end_of(neighbour)).status == "succeeded"


def test_a_fault_of_the_machine_is_reported_as_one_and_spares_the_worker(stage: Stage) -> None:
    ticket = stage.ticket()
    ticket.workdir.touch()  # a file in place of the folder
    stage.give(ticket)
    end = stage.end_of(ticket)
    assert isinstance(end, TrialLost)
    assert end.kind == "environment"
    assert end.reason == "FileExistsError: File exists"
    assert stage.outcome(stage.end_of(stage.submit())).status == "succeeded"


@pytest.mark.parametrize("ending", ["full", "wrapped"])
def test_a_full_disk_is_not_charged_to_the_trial_that_meets_it(stage: Stage, ending: str) -> None:
    end = stage.end_of(stage.submit(ending))
    assert isinstance(end, TrialLost)
    assert (end.kind, end.reason) == ("environment", "the disk is full, or has no room for another file")


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("huge step", "reported a step that is not a number between 0 and 2^53"),
        ("unchecked", "reported a step that is not a number between 0 and 2^53"),
        ("long name", "reported a metric name that is empty, not printable or longer than 128 characters"),
        ("back", "reported step 3 after the point of the curve at step 5"),
    ],
)
def test_a_trial_that_reports_what_is_not_allowed_has_failed(stage: Stage, ending: str, reason: str) -> None:
    outcome = stage.outcome(stage.end_of(stage.submit(ending)))
    assert outcome.status == "failed"
    assert outcome.reason == f"{reason} (traceback in the trial's traceback.txt and log)"


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("forges", "its worker reported a step that is not a number between 0 and 2^53"),
        ("forges garbage", "its worker sent something that is not a message"),
    ],
)
def test_a_worker_that_sends_what_is_not_allowed_loses_its_own_trial(stage: Stage, ending: str, reason: str) -> None:
    """The task changes our code in its process, so that nothing is checked there."""
    end = stage.end_of(stage.submit(ending))
    assert isinstance(end, TrialLost)
    assert (end.kind, end.reason) == ("worker", reason)
    assert stage.outcome(stage.end_of(stage.submit())).status == "succeeded", "in a new worker"


def test_a_long_reason_is_cut_with_a_mark(stage: Stage) -> None:
    reason = stage.outcome(stage.end_of(stage.submit("talks"))).reason
    assert reason is not None
    assert len(reason) == 2000
    assert reason.endswith("x ... (cut)")


def test_room_is_what_is_free_and_several_run_at_once(stage: Stage, tmp_path: Path) -> None:
    assert stage.room() == WORKERS
    assert stage.room(cpus=2) == 1
    first, second = (stage.submit(gate=str(tmp_path / name)) for name in ("first", "second"))
    assert stage.room() == stage.room(cpus=2) == stage.room(gpus=0.5) == 0
    stage.hear_first(first, second)
    (tmp_path / "second").touch()
    assert stage.outcome(stage.end_of(second)).status == "succeeded"
    assert stage.room() == 1
    (tmp_path / "first").touch()
    assert stage.outcome(stage.end_of(first)).status == "succeeded"
    assert stage.room() == WORKERS


def test_poll_does_not_wait_where_nothing_runs(stage: Stage) -> None:
    began = time.monotonic()
    assert stage.poll(20.0) == []
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("ending", ["succeeded", "spins"])
def test_a_stopped_trial_is_gone_within_two_seconds(stage: Stage, tmp_path: Path, ending: str) -> None:
    ticket = stage.submit(ending, gate=str(tmp_path / "never"))
    stage.hear_first(ticket)
    process = psutil.Process(int((ticket.workdir / "pid").read_text()))
    if ending == "spins":
        stage.wait_until((ticket.workdir / "spinning").exists)
    began = time.monotonic()
    stage.stop(ticket)
    stage.stop(ticket)
    end = stage.end_of(ticket)
    took_s = time.monotonic() - began
    assert isinstance(end, TrialLost)
    assert end.kind == "stopped"
    assert took_s < 2.0
    assert ending == "succeeded" or not process.is_running()
    assert stage.room() == WORKERS
    (tmp_path / "never").touch()
    assert stage.outcome(stage.end_of(stage.submit())).status == "succeeded"
    assert stage.poll() == [], "nothing is heard of the stopped one any more"


def test_a_trial_is_stopped_before_it_began(stage: Stage) -> None:
    ticket = stage.submit("spins")
    stage.stop(ticket)
    end = stage.end_of(ticket, within_s=2.0)
    assert isinstance(end, TrialLost)
    assert end.kind == "stopped"
    assert stage.outcome(stage.end_of(stage.submit())).status == "succeeded"


def test_what_a_stopped_trial_had_started_is_gone_too(stage: Stage) -> None:
    ticket = stage.submit("parent")
    stage.wait_until((ticket.workdir / "spinning").exists)
    child = psutil.Process(int((ticket.workdir / "child").read_text()))
    assert child.is_running()
    stage.stop(ticket)
    stage.end_of(ticket)
    assert not is_alive(child)


def test_what_a_dead_worker_had_started_does_not_live_on(stage: Stage) -> None:
    ticket = stage.submit("abandons")
    stage.end_of(ticket)
    pid = int((ticket.workdir / "child").read_text())
    stage.wait_until(lambda: not psutil.pid_exists(pid) or not is_alive(psutil.Process(pid)))


def test_a_ticket_that_is_not_known_is_not_stopped(stage: Stage) -> None:
    stage.stop(stage.ticket())
    assert stage.poll() == []


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        (Resources(cpus=1024), "no machine is large enough for a trial of 1024 CPUs; machines: 1 x "),
        (Resources(gpus=4.0), "no machine is large enough for a trial of 1 CPU and 4 GPUs; machines: 1 x "),
    ],
)
def test_a_demand_that_no_machine_holds_is_infeasible(stage: Stage, resources: Resources, reason: str) -> None:
    assert stage.room(cpus=resources.cpus, gpus=resources.gpus) == 0
    end = stage.end_of(stage.submit("succeeded", resources))
    assert isinstance(end, TrialLost)
    assert end.kind == "infeasible"
    assert reason in end.reason


def test_the_log_tells_what_happened(stage: Stage) -> None:
    good, bad = stage.submit(steps=2), stage.submit("raises")
    stage.hear(good, bad)
    lines = (good.workdir / "log.txt").read_text().splitlines()
    assert "attempt 1, seed 0, on " in lines[0]
    assert lines[1:4] == ["the play begins", "a remark", f"attempt 1 of {good.trial.key}"]
    assert [line.split(" ", 1)[1] for line in lines[4:]] == [
        "step 1 of 2: error 1", "step 2 of 2: error 0.5", "succeeded: error 0.5",
    ]  # fmt: skip
    text = (bad.workdir / "log.txt").read_text()
    assert "failed: FileNotFoundError" in text
    assert "Traceback (most recent call last)" in text


def test_another_attempt_goes_on_in_the_same_log(stage: Stage) -> None:
    ticket = stage.submit("raises")
    stage.end_of(ticket)
    again = type(ticket)(ticket.trial, 2, ticket.resources, ticket.workdir)
    stage.give(again)
    stage.end_of(again)
    text = (ticket.workdir / "log.txt").read_text()
    assert text.index("attempt 1") < text.index("attempt 2")
    assert text.count("Traceback") == 2


@pytest.mark.parametrize(
    ("resources", "threads", "gpus"),
    [
        (Resources(), "1", {""}),
        (Resources(cpus=2), "2", {""}),
        (Resources(gpus=0.5), "1", {"0", "1"}),
        (Resources(gpus=2), "1", {"0,1", "1,0"}),
    ],
)
def test_a_trial_sees_its_threads_and_its_gpu_and_no_secret(
    stage: Stage, resources: Resources, threads: str, gpus: set[str]
) -> None:
    ticket = stage.submit("tells", resources)
    stage.end_of(ticket)
    variables = json.loads((ticket.workdir / "environ.json").read_text())
    assert variables["OMP_NUM_THREADS"] == threads
    assert variables["CUDA_VISIBLE_DEVICES"] in gpus
    assert variables["MALLOC_TOP_PAD_"] == "268435456"
    assert "hush" not in str(variables)
    assert "UNLISTED" not in variables
    assert {"PATH", "HOME", "PYTHONPATH"} <= variables.keys()


def test_a_trial_runs_in_the_working_directory_and_imports_nothing_from_it(stage: Stage) -> None:
    ticket = stage.submit("tells")
    stage.end_of(ticket)
    found = json.loads((ticket.workdir / "folders.json").read_text())
    assert found["here"] == str(Path.cwd())
    assert found["here"] not in map(os.path.realpath, found["path"])


def test_two_trials_share_a_gpu_when_each_asks_for_half(stage: Stage, tmp_path: Path) -> None:
    assert stage.room(gpus=0.5) == WORKERS
    half = Resources(gpus=0.5)
    tickets = [stage.submit("succeeded", half, gate=str(tmp_path / "gate")) for _ in range(WORKERS)]
    stage.hear_first(*tickets)
    (tmp_path / "gate").touch()
    assert {stage.outcome(said[-1]).status for said in stage.hear(*tickets).values()} == {"succeeded"}
