"""API and scheduler as two processes on one PostgreSQL, as an operator runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.processes import END_S, install_task, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_two_processes_share_the_work_and_the_scheduler_may_go_and_come_back(tmp_path: Path, postgres_url: str) -> None:
    site = install_task(tmp_path / "site")
    home, log = tmp_path / "home", tmp_path / "scheduler.log"
    variables = {
        "ABLATE_DATABASE_URL": postgres_url, "ABLATE_DISPATCHER": "inline", "ABLATE_TRACKING_URI": "off",
        "ABLATE_HOME": str(home), "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    rows = [{"label": f"offset {offset}", "set": {"offset": float(offset)}} for offset in (1, 2)]
    study = {"name": "shared", "seeds": 2, "base": {"task": "gated", "gate": "open"}, "rows": rows}

    def start_scheduler() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "service.cli.main", "serve", "--role", "scheduler"]
        with log.open("ab") as file:
            return subprocess.Popen(command, env=os.environ | variables, stderr=file)

    def end(scheduler: subprocess.Popen[bytes]) -> None:
        scheduler.send_signal(signal.SIGTERM)
        assert scheduler.wait(END_S) == 0, log.read_text()[-3000:]

    scheduler = start_scheduler()
    try:
        with serving(home, site, role="api", **variables) as api:
            posted = api.client.post("/studies", {"study": study})
            until(lambda: len(api.runs()) >= 2, "both places are taken", log)
            end(scheduler)
            assert api.client.get(f"/studies/{posted['id']}")["progress"]["running"] == 0
            scheduler = start_scheduler()
            api.open_gate("open")
            done = api.wait_for(posted, "succeeded")
            assert done["progress"]["succeeded"] == 4
        end(scheduler)
    finally:
        scheduler.kill()
        scheduler.wait()
