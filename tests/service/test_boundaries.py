"""Every thread and background task has a boundary: a new one has to be placed here, with what catches its errors."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
STARTERS = ("Thread", "create_task", "ensure_future", "start_soon", "run_in_executor", "ThreadPoolExecutor")

BOUNDARIES = {
    "service/running/threads.py": "_keep: logs the error, waits, and starts the thread again",
    "service/tracking/ui.py": "_supervise: OSError of the child is logged; the child is started again",
    "service/serve.py": "_end_in_time only waits and ends the process",
    "service/http/server.py": "uvicorn: errors of requests are answered by service.api.guard.Frame",
    "ablate/workers/child.py": "end_group only waits for the parent to end",
    "service/doctor/examine.py": "answer: an error of a probe is a finding",
    "ablate/data/add_folder.py": "map: an error of a file is raised in the caller",
    "ablate/data/fashion_mnist_sources.py": "ask: its answer, or its error, is put into a queue",
}


def test_every_thread_task_and_process_is_listed_with_its_boundary() -> None:
    found = set()
    for folder in ("ablate", "service"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _name(node.func) in STARTERS:
                    found.add(path.relative_to(ROOT).as_posix())
    assert found == set(BOUNDARIES)


def test_broad_excepts_are_in_boundaries_only() -> None:
    allowed = {
        "service/faults/boundary.py", "service/faults/steps.py", "service/running/threads.py", "service/api/guard.py",
        "service/tracking/mirror_process.py", "service/doctor/examine.py",
        "service/running/keeper.py", "service/dispatch/ray_cluster.py",  # close what they made, and raise again
    }  # fmt: skip
    found = set()
    for path in sorted((ROOT / "service").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_broad = isinstance(node, ast.ExceptHandler) and (
                node.type is None or _name(node.type) in ("Exception", "BaseException")
            )
            if is_broad:
                found.add(path.relative_to(ROOT).as_posix())
    assert found == allowed


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
