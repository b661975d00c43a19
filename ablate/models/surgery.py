"""Replaces the activation at the selected call sites of a network by the recipe's, and reports what it replaced.

Surgery works on calls. Each selected call gets its own module, at the path `sites.NAME` with the site's name, or in the
place of the activation inside a fused normalisation. The keys of the network's state do not change; modules that the
forward no longer calls, such as a replaced PReLU, are removed.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, fx, nn

from ablate.activations import build_activation
from ablate.errors import SiteError
from ablate.models.call_site import Site
from ablate.models.own_networks import Stream
from ablate.models.sites import Call, Survey, survey
from ablate.models.zoo import build_network
from ablate.recipes.classify import ActivationFields

LAYER_ORDER = ("1x1", "3x3", "add", "stem", "other")


@dataclass(frozen=True, slots=True)
class Operated:
    """A network after surgery.

    Attributes:
        network: the network as a graph; accepts every size that the original network accepts.
        replaced: the selected sites.
        kept: the other sites, which have their native activation, or ReLU with `elsewhere = "relu"`.
        paths: name of a replaced site -> path of its new module in `network`.
    """

    network: fx.GraphModule
    replaced: tuple[Site, ...]
    kept: tuple[Site, ...]
    paths: dict[str, str]


POINTWISE = nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.GELU
"""Modules that read each number alone, so the order of dimensions is no matter to them. A permuted tensor is: some
processors have another kernel for it, which rounds differently (GELU by 1e-6)."""


class ChannelsFirst(nn.Module):
    """Applies a module that expects (B, C, H, W) to (B, H, W, C).

    Args:
        inner: the module.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same shape."""
        out: Tensor = self.inner(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return out


def build(recipe: ActivationFields, num_classes: int, resolution_px: int, stream: Stream) -> Operated:
    """Build the network of a recipe with the recipe's activation at the selected sites.

    Args:
        recipe: recipe; its network, activation and funnel fields are read, and `dropout` if it has it.
        num_classes: outputs of the head.
        resolution_px: side of the images in pixels.
        stream: source of the generator for `init/PATH`; rows of one seed have equal weights at equal paths.

    Raises:
        SiteError: the network is unknown or its activations cannot be replaced, or no site is selected.
    """
    return operate(build_network(recipe, num_classes, stream), recipe, resolution_px, stream)


def operate(network: nn.Module, recipe: ActivationFields, resolution_px: int, stream: Stream) -> Operated:
    """Replace the activation at the selected call sites.

    Args:
        network: network; the result shares its parameters and buffers, so train only one of the two.
        recipe: recipe; `activation`, `stages`, `layers`, `elsewhere` and the funnel fields are read.
        resolution_px: side in pixels of the images at which sites are found; a 1x1 map has no site.
        stream: source of the generator for `init/sites.NAME`.

    Raises:
        SiteError: see `survey`, or the selection matches no site.
    """
    found = survey(network, resolution_px, name=recipe.model)
    selected = {call.site for call in select(found.calls, recipe)}
    modules: dict[Site, nn.Module] = {}
    for call in found.calls:
        site = call.site
        if site in selected:
            modules[site] = build_activation(recipe, site.channels, stream(f"init/sites.{site.name}"))
        elif recipe.elsewhere == "relu" and not recipe.is_own and site.native != "relu":
            modules[site] = nn.ReLU()
    paths = replace(found, modules)
    replaced = tuple(call.site for call in found.calls if call.site in selected)
    kept = tuple(call.site for call in found.calls if call.site not in selected)
    return Operated(found.graph, replaced, kept, {site.name: paths[site.name] for site in replaced})


def select(calls: Sequence[Call], recipe: ActivationFields) -> list[Call]:
    """The calls that the recipe's `stages` and `layers` select; none for ReLU on our own networks, which have ReLU.

    Raises:
        SiteError: the selection matches no site.
    """
    if recipe.is_own and recipe.activation == "relu":
        return []
    chosen = [
        call
        for call in calls
        if (recipe.stages == "all" or call.site.stage in recipe.stages)
        and (recipe.layers == "all" or call.site.kind in recipe.layers)
    ]
    if chosen:
        return chosen
    stages = sorted({call.site.stage for call in calls})
    layers = sorted({call.site.kind for call in calls}, key=LAYER_ORDER.index)
    raise SiteError(
        f"no site matches stages {recipe.stages}, layers {recipe.layers}; this network has stages "
        f"{_ranges(stages)} and layers {', '.join(layers)}"
    )


def replace(found: Survey, modules: dict[Site, nn.Module]) -> dict[str, str]:
    """Put each module at its site, in place.

    Args:
        found: traced network; its graph is changed.
        modules: site -> its new module.

    Returns:
        Name of a site -> path of its module.

    Raises:
        RuntimeError: the graph does not call each new module exactly once, which is a bug in this function.
    """
    graph = found.graph
    position = {node: index for index, node in enumerate(graph.graph.nodes)}
    paths: dict[str, str] = {}
    for call in found.calls:
        if call.site not in modules:
            continue
        module = modules[call.site]
        if call.site.layout == "nhwc" and not isinstance(module, POINTWISE):
            module = ChannelsFirst(module)
        if call.is_fused:
            paths[call.site.name] = _replace_hidden(graph, call, module)
        else:
            paths[call.site.name] = _replace_call(graph, call, module, position)
    graph.delete_all_unused_submodules()
    graph.graph.lint()
    graph.recompile()
    _check(graph, found.calls, paths)
    return paths


def _replace_call(graph: fx.GraphModule, call: Call, module: nn.Module, position: dict[fx.Node, int]) -> str:
    old, path = call.node, f"sites.{call.site.name}"
    source = old.all_input_nodes[0]
    graph.add_submodule(path, module.train(graph.training))
    with graph.graph.inserting_before(old):
        new = graph.graph.call_module(path, (source,))
    new.meta = dict(old.meta)
    position[new] = position[old]
    if _is_in_place(graph, old):
        # After an in-place activation, later readers of its input read the activated map.
        source.replace_all_uses_with(new, delete_user_cb=lambda user: position[user] > position[old])
    old.replace_all_uses_with(new)
    graph.graph.erase_node(old)
    return path


def _replace_hidden(graph: fx.GraphModule, call: Call, module: nn.Module) -> str:
    path = str(call.node.target)
    parent, _, child = path.rpartition(".")
    fused = copy.copy(graph.get_submodule(path))
    fused._modules = {**fused._modules, "act": module.train(fused.training)}
    setattr(graph.get_submodule(parent), child, fused)
    return f"{path}.act"


def _is_in_place(graph: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return bool(getattr(graph.get_submodule(str(node.target)), "inplace", False))
    spelled = node.target if isinstance(node.target, str) else node.target.__name__
    return spelled.endswith("_") or node.kwargs.get("inplace") is True or True in node.args


def _check(graph: fx.GraphModule, calls: Sequence[Call], paths: dict[str, str]) -> None:
    times = Counter(str(node.target) for node in graph.graph.nodes if node.op == "call_module")
    fused = {f"{call.node.target}.act": str(call.node.target) for call in calls if call.is_fused}
    wrong = [path for path in paths.values() if times[fused.get(path, path)] != 1]
    if wrong or len(set(paths.values())) != len(paths):
        raise RuntimeError(f"surgery went wrong: {wrong or sorted(paths.values())} not called exactly once")


def _ranges(numbers: Sequence[int]) -> str:
    is_run = list(numbers) == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]}-{numbers[-1]}" if is_run and len(numbers) > 1 else ", ".join(map(str, numbers))
