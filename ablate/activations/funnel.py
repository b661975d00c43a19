"""The funnel activation, y = max(x, T(x)) with a spatial condition T, and its variants.

Ma, Zhang and Sun 2020 (arXiv 2007.11824), equation 2: T is a depthwise convolution, followed by batch normalisation;
tables 5, 6 and 7 vary the condition, the normalisation and the window. The *flexible* ReLU (arXiv 1706.08098) has the
same abbreviation and is a different activation. Shapes: B images, C channels, maps of H x W; every module keeps them.
"""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ablate.activations.maximum import maximum
from ablate.recipes.classify import ActivationFields
from ablate.recipes.shapes import count_groups

Size = tuple[int, int]

WINDOWS: dict[str, tuple[Size, ...]] = {
    "1x1": ((1, 1),),
    "3x3": ((3, 3),),
    "5x5": ((5, 5),),
    "7x7": ((7, 7),),
    "1x3+3x1": ((1, 3), (3, 1)),
}
"""Height and width of each branch of the condition."""


class Funnel(nn.Module):
    """max(x, T(x)), or another combination of x and T(x).

    Args:
        branches: modules whose sum or maximum is T; each maps (B, C, H, W) to the same shape.
        branch_combine: `sum` or `max`.
        combine: `max`: max(x, T(x)); `sum`: x + T(x); `dw_relu`: max(T(x), 0) (table 5, row E).
    """

    def __init__(self, branches: Sequence[nn.Module], *, branch_combine: str = "sum", combine: str = "max") -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.branch_combine = branch_combine
        self.combine = combine

    def condition(self, x: Tensor) -> Tensor:
        """T(x), of the shape and dtype of x: (B, C, H, W)."""
        t: Tensor
        t, *others = (branch(x) for branch in self.branches)
        for other in others:
            t = t + other if self.branch_combine == "sum" else maximum(t, other)
        # Under autocast a normalisation may return another precision than that of x.
        return t.to(x.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape, dtype and memory format."""
        t = self.condition(x)
        if self.combine == "max":
            return maximum(x, t)
        return x + t if self.combine == "sum" else F.relu(t)

    def fold(self) -> Funnel:
        """Fold batch normalisation into the depthwise convolutions, for evaluation mode.

        Two convolutions that are summed are merged into one. On a CPU the folded funnel takes about 2/3 of the time, or
        2/5 if two convolutions are merged.

        Returns:
            A new module in evaluation mode, or `self` if a normalisation cannot be folded (it is not batch
            normalisation, or it follows a pooling).
        """
        folded: list[nn.Module] = []
        for branch in self.branches:
            match list(copy.deepcopy(branch).eval().children()):
                case [nn.Conv2d() as conv, nn.BatchNorm2d() as norm]:
                    folded.append(fuse_conv_bn_eval(conv, norm))
                case [condition]:
                    folded.append(condition)
                case _:
                    return self
        convs = [module for module in folded if isinstance(module, nn.Conv2d)]
        if self.branch_combine == "sum" and len(convs) > 1:
            folded = [_add_convs(convs)]
        return Funnel(folded, branch_combine=self.branch_combine, combine=self.combine).eval()

    def extra_repr(self) -> str:
        """See `nn.Module.extra_repr`."""
        return f"combine={self.combine}, branch_combine={self.branch_combine}"


def build_funnel(recipe: ActivationFields, channels: int, generator: torch.Generator) -> Funnel:
    """Build a funnel with fresh weights.

    Args:
        recipe: recipe; its funnel fields are read.
        channels: C.
        generator: CPU generator of the condition's weights and bias.

    Returns:
        A module with one branch, or two for the window 1x3+3x1. Each branch has its own normalisation, as in the
        authors' `frelu_light.py`. Weights are Gaussian with `init_std`, or Kaiming normal by fan-out for ReLU. torch
        and MegEngine both compute the fan-out of a depthwise convolution as C times the taps, so the standard deviation
        is sqrt(2 / (9 C)) for 3x3, as in the authors' `resnet.py`. The bias is uniform within 1/sqrt(taps), as there
        (1/3 for 3x3) and in torch's convolution.
    """
    branches = [_build_branch(recipe, channels, size, generator) for size in WINDOWS[recipe.window]]
    return Funnel(branches, branch_combine=recipe.branch_combine, combine=recipe.combine)


def _build_branch(recipe: ActivationFields, channels: int, size: Size, generator: torch.Generator) -> nn.Sequential:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    if recipe.condition == "parametric":
        modules["conv"] = _build_conv(recipe, channels, size, generator)
    else:
        modules["pool"] = _build_pool(recipe, size)
    if recipe.norm != "none":
        modules["norm"] = _build_norm(recipe, channels)
    return nn.Sequential(modules)


def _build_conv(recipe: ActivationFields, channels: int, size: Size, generator: torch.Generator) -> nn.Conv2d:
    dilation = recipe.window_dilation
    conv = nn.Conv2d(
        channels,
        channels,
        size,
        padding=_same_padding(size, dilation),
        dilation=dilation,
        groups=channels,
        bias=recipe.funnel_bias,
        device="meta",  # torch's own initialisation would draw from the global generator
    ).to_empty(device="cpu")
    if recipe.funnel_init == "kaiming":
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu", generator=generator)
    else:
        nn.init.normal_(conv.weight, 0.0, recipe.init_std, generator=generator)  # (C, 1, kh, kw)
    if conv.bias is not None:
        bound = 1 / math.sqrt(size[0] * size[1])
        nn.init.uniform_(conv.bias, -bound, bound, generator=generator)
    return conv


def _build_pool(recipe: ActivationFields, size: Size) -> nn.Module:
    if recipe.condition == "avg_pool":
        return nn.AvgPool2d(size, stride=1, padding=_same_padding(size, 1), count_include_pad=False)
    dilation = recipe.window_dilation
    height, width = _same_padding(size, dilation)
    if dilation == 1:
        return nn.MaxPool2d(size, stride=1, padding=(height, width))
    # torch limits the padding of a pooling to half of its undilated window.
    pad = nn.ConstantPad2d((width, width, height, height), -math.inf)
    return nn.Sequential(pad, nn.MaxPool2d(size, stride=1, dilation=dilation))


def _build_norm(recipe: ActivationFields, channels: int) -> nn.Module:
    groups = {"ln": 1, "in": channels, "gn": count_groups(channels, recipe.norm_groups)}
    norm = nn.BatchNorm2d(channels) if recipe.norm == "bn" else nn.GroupNorm(groups[recipe.norm], channels)
    nn.init.constant_(norm.weight, recipe.gamma_init)
    return norm


def _same_padding(size: Size, dilation: int) -> Size:
    return dilation * (size[0] - 1) // 2, dilation * (size[1] - 1) // 2


def _add_convs(convs: Sequence[nn.Conv2d]) -> nn.Conv2d:
    """One depthwise convolution that equals the sum of several with "same" padding and equal dilation."""
    size = max(conv.kernel_size[0] for conv in convs), max(conv.kernel_size[1] for conv in convs)
    added = copy.deepcopy(convs[0])
    added.kernel_size = size
    added.padding = _same_padding(size, added.dilation[0])
    added.weight = nn.Parameter(torch.stack([_embed(conv.weight, size) for conv in convs]).sum(0))  # (C, 1, *size)
    biases = [conv.bias for conv in convs if conv.bias is not None]
    added.bias = nn.Parameter(torch.stack(biases).sum(0)) if biases else None
    return added


def _embed(weight: Tensor, size: Size) -> Tensor:
    """A kernel (C, 1, kh, kw) centred in zeros (C, 1, *size)."""
    rows, columns = (size[0] - weight.shape[2]) // 2, (size[1] - weight.shape[3]) // 2
    return F.pad(weight, (columns, columns, rows, rows))
