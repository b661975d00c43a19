"""A test whose Debian package is missing: skipped on a desk with the command to install it, failed with CI=true."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDS_LATEX = "tests/tables/formats/test_latex_compiles.py::test_a_table_without_rows_that_ended_compiles"


def without_programs(*arguments: str, ci: str | None) -> subprocess.CompletedProcess[str]:
    """Run Python where no program is found, as on a machine without the packages."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"PATH": "/nowhere", **({"CI": ci} if ci else {})}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_the_missing_packages_are_printed_one_a_line() -> None:
    printed = without_programs("tests/debian.py", ci=None).stdout.splitlines()
    assert {"docker-compose", "poppler-utils", "texlive-latex-recommended"} <= set(printed)


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "status"), [(None, 0), ("true", 1)])
def test_a_test_without_its_package_is_skipped_on_a_desk_and_fails_in_ci(ci: str | None, status: int) -> None:
    done = without_programs("-m", "pytest", "-rs", "-p", "no:cacheprovider", NEEDS_LATEX, ci=ci)
    assert done.returncode == status, done.stdout
    assert "needs the Debian package texlive-latex-recommended" in done.stdout
    assert ("may not be skipped" in done.stdout) is (ci == "true")
