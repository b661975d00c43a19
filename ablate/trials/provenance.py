"""Provenance of a number: code, versions, machine. Recorded with every trial, never part of its key."""

from __future__ import annotations

import hashlib
import os
import platform
import site
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

from ablate.settings import read_library_settings
from ablate.trials.gpus import visible_gpus

CPU = "cpu"
DRIVER = Path("/sys/module/nvidia/version")
"""File with the version of NVIDIA's kernel module."""
PACKAGES = ("ablate", "torch", "torchvision", "timm", "numpy")


@cache
def describe_process() -> dict[str, Any]:
    """Commit, versions, processor, threads, device and its driver of this process. Imports nothing heavy."""
    device = _device()
    return {
        "commit": _commit(),
        "lock": digest_of_packages(list_packages()),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "processor": _processor(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")) or None,
        "device": device,
        "driver": _driver() if device != CPU else None,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def list_packages() -> list[str]:
    """The packages of the environment, as `name==version`.

    Packages elsewhere on the path do not count: Ray puts some of its own there, in its workers only.
    """
    folders = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    return sorted({f"{one.metadata['Name']}=={one.version}".lower() for one in distributions(path=folders)})


def digest_of_packages(packages: Sequence[str]) -> str:
    """Digest of the names and versions of packages: equal if the same lock file was installed."""
    return hashlib.sha256("\n".join(packages).encode()).hexdigest()[:16]


def _commit() -> str | None:
    """Commit of the source checkout that this code runs from, with `+` for changes; None for any other installation."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--match="],
            capture_output=True, encoding="utf-8", errors="replace", timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _device() -> str:
    """`mps` where it is asked for; else the model of this machine's GPUs if the process may use one, else `cpu`.

    `GPU` stands for a model that is unknown.
    """
    if read_library_settings().device == "mps":
        return "mps"
    if not visible_gpus():
        return CPU
    try:
        files = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    except OSError:  # a container in which only the device is visible
        lines = []
    models = dict.fromkeys(line.split(":", 1)[1].strip() for line in lines if line.startswith("Model:"))
    return ", ".join(models) or "GPU"


def _driver() -> str | None:
    return DRIVER.read_text(encoding="utf-8").strip() if DRIVER.exists() else None
