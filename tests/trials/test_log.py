"""The log of a trial has its last words, however it dies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablate.local.folder import Folder
from ablate.local.run import run_study
from ablate.study.plan import plan_document

HOW = {"dies": "status 7", "killed": "SIGKILL", "faults": "SIGSEGV"}


@pytest.mark.slow
def test_the_log_has_what_was_printed_before_a_worker_died_and_how_it_died(toy: str, tmp_path: Path) -> None:
    endings = [*HOW, "raises"]
    rows = [{"label": ending, "set": {"ending": ending}} for ending in endings]
    document: dict[str, Any] = {"name": "deaths", "seeds": 1, "base": {"task": toy}, "rows": rows}
    plan, folder = plan_document(document), Folder(tmp_path / "out")
    with folder.locked():
        list(run_study(plan, folder, 2))
    logs = {
        ending: (folder.workdir(plan.memberships[ending, 0]) / "log.txt").read_text(encoding="utf-8")
        for ending in endings
    }
    for ending, how in HOW.items():
        assert logs[ending].count("last words") == logs[ending].count("from a child") == 2, "two attempts"
        assert logs[ending].count("lost: its worker process") == logs[ending].count(how) == 2
    assert "Fatal Python error: Segmentation fault" in logs["faults"]
    assert "toy_task.py" in logs["faults"]
    assert "RuntimeError: the toy broke" in logs["raises"]
    assert all(line[:2] == "20" for text in logs.values() for line in text.splitlines() if " lost: " in line)
