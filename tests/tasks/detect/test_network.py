"""RetinaNet: torchvision's own loss and detections, frozen norms, anchors, and one seed for all rows."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection.retinanet import RetinaNet as TorchvisionRetinaNet
from torchvision.models.detection.retinanet import RetinaNetHead

from ablate.activations import Funnel
from ablate.models.features import build_features, pyramid_levels
from ablate.recipes.scenes import BackboneTraining, DetectRecipe
from ablate.tasks.detect.network import (
    ANCHORS,
    CANDIDATES,
    DETECTIONS,
    LEVELS,
    MATCHER,
    NMS_IOU,
    SCORE,
    Predictions,
    RetinaNet,
    build_anchors,
    detect_objects,
    detection_loss,
    match,
)
from ablate.training.determinism import Streams

CLASSES = 7
SMALL = {"width": 0.125, "depth": (1, 1, 1, 1), "stem": "small_s2", "stages": "all", "layers": "all"}
SIZES = {"pyramid_channels": 16, "head_convs": 2, "anchor_px": 8}


def recipe_of(**fields: object) -> DetectRecipe:
    return DetectRecipe(**{**SMALL, **SIZES, **fields})


def build_detector(recipe: DetectRecipe, seed: int = 0) -> RetinaNet:
    stream = Streams(seed).on_cpu
    features = build_features(recipe, stream, resolution_px=32, levels=pyramid_levels(recipe.model))
    return RetinaNet(features, recipe, CLASSES, stream)


def draw_objects(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    corner = torch.rand(count, 2, generator=generator) * 60
    extent = 4 + torch.rand(count, 2, generator=generator) * 40
    return torch.cat((corner, corner + extent), 1), torch.randint(0, CLASSES, (count,), generator=generator)


def torchvisions_loss(said: Predictions, boxes: list[Tensor], labels: list[Tensor]) -> Tensor:
    """The mean over images, each divided by its own matched anchors."""
    matched = [match(said.anchors, one) for one in boxes]
    targets = [{"boxes": box, "labels": label} for box, label in zip(boxes, labels, strict=True)]
    outputs = {"cls_logits": said.logits, "bbox_regression": said.offsets}
    head = RetinaNetHead(16, ANCHORS, CLASSES)
    losses: dict[str, Tensor] = head.compute_loss(targets, outputs, [said.anchors] * len(boxes), matched)
    return sum(losses.values(), torch.zeros(()))


def draw_predictions(images: int, generator: torch.Generator) -> Predictions:
    said = build_detector(recipe_of())(torch.randn(images, 3, 96, 128, generator=generator))
    logits = torch.randn(said.logits.shape, generator=generator, requires_grad=True)
    offsets = torch.randn(said.offsets.shape, generator=generator, requires_grad=True)
    return said._replace(logits=logits, offsets=offsets)


def test_loss_and_gradient_of_an_image_are_torchvisions():
    generator = torch.Generator().manual_seed(0)
    said = draw_predictions(1, generator)
    boxes, labels = draw_objects(4, generator)
    loss, count = detection_loss(said, [boxes], [labels])
    theirs = torchvisions_loss(said, [boxes], [labels])
    assert torch.allclose(loss / count, theirs)
    ours = torch.autograd.grad(loss / count, (said.logits, said.offsets))
    for own, other in zip(ours, torch.autograd.grad(theirs, (said.logits, said.offsets)), strict=True):
        assert torch.allclose(own, other, atol=1e-6)


def test_a_batch_is_divided_by_the_matched_anchors_of_all_images():
    generator = torch.Generator().manual_seed(1)
    said = draw_predictions(3, generator)
    objects = [draw_objects(count, generator) for count in (4, 0, 1)]  # an image without any is among them
    parts = [
        (said._replace(logits=said.logits[[at]], offsets=said.offsets[[at]]), [boxes], [labels])
        for at, (boxes, labels) in enumerate(objects)
    ]
    counts = [int((match(said.anchors, boxes) >= 0).sum()) for boxes, _ in objects]
    loss, count = detection_loss(said, [boxes for boxes, _ in objects], [labels for _, labels in objects])
    assert count == sum(counts)
    assert counts[1] == 0
    expected = sum(float(torchvisions_loss(*part).detach()) * max(n, 1) for part, n in zip(parts, counts, strict=True))
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_a_batch_without_any_object_has_a_loss_and_a_gradient():
    said = draw_predictions(2, torch.Generator().manual_seed(2))
    nothing = [torch.zeros(0, 4)] * 2, [torch.zeros(0, dtype=torch.long)] * 2
    loss, count = detection_loss(said, *nothing)
    assert count == 0
    loss.backward()
    assert said.logits.grad is not None
    assert said.logits.grad.abs().sum() > 0


def test_detections_are_torchvisions():
    generator = torch.Generator().manual_seed(1)
    backbone = nn.Identity()
    backbone.out_channels = 16  # type: ignore[assignment]
    theirs = TorchvisionRetinaNet(
        backbone, CLASSES, anchor_generator=build_anchors(8), score_thresh=SCORE, nms_thresh=NMS_IOU,
        detections_per_img=DETECTIONS, topk_candidates=CANDIDATES,
    )  # fmt: skip
    said = build_detector(recipe_of())(torch.randn(2, 3, 96, 128, generator=generator))
    said = said._replace(
        logits=torch.randn(said.logits.shape, generator=generator) - 1,
        offsets=torch.randn(said.offsets.shape, generator=generator) / 3,
    )
    counts = said.level.bincount().tolist()
    expected = theirs.postprocess_detections(
        {"cls_logits": list(said.logits.split(counts, 1)), "bbox_regression": list(said.offsets.split(counts, 1))},
        [list(said.anchors.split(counts))] * 2, [(90, 120)] * 2,
    )  # fmt: skip
    for ours, other in zip(detect_objects(said, 90, 120), expected, strict=True):
        assert len(ours.boxes) == DETECTIONS
        assert torch.equal(ours.boxes, other["boxes"])
        assert torch.equal(ours.labels, other["labels"])
        assert torch.equal(ours.scores, other["scores"])


def test_an_image_in_which_nothing_is_sure_enough_has_no_detections():
    said = build_detector(recipe_of()).eval()(torch.randn(1, 3, 64, 64))
    (found,) = detect_objects(said._replace(logits=torch.full_like(said.logits, -9.0)), 64, 64)
    assert [len(part) for part in found] == [0, 0, 0]


def test_anchors_lie_a_stride_apart_and_double_from_level_to_level():
    said = build_detector(recipe_of())(torch.randn(1, 3, 96, 160))
    for level in range(LEVELS):
        anchors, stride = said.anchors[said.level == level], 4 * 2**level
        middles = (anchors[:, :2] + anchors[:, 2:]) / 2
        assert len(anchors) == ANCHORS * -(-96 // stride) * -(-160 // stride)
        assert torch.equal(middles[ANCHORS], torch.tensor([stride, 0.0]))  # one place to the right
        area = (anchors[:, 2:] - anchors[:, :2]).prod(1).sqrt()
        assert 8 * 2**level * 0.85 < area.min() < area.max() < 8 * 2**level * 1.8


def test_an_object_of_any_size_has_an_anchor():
    said = build_detector(recipe_of())(torch.randn(1, 3, 96, 96))
    for side in (5, 9, 17, 33, 60):
        box = torch.tensor([[20.0, 20.0, 20.0 + side, 20.0 + side]])
        assert (match(said.anchors, box) == 0).any(), side
    assert MATCHER.high_threshold == 0.5


def test_rows_of_a_seed_start_with_one_pyramid_and_head_and_other_seeds_with_others():
    relu, funnel = (build_detector(recipe_of(activation=name)).state_dict() for name in ("relu", "frelu"))
    other = build_detector(recipe_of(activation="relu"), seed=1).state_dict()
    shared = [name for name in relu if name.startswith(("pyramid", "head"))]
    assert shared
    assert all(torch.equal(relu[name], funnel[name]) for name in shared)
    assert not torch.equal(
        relu["head.classification_head.cls_logits.weight"], other["head.classification_head.cls_logits.weight"]
    )
    bias = relu["head.classification_head.cls_logits.bias"]
    assert torch.allclose(bias.sigmoid(), torch.full_like(bias, 0.01))


def test_building_a_detector_leaves_the_default_generator_alone():
    before = torch.get_rng_state()
    build_detector(recipe_of())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("has_backbone", [True, False])
def test_frozen_norms_keep_statistics_and_gains_those_of_funnels_too(has_backbone: bool):
    backbone = BackboneTraining(dataset="digits") if has_backbone else None
    detector = build_detector(recipe_of(freeze_norm=True, backbone=backbone)).train()
    before = copy.deepcopy(detector.state_dict())
    trained = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=0.01)
    boxes, labels = draw_objects(3, torch.Generator().manual_seed(0))
    detection_loss(detector(torch.randn(1, 3, 64, 64)), [boxes], [labels])[0].backward()
    optimiser.step()
    after = detector.state_dict()
    norms = [
        f"{path}.{name}"
        for path, part in detector.named_modules()
        if isinstance(part, nn.BatchNorm2d)
        for name in part.state_dict()
    ]
    assert any("branches" in name for name in norms)
    assert all(torch.equal(before[name], after[name]) for name in norms) is has_backbone
    funnels = [path for path, part in detector.named_modules() if isinstance(part, Funnel)]
    assert all(
        not torch.equal(before[f"{path}.branches.0.conv.weight"], after[f"{path}.branches.0.conv.weight"])
        for path in funnels[:3]
    )


def test_a_pyramid_stands_on_c5_also_where_c5_has_as_many_channels():
    detector = build_detector(recipe_of(pyramid_channels=256))
    seen: list[tuple[int, ...]] = []
    detector.pyramid.extra_blocks.p6.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    images = torch.randn(1, 3, 64, 64)
    detector.eval()(images)
    assert torch.equal(seen[0], detector.backbone(images)["C5"])


def test_a_detector_trains_in_bf16_and_channels_last():
    detector = build_detector(recipe_of(model="shufflenet_v2_x1.5", depth=(1, 1, 1))).to(
        memory_format=torch.channels_last
    )
    boxes, labels = draw_objects(3, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        said = detector(torch.randn(1, 3, 64, 64).to(memory_format=torch.channels_last))
    assert isinstance(said, Predictions)
    assert said.logits.dtype == said.offsets.dtype == torch.float32
    loss, _ = detection_loss(said, [boxes], [labels])
    loss.backward()
    lacking = [name for name, one in detector.named_parameters() if one.grad is None or not one.grad.isfinite().all()]
    assert lacking == []


@pytest.mark.parametrize(("head_norm", "groups"), [("none", []), ("gn", [2, 2, 2, 2])])
def test_heads_have_the_norms_that_the_recipe_asks_for_behind_every_convolution_but_the_last(head_norm, groups):
    detector = build_detector(recipe_of(pyramid_channels=16, head_convs=2, head_norm=head_norm))
    assert [part.num_groups for part in detector.head.modules() if isinstance(part, nn.GroupNorm)] == groups


def test_heads_start_as_torchvisions_at_256_channels_and_pass_on_as_much_at_any_width():
    theirs = RetinaNetHead(256, ANCHORS, CLASSES).state_dict()
    ours = build_detector(recipe_of(pyramid_channels=256, head_convs=4)).head.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value.shape == theirs[name].shape
        assert value.double().std().item() == pytest.approx(theirs[name].double().std().item(), rel=0.05, abs=1e-9)
        assert value.double().mean().item() == pytest.approx(theirs[name].double().mean().item(), abs=1e-3)
    gains = []
    for channels in (16, 64, 256):
        head = build_detector(recipe_of(pyramid_channels=channels, head_convs=1)).head
        maps = torch.randn(4, channels, 16, 16, generator=torch.Generator().manual_seed(0))
        gains.append(head.classification_head.conv(maps).std().item())
    assert max(gains) < 1.25 * min(gains)
