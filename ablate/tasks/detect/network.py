"""RetinaNet on one of our backbones: a feature pyramid, two heads shared by its levels, anchors, loss and detections.

Lin et al. 2017 (1708.02002), built from torchvision's components. Images of a batch have one size, padded to a multiple
of the coarsest stride. Letters: B images, H x W pixels, A anchors over all levels, K classes, n objects in an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image, sigmoid_focal_loss
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelP6P7
from torchvision.ops.misc import Conv2dNormActivation

from ablate.models.features import Features
from ablate.models.own_networks import Stream, drawing_from
from ablate.recipes.scenes import DetectRecipe
from ablate.tasks.scene_network import SceneNetwork

SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
RATIOS = (0.5, 1.0, 2.0)
LEVELS = 5
"""Number of levels: P3 to P7 if the backbone's finest map is C3."""
ANCHORS = len(SCALES) * len(RATIOS)
PUBLISHED_CHANNELS = 256
GROUP = 8
"""Channels per group of the heads' group normalisation."""
FOREGROUND_IOU, BACKGROUND_IOU = 0.5, 0.4
SCORE, CANDIDATES, NMS_IOU, DETECTIONS = 0.05, 1000, 0.5, 100
"""Minimum score; candidates per level; IoU of non-maximum suppression; detections per image, as COCO counts."""

CODER = BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
MATCHER = Matcher(FOREGROUND_IOU, BACKGROUND_IOU, allow_low_quality_matches=True)


class Predictions(NamedTuple):
    """Predictions for every anchor.

    Attributes:
        logits: (B, A, K).
        offsets: (B, A, 4), offsets of the box from its anchor, in the encoding of `BoxCoder`.
        anchors: (A, 4), left, top, right and bottom in pixels; level by level, finest first.
        level: (A,) of int64, 0 .. LEVELS - 1.
    """

    logits: Tensor
    offsets: Tensor
    anchors: Tensor
    level: Tensor


class Detected(NamedTuple):
    """Detections in an image, highest score first.

    Attributes:
        boxes: (D, 4), left, top, right and bottom in pixels.
        labels: (D,), 0 .. K - 1.
        scores: (D,), in 0 .. 1.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor


class RetinaNet(SceneNetwork):
    """The detector.

    Args:
        features: three maps, each with half the resolution of the one before.
        recipe: recipe; `pyramid_channels`, `head_convs`, `head_norm`, `anchor_px` and `freeze_norm` are read.
        num_classes: K.
        stream: source of the generator for `init/retinanet`; rows of a seed have the same initial pyramid and heads.
    """

    def __init__(self, features: Features, recipe: DetectRecipe, num_classes: int, stream: Stream) -> None:
        super().__init__(features, recipe)
        self.strides = _strides(features)
        self.anchors = build_anchors(recipe.anchor_px)
        with drawing_from(stream, "init/retinanet"):
            self.pyramid = _build_pyramid(list(features.channels.values()), recipe.pyramid_channels)
            self.head = _build_head(recipe, num_classes)

    def forward(self, images: Tensor) -> Predictions:
        """Images (B, 3, H, W) to predictions for every anchor."""
        maps = list(self.pyramid(self.backbone(images)).values())  # (B, pyramid_channels, H / stride, W / stride) each
        heads = self.head(maps)
        counts = [ANCHORS * found.shape[-2] * found.shape[-1] for found in maps]
        level = torch.cat([images.new_full((count,), place, dtype=torch.int64) for place, count in enumerate(counts)])
        return Predictions(heads["cls_logits"].float(), heads["bbox_regression"].float(), self._place(maps), level)

    def _place(self, maps: Sequence[Tensor]) -> Tensor:
        """Anchors over maps with exact strides; torchvision's forward divides sizes, which rounds with the maps."""
        self.anchors.set_cell_anchors(torch.float32, maps[0].device)
        grids = [list(found.shape[-2:]) for found in maps]
        strides = [[torch.tensor(stride, device=maps[0].device)] * 2 for stride in self.strides]
        return torch.cat(self.anchors.grid_anchors(grids, strides))


def build_anchors(finest_px: int) -> AnchorGenerator:
    """Build anchors with three scales and three ratios per level; their side doubles from level to level.

    Args:
        finest_px: side of the anchors on the finest level, in pixels.
    """
    sizes = tuple(tuple(finest_px * 2**level * scale for scale in SCALES) for level in range(LEVELS))
    return AnchorGenerator(sizes, (RATIOS,) * LEVELS)


