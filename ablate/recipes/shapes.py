"""Shapes of our own networks: their stages, blocks and channels, and the channels at every activation call site.

The networks in `ablate.models` are built from these numbers, and recipes are compared by them
(`ablate.study.effective`). This module never imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

EXPANSION = 4
"""Output channels of a ResNet block, divided by those of its 3x3 convolution."""

Place = tuple[int, str]
"""Stage and kind of activation call sites, such as (2, "3x3")."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The published form of a network.

    Attributes:
        depth: number of blocks in each stage.
        channels: channels of the stem; of the 3x3 convolutions (ResNet) or the output (others) of every stage; and of
            ShuffleNet's last 1x1 convolution.
    """

    depth: tuple[int, ...]
    channels: tuple[int, ...]


RESNET, MOBILENET = (64, 64, 128, 256, 512), (24, 48, 96, 192, 384, 768)
SHAPES: Mapping[str, Shape] = {
    "resnet50": Shape((3, 4, 6, 3), RESNET),
    "resnet101": Shape((3, 4, 23, 3), RESNET),
    "mobilenet_v1_x0.75": Shape((1, 2, 2, 6, 2), MOBILENET),
    "shufflenet_v2_x0.5": Shape((4, 8, 4), (24, 48, 96, 192, 1024)),
    "shufflenet_v2_x1.5": Shape((4, 8, 4), (24, 176, 352, 704, 1024)),
}


def family_of(model: str) -> str:
    """Family of one of our own networks; with its channels and blocks it is the whole network."""
    return model.split("_")[0].rstrip("0123456789")


def scaled(published: int, width: float) -> int:
    """A published number of channels times `width`, rounded to a multiple of 8, at least 8.

    All published numbers are multiples of 8, so width 1 changes none. With multiples of 8, ShuffleNet's halves are
    integers and kernels can vectorise.
    """
    return max(8, 8 * round(published * width / 8))


def count_groups(channels: int, wanted: int) -> int:
    """The largest divisor of `channels` that is at most `wanted`."""
    return next(groups for groups in range(min(wanted, channels), 0, -1) if channels % groups == 0)


def channels_at_sites(model: str, channels: tuple[int, ...], depth: tuple[int, ...]) -> dict[Place, set[int]]:
    """The channels at the activation call sites of each stage and kind.

    Args:
        model: name of one of our own networks.
        channels: as in `Shape`, after scaling.
        depth: as in `Shape`.
    """
    family = {"resnet": _of_resnet, "mobilenet": _of_mobilenet, "shufflenet": _of_shufflenet}
    of_stages = family[family_of(model)]
    found: dict[Place, set[int]] = {(1, "stem"): {channels[0]}}
    for place, count in of_stages(channels, depth):
        found.setdefault(place, set()).add(count)
    return found


def _of_resnet(channels: tuple[int, ...], depth: tuple[int, ...]) -> Iterator[tuple[Place, int]]:
    for stage, _ in enumerate(depth, start=2):
        planes = channels[stage - 1]
        yield from (((stage, "1x1"), planes), ((stage, "3x3"), planes), ((stage, "add"), EXPANSION * planes))


def _of_mobilenet(channels: tuple[int, ...], depth: tuple[int, ...]) -> Iterator[tuple[Place, int]]:
    for stage, blocks in enumerate(depth, start=1):
        inputs, outputs = channels[stage - 1], channels[stage]
        yield (stage, "3x3"), inputs
        if blocks > 1:
            yield (stage, "3x3"), outputs
        yield (stage, "1x1"), outputs


def _of_shufflenet(channels: tuple[int, ...], depth: tuple[int, ...]) -> Iterator[tuple[Place, int]]:
    for stage, _ in enumerate(depth, start=2):
        inputs, outputs = channels[stage - 2], channels[stage - 1]
        half = outputs // 2
        kept = min(inputs, half)
        yield from (((stage, "1x1"), count) for count in (half, kept, outputs - kept))
    yield (5, "1x1"), channels[-1]
