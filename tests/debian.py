"""Debian packages that some tests need: which are missing, and what a test does without its package.

On a desk such a test is skipped with the command to install the package. With `CI=true` it fails: see
`tests/conftest.py`. `python tests/debian.py` prints the missing packages, one a line; `.ci/test` reads them.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

COMPOSE = (["docker", "compose"], ["docker-compose"])
SKIP_REASON = "needs the Debian package"


def _has_latex(file: str) -> bool:
    if not (shutil.which("pdflatex") and shutil.which("kpsewhich")):
        return False
    return subprocess.run(["kpsewhich", file], capture_output=True).returncode == 0


def compose_command() -> list[str] | None:
    """The command of Docker Compose on this machine: the plugin, else the old program; None: there is none."""
    for command in COMPOSE:
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    return None


PACKAGES: dict[str, Callable[[], bool]] = {
    "chromium": lambda: Path("/usr/bin/chromium").exists(),
    "dataset-fashion-mnist": lambda: Path("/usr/share/datasets/fashion-mnist").is_dir(),
    "docker-compose": lambda: compose_command() is not None,
    "poppler-utils": lambda: shutil.which("pdftotext") is not None,
    "postgresql": lambda: any(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
    "texlive-fonts-recommended": partial(_has_latex, "ptmr7t.tfm"),  # 5 MB: Times of IEEEtran
    "texlive-latex-extra": partial(_has_latex, "totpages.sty"),  # 41 MB: packages that acmart loads
    "texlive-latex-recommended": partial(_has_latex, "booktabs.sty"),
    "texlive-publishers": partial(_has_latex, "IEEEtran.cls"),  # 21 MB: IEEEtran, acmart, llncs
    "texlive-science": partial(_has_latex, "siunitx.sty"),  # 82 MB, 78 of them Greek fonts that it depends on
}
"""Package -> whether it is installed."""


def need(package: str) -> None:
    """Skip the running test, or what uses the running fixture, where a package is missing."""
    if not PACKAGES[package]():
        pytest.skip(f"{SKIP_REASON} {package}: sudo apt-get install {package}")


if __name__ == "__main__":
    print(*(package for package, is_installed in PACKAGES.items() if not is_installed()), sep="\n")