def detection_loss(predicted: Predictions, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of RetinaNet's loss, sums over all images of a batch.

    torchvision divides the loss of each image by its own number of matched anchors. An image with one small object, or
    with none, then outweighs the others of its batch by far, and training diverges.

    Args:
        predicted: output of the network in training mode.
        boxes: for each image (n, 4), left, top, right and bottom in pixels, with positive width and height.
        labels: for each image (n,).

    Returns:
        The focal loss of all anchors, except those between the thresholds, plus the L1 distance of the matched offsets,
        (); and the number of matched anchors, ().
    """
    matched = torch.stack([match(predicted.anchors, one) for one in boxes])  # (B, A)
    is_object = matched >= 0
    first = torch.tensor([0, *map(len, boxes)], device=matched.device).cumsum(0)[:-1]  # (B,)
    place = (matched + first[:, None])[is_object]  # (M,) over all matched anchors, among the objects of all images
    image, anchor = is_object.nonzero(as_tuple=True)
    targets = torch.zeros_like(predicted.logits)
    targets[image, anchor, torch.cat(list(labels))[place]] = 1.0
    focal = sigmoid_focal_loss(predicted.logits, targets).sum(2)  # (B, A)
    focal = focal * (matched != Matcher.BETWEEN_THRESHOLDS)
    wanted = CODER.encode_single(torch.cat(list(boxes))[place], predicted.anchors[anchor])  # (M, 4)
    distance = F.l1_loss(predicted.offsets[image, anchor], wanted, reduction="sum")
    return focal.sum() + distance, is_object.sum()


def match(anchors: Tensor, boxes: Tensor) -> Tensor:
    """For each anchor, (A,), the index of its object, or one of `Matcher`'s negative numbers.

    Args:
        anchors: (A, 4), left, top, right and bottom in pixels.
        boxes: (n, 4), likewise.
    """
    if not len(boxes):
        return torch.full((len(anchors),), Matcher.BELOW_LOW_THRESHOLD, device=anchors.device)
    found: Tensor = MATCHER(box_iou(boxes, anchors))
    return found


def detect_objects(predicted: Predictions, height: int, width: int) -> list[Detected]:
    """The detections in each image, with boxes clipped to the image.

    Args:
        predicted: output of the network.
        height: H, without padding.
        width: W, without padding.
    """
    return [
        _find_in(logits.sigmoid(), offsets, predicted, (height, width))
        for logits, offsets in zip(predicted.logits, predicted.offsets, strict=True)
    ]


def _find_in(scores: Tensor, offsets: Tensor, predicted: Predictions, size: tuple[int, int]) -> Detected:
    kept = torch.cat([_best(scores, predicted.level == level) for level in range(LEVELS)])
    anchor, label = kept // scores.shape[1], kept % scores.shape[1]
    boxes = CODER.decode_single(offsets[anchor], predicted.anchors[anchor])
    boxes, best = clip_boxes_to_image(boxes, size), scores.flatten()[kept]
    chosen = batched_nms(boxes, best, label, NMS_IOU)[:DETECTIONS]
    return Detected(boxes[chosen], label[chosen], best[chosen])


def _best(scores: Tensor, is_on_level: Tensor) -> Tensor:
    """Positions in the flattened scores (A, K) of the highest scores on a level."""
    places = ((scores > SCORE) & is_on_level[:, None]).flatten().nonzero().squeeze(1)
    order = scores.flatten()[places].topk(min(CANDIDATES, len(places))).indices
    return places[order]


def _strides(features: Features) -> list[int]:
    first, second, third = features.strides.values()
    assert (second, third) == (2 * first, 4 * first), "a pyramid needs maps whose resolution halves from level to level"
    return [first * 2**level for level in range(LEVELS)]


def _build_pyramid(channels: list[int], outputs: int) -> nn.Module:
    coarsest = LastLevelP6P7(channels[-1], outputs)
    coarsest.use_P5 = False  # P6 follows C5 (1708.02002, section 4), also if C5 has as many channels as P5
    pyramid: nn.Module = FeaturePyramidNetwork(channels, outputs, coarsest)
    return pyramid


def _build_head(recipe: DetectRecipe, num_classes: int) -> nn.Module:
    """Build RetinaNet's heads, whose Gaussian weights have the standard deviation 0.01 at their published width.

    At another width the standard deviation is scaled so that the variance of the maps is kept. With 0.01, the signal
    vanished after two layers of 32 channels, and the network learned nothing for hundreds of steps.
    """
    channels = recipe.pyramid_channels
    norm = partial(nn.GroupNorm, max(channels // GROUP, 1)) if recipe.head_norm == "gn" else None
    head: nn.Module = RetinaNetHead(channels, ANCHORS, num_classes)
    for module in head.children():
        convs = [Conv2dNormActivation(channels, channels, norm_layer=norm) for _ in range(recipe.head_convs)]
        module.conv = nn.Sequential(*convs)
        for conv in module.modules():
            if isinstance(conv, nn.Conv2d):
                nn.init.normal_(conv.weight, std=0.01 * (PUBLISHED_CHANNELS / channels) ** 0.5)
        for block in convs:
            if block[0].bias is not None:  # the last convolutions keep their bias, a prior of 0.01 for every class
                nn.init.zeros_(block[0].bias)
    return head
