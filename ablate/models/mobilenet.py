"""MobileNet V1 at three quarters of its width.

Howard et al. 2017 (arXiv 1704.04861): a stem and 13 depthwise separable blocks. Stages are defined by resolution, as in
the paper's ResNet: at 224 px, stage 1 is the stem and the blocks on 112 px, stage 5 those on 7 px. Kinds of activation:
`stem`; in a block `3x3` after the depthwise convolution and `1x1` after the pointwise one. V1 has no residual branch:
squeeze-and-excitation rescales a block's output after its last activation, which still follows the 1x1 convolution.
The stem has no pooling: `imagenet` and `small_s2` are the same here.
"""

from __future__ import annotations

import re

from torch import Tensor, nn

from ablate.models.own_networks import Options, OwnNetwork, build_stem_conv
from ablate.recipes.shapes import MOBILENET, SHAPES


class Separable(nn.Module):
    """A depthwise 3x3 convolution and a 1x1 convolution, each with normalisation and activation.

    Args:
        inputs: input channels.
        outputs: output channels.
        stride: stride of the depthwise convolution, 1 or 2.
        options: options of the network; squeeze-and-excitation and biases are read.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, options: Options) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, stride=stride, padding=1, groups=inputs, bias=options.conv_bias)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(inputs, outputs, 1, bias=options.conv_bias)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()
        self.se = options.excitation(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        x = self.relu1(self.bn1(self.conv1(x)))
        out: Tensor = self.se(self.relu2(self.bn2(self.conv2(x))))
        return out


class MobileNet(OwnNetwork):
    """Stem, five stages of separable blocks, global average pooling, head.

    Args:
        blocks: number of blocks in each stage.
        options: options of the network.
    """

    def __init__(self, blocks: tuple[int, ...], options: Options) -> None:
        super().__init__()
        stem, *outputs = map(options.channels, MOBILENET)
        self.conv1 = build_stem_conv(stem, options, 3)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU()
        inputs = [stem, *outputs]
        self.stage1 = _build_stage(inputs[0], outputs[0], blocks[0], 1, options)
        self.stage2 = _build_stage(inputs[1], outputs[1], blocks[1], 2, options)
        self.stage3 = _build_stage(inputs[2], outputs[2], blocks[2], 2, options)
        self.stage4 = _build_stage(inputs[3], outputs[3], blocks[3], 2, options)
        self.stage5 = _build_stage(inputs[4], outputs[4], blocks[4], 2, options)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = options.dropout_module()
        self.fc = nn.Linear(outputs[4], options.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W) to logits (B, classes)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.stage5(self.stage4(self.stage3(self.stage2(self.stage1(x)))))
        logits: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return logits

    @staticmethod
    def stage_of(path: str) -> int:
        """Stage of a module path; the stem and the blocks of its resolution are stage 1."""
        found = re.match(r"stage(\d)", path)
        return int(found[1]) if found else 1


def build_mobilenet(options: Options) -> MobileNet:
    """Build MobileNet V1 x0.75 with torch's default initialisation. `width` multiplies the 0.75."""
    return MobileNet(options.blocks(SHAPES["mobilenet_v1_x0.75"].depth), options)


def _build_stage(inputs: int, outputs: int, blocks: int, stride: int, options: Options) -> nn.Sequential:
    first = Separable(inputs, outputs, stride, options)
    return nn.Sequential(first, *(Separable(outputs, outputs, 1, options) for _ in range(blocks - 1)))
