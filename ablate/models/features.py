"""A network's maps as outputs: what stands under a detector or a segmenter, with the weights of a classification trial.

Level 5 is the last map of stage 5, by the numbering of stages that rows use (`ablate.models.sites`), and is called C5.
After surgery a network is a graph; here its outputs become such maps, and what lies behind the last of them is left
out. Names of parameters stay those of the classification network, so that its weights load by name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from torch import fx, nn

from ablate.errors import SiteError
from ablate.models.own import OwnNetwork, Stream
from ablate.models.surgery import operate
from ablate.models.trace import Shapes, module_path, propagate
from ablate.models.zoo import build_network
from ablate.recipes.classify import OWN_NETWORKS, ActivationFields

LEVELS = (2, 3, 4, 5)
PYRAMIDS = {"resnet": (3, 4, 5), "mobilenet": (3, 4, 5), "shufflenet": (2, 3, 5)}
"""Family -> the last maps at its three coarsest resolutions. ShuffleNet's stages 4 and 5 have one resolution, and of
those the last map is taken, as Lin et al. 2017 (1612.03144) define a stage."""
DILATABLE = (3, 4, 5)
"""Stages of a ResNet that begin with a stride."""
MEASURED_PX = 224
"""Side at which strides are found; every stride of our networks divides it."""


@dataclass(frozen=True, slots=True)
class Features:
    """The part of a network that makes maps.

    Attributes:
        network: images (B, 3, H, W) to a dict, level's name -> (B, channels, H / stride, W / stride), finest first;
            training and evaluation mode as in the classification network.
        channels: level's name (`C2` .. `C5`) -> channels of its map.
        strides: level's name -> pixels of the image per pixel of its map.
        left_out: what the classification network has in its state beside: the head, and stages behind the last level.
        model: as in the recipe, for errors.
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
    """The maps of the network that a recipe names, with its activation at the selected sites.

    Args:
        recipe: its network, activation and funnel fields are read; one of our networks.
        stream: gives the generator for `init/PATH`; weights are those of the classification network of that seed.
        resolution_px: side of the images that the weights come from, at which sites are found.
        levels: ascending, some of 2 .. 5.
        dilate: stages of a ResNet that keep the resolution: their stride becomes a dilation of what follows.

    Raises:
        SiteError: the network is not ours, has no such level, cannot be dilated, or no site is selected.
    """
    if not recipe.is_own:
        raise SiteError(f"maps of {recipe.model} cannot be taken; allowed: {', '.join(OWN_NETWORKS)}")
    if not levels or list(levels) != sorted(set(levels) & set(LEVELS)):
        raise SiteError(f"levels are {tuple(levels)}; expected: some of {LEVELS}, ascending")
    network = build_network(recipe, 1, stream)
    assert isinstance(network, OwnNetwork)  # `is_own` says so
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
    """The levels of one of our networks on which a feature pyramid stands: each has half of the last one's resolution.

    Raises:
        SiteError: the network is not ours.
    """
    if model not in OWN_NETWORKS:
        raise SiteError(f"a feature pyramid stands on {', '.join(OWN_NETWORKS)}; given: {model}")
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
    """Turn the stride of stages into dilation of the 3x3 convolutions behind it, as torchvision's ResNets do.

    Where the stride lies before a block's 3x3 convolution (v1), that one is dilated too; where it lies in it (v1.5), it
    still sees the finer map, and only those behind it are dilated. Each map then has, at every second place, what the
    strided network would have had there. The windows of funnels stay as they are: how wide they are is a factor of the
    recipe (`window`, `window_dilation`), which no stage may change in silence; training adapts them to the finer map.
    """
    if not recipe.model.startswith("resnet"):
        raise SiteError(f"stages of {recipe.model} cannot be dilated; allowed: resnet50, resnet101")
    if wrong := sorted(set(stages) - set(DILATABLE)):
        raise SiteError(f"stages {tuple(wrong)} have no stride to turn into dilation; allowed: some of {DILATABLE}")
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
