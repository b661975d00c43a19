"""Tasks: what the base class answers by default, and installed objects that do not subclass it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from ablate.errors import TrialError
from ablate.recipes.classify import ClassifyRecipe
from ablate.recipes.scenes import DetectRecipe, SegmentRecipe
from ablate.trials.registry import get_task
from ablate.trials.task import NO_NEEDS, ForeignTask, Task
from ablate.trials.trial import Message, Outcome

OPTIONAL = ("inspect", "time_steps", "measure", "is_trained")
Install = Callable[[str], Any]


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True)
    level: float = 0.0


class Bare(Task[Settings]):
    Recipe = Settings
    metrics: Mapping[str, bool] = {"error": True}

    def run(
        self, recipe: Settings, seed: int, workdir: Path, needs: Mapping[str, Path] = NO_NEEDS
    ) -> Iterator[Message]:
        yield Outcome(status="succeeded", metrics={"error": recipe.level + seed})


class Weighty(Bare):
    def is_trained(self, workdir: Path) -> bool:
        return workdir.exists()


@pytest.fixture
def installed(install: Callable[[str], None]) -> Install:
    """Installs the code of a task, and returns the task."""

    def put(code: str) -> Any:
        install(code)
        return get_task("own").task

    return put


def test_a_task_of_one_method_has_an_answer_to_every_other() -> None:
    task, recipe = Bare(), Settings(level=2.0)
    assert [message.metrics for message in task.run(recipe, 1, Path())] == [{"error": 3.0}]
    task.check(recipe)
    assert (task.needs(recipe), task.counted_network(recipe), task.preload) == ({}, None, ())
    assert not any(task.offers(part) for part in OPTIONAL)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match=r"Bare has no inspect; call it only where offers\('inspect'\)"):
        task.inspect(recipe)


def test_a_task_offers_what_it_overrides() -> None:
    assert [part for part in OPTIONAL if Weighty().offers(part)] == ["is_trained"]  # type: ignore[arg-type]


def test_the_tasks_of_ablate_are_tasks_that_name_the_network_they_are_counted_by() -> None:
    recipes = {"classify": ClassifyRecipe(), "detect": DetectRecipe(), "segment": SegmentRecipe()}
    for name, recipe in recipes.items():
        task = get_task(name).task
        assert isinstance(task, Task)
        assert not isinstance(task, ForeignTask)
        assert isinstance(recipe, task.Recipe)
        assert isinstance(task.counted_network(recipe), ClassifyRecipe)
        assert (task.offers("inspect"), task.offers("time_steps"), task.preload) == (True, True, ("torch",))
    assert [name for name in recipes if get_task(name).task.offers("is_trained")] == ["classify"]
    assert [name for name in recipes if get_task(name).task.offers("measure")] == ["classify"]


def test_a_plain_object_is_wrapped_and_keeps_what_it_has(chain: Path, tmp_path: Path) -> None:
    base, chained = get_task("base").task, get_task("chain").task
    assert isinstance(base, ForeignTask)
    assert (base.offers("is_trained"), chained.offers("is_trained")) == (True, False)
    assert not base.is_trained(tmp_path)
    recipe = chained.Recipe(backbone=base.Recipe(level=5.0))
    assert (base.needs(recipe), chained.needs(recipe)) == ({}, {"backbone": ("base", recipe.backbone)})
    assert (base.preload, base.counted_network(recipe)) == ((), None)


TWO = """
from pydantic import BaseModel, ConfigDict
from ablate.trials.task import NO_NEEDS, Task
from ablate.trials.trial import Cost, Outcome

class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True)

class Own(Task[Recipe]):
    Recipe = Recipe
    metrics = {"error": True}

    def run(self, recipe, seed, workdir, needs=NO_NEEDS):
        yield Outcome(status="succeeded", metrics={"error": 1.0})

class Plain:
    Recipe = Recipe
    metrics = {"error": True}

    def run(self, recipe, seed, workdir):
        yield Outcome(status="succeeded", metrics={"error": 1.0})

    def inspect(self, recipe):
        return Cost(params=7, params_without_norm=6, multiply_adds=5)
"""


def test_an_installed_subclass_offers_what_it_overrides(installed: Install) -> None:
    task = installed(TWO + "task = Own()\n")
    assert isinstance(task, ForeignTask)
    assert not any(task.offers(part) for part in OPTIONAL)  # type: ignore[arg-type]
    assert (task.preload, task.needs(task.Recipe()), task.counted_network(task.Recipe())) == ((), {}, None)
    assert get_task("own").identity.startswith("own@")


def test_workers_of_a_plain_task_that_builds_networks_import_torch_first(installed: Install) -> None:
    task = installed(TWO + "task = Plain()\n")
    assert (task.preload, task.offers("inspect"), task.inspect(task.Recipe()).params) == (("torch",), True, 7)


def test_a_class_in_place_of_an_instance_is_refused_with_what_to_write(installed: Install) -> None:
    with pytest.raises(TrialError, match=r"task 'own' is the class Own; install an instance: task = Own\(\)"):
        installed(TWO + "task = Own\n")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("task = object()", "task 'own' lacks Recipe, metrics, run; a task has Recipe, metrics and run"),
        ("task = Plain()\nPlain.Recipe = dict", "task 'own': Recipe is not a frozen pydantic model"),
        ("task = Plain()\nPlain.metrics = {}", "task 'own' declares no metric"),
    ],
)
def test_an_object_that_is_not_a_task_is_refused_by_what_it_lacks(installed: Install, code: str, text: str) -> None:
    with pytest.raises(TrialError, match=text):
        installed(TWO + code)


def test_the_base_class_is_imported_without_torch() -> None:
    code = "import sys, ablate.trials.task, ablate.trials.registry; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
