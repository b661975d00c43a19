"""What importing the library costs: no heavy package, also after a module is added."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "torchvision", "ray", "mlflow", "fastapi", "sqlalchemy", "pandas", "sklearn", "timm")

EVERY_MODULE = """
import importlib, json, pkgutil, sys
import ablate
WITH_TORCH = ("ablate.models", "ablate.training", "ablate.activations", "ablate.tasks")

def names(path, prefix):
    for found in pkgutil.iter_modules(path, prefix):
        if found.name in WITH_TORCH or found.name.endswith("__main__"):
            continue
        yield found.name
        if found.ispkg:
            yield from names(importlib.import_module(found.name).__path__, found.name + ".")

tasks = [task.split(":")[0] for task in importlib.import_module("ablate.trials.registry").BUILT_IN.values()]
imported = [*names(ablate.__path__, "ablate."), *tasks]
for name in imported:
    importlib.import_module(name)
print(json.dumps([imported, sorted(sys.modules)]))
"""


def modules_after(code: str) -> set[str]:
    """The modules that a new process has after running some code."""
    code += "\nimport sys; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return set(shown.splitlines()[-1].split())


def test_no_module_of_the_library_imports_a_heavy_package_except_where_networks_are() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", EVERY_MODULE], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    imported, modules = json.loads(shown)
    assert {"ablate.local.study", "ablate.remote.client", "ablate.tasks.classify.task"} <= set(imported)
    assert not set(HEAVY) & set(modules)


@pytest.mark.parametrize(
    "code",
    ["import ablate", "from ablate.cli.app import status_of; status_of(['--help'])"],
    ids=["import ablate", "ablate --help"],
)
def test_the_package_and_its_help_load_nothing_that_is_slow(code: str) -> None:
    slow = {*HEAVY, "numpy", "scipy", "matplotlib", "pydantic", "httpx2"}
    assert not slow & modules_after(code)


def test_the_help_of_the_whole_command_loads_nothing_that_is_slow() -> None:
    code = "import service.cli.main; from ablate.cli.app import status_of; assert status_of(['--help']) == 0"
    assert not {*HEAVY, "numpy", "scipy", "matplotlib"} & modules_after(code)


def test_ablate_is_imported_in_less_than_0_3_s_of_cpu_time() -> None:
    code = "import time; begin = time.process_time(); import ablate; print(time.process_time() - begin)"
    taken = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert float(taken) < 0.3
