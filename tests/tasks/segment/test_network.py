"""PSPNet: its backbone, its output, and that it is the row's own network with the row's own weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ablate.activations import Funnel
from ablate.errors import SiteError
from ablate.models.surgery import build
from ablate.recipes.scenes import SegmentRecipe
from ablate.tasks.scene_network import load_backbone
from ablate.tasks.segment.network import PSPNet, build_street_features
from ablate.training.checkpoint import Training, save_checkpoint
from ablate.training.determinism import Streams
from ablate.training.optim import build_optimiser, build_scheduler

TINY: dict[str, Any] = {"width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "pyramid_channels": 8}


def tiny(**changes: Any) -> SegmentRecipe:
    return SegmentRecipe(**TINY | changes)


def pspnet(recipe: SegmentRecipe, seed: int = 0) -> PSPNet:
    stream = Streams(seed).on_cpu
    return PSPNet(build_street_features(recipe, stream, 32), recipe, 19, stream)


@pytest.mark.parametrize("stem", ["imagenet", "small_s2", "small"])
@pytest.mark.parametrize("stride_in", ["1x1", "3x3"])
def test_a_pixel_of_the_last_map_is_eight_of_the_image(stem: str, stride_in: str) -> None:
    features = build_street_features(tiny(stem=stem, stride_in=stride_in), Streams(0).on_cpu, 64)
    assert features.strides["C5"] == 8
    maps = features.network(torch.zeros(2, 3, 64, 128))
    assert maps["C5"].shape == (2, features.channels["C5"], 8, 16)


def test_every_pixel_is_answered_and_the_auxiliary_head_only_in_training() -> None:
    network = pspnet(tiny())
    images = torch.randn(2, 3, 48, 96)
    main, aux = network(images)
    assert main.shape == (2, 19, 48, 96)
    assert aux is not None
    assert aux.shape == main.shape
    assert network.eval()(images).aux is None
    assert pspnet(tiny(aux_weight=0.0)).train()(images).aux is None


def test_the_studied_activation_is_in_the_backbone_alone() -> None:
    network = pspnet(tiny(stages="all", layers="all"))
    inside = [name for name, part in network.named_modules() if isinstance(part, Funnel)]
    assert len(inside) > 5
    assert all(name.startswith("backbone.") for name in inside)


def test_rows_of_a_seed_start_with_the_same_heads_and_seeds_with_others() -> None:
    one, other = (pspnet(tiny(activation=name)) for name in ("relu", "frelu"))
    for part in ("pyramid", "head", "aux"):
        ours, theirs = (getattr(network, part).state_dict() for network in (one, other))
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not torch.equal(one.head[-1].weight, pspnet(tiny(), seed=1).head[-1].weight)


def test_the_backbone_is_the_classification_network_with_its_trained_weights(tmp_path: Path) -> None:
    recipe = tiny(backbone={"dataset": "digits"})  # whose stem needs no dilation, so that maps can be compared
    parent = recipe.backbone_recipe()
    assert parent is not None
    trained = build(parent, 10, 32, Streams(7).on_cpu).network
    optimiser = build_optimiser(trained, parent)
    scheduler = build_scheduler(optimiser, parent, 1, 1)
    save_checkpoint(Training(trained, trained, optimiser, scheduler, step=1, train_s=0.0, curve=[]), tmp_path)
    features = build_street_features(recipe, Streams(0).on_cpu, 32)
    load_backbone(features, tmp_path)
    images = torch.randn(2, 3, 32, 32)
    expected: list[torch.Tensor] = []
    for part in trained.modules():
        if isinstance(part, nn.AdaptiveAvgPool2d):
            part.register_forward_pre_hook(lambda _, inputs: expected.append(inputs[0]))
    with torch.inference_mode():
        trained.eval()(images)
        assert torch.equal(features.network.eval()(images)["C5"], expected[0])


def test_frozen_norms_are_those_of_the_backbone_and_stay_as_they_are() -> None:
    network = pspnet(tiny(freeze_norm=True, backbone={"dataset": "digits"})).train()
    before = {name: value.clone() for name, value in network.state_dict().items() if "running" in name}
    network(torch.randn(4, 3, 32, 32))
    moved = {
        name for name, value in network.state_dict().items() if name in before and not torch.equal(value, before[name])
    }
    assert moved
    assert not any(name.startswith("backbone.") for name in moved)
    assert all(not value.requires_grad for part in network.frozen for value in part.parameters())


@pytest.mark.parametrize("model", ["shufflenet_v2_x1.5", "torchvision/resnet18"])
def test_a_network_that_cannot_be_dilated_is_refused_by_name(model: str) -> None:
    with pytest.raises(SiteError, match=rf"{model} cannot be the backbone of PSPNet, .*allowed: resnet50, resnet101"):
        build_street_features(SegmentRecipe(model=model), Streams(0).on_cpu, 32)
