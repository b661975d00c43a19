"""Activations that depend on one pixel at a time. All builders have the same signature.

torch's own modules are used if they exist. Shapes: B images, C channels, maps of H x W; every module keeps them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ablate.activations.maximum import maximum
from ablate.recipes.classify import ActivationFields

Builder = Callable[[ActivationFields, int, torch.Generator], nn.Module]
"""Arguments: the recipe, the number of channels C, the generator of random weights."""


class TrainableSwish(nn.Module):
    """x * sigmoid(beta * x) with one learned beta per channel, from 1 (Ramachandran et al. 2017, arXiv 1710.05941)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape, dtype and memory format."""
        beta = self.beta.to(x.dtype).view(-1, 1, 1)  # (C, 1, 1)
        return x * torch.sigmoid(beta * x)


class Maxout(nn.Module):
    """The maximum of two dense 1x1 convolutions with bias (Goodfellow et al. 2013, arXiv 1302.4389; k = 2).

    Weights are Kaiming normal with gain 1, which keeps the second moment of the map: E[max(a, b)^2] = E[a^2] for two
    independent Gaussians of mean zero. Biases are initially zero.
    """

    def __init__(self, channels: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = _build_dense(channels, generator)
        self.second = _build_dense(channels, generator)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape, dtype and memory format."""
        return maximum(self.first(x), self.second(x)).to(x.dtype)


def _build_dense(channels: int, generator: torch.Generator) -> nn.Conv2d:
    # Built on meta first, since torch's own initialisation would draw from the global generator.
    conv = nn.Conv2d(channels, channels, 1, device="meta").to_empty(device="cpu")
    nn.init.kaiming_normal_(conv.weight, nonlinearity="linear", generator=generator)  # (C, C, 1, 1)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def _build_swish(recipe: ActivationFields, channels: int, generator: torch.Generator) -> nn.Module:
    del generator
    return TrainableSwish(channels) if recipe.swish_trainable else nn.SiLU()


BUILDERS: dict[str, Builder] = {
    "relu": lambda recipe, channels, generator: nn.ReLU(),
    "leaky_relu": lambda recipe, channels, generator: nn.LeakyReLU(0.01),
    "prelu": lambda recipe, channels, generator: nn.PReLU(channels, init=0.25),
    "elu": lambda recipe, channels, generator: nn.ELU(alpha=1.0),
    "sigmoid": lambda recipe, channels, generator: nn.Sigmoid(),
    "tanh": lambda recipe, channels, generator: nn.Tanh(),
    "swish": _build_swish,
    "mish": lambda recipe, channels, generator: nn.Mish(),
    "maxout": lambda recipe, channels, generator: Maxout(channels, generator),
}
