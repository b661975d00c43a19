"""Maps of a network as outputs: the classifier's own numbers, its weights by name, and dilation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ablate.errors import SiteError, TrialError
from ablate.models.features import Features, build_features, pyramid_levels
from ablate.models.surgery import build
from ablate.models.zoo import build_network
from ablate.recipes.classify import OWN_NETWORKS, ClassifyRecipe
from ablate.tasks.scene_network import load_backbone
from ablate.training.checkpoint import FILE, Training, save_checkpoint
from ablate.training.determinism import Streams
from ablate.training.optim import build_optimiser, build_scheduler

stream = Streams(0).on_cpu
MINIATURES = {
    "resnet50": {"width": 0.125, "depth": (1, 2, 1, 2)},
    "resnet101": {"width": 0.125, "depth": (1, 1, 2, 1)},
    "mobilenet_v1_x0.75": {"width": 0.25, "depth": (1, 1, 1, 2, 1)},
    "shufflenet_v2_x0.5": {"width": 0.5, "depth": (1, 2, 1)},
    "shufflenet_v2_x1.5": {"width": 0.125, "depth": (1, 1, 2)},
}
LAST = {
    "resnet": ("layer1", "layer2", "layer3", "layer4"),
    "mobilenet": ("stage2", "stage3", "stage4", "stage5"),
    "shufflenet": ("stage2", "stage3", "stage4", "conv5"),
}
"""The modules of our networks whose results C2 to C5 are."""


def recipe_of(model: str, **fields: object) -> ClassifyRecipe:
    return ClassifyRecipe(**{"model": model, "stages": "all", "layers": "all", **MINIATURES[model], **fields})


def take_features(recipe: ClassifyRecipe, seed: int = 0, **options: object) -> Features:
    features = build_features(recipe, Streams(seed).on_cpu, resolution_px=64, **options)  # type: ignore[arg-type]
    features.network.eval()
    return features


def save_classifier(recipe: ClassifyRecipe, folder: Path) -> nn.Module:
    """A classifier after some steps of training (its statistics and weights are none that a seed gives)."""
    network = build(recipe, 10, 64, stream).network
    optimiser = build_optimiser(network, recipe)
    training = Training(network, network, optimiser, build_scheduler(optimiser, recipe, 2, 1), 0, 0.0, [])
    for _ in range(2):
        cross_entropy(network(torch.randn(4, 3, 64, 64)), torch.arange(4)).backward()
        optimiser.step()
    save_checkpoint(training, folder)
    return network.eval()


@pytest.mark.parametrize("model", OWN_NETWORKS)
def test_each_map_is_the_result_of_the_networks_own_stage(model: str):
    recipe = recipe_of(model, activation="relu", se=True)
    network = build_network(recipe, 10, stream).eval()
    expected: list[Tensor] = []
    for path in LAST[model.split("_")[0].rstrip("0123456789")]:
        network.get_submodule(path).register_forward_hook(lambda module, inputs, out: expected.append(out))
    images = torch.randn(2, 3, 64, 96)
    network(images)
    maps = take_features(recipe, levels=(2, 3, 4, 5)).network(images)
    assert list(maps) == ["C2", "C3", "C4", "C5"]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(maps.values(), expected, strict=True))


@pytest.mark.parametrize("model", OWN_NETWORKS)
@pytest.mark.parametrize("stem", ["imagenet", "small_s2"])
def test_a_pyramid_stands_on_maps_of_which_each_has_half_of_the_last_ones_resolution(model: str, stem: str):
    features = take_features(recipe_of(model, stem=stem), levels=pyramid_levels(model))
    first, second, third = features.strides.values()
    assert (second, third) == (2 * first, 4 * first)
    images = torch.randn(2, 3, 64, 96)
    for name, found in features.network(images).items():
        stride = features.strides[name]
        assert found.shape == (2, features.channels[name], 64 // stride, 96 // stride)


@pytest.mark.parametrize("model", OWN_NETWORKS)
def test_a_trials_weights_load_strictly_and_give_its_own_maps(model: str, tmp_path: Path):
    recipe = recipe_of(model)
    classifier = save_classifier(recipe, tmp_path)
    features = take_features(recipe, seed=1)
    load_backbone(features, tmp_path)
    trained, own = classifier.state_dict(), features.network.state_dict()
    assert all(torch.equal(trained[name], value) for name, value in own.items())
    assert sorted(trained.keys() - own.keys()) in (["fc.bias", "fc.weight"], ["fc.weight"])
    images = torch.randn(2, 3, 64, 64)
    pooled = features.network(images)["C5"].mean((2, 3))
    assert torch.allclose(classifier.get_submodule("fc")(pooled), classifier(images), rtol=1e-4, atol=1e-4)


def test_stages_behind_the_last_level_are_left_out_and_not_asked_for(tmp_path: Path):
    recipe = recipe_of("resnet50")
    save_classifier(recipe, tmp_path)
    features = take_features(recipe, levels=(3, 4))
    assert not any("layer4" in name for name in features.network.state_dict())
    load_backbone(features, tmp_path)


def test_weights_of_another_network_are_refused_by_the_first_part_that_differs(tmp_path: Path):
    save_classifier(recipe_of("resnet50", activation="relu"), tmp_path)
    with pytest.raises(
        TrialError, match=rf"{re.escape(str(tmp_path / FILE))} belongs to another network.*sites\.layer1"
    ):
        load_backbone(take_features(recipe_of("resnet50")), tmp_path)
    with pytest.raises(TrialError, match=r"first is bn1\.bias"):
        load_backbone(take_features(recipe_of("resnet50", activation="relu", width=0.25)), tmp_path)


def test_a_checkpoint_that_is_missing_or_damaged_is_named(tmp_path: Path):
    features = take_features(recipe_of("resnet50"))
    with pytest.raises(TrialError, match=rf"{re.escape(str(tmp_path / FILE))} is missing"):
        load_backbone(features, tmp_path)
    (tmp_path / FILE).write_bytes(b"x" * 100)
    with pytest.raises(
        TrialError, match=rf"{re.escape(str(tmp_path / FILE))}, with the backbone's weights, cannot be read"
    ):
        load_backbone(features, tmp_path)


@pytest.mark.parametrize("stride_in", ["1x1", "3x3"])
def test_a_dilated_network_has_at_every_second_place_what_the_strided_one_has(stride_in: str):
    recipe = recipe_of("resnet50", stride_in=stride_in, activation="relu", depth=(1, 1, 2, 2))
    images = torch.randn(2, 3, 128, 128)
    strided = take_features(recipe).network(images)
    dilated = take_features(recipe, dilate=(4, 5))
    assert dilated.strides == {"C3": 8, "C4": 8, "C5": 8}
    maps = dilated.network(images)
    for name, step in (("C3", 1), ("C4", 2), ("C5", 4)):
        assert torch.allclose(maps[name][:, :, ::step, ::step], strided[name], rtol=1e-4, atol=1e-5)


def test_dilation_is_torchvisions_where_the_stride_is_in_the_3x3():
    torchvision = pytest.importorskip("torchvision")
    theirs = torchvision.models.resnet50(replace_stride_with_dilation=[False, True, True])
    ours = take_features(ClassifyRecipe(stride_in="3x3"), dilate=(4, 5)).network
    for name, conv in theirs.named_modules():
        if isinstance(conv, nn.Conv2d):
            own = ours.get_submodule(name)
            assert (own.stride, own.dilation, own.padding) == (conv.stride, conv.dilation, conv.padding), name


def test_funnels_keep_their_window_when_stages_are_dilated_and_weights_load_all_the_same(tmp_path: Path):
    recipe = recipe_of("resnet50")
    save_classifier(recipe, tmp_path)
    features = take_features(recipe, dilate=(4, 5))
    load_backbone(features, tmp_path)
    funnels = features.network.get_submodule("sites")
    assert {conv.dilation for conv in funnels.modules() if isinstance(conv, nn.Conv2d)} == {(1, 1)}


def test_maps_keep_channels_last_and_train_under_bf16_autocast():
    features = build_features(recipe_of("shufflenet_v2_x1.5"), stream, resolution_px=64, levels=(2, 3, 5))
    network = features.network.to(memory_format=torch.channels_last)
    images = torch.randn(2, 3, 64, 64).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        maps = network(images)
    assert all(found.is_contiguous(memory_format=torch.channels_last) for found in maps.values())
    torch.stack([found.float().square().mean() for found in maps.values()]).sum().backward()
    lacking = [name for name, one in network.named_parameters() if one.grad is None or not one.grad.isfinite().all()]
    assert lacking == []


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        ({"model": "torchvision/resnet18"}, {}, "torchvision/resnet18 cannot be a backbone; allowed: resnet50"),
        ({"model": "shufflenet_v2_x1.5"}, {"dilate": (5,)}, "stages of shufflenet_v2_x1.5 cannot be dilated"),
        ({}, {"dilate": (2, 5)}, "stages (2,) have no stride to replace by dilation; allowed: some of (3, 4, 5)"),
        ({}, {"levels": (5, 4)}, "levels are (5, 4); allowed: some of (2, 3, 4, 5), ascending"),
        ({}, {"levels": ()}, "levels are (); allowed"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(fields: dict[str, object], options: dict[str, object], message: str):
    with pytest.raises(SiteError, match=re.escape(message)):
        take_features(ClassifyRecipe(**fields), **options)
