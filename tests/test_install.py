"""`make install` puts packages into .venv, whatever the settings of pip are."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = """#!/bin/sh
[ "$2" = pip ] && env | grep ^PIP_ >> pip.env
exit 0
"""
"""Stands for the Python of .venv: it writes which settings pip would see."""


def test_settings_of_pip_for_other_installations_are_not_passed_on(tmp_path: Path) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").write_text(PYTHON)
    (tmp_path / ".venv/bin/python").chmod(0o755)
    (tmp_path / ".ci").mkdir()
    for name in (".ci/install", ".ci/requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    others = {"PIP_TARGET": "/x", "PIP_PREFIX": "/x", "PIP_ROOT": "/x", "PIP_REQUIRE_VIRTUALENV": "1"}
    wanted = {"PIP_INDEX_URL": "https://mirror.example.org/simple"}
    subprocess.run([".ci/install"], cwd=tmp_path, env=os.environ | others | wanted | {"PIP_USER": "1"}, check=True)
    seen = set((tmp_path / "pip.env").read_text().split())
    assert {"PIP_USER=0", "PIP_INDEX_URL=https://mirror.example.org/simple"} <= seen
    assert not [line for line in seen if line.partition("=")[0] in others]
