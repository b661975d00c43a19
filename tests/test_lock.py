"""The lock serves laptops too: nothing that a locked package needs is missing, by the packages' own metadata."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

LOCK = Path(__file__).parents[1] / ".ci" / "requirements.lock"
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
MACOS = {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"}
MACHINES = {
    "linux x86_64": {**LINUX, "platform_machine": "x86_64"},
    "linux aarch64": {**LINUX, "platform_machine": "aarch64"},
    "macos arm64": {**MACOS, "platform_machine": "arm64"},
}
PYTHONS = ("3.11", "3.12", "3.13")
CUDA = ("nvidia-", "cuda-", "triton")
"""Pinned for x86_64 only, whose wheel of torch has the metadata here. Elsewhere pip takes what its own wheel needs."""


def locked(environment: dict[str, str]) -> dict[str, str]:
    """The packages that the lock installs on a machine: name -> version."""
    wanted = [Requirement(line) for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in wanted
        if one.marker is None or one.marker.evaluate({**environment, "extra": ""})
    }


def unmet(environment: dict[str, str]) -> Iterator[str]:
    """What a locked package needs on a machine, and the lock does not have."""
    versions = locked(environment)
    for name, version in versions.items():
        try:
            found = metadata(name)
        except PackageNotFoundError:  # not installed here, such as CUDA beside a torch for CPUs
            continue
        needs_python = found.get("Requires-Python")
        if needs_python and not SpecifierSet(needs_python).contains(environment["python_full_version"]):
            yield f"{name} {version} needs Python {needs_python}"
        for line in found.get_all("Requires-Dist") or []:
            need = Requirement(line)
            if need.marker is not None and not need.marker.evaluate({**environment, "extra": ""}):
                continue
            if need.name.startswith(CUDA) and environment["platform_machine"] != "x86_64":
                continue
            has = versions.get(canonicalize_name(need.name))
            if has is None or not need.specifier.contains(has, prereleases=True):
                yield f"{name} {version} needs {line}; the lock has {has}"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("machine", MACHINES)
def test_the_lock_is_complete(machine: str, python: str) -> None:
    here = {name: str(value) for name, value in default_environment().items()}
    environment = {**here, **MACHINES[machine], "python_version": python, "python_full_version": f"{python}.9"}
    assert list(unmet(environment)) == []
    has_cuda = any(name.startswith(CUDA) for name in locked(environment))
    assert has_cuda == (machine == "linux x86_64")


def install(folder: Path, answers: str, **variables: str) -> tuple[int, str, list[str]]:
    """`make install` with a Python that only writes down what it is asked; (status, output, calls of pip)."""
    (folder / ".ci").mkdir()
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in (".ci/install", ".ci/requirements.lock", "pyproject.toml"):
        shutil.copy(LOCK.parents[1] / name, folder / name)
    python = folder / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\necho "$*" >> {folder}/calls\ncase "$*" in {answers} *) exit 0;; esac\n')
    python.chmod(0o755)
    done = subprocess.run([folder / ".ci" / "install"], capture_output=True, text=True, env={**os.environ, **variables})
    calls = folder / "calls"
    lines = calls.read_text().splitlines() if calls.exists() else []
    return done.returncode, done.stdout + done.stderr, [line for line in lines if line.startswith("-m pip")]


NO_TORCH = "-c*|-) exit 1;;"


def test_torch_for_the_cpu_comes_from_an_index_that_has_it(tmp_path: Path) -> None:
    status, output, calls = install(tmp_path, NO_TORCH, TORCH="cpu", TORCH_INDEX="http://index.example/cpu")
    assert status == 0, output
    version = locked({"sys_platform": "linux", "platform_machine": "x86_64"})["torch"]
    assert f"--index-url http://index.example/cpu torch=={version} torchvision==" in calls[0]
    assert "about 200 MB to download" in output


def test_without_such_an_index_the_usual_build_is_taken(tmp_path: Path) -> None:
    status, output, calls = install(tmp_path, "*--index-url*) exit 1;; " + NO_TORCH, TORCH="cpu")
    assert status == 0, output
    assert "has no torch" in output
    assert "--requirement .ci/requirements.lock" in calls[1]


def test_another_word_for_torch_is_refused(tmp_path: Path) -> None:
    status, output, calls = install(tmp_path, NO_TORCH, TORCH="gpu")
    assert (status, calls) == (2, [])
    assert "TORCH is 'gpu'; allowed: cpu, or nothing" in output
