"""The packages of the optional parts, and what to install where one is missing."""

from __future__ import annotations

from importlib.util import find_spec

from ablate.study.plan import Plan, task_of

EXTRA_OF = {
    "faster_coco_eval": "run",
    "optuna": "run",
    "safetensors": "run",
    "sklearn": "run",
    "torch": "run",
    "torchvision": "run",
    "tensorboard": "tensorboard",
    "alembic": "service",
    "cronsim": "service",
    "fastapi": "service",
    "jinja2": "service",
    "markdown_it": "service",
    "mlflow": "service",
    "prometheus_client": "service",
    "psutil": "service",
    "ray": "service",
    "sqlalchemy": "service",
    "starlette": "service",
    "uvicorn": "service",
    "matplotlib": "notebook",
    "pandas": "notebook",
    "psycopg": "postgres",
    "timm": "zoo",
}
"""Name of an import -> the smallest extra of pyproject.toml that installs it."""


def describe_missing(error: ModuleNotFoundError) -> str | None:
    """What to install for a package that could not be imported; None if it belongs to no extra."""
    name = (error.name or "").partition(".")[0]
    return describe_package(name) if name in EXTRA_OF else None


def describe_package(name: str) -> str:
    """What to install for an import in `EXTRA_OF`."""
    return f"this needs {name}: pip install '.[{EXTRA_OF[name]}]' (in a checkout of ablate)"


def require(name: str) -> None:
    """Stop if a package is not installed.

    Args:
        name: of an import in `EXTRA_OF`.

    Raises:
        ModuleNotFoundError: with the name of the package, and the extra that installs it.
    """
    if find_spec(name) is None:
        raise ModuleNotFoundError(describe_package(name), name=name)


def can_train(plan: Plan) -> bool:
    """Whether the packages are installed that the study's task imports for every trial."""
    return all(find_spec(name) is not None for name in _packages_of(plan))


def require_training(plan: Plan) -> None:
    """Stop before any worker starts if `can_train` is false.

    Raises:
        ModuleNotFoundError: with the name of the package, and the extra that installs it.
    """
    for name in (*_packages_of(plan), "matplotlib"):  # a run ends with plots
        require(name)


def _packages_of(plan: Plan) -> list[str]:
    """Packages of our extras that workers import before their first trial; a task of an operator may need none."""
    return [name for name in task_of(plan).preload if name in EXTRA_OF]
