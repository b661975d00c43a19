"""Random streams with names, and the settings under which the same recipe and seed give the same numbers.

Each purpose (init, order, augment, subset, dropout) draws from a stream of its own, derived from the seed and the
stream's name, so that a row which draws more numbers for one purpose does not shift another. A stream for a step or an
epoch is derived from its number: an interrupted trial continues without any saved generator state.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def stable_hash(name: str) -> int:
    """The first 64 bits of a name's SHA-256: the same in every process, unlike `hash`."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


class Streams:
    """The random streams of one trial.

    Args:
        seed: the trial's seed, 0 or above.
        device: where the generators live.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.seed = seed
        self.device = torch.device(device)

    def number(self, name: str, index: int = 0) -> int:
        """A 63-bit number that depends on the seed, the stream's name and the index alone."""
        sequence = np.random.SeedSequence(entropy=self.seed, spawn_key=(stable_hash(name), index))
        return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))

    def on_cpu(self, name: str) -> torch.Generator:
        """A fresh generator on the CPU; weights are drawn from it, so that they do not depend on the device."""
        return torch.Generator().manual_seed(self.number(name))

    def on_device(self, name: str, index: int = 0) -> torch.Generator:
        """A fresh generator on the streams' device."""
        return torch.Generator(self.device).manual_seed(self.number(name, index))


def make_deterministic() -> None:
    """Choose deterministic kernels. On a CPU this makes runs bit-equal for equal thread counts; on a GPU nearly so."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def pick_device() -> torch.device:
    """The first GPU that this process may see, else the CPU. Who starts the process decides what it sees."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
