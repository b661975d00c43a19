"""A network's maps as outputs: the backbone of a detector or segmenter, with the weights of a classification trial.

Level 5 is the last map of stage 5, in the stage numbers of `ablate.models.sites`, and is named C5. After surgery a
network is a graph. Here its outputs are replaced by such maps, and modules after the last map are removed. Parameter
names stay those of the classification network, so that its weights load by name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from torch import fx, nn

from ablate.errors import SiteError
from ablate.models.own_networks import OwnNetwork, Stream
from ablate.models.surgery import operate
from ablate.models.trace import Shapes, module_path, propagate
from ablate.models.zoo import build_network
from ablate.recipes.classify import OWN_NETWORKS, ActivationFields

LEVELS = (2, 3, 4, 5)
PYRAMIDS = {"resnet": (3, 4, 5), "mobilenet": (3, 4, 5), "shufflenet": (2, 3, 5)}
"""Family -> the levels of its three coarsest resolutions. ShuffleNet's stages 4 and 5 have the same resolution, and the
last map of a resolution is used, as Lin et al. 2017 (1612.03144) define a stage."""
DILATABLE = (3, 4, 5)
"""Stages of a ResNet that begin with a stride."""
MEASURED_PX = 224
"""Side of the image, in pixels, for which strides are computed; every stride of our networks divides it."""


@dataclass(frozen=True, slots=True)
class Features:
    """The feature extractor of a network.

    Attributes:
        network: module from images (B, 3, H, W) to a dict, name of a level -> (B, channels, H / stride, W / stride),
            finest first; training and evaluation mode as in the classification network.
        channels: name of a level (`C2` .. `C5`) -> channels of its map.
        strides: name of a level -> pixels of the image per pixel of its map.
        left_out: keys of the classification network's state that are missing here: the head, and stages after the last
            level.
        model: name in the recipe, for error messages.
    """

    network: fx.GraphModule
    channels: dict[str, int]
    strides: dict[str, int]
    left_out: frozenset[str]
    model: str


def build_features(
    recipe: ActivationFields,
    stream: Stream,
    *,
    resolution_px: int,
    levels: Sequence[int] = (3, 4, 5),
    dilate: Collection[int] = (),
) -> Features:
    """Build the feature extractor of a recipe's network, with its activation at the selected sites.

    Args:
        recipe: recipe of one of our networks; its network, activation and funnel fields are read.
        stream: source of the generator for `init/PATH`; the weights equal those of the seed's classification network.
        resolution_px: side in pixels of the classification images; sites are found at this resolution.
        levels: levels of the maps, ascending, from 2 .. 5.
        dilate: stages of a ResNet whose stride is replaced by dilation.

    Raises:
        SiteError: the network is not one of ours, has no such level, cannot be dilated, or no site is selected.
    """
    if not recipe.is_own:
        raise SiteError(f"{recipe.model} cannot be a backbone; allowed: {', '.join(OWN_NETWORKS)}")
    if not levels or list(levels) != sorted(set(levels) & set(LEVELS)):
        raise SiteError(f"levels are {tuple(levels)}; allowed: some of {LEVELS}, ascending")
    network = build_network(recipe, 1, stream)
    assert isinstance(network, OwnNetwork)  # implied by `is_own`
    graph = operate(network, recipe, resolution_px, stream).network
    whole = graph.state_dict().keys()
    if dilate:
        _dilate(graph, recipe, dilate)
    shapes = propagate(graph, MEASURED_PX, 3, recipe.model)
    maps = {f"C{level}": _last_map(graph, network, shapes, level) for level in levels}
    _put_out(graph, maps)
    return Features(
        graph,
        {name: shapes[node.name][1] for name, node in maps.items()},
        {name: MEASURED_PX // shapes[node.name][2] for name, node in maps.items()},
        frozenset(whole - graph.state_dict().keys()),
        recipe.model,
    )


def pyramid_levels(model: str) -> tuple[int, ...]:
    """The levels of a feature pyramid on one of our networks; each has half the resolution of the one before.

    Raises:
        SiteError: the network is not one of ours.
    """
    if model not in OWN_NETWORKS:
        raise SiteError(f"{model} cannot be the backbone of a feature pyramid; allowed: {', '.join(OWN_NETWORKS)}")
    return PYRAMIDS[model.split("_")[0].rstrip("0123456789")]


def _last_map(graph: fx.GraphModule, network: OwnNetwork, shapes: Shapes, level: int) -> fx.Node:
    found: fx.Node
    for node in graph.graph.nodes:
        is_map = len(shapes.get(node.name, ())) == 4
        if is_map and network.stage_of(module_path(node).removeprefix("sites.")) == level:
            found = node
    return found


def _put_out(graph: fx.GraphModule, maps: dict[str, fx.Node]) -> None:
    output = next(node for node in graph.graph.nodes if node.op == "output")
    output.args = (dict(maps),)
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.graph.lint()
    graph.recompile()


def _dilate(graph: fx.GraphModule, recipe: ActivationFields, stages: Collection[int]) -> None:
    """Replace the stride of stages by dilation of the following 3x3 convolutions, as torchvision's ResNets do.

    In v1 the stride is before a block's 3x3 convolution, which is then dilated too. In v1.5 the stride is in the 3x3
    convolution, which still sees the finer map, and only later ones are dilated. Every second position of each map then
    equals the map of the strided network. The windows of funnels are not changed: they are a choice of the recipe
    (`window`, `window_dilation`), and training adapts them to the finer map.
    """
    if not recipe.model.startswith("resnet"):
        raise SiteError(f"stages of {recipe.model} cannot be dilated; allowed: resnet50, resnet101")
    if wrong := sorted(set(stages) - set(DILATABLE)):
        raise SiteError(f"stages {tuple(wrong)} have no stride to replace by dilation; allowed: some of {DILATABLE}")
    dilation = 1
    for stage in range(2, 6):
        for name, block in graph.get_submodule(f"layer{stage - 1}").named_children():
            before = dilation
            if name == "0" and stage in stages:
                dilation *= 2
                _unstride(block)
            sees_finer = name == "0" and recipe.stride_in == "3x3"
            _set_dilation(block.get_submodule("conv2"), before if sees_finer else dilation)


def _unstride(block: nn.Module) -> None:
    for conv in block.modules():
        if isinstance(conv, nn.Conv2d):
            conv.stride = (1, 1)


def _set_dilation(conv: nn.Module, dilation: int) -> None:
    assert isinstance(conv, nn.Conv2d)
    conv.dilation = conv.padding = (dilation, dilation)
