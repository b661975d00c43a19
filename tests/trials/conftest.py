"""Tasks that are installed as an operator does it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ablate.trials import registry


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Installs the code of a module, with its object `task` as task `own`."""
    site = tmp_path / "own-site"

    def put(code: str) -> None:
        (site / "own-1.dist-info").mkdir(parents=True)
        (site / "own_task.py").write_text(code)
        (site / "own-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1\n")
        (site / "own-1.dist-info" / "entry_points.txt").write_text("[ablate.tasks]\nown = own_task:task\n")
        monkeypatch.syspath_prepend(str(site))
        importlib.invalidate_caches()
        registry.get_installed.cache_clear()

    yield put
    registry.get_installed.cache_clear()
    sys.modules.pop("own_task", None)
