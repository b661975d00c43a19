"""Activations that depend on one pixel at a time, and Meta-ACON, whose switch depends on the whole map.

All builders have the same signature. torch's own modules are used if they exist. Shapes: B images, C channels, maps of
H x W; every module keeps them.
"""

from __future__ import annotations

import math
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


class AconC(nn.Module):
    """(p1 - p2) x * sigmoid(beta (p1 - p2) x) + p2 x with learned p1, p2 and beta for each channel.

    Ma, Zhang, Liu and Sun 2021 (arXiv 2009.04759), as in the authors' code: p1 and p2 are drawn from N(0, 1), beta
    begins at 1. Swish is p1 = 1 and p2 = 0.
    """

    def __init__(self, channels: int, generator: torch.Generator) -> None:
        super().__init__()
        self.p1 = nn.Parameter(torch.randn(channels, generator=generator))
        self.p2 = nn.Parameter(torch.randn(channels, generator=generator))
        self.beta = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape, dtype and memory format."""
        return _switch(x, self.p1, self.p2, self.beta.view(-1, 1, 1))


class MetaAcon(nn.Module):
    """ACON whose beta is computed from the map: sigmoid(BN(fc2(BN(fc1(mean over H and W))))).

    As in the authors' code, fc1 maps C channels to max(16, C/16), both layers are 1x1 convolutions with bias and the
    initial weights of torch, and there is no non-linearity between them. A batch of one image has no batch statistics.
    """

    def __init__(self, channels: int, generator: torch.Generator) -> None:
        super().__init__()
        hidden = max(META_ACON_R, channels // META_ACON_R)
        self.p1 = nn.Parameter(torch.randn(channels, generator=generator))
        self.p2 = nn.Parameter(torch.randn(channels, generator=generator))
        self.fc1, self.fc2 = _build_layer(channels, hidden, generator), _build_layer(hidden, channels, generator)
        self.norm1, self.norm2 = nn.BatchNorm2d(hidden), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape, dtype and memory format."""
        mean = x.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
        beta = torch.sigmoid(self.norm2(self.fc2(self.norm1(self.fc1(mean)))))
        return _switch(x, self.p1, self.p2, beta)


META_ACON_R = 16
"""Reduction of the channels in Meta-ACON, and its smallest number of hidden channels."""


def _switch(x: Tensor, p1: Tensor, p2: Tensor, beta: Tensor) -> Tensor:
    p1, p2, beta = (one.to(x.dtype) for one in (p1.view(-1, 1, 1), p2.view(-1, 1, 1), beta))
    scaled = (p1 - p2) * x
    return scaled * torch.sigmoid(beta * scaled) + p2 * x


def _build_layer(inputs: int, outputs: int, generator: torch.Generator) -> nn.Conv2d:
    """A 1x1 convolution with the initial weights of torch, uniform within 1/sqrt(inputs), from the generator."""
    conv = nn.Conv2d(inputs, outputs, 1, device="meta").to_empty(device="cpu")
    for parameter in conv.parameters():
        nn.init.uniform_(parameter, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs), generator=generator)
    return conv


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
    "relu6": lambda recipe, channels, generator: nn.ReLU6(),
    "leaky_relu": lambda recipe, channels, generator: nn.LeakyReLU(0.01),
    "prelu": lambda recipe, channels, generator: nn.PReLU(channels, init=0.25),
    "elu": lambda recipe, channels, generator: nn.ELU(alpha=1.0),
    "celu": lambda recipe, channels, generator: nn.CELU(alpha=1.0),
    "selu": lambda recipe, channels, generator: nn.SELU(),
    "sigmoid": lambda recipe, channels, generator: nn.Sigmoid(),
    "tanh": lambda recipe, channels, generator: nn.Tanh(),
    "softplus": lambda recipe, channels, generator: nn.Softplus(),
    "hardswish": lambda recipe, channels, generator: nn.Hardswish(),
    "swish": _build_swish,
    "gelu": lambda recipe, channels, generator: nn.GELU(),
    "mish": lambda recipe, channels, generator: nn.Mish(),
    "maxout": lambda recipe, channels, generator: Maxout(channels, generator),
    "acon_c": lambda recipe, channels, generator: AconC(channels, generator),
    "meta_acon": lambda recipe, channels, generator: MetaAcon(channels, generator),
}
