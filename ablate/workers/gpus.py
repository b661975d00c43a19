"""The NVIDIA GPUs that this process may use. Does not import torch."""

from __future__ import annotations

import os
from pathlib import Path


def visible_gpus() -> list[str]:
    """Ids of the NVIDIA GPUs that this process may use, without importing torch."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [gpu for gpu in chosen.split(",") if gpu.strip()]
    files = Path("/dev").glob("nvidia[0-9]*")
    return sorted((file.name.removeprefix("nvidia") for file in files), key=int)
