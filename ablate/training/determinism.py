"""Named random streams, the order of the images, and settings with which recipe and seed give the same numbers.

Each purpose (init, order, augment, subset, dropout) has its own stream, derived from the seed and the stream's name. A
row that draws more numbers for one purpose therefore does not change the others. The stream of a step or an epoch is
derived from its number, so an interrupted trial resumes without saved generator state.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ablate.errors import TrialError, quote
from ablate.settings import read_library_settings
from ablate.statistics.words import counted
from ablate.trials.gpus import VISIBLE, promised_gpus


def stable_hash(name: str) -> int:
    """The first 64 bits of the SHA-256 of a name, equal in every process, unlike `hash`."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


class Streams:
    """The random streams of one trial.

    Args:
        seed: seed of the trial, at least 0.
        device: device of the generators of `on_device`.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.seed = seed
        self.device = torch.device(device)

    def number(self, name: str, index: int = 0) -> int:
        """A 63-bit number that depends only on the seed, the stream's name and the index."""
        sequence = np.random.SeedSequence(entropy=self.seed, spawn_key=(stable_hash(name), index))
        return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))

    def on_cpu(self, name: str) -> torch.Generator:
        """A fresh CPU generator, for weights that do not depend on the device."""
        return torch.Generator().manual_seed(self.number(name))

    def on_device(self, name: str, index: int = 0) -> torch.Generator:
        """A fresh generator on the streams' device."""
        return torch.Generator(self.device).manual_seed(self.number(name, index))


def make_deterministic() -> None:
    """Select deterministic kernels. CPU runs with equal thread counts are bit-equal; GPU runs are nearly equal."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def pick_device() -> torch.device:
    """The first visible GPU, else the CPU. The parent process decides which GPUs are visible.

    Raises:
        TrialError: `ABLATE_DEVICE` is `mps`, and torch finds no such device.
    """
    if read_library_settings().device == "mps":
        if not torch.backends.mps.is_available():
            raise TrialError(
                "ABLATE_DEVICE is mps, and torch finds no such device here (it needs macOS on Apple silicon); unset "
                "the variable to train on the CPU"
            )
        return torch.device("mps")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def check_promised_gpus() -> None:
    """Refuse to train on the CPU what was promised a GPU.

    Raises:
        TrialError: torch finds fewer GPUs than the trials of this process were promised.
    """
    promised, found = promised_gpus(), torch.cuda.device_count()
    if found < promised:
        raise TrialError(
            f"the trial was promised {counted(promised, 'GPU')}, and torch finds {found} "
            f"({VISIBLE} is {quote(os.environ.get(VISIBLE, 'not set'))}); it is not trained on the CPU instead: check "
            "nvidia-smi and the driver, or set gpus = 0 under [resources]"
        )


@dataclass(frozen=True, slots=True)
class Order:
    """The images of each step: a slice of the epoch's permutation. A last incomplete batch is dropped.

    Attributes:
        streams: random streams of the trial.
        count: number of training images.
        batch_size: batch size of the recipe.
    """

    streams: Streams
    count: int
    batch_size: int

    @property
    def size(self) -> int:
        """Images per step."""
        return min(self.batch_size, self.count)

    @property
    def steps_per_epoch(self) -> int:
        """Steps per pass over the images, without the last incomplete batch."""
        return max(self.count // self.batch_size, 1)

    def at(self, step: int) -> Tensor:
        """Indices of the images of a step, (B,), on the streams' device."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = _permutation(self.count, self.streams.number("order", epoch), self.streams.device)
        return order[place * self.batch_size : (place + 1) * self.batch_size]


@lru_cache(maxsize=1)
def _permutation(count: int, number: int, device: torch.device) -> Tensor:
    """A permutation of range(count), (count,); cached, since every step of an epoch needs it."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(number)).to(device)
