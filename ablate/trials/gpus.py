"""The NVIDIA GPUs that this process may use, and those that a trial was promised. Does not import torch."""

from __future__ import annotations

import os
from pathlib import Path

DEVICES, DRIVER = Path("/dev"), Path("/proc/driver/nvidia/gpus")
VISIBLE = "CUDA_VISIBLE_DEVICES"
PROMISED = "ABLATE_TRIAL_GPUS"
"""Variable of a worker with the number of GPUs that each of its trials may use; see `promised_gpus`."""
BY_NAME = ("GPU-", "MIG-")
"""How a GPU, or a part of one, starts that is not named by its number."""


def visible_gpus() -> list[str]:
    """Ids of the NVIDIA GPUs that this process may use, in the words of `CUDA_VISIBLE_DEVICES`.

    That variable is read as CUDA reads it: an entry that names no GPU of this machine, such as `-1` or `NoDevFiles`,
    hides itself and all entries after it, and an entry that is given twice hides all
    (https://docs.nvidia.com/cuda/cuda-programming-guide, environment variables).
    """
    there = _gpus_of_machine()
    chosen = os.environ.get(VISIBLE)
    if chosen is None:
        return there
    names = [name.strip() for name in chosen.split(",")]
    found = []
    for name in names:
        if not _is_there(name, there):
            break
        found.append(name)
    return found if len(set(found)) == len(found) else []


def promised_gpus() -> int:
    """Number of GPUs that the trials of this process were promised; 0 in a process that is not a worker."""
    return int(os.environ.get(PROMISED) or 0)


def _gpus_of_machine() -> list[str]:
    """Numbers of this machine's GPUs. Windows Subsystem for Linux shows its GPU as one device of another name."""
    files = [file.name.removeprefix("nvidia") for file in DEVICES.glob("nvidia[0-9]*")]
    numbers = sorted((name for name in files if name.isdigit()), key=int)
    return numbers or (["0"] if (DEVICES / "dxg").exists() else [])


def _is_there(name: str, there: list[str]) -> bool:
    """Whether an entry of `CUDA_VISIBLE_DEVICES` names one of the machine's GPUs; CUDA counts those from 0."""
    if name.isdecimal():
        return int(name) < len(there)
    if not there or not name.startswith(BY_NAME):
        return False
    known = _uuids()
    return not known or name.startswith("MIG-") or any(uuid.startswith(name) for uuid in known)


def _uuids() -> list[str]:
    """UUIDs of the machine's GPUs; none where the driver does not say, as in some containers."""
    lines = [line for file in DRIVER.glob("*/information") for line in file.read_text(encoding="utf-8").splitlines()]
    return [line.split(":", 1)[1].strip() for line in lines if line.startswith("GPU UUID")]
