"""What several test modules share: studies as plain documents, and a folder of data that was fetched once."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from ablate.settings import read_library_settings
from ablate.trials import registry
from tests.debian import SKIP_REASON

# A machine that is busy, or new (Hypothesis first writes tables of Unicode), says nothing about what is tested.
settings.register_profile("ablate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ablate")

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a job in the background; the processes of tests inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as with nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

for name in ("URL", "API_KEY", "DATABASE_URL", "RAY_ADDRESS", "TRACKING_URI", "DISPATCHER", "WORKERS"):
    os.environ.pop(f"ABLATE_{name}", None)  # a person who runs the tests may have a service of their own


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark that is set below."""
    config.addinivalue_line("markers", "postgres: needs a PostgreSQL server, which the tests start")


os.environ.setdefault("ABLATE_DATA", str(read_library_settings().data_root))  # fetched once, for all tests


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state directory for each test, since a home remembers every study that was run in it."""
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "home"))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch computes with one thread, so that the numbers do not depend on the machine's load."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SLOW = tuple(
    Path(__file__).parent / name
    for name in (
        "bundle", "fuzz", "models", "tasks", "training", "workers", "data/scenes", "tables/plots", "statistics/grids",
        "service/api", "service/dispatch", "service/running", "service/schedules", "service/store", "service/studies",
        "service/tracking", "service/web/test_line_numbers.py", "service/web/test_preview.py",
        "service/web/test_routes.py", "service/test_compose.py", "service/cli/test_schedules.py",
        "cli/test_app.py", "data/test_add_folder.py", "data/test_fetch.py", "data/test_imagenet.py",
        "local/test_needs.py", "statistics/agreement/test_printed.py", "statistics/drift/test_watch.py",
        "tables/formats/test_latex_compiles.py", "tables/test_history.py", "test_library.py", "test_wheel.py",
        "trials/test_record_comparison.py", "trials/test_run.py",
    )
)  # fmt: skip
"""Folders and files that train, build networks, draw, or use a database or processes: all of their tests are slow."""

QUICK = "not (slow or ray or postgres or browser)"
"""The marks of `make quick`, as `.ci/quick` writes them."""


def is_slow(path: Path) -> bool:
    """Whether all tests below a path are slow."""
    return any(path.is_relative_to(folder) for folder in SLOW)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import what `make quick` leaves out: torch, ray and mlflow take seconds."""
    return True if config.getoption("markexpr") == QUICK and is_slow(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow by its folder or file, and what uses a database of PostgreSQL."""
    for item in items:
        if is_slow(item.path):
            item.add_marker("slow")
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if "postgres_url" in getattr(item, "fixturenames", ()) or parameters.get("database_url") == "postgres":
            item.add_marker("postgres")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true, turn the skip of a test whose Debian package is missing into a failure."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and SKIP_REASON in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: with CI=true this test may not be skipped; {report.longrepr}"
    return report


@pytest.fixture
def document() -> dict[str, Any]:
    """A small study of three rows; tests change it as they like."""
    return {
        "name": "small",
        "seeds": 2,
        "base": {"dataset": "digits", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "steps": 8},
        "rows": [
            {"label": "ReLU", "set": {"activation": "relu"}},
            {"label": "FReLU"},
            {"label": "wide", "set": {"window": "5x5"}},
        ],
    }


TOY_TASK = '''
"""A task of ten lines: it answers what it is told, and touches no network."""
from pydantic import BaseModel, ConfigDict
from ablate.trials.trial import EpochMetrics, Outcome

class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True)
    offset: float = 0.0
    ending: str = "succeeded"
    tags: frozenset[str] = frozenset({"b", "a"})

class Toy:
    Recipe = Recipe
    metrics = {"error": True, "score": False}

    def run(self, recipe, seed, workdir):
        if recipe.ending == "raises":
            raise RuntimeError("the toy broke")
        if recipe.ending in ("dies", "killed", "faults"):
            import ctypes, os
            print("last words", end="", flush=recipe.ending == "faults")
            os.system("echo from a child >&2")
            if recipe.ending == "dies":
                os._exit(7)
            if recipe.ending == "killed":
                os.kill(os.getpid(), 9)
            ctypes.string_at(0)
        if recipe.ending == "junk":
            yield "garbage"
        if recipe.ending == "exits":
            raise SystemExit(5)
        if recipe.ending == "interrupts":
            raise KeyboardInterrupt
        if recipe.ending == "cancels":
            import asyncio
            raise asyncio.CancelledError("by itself")
        if recipe.ending == "surrogate":
            raise RuntimeError("b\\udc80d")
        if recipe.ending == "nan":
            yield EpochMetrics(step=1, steps=1, epoch=1.0, metrics={"error": float("nan")})
        yield EpochMetrics(step=1, steps=1, epoch=1.0, metrics={"error": 9.0})
        if recipe.ending == "silent":
            return
        metrics = {"error": 1.0 + recipe.offset + 0.1 * seed, "score": 0.5} if recipe.ending == "succeeded" else {}
        yield Outcome(status=recipe.ending, metrics=metrics, reason=None if metrics else "as told", train_s=0.5)

task = Toy()
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A task `toy`, installed as an operator installs one: a module on the path and an entry point.

    Worker processes see it too, through PYTHONPATH.
    """
    site = tmp_path / "site"
    (site / "toy-1.dist-info").mkdir(parents=True)
    (site / "toy_task.py").write_text(TOY_TASK)
    (site / "toy-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1\n")
    (site / "toy-1.dist-info" / "entry_points.txt").write_text("[ablate.tasks]\ntoy = toy_task:task\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    importlib.invalidate_caches()
    registry.get_installed.cache_clear()
    yield "toy"
    registry.get_installed.cache_clear()
    sys.modules.pop("toy_task", None)


CHAIN_TASKS = '''
"""Two tasks: `base` trains a number and leaves it in a file, `chain` starts from one that `base` has left."""
from pathlib import Path
from pydantic import BaseModel, ConfigDict
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome

def note(text):
    with (Path(__file__).parent / "runs.txt").open("a") as file:
        file.write(text + "\\n")

class BaseRecipe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    level: float = 10.0
    ending: str = "succeeded"

class Base:
    Recipe = BaseRecipe
    metrics = {"error": True}

    def run(self, recipe, seed, workdir):
        note(f"base {recipe.level:g} {seed}")
        step = int((workdir / "step.txt").read_text()) if (workdir / "step.txt").exists() else 0
        for step in range(step + 1, 4):
            (workdir / "step.txt").write_text(str(step))
            yield EpochMetrics(step=step, steps=3, epoch=float(step), metrics={"error": 1.0})
        if recipe.ending == "raises" and not (Path(__file__).parent / "mended").exists():
            raise RuntimeError("the base broke")
        if recipe.ending == "dies":
            import os
            os._exit(7)
        if recipe.ending == "diverges":
            yield Outcome(status="diverged", reason="the loss is nan")
            return
        if recipe.ending != "forgets":
            (workdir / "weights.txt").write_text(str(recipe.level + seed))
        yield Outcome(status="succeeded", metrics={"error": recipe.level}, train_s=1.0)

    def is_trained(self, workdir):
        return (workdir / "weights.txt").exists()

class ChainRecipe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    offset: float = 0.0
    backbone: BaseRecipe | None = None

class Chain:
    Recipe = ChainRecipe
    metrics = {"error": True}

    def needs(self, recipe):
        return {"backbone": ("base", recipe.backbone)} if recipe.backbone else {}

    def run(self, recipe, seed, workdir, needs):
        note(f"chain {recipe.offset:g} {seed}")
        yield Heartbeat(step=0, steps=1)
        start = float((needs["backbone"] / "weights.txt").read_text()) if needs else 0.0
        yield EpochMetrics(step=1, steps=1, epoch=1.0, metrics={"error": start})
        yield Outcome(status="succeeded", metrics={"error": start + recipe.offset}, train_s=2.0)

base = Base()
chain = Chain()
'''


def install_chain(site: Path) -> Path:
    """Install the tasks `base` and `chain` as an operator does, into a folder for PYTHONPATH."""
    (site / "chain-1.dist-info").mkdir(parents=True)
    (site / "chain_tasks.py").write_text(CHAIN_TASKS)
    (site / "chain-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: chain\nVersion: 1\n")
    points = "[ablate.tasks]\nbase = chain_tasks:base\nchain = chain_tasks:chain\n"
    (site / "chain-1.dist-info" / "entry_points.txt").write_text(points)
    return site


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Tasks `base` and `chain`, installed. The folder of their code, with `runs.txt` of what began."""
    site = install_chain(tmp_path / "chain-site")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])]))
    importlib.invalidate_caches()
    registry.get_installed.cache_clear()
    yield site
    registry.get_installed.cache_clear()
    sys.modules.pop("chain_tasks", None)
