"""What several test modules share: studies as plain documents, and a folder of data that was fetched once."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from ablate import tasks

# A machine that is busy, or new (Hypothesis first writes tables of Unicode), says nothing about what is tested.
settings.register_profile("ablate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ablate")

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a job in the background; the processes of tests inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

for name in ("URL", "API_KEY", "DATABASE_URL", "RAY_ADDRESS", "TRACKING_URI", "DISPATCHER", "WORKERS"):
    os.environ.pop(f"ABLATE_{name}", None)  # whoever runs the tests may have a service of their own


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
from ablate.trial import EpochMetrics, Outcome

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
        if recipe.ending == "dies":
            import os
            os._exit(7)
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
    tasks.get_task.cache_clear()
    yield "toy"
    tasks.get_task.cache_clear()
    sys.modules.pop("toy_task", None)
