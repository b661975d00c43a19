"""A Ray of our own: closed to strangers, given up when it breaks, gone when its service is, however that ended."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from service.dispatch.interface import Dispatcher, DispatcherError
from service.dispatch.leftovers import FILE, end, is_alive, sweep
from service.dispatch.own_process import Apart
from service.dispatch.ray import RayDispatcher
from service.dispatch.ray_home import RayHome

if TYPE_CHECKING:
    from tests.service.dispatch.conftest import Stage

pytestmark = pytest.mark.ray

STRANGER = """
import sys
from ray._raylet import GcsClient
print(GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None))
"""

SERVICE = """
import sys, threading
from functools import partial
from pathlib import Path
from ablate.study.resources import Resources
from ablate.trials.trial import Trial
from service.dispatch.interface import Ticket
from service.dispatch.own_process import Apart
from service.dispatch.ray import RayDispatcher

home = Path(sys.argv[1])
dispatcher = Apart("ray", partial(RayDispatcher, home, None, 1), home)
def schedule():
    dispatcher.start()
    trial = Trial(key="k", task="play", recipe={"ending": "parent"}, seed=0)
    dispatcher.submit(Ticket(trial, 1, Resources(), home / "trial"))
    while not (home / "trial" / "child").exists():
        dispatcher.poll(0.1)
    print("running", flush=True)
    while True:
        dispatcher.poll(1.0)
scheduler = threading.Thread(target=schedule)
scheduler.start()
scheduler.join()
"""

GUEST = """
import sys
from pathlib import Path
from ablate.study.resources import Resources
from ablate.trials.trial import Trial
from service.dispatch.interface import Ticket
from service.dispatch.ray import RayDispatcher

home = Path(sys.argv[1])
dispatcher = RayDispatcher(home, sys.argv[2], 1)
dispatcher.start()
print(dispatcher.machines())
trial = Trial(key="k", task="play", recipe={}, seed=0)
dispatcher.submit(Ticket(trial, 1, Resources(), home / "trial"))
reports = []
while not any(report.message.kind == "outcome" for report in reports):
    reports += dispatcher.poll(1.0)
print(reports[-1].message.status)
dispatcher.close()
"""


def ray_apart(home: Path, workers: int) -> Apart:
    """A Ray of our own, as the service has it."""
    return Apart("ray", partial(RayDispatcher, home, None, workers), home)


def address_of(processes: set[psutil.Process]) -> str:
    """The address of the Ray that these processes are."""
    words = next(process.cmdline() for process in processes if process.name() == "raylet")
    return next(word.split("=", 1)[1] for word in words if word.startswith("--gcs-address="))


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, play: Path, open_stage: Callable[[Dispatcher, Path], Stage]
) -> Iterator[Stage]:
    """A Ray without GPUs, so that its trials run in the processes that it keeps ready."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        patch.setenv("http_proxy", "http://proxy.invalid:3128")
        patch.setenv("ABLATE_API_KEY", "hush")
        handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        variables = dict(os.environ)
        stage = open_stage(ray_apart(home, 2), home)
        stage.call(stage.dispatcher.start)
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
        assert variables.items() <= os.environ.items()
        assert "RAY_AUTH_TOKEN_PATH" not in os.environ
        yield stage
        stage.close()


def test_a_trial_runs_in_a_process_that_ray_kept_ready(stage: Stage) -> None:
    ticket = stage.submit("tells")
    stage.end_of(ticket)
    variables = json.loads((ticket.workdir / "environ.json").read_text())
    assert variables["OMP_NUM_THREADS"] == "1"
    assert variables["CUDA_VISIBLE_DEVICES"] == ""
    assert variables["MALLOC_TOP_PAD_"] == "268435456"


