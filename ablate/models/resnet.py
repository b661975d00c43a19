"""ResNet-50 and ResNet-101 in version 1: the stride of a stage is in its first 1x1 convolution.

He et al. 2015 (arXiv 1512.03385). Parameter names are torchvision's, whose own networks have the stride in the 3x3
convolution (v1.5, here `stride_in = "3x3"`; 4.089 G multiply-adds against 3.858 G). Stages: the stem is 1, `layer1` to
`layer4` are 2 to 5 (conv2_x to conv5_x). Kinds of activation: `stem`; in a block `1x1` after `conv1`, `3x3` after
`conv2`, and `add` after the addition.

Squeeze-and-excitation has the positions of Hu et al. (arXiv 1709.01507, section 6.5): on the residual branch between
the last normalisation and the addition (`residual`), before the branch's first convolution (`pre`), after the block's
last activation (`post`), or on the shortcut after its projection (`identity`). Shapes: B images, C channels, maps of
H x W.
"""

from __future__ import annotations

import re

from torch import Tensor, nn

from ablate.models.own_networks import Options, OwnNetwork, build_stem_conv
from ablate.recipes.shapes import EXPANSION, RESNET, SHAPES


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, added to the input; activations after the first two and after the addition.

    Args:
        inputs: input channels.
        planes: channels of the 3x3 convolution; the block has 4 x planes output channels.
        stride: 1 or 2.
        options: options of the network.
    """

    def __init__(self, inputs: int, planes: int, stride: int, options: Options) -> None:
        super().__init__()
        outputs = planes * EXPANSION
        bias, strides = options.conv_bias, (stride, 1) if options.stride_in == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(inputs, planes, 1, stride=strides[0], bias=bias)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=strides[1], padding=1, bias=bias)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=bias)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.se_position = options.se_position
        self.se = options.excitation(inputs if self.se_position == "pre" else outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=bias)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outputs))
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, 4 planes, H / stride, W / stride)."""
        y = self.relu1(self.bn1(self.conv1(self._excite(x, "pre"))))  # (B, planes, H / stride, W / stride) in v1
        y = self.relu2(self.bn2(self.conv2(y)))
        y = self._excite(self.bn3(self.conv3(y)), "residual")  # (B, 4 planes, H / stride, W / stride)
        out = self.relu3(y + self._excite(self.downsample(x), "identity"))
        return self._excite(out, "post")

    def _excite(self, x: Tensor, position: str) -> Tensor:
        out: Tensor = self.se(x) if position == self.se_position else x
        return out


class ResNet(OwnNetwork):
    """Stem, four stages of bottlenecks, global average pooling, head.

    Args:
        blocks: number of blocks in each stage.
        options: options of the network.
    """

    def __init__(self, blocks: tuple[int, ...], options: Options) -> None:
        super().__init__()
        stem, *planes = map(options.channels, RESNET)
        self.conv1 = build_stem_conv(stem, options, 7)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if options.stem == "imagenet" else nn.Identity()
        inputs = [stem, *(EXPANSION * count for count in planes)]
        self.layer1 = _build_stage(inputs[0], planes[0], blocks[0], 1, options)
        self.layer2 = _build_stage(inputs[1], planes[1], blocks[1], 2, options)
        self.layer3 = _build_stage(inputs[2], planes[2], blocks[2], 2, options)
        self.layer4 = _build_stage(inputs[3], planes[3], blocks[3], 2, options)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = options.dropout_module()
        self.fc = nn.Linear(inputs[4], options.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W) to logits (B, classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return logits

    @staticmethod
    def stage_of(path: str) -> int:
        """Stage of a module path: conv1 is 1, layer1 is 2 (conv2_x), layer4 is 5."""
        found = re.match(r"layer(\d)", path)
        return int(found[1]) + 1 if found else 1


def build_resnet(name: str, options: Options) -> ResNet:
    """Build `resnet50` or `resnet101` with torch's default initialisation."""
    return ResNet(options.blocks(SHAPES[name].depth), options)


def _build_stage(inputs: int, planes: int, blocks: int, stride: int, options: Options) -> nn.Sequential:
    first = Bottleneck(inputs, planes, stride, options)
    return nn.Sequential(first, *(Bottleneck(planes * EXPANSION, planes, 1, options) for _ in range(blocks - 1)))
