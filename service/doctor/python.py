"""Python, its packages against the lock, and torch with its device."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from ablate.trials.gpus import visible_gpus
from service.doctor.findings import Finding, error, ok, warning

OLDEST, NEWEST = (3, 11), (3, 13)
LOCK = Path(__file__).parents[2] / ".ci" / "requirements.lock"
TORCH_S = 8.0
TORCH = """
import json, torch
cuda = torch.cuda.is_available()
print(json.dumps({
    "version": torch.__version__,
    "cuda": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())] if cuda else [],
    "mps": torch.backends.mps.is_available(),
    "built": torch.version.cuda,
}))
"""
SHOWN = 3


def find_python() -> Sequence[Finding]:
    """The version of Python."""
    text = f"{platform.python_version()} ({sys.executable})"
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        return [warning("python", text, "ablate is tested with Python 3.11 to 3.13; use one of these")]
    return [ok("python", text)]


def compare_packages() -> Sequence[Finding]:
    """Installed packages against the lock of a checkout, else against the requirements of the installation."""
    if LOCK.is_file():
        differing, of = list(_differing(LOCK.read_text(encoding="utf-8").splitlines())), "the lock"
        advice = "`make install` installs what the lock names"
    else:
        differing, of = list(_differing(requires("ablate") or [])), "the requirements of ablate"
        advice = "install ablate again: pip install --upgrade ablate"
    if not differing:
        return [ok("packages", f"as {of} names them")]
    more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    return [warning("packages", f"differ from {of}: {', '.join(differing[:SHOWN])}{more}", advice)]


def _differing(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:  # an option of pip, or a comment
            continue
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            yield f"{wanted.name} is missing ({wanted.specifier})"
            continue
        if not wanted.specifier.contains(re.sub(r"\+.*", "", found), prereleases=True):  # "+cpu" is a build
            yield f"{wanted.name} {found} ({wanted.specifier})"


def find_torch() -> Sequence[Finding]:
    """torch and the device that it trains on. It is imported by a process of its own, which may die of it."""
    gpus = visible_gpus()
    if find_spec("torch") is None:
        return [warning("torch", "is not installed, so this machine cannot train", "pip install '.[run]'")]
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", TORCH], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/",
            timeout=TORCH_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [
            warning("torch", f"was not imported within {TORCH_S:g} s", "the disk or the CPU may be busy; try again")
        ]
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"its process ended with status {done.returncode}"])[-1]
        return [error("torch", f"cannot be imported: {last}", "install it: `make install`, or pip install '.[run]'")]
    found = json.loads(done.stdout.splitlines()[-1])
    if found["cuda"]:
        return [ok("torch", f"{found['version']}, trains on {', '.join(found['cuda'])}")]
    if gpus:
        why = "was built without CUDA" if found["built"] is None else "cannot use its driver"
        text = f"{found['version']}, trains on the CPU: this machine has {len(gpus)} GPU(s), and torch {why}"
        return [warning("torch", text, "install a torch that fits the driver that `nvidia-smi` shows")]
    mps = "; Apple's GPU (MPS) is there, and ablate does not use it" if found["mps"] else ""
    return [ok("torch", f"{found['version']}, trains on the CPU{mps}")]
