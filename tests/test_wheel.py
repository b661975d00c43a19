"""The wheel: what is in it, and what works where only its base dependencies are installed."""

from __future__ import annotations

import email
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import ablate
from ablate.local.packages import EXTRA_OF

ROOT = Path(__file__).parents[1]
NOT_SHIPPED = ("service/Dockerfile", "service/Dockerfile.dockerignore")

WITHOUT_EXTRAS = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in REFUSED else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
sys.argv = ["ablate", *ARGUMENTS]
from ablate.__main__ import main
main()
"""
"""Runs the console script in a process that finds no package of an extra, as in a base install."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with the content of the wheel."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def base(site: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `ablate` of the wheel in an empty folder, without the packages of any extra."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = f"REFUSED, ARGUMENTS = {set(EXTRA_OF)!r}, {list(arguments)!r}\n{WITHOUT_EXTRAS}"
        environment = {**os.environ, "PYTHONPATH": str(site), "ABLATE_HOME": str(tmp_path / "home")}
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment
        )

    return run


@pytest.fixture
def study(document: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "study.json"
    path.write_text(json.dumps(document))
    return path


def test_the_wheel_has_every_file_and_the_studies_inside_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = f"ablate-{ablate.__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"ablate", "service", info}
    tracked = subprocess.run(
        ["git", "ls-files", "ablate", "service", "studies"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.splitlines()
    shipped = {("ablate/" if name.startswith("studies/") else "") + name for name in tracked} - set(NOT_SHIPPED)
    assert shipped <= names
    assert {"ablate/py.typed", "ablate/studies/published.json", "service/web/static/page.css"} <= names


def test_the_base_dependencies_hold_no_package_of_an_extra(site: Path) -> None:
    (info,) = site.glob("*.dist-info")
    metadata = email.message_from_string((info / "METADATA").read_text(encoding="utf-8"))
    assert metadata["Version"] == ablate.__version__
    needed = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    base = {one.name.lower() for one in needed if one.marker is None}
    assert "numpy" in base
    assert not base & {name.lower().replace("_", "-") for name in EXTRA_OF}
    assert "ablate" not in {one.name for one in needed}, "an extra that names ablate would be taken from PyPI"
    assert "ablate = ablate.__main__:main" in (info / "entry_points.txt").read_text()


def test_a_base_install_checks_a_study_and_speaks_to_a_service(
    base: Callable[..., subprocess.CompletedProcess[str]], study: Path
) -> None:
    assert base("--version").stdout.splitlines()[0] == f"ablate {ablate.__version__}"
    assert base("--help").returncode == 0
    checked = base("check", str(study), "--json")
    assert (checked.returncode, json.loads(checked.stdout)["distinct"]) == (0, 6)
    assert "costs are not counted: this needs torch: pip install '.[run]'" in checked.stderr
    sent = base("submit", str(study), "--url", "http://127.0.0.1:9")
    assert (sent.returncode, sent.stdout) == (3, "")
    assert "no answer from http://127.0.0.1:9" in sent.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "study.json"], "this needs torch: pip install '.[run]'"),
        (["check", "study.json", "--probe"], "this needs torch: pip install '.[run]'"),
        (["sites", "resnet50"], "this needs torch: pip install '.[run]'"),
        (["serve"], "pip install '.[service]'"),
    ],
)
def test_a_command_whose_part_is_missing_names_the_extra(
    base: Callable[..., subprocess.CompletedProcess[str]], study: Path, arguments: list[str], text: str
) -> None:
    ended = base(*arguments)
    assert ended.returncode == 2
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_the_wheel_trains_a_study_that_is_anywhere(site: Path, study: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "ablate", "run", str(study), "--workers", "1", "--seeds", "1", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    assert [row["n_ok"] for row in json.loads(ended.stdout)["rows"]] == [1, 1, 1]
    assert (tmp_path / "ablate-out" / "small-base" / "forest.png").exists()


def test_no_text_tells_a_user_to_install_another_project() -> None:
    """On PyPI the name `ablate` is another project's."""
    command = ["git", "grep", "-IlE", "pip install ['\"]?ablate", "--", ".", ":!tests/test_wheel.py"]
    assert subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout == ""
