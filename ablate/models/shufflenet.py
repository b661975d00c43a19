"""ShuffleNet V2 at 0.5 and 1.5 times its width.

Ma et al. 2018 (arXiv 1807.11164), as its authors released it. In a block of stride 2 the projection keeps the number of
its input channels, and the other branch produces the rest; torchvision gives half to each, which differs at x1.5 (295.8
M multiply-adds against 299.0 M). The head has no bias. Parameter names are torchvision's. Its block is not used, also
because its shuffle loses the memory format. Squeeze-and-excitation is at the end of the residual branch, after its last
activation, which still follows the 1x1 convolution. Stages: `conv1` is 1, `stage2` to `stage4` keep their published
numbers, `conv5` is 5. Kinds of activation: `stem`, and `1x1` everywhere else, since none follows a depthwise
convolution. Shapes: B images, C channels, maps of H x W.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from ablate.models.own_networks import Options, OwnNetwork, build_stem_conv
from ablate.recipes.shapes import SHAPES, Shape


class ShuffleBlock(nn.Module):
    """Half of the channels pass, the other half is convolved, and both are shuffled; with stride 2 both are convolved.

    Args:
        inputs: input channels; equal to `outputs` for stride 1.
        outputs: output channels, an even number.
        stride: 1 or 2.
        options: options of the network; squeeze-and-excitation and biases are read.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, options: Options) -> None:
        super().__init__()
        half, bias = outputs // 2, options.conv_bias
        self.splits = stride == 1
        kept = half if self.splits else min(inputs, half)
        self.branch1 = nn.Sequential()
        if not self.splits:
            self.branch1 = nn.Sequential(*_depthwise(inputs, stride, bias), *_pointwise(inputs, kept, bias))
        first = _pointwise(half if self.splits else inputs, half, bias)
        self.branch2 = nn.Sequential(*first, *_depthwise(half, stride, bias), *_pointwise(half, outputs - kept, bias))
        self.se = options.excitation(outputs - kept)
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        left, right = x.chunk(2, dim=1) if self.splits else (self.branch1(x), x)
        out: Tensor = self.shuffle(torch.cat((left, self.se(self.branch2(right))), dim=1))
        return out


class ShuffleNetV2(OwnNetwork):
    """Stem, three stages of blocks, a 1x1 convolution, global average pooling, head.

    Args:
        shape: published form of the network.
        options: options of the network.
    """

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__()
        stem, *stages, last = map(options.channels, shape.channels)
        blocks = options.blocks(shape.depth)
        self.conv1 = nn.Sequential(build_stem_conv(stem, options, 3), nn.BatchNorm2d(stem), nn.ReLU())
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if options.stem == "imagenet" else nn.Identity()
        self.stage2 = _build_stage(stem, stages[0], blocks[0], options)
        self.stage3 = _build_stage(stages[0], stages[1], blocks[1], options)
        self.stage4 = _build_stage(stages[1], stages[2], blocks[2], options)
        self.conv5 = nn.Sequential(*_pointwise(stages[2], last, options.conv_bias))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = options.dropout_module()
        self.fc = nn.Linear(last, options.num_classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W) to logits (B, classes)."""
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        logits: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return logits

    @staticmethod
    def stage_of(path: str) -> int:
        """Stage of a module path; conv1 is 1, Stage2 to Stage4 of the publication keep their numbers, conv5 is 5."""
        found = re.match(r"(?:stage|conv)(\d)", path)
        return int(found[1]) if found else 1


def build_shufflenet(name: str, options: Options) -> ShuffleNetV2:
    """Build `shufflenet_v2_x0.5` or `shufflenet_v2_x1.5` with torch's default initialisation."""
    return ShuffleNetV2(SHAPES[name], options)


def _pointwise(inputs: int, outputs: int, bias: bool) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 1, bias=bias), nn.BatchNorm2d(outputs), nn.ReLU()]


def _depthwise(channels: int, stride: int, bias: bool) -> list[nn.Module]:
    conv = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=bias)
    return [conv, nn.BatchNorm2d(channels)]


def _build_stage(inputs: int, outputs: int, blocks: int, options: Options) -> nn.Sequential:
    first = ShuffleBlock(inputs, outputs, 2, options)
    return nn.Sequential(first, *(ShuffleBlock(outputs, outputs, 1, options) for _ in range(blocks - 1)))
