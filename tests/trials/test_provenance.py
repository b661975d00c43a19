"""What is recorded of the process that trained a trial."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ablate.trials.provenance import describe_process

PRINT = "from ablate.trials.provenance import describe_process; print(describe_process()['lock'])"


def test_packages_that_are_not_of_the_environment_do_not_change_its_lock(tmp_path: Path) -> None:
    for name in ("psutil", "someones_own"):
        folder = tmp_path / f"{name}-99.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 99.0\n")
    inherited = os.environ.get("PYTHONPATH", "")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (str(tmp_path), inherited)))}
    found = subprocess.run([sys.executable, "-c", PRINT], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == describe_process()["lock"]
