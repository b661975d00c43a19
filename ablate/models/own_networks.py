"""Shared components of our own networks: options, channel counts, squeeze-and-excitation, initialisation by name.

Shapes: B images, C channels, maps of H x W. Every activation is a separate module, not in place, and called once in a
forward, so that each call site has a readable name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ablate.recipes.shapes import scaled

Stream = Callable[[str], torch.Generator]
"""Name of a random stream, such as `init/layer1.0.conv1` -> a fresh CPU generator."""


@contextmanager
def drawing_from(stream: Stream, name: str) -> Iterator[None]:
    """Seed torch's default CPU generator from the named stream within the block; its state is restored afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**63 - 1, (1,), generator=stream(name))))
        yield


@dataclass(frozen=True, slots=True)
class Options:
    """Differences of one of our networks from its published form.

    Attributes:
        num_classes: outputs of the head.
        width: factor on all channels except the image's.
        depth: number of blocks in each stage; None as published.
        stem: `imagenet` as published; `small` and `small_s2`: a 3x3 convolution of stride 1 or 2 without pooling.
        se_ratio: reduction ratio of squeeze-and-excitation in each block; None for no squeeze-and-excitation.
        se_position: position of squeeze-and-excitation in a ResNet block; see `ablate.models.resnet`.
        stride_in: convolution of a ResNet block that has the stride, `1x1` or `3x3`.
        conv_bias: whether convolutions have biases (those of squeeze-and-excitation never do).
        dropout: dropout probability before the head.
    """

    num_classes: int
    width: float = 1.0
    depth: tuple[int, ...] | None = None
    stem: str = "imagenet"
    se_ratio: int | None = None
    se_position: str = "residual"
    stride_in: str = "1x1"
    conv_bias: bool = False
    dropout: float = 0.0

    def channels(self, published: int) -> int:
        """The published number of channels at this width; see `ablate.recipes.shapes.scaled`."""
        return scaled(published, self.width)

    def blocks(self, published: tuple[int, ...]) -> tuple[int, ...]:
        """Number of blocks in each stage."""
        return published if self.depth is None else self.depth

    def excitation(self, channels: int) -> nn.Module:
        """Squeeze-and-excitation over these channels, or the identity."""
        return nn.Identity() if self.se_ratio is None else SqueezeExcitation(channels, self.se_ratio)

    def dropout_module(self) -> nn.Module:
        """Dropout before the head, or the identity, which draws no random numbers."""
        return nn.Dropout(self.dropout) if self.dropout else nn.Identity()


class OwnNetwork(nn.Module, ABC):
    """A network with the paper's numbering of its stages."""

    @staticmethod
    @abstractmethod
    def stage_of(path: str) -> int:
        """The paper's stage number of a module path; the stem is stage 1."""


class SqueezeExcitation(nn.Module):
    """x * sigmoid(W2 relu(W1 mean(x))), C -> max(1, C // ratio) -> C, without bias (Hu et al. 2018, 1709.01507).

    Args:
        channels: C.
        ratio: reduction ratio.
    """

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        squeezed = max(1, channels // ratio)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, squeezed, 1, bias=False)
        self.relu = nn.ReLU()
        self.expand = nn.Conv2d(squeezed, channels, 1, bias=False)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        gate: Tensor = self.gate(self.expand(self.relu(self.reduce(self.pool(x)))))  # (B, C, 1, 1)
        return x * gate


def build_stem_conv(channels: int, options: Options, published: int) -> nn.Conv2d:
    """Build the first convolution, 3 -> channels, with stride 2, or 1 for the stem `small`.

    Args:
        channels: output channels.
        options: options of the network; `stem` and `conv_bias` are read.
        published: side of the published kernel; the small stems have 3x3.
    """
    size = published if options.stem == "imagenet" else 3
    stride = 1 if options.stem == "small" else 2
    return nn.Conv2d(3, channels, size, stride=stride, padding=size // 2, bias=options.conv_bias)


def initialise(network: nn.Module, stream: Stream) -> None:
    """Initialise every parameter and buffer in place, each module from the stream `init/PATH`.

    A module's weights depend only on the seed and on its path. Networks of one seed therefore have equal weights in the
    modules that they share. Convolutions: Kaiming normal by fan-out for ReLU, biases uniform within 1/sqrt(fan-in), as
    in the authors' `resnet.py`. Normalisation: scale 1, shift 0. Linear layers: uniform within 1/sqrt(inputs), torch's
    default, as in torchvision's ResNet and ShuffleNet.

    Args:
        network: network, changed in place.
        stream: source of the generators.

    Raises:
        TypeError: a module of an unknown type has parameters or buffers.
    """
    for path, module in network.named_modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if not own:
            continue
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Conv2d):
            generator, bound = stream(f"init/{path}"), module.weight[0].numel() ** -0.5
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
        elif isinstance(module, nn.Linear):
            generator, bound = stream(f"init/{path}"), module.in_features**-0.5
            for parameter in module.parameters(recurse=False):
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
        else:
            raise TypeError(f"no initialisation for {type(module).__name__} at '{path}'")