def test_ray_listens_on_loopback_only(stage: Stage, children: Callable[[], set[psutil.Process]]) -> None:
    listening = [
        connection.laddr.ip
        for process in {psutil.Process(), *children()}
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 5
    assert all(_is_loopback(address) for address in listening), listening


def _is_loopback(address: str) -> bool:
    found = ip_address(address)
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def test_a_stranger_without_the_token_is_refused(stage: Stage, children: Callable[[], set[psutil.Process]]) -> None:
    address = address_of(children())
    tokens = {
        "": {},
        "wrong": {"RAY_AUTH_TOKEN": "0" * 64},
        "right": {"RAY_AUTH_TOKEN_PATH": f"{stage.folder}/ray_token"},
    }
    ended = {}
    for name, variables in tokens.items():
        command = [sys.executable, "-c", STRANGER, address]
        environment = os.environ | ({"RAY_AUTH_MODE": "token"} if variables else {}) | variables
        ended[name] = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "session_name" in ended["right"].stdout
    for name in ("", "wrong"):
        assert ended[name].stdout == ""
        assert "AuthenticationError" in ended[name].stderr


def test_what_ray_writes_is_ours_alone_and_its_processes_know_no_secret_and_no_proxy(
    stage: Stage, children: Callable[[], set[psutil.Process]]
) -> None:
    home = stage.folder
    assert stat.S_IMODE((home / "ray_token").stat().st_mode) == 0o600
    words = {word for process in children() for word in process.cmdline() if word.endswith("/sockets/plasma_store")}
    (folder,) = {Path(word.split("=", 1)[-1]).parents[2] for word in words}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for process in children():
        text = "\n".join(f"{name}={value}" for name, value in process.environ().items())
        assert "hush" not in text
        assert "proxy.invalid" not in text or process.pid == stage.dispatcher.pid
        assert (home / "ray_token").read_text() not in text


def test_a_warm_worker_that_died_meanwhile_costs_no_trial_and_another_service_may_use_the_cluster(
    stage: Stage, children: Callable[[], set[psutil.Process]], tmp_path: Path
) -> None:
    stage.end_of(stage.submit())
    end(process for process in children() if process.name().startswith("ray::TrialWorker"))
    address = address_of(children())
    command = [sys.executable, "-c", GUEST, str(tmp_path), address]
    guest = {"RAY_AUTH_TOKEN_PATH": f"{stage.folder}/ray_token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    ended = subprocess.run(command, env=os.environ | guest, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines()[-2:] == ["[Machine(cpus=2, gpus=0.0)]", "succeeded"]
    assert stage.outcome(stage.end_of(stage.submit())).status == "succeeded"


@pytest.mark.parametrize("victim", ["gcs_server", "raylet", "the process that uses Ray"])
def test_a_broken_ray_is_said_to_be_broken_and_another_takes_its_place(
    play: Path,
    tmp_path: Path,
    children: Callable[[], set[psutil.Process]],
    open_stage: Callable[..., Stage],
    victim: str,
) -> None:
    """Killed while a trial computes; none of its processes may run next to the new one, and this process continues."""
    before = children()
    first = open_stage(ray_apart(tmp_path, 1), tmp_path)
    first.call(first.dispatcher.start)
    ticket = first.submit("spins")
    first.hear_first(ticket)
    (process,) = (
        process
        for process in children() - before
        if process.name() == victim or (process.pid == first.dispatcher.pid and victim.startswith("the process"))
    )
    process.kill()
    began = time.monotonic()
    with pytest.raises(DispatcherError):
        first.hear(ticket)
    with pytest.raises(DispatcherError):
        first.call(first.dispatcher.machines)
    first.call(first.dispatcher.close)
    assert children() == before
    assert time.monotonic() - began < 20
    again = open_stage(ray_apart(tmp_path, 1), tmp_path)
    again.call(again.dispatcher.start)
    assert again.outcome(again.end_of(again.submit())).status == "succeeded"
    again.close()
    assert children() == before
    assert not (tmp_path / "ray_token").exists()


def test_nothing_is_left_of_a_killed_service_after_a_sweep(play: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVICE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "running\n"
        below = psutil.Process(service.pid).children(recursive=True)
        service.kill()
    recorded = json.loads((tmp_path / FILE).read_text())["started_s"]
    assert len(recorded) >= 8
    assert any(is_alive(process) for process in below), "Ray outlives a kill -9: this is what sweep is for"
    assert sweep(tmp_path) > 0
    assert [process for process in below if is_alive(process)] == []
    RayHome(tmp_path, has_gpus=False).clear()


@pytest.mark.parametrize("name", ["long" * 20, "ü"])  # Ray encodes the path in ASCII
def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    home = tmp_path / name
    home.mkdir()
    folder = RayHome(home, has_gpus=False).folder
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()
    folder.symlink_to(home)
    with pytest.raises(DispatcherError, match="belongs to another user"):
        RayHome(home, has_gpus=False)


def test_a_short_home_holds_ray_and_earlier_sessions_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("service.dispatch.ray_home._MOST_SOCKET_BYTES", 1000)
    old = tmp_path / "ray" / "session_2020-01-01_00-00-00_000000_1"
    (old / "logs").mkdir(parents=True)
    (tmp_path / "ray" / "session_latest").symlink_to(old)
    own = RayHome(tmp_path, has_gpus=True)
    assert own.folder == tmp_path / "ray"
    assert list(own.folder.iterdir()) == []
    assert "CUDA_VISIBLE_DEVICES" not in own.variables
