"""Finds the activation call sites of a network.

A site is a call, not a module: torchvision's bottleneck calls one `self.relu` three times. `Site` describes one. No
activation is computed; shapes come from fake tensors.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.nn import functional as F

from ablate.errors import SiteError, quote
from ablate.models.call_site import Kind, Layout, Site
from ablate.models.composed import NATIVE, activation_of, is_composed, is_composed_call, native_of
from ablate.models.own_networks import OwnNetwork
from ablate.models.trace import (
    Shapes,
    hidden_activation,
    is_normalisation,
    module_path,
    propagate,
    trace,
)

__all__ = ["Call", "Site", "Survey", "find_sites", "survey"]

ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")
PRODUCTS = (operator.mul, operator.imul, torch.mul, "mul", "mul_")
PERMUTATIONS = (torch.permute, "permute")
TRANSPARENT = (
    F.batch_norm, F.group_norm, F.layer_norm, F.instance_norm, F.dropout, F.dropout2d, "contiguous", *PERMUTATIONS,
)  # fmt: skip
TRANSPARENT_MODULES = frozenset({"Identity", "DropPath", "StochasticDepth", "DropBlock2d", "Permute"})


@dataclass(frozen=True, slots=True)
class Call:
    """A site and its node in the graph.

    Attributes:
        site: description of the site.
        node: node that calls the activation, or the fused normalisation that contains it.
        is_fused: whether the activation is the child `act` of a fused normalisation.
    """

    site: Site
    node: fx.Node
    is_fused: bool


@dataclass(frozen=True, slots=True)
class Survey:
    """A traced network and its call sites.

    Attributes:
        graph: the network as a graph.
        calls: call sites in forward order.
    """

    graph: fx.GraphModule
    calls: tuple[Call, ...]


def find_sites(network: nn.Module, resolution_px: int, channels: int = 3, name: str = "") -> tuple[Site, ...]:
    """The call sites of a network, in forward order.

    Args:
        network: network; it is not changed.
        resolution_px: side of the images in pixels; an activation on a 1x1 map is not a site.
        channels: channels of the images.
        name: name of the network for error messages; default: its class.

    Raises:
        SiteError: see `survey`.
    """
    return tuple(call.site for call in survey(network, resolution_px, channels, name).calls)


def survey(network: nn.Module, resolution_px: int, channels: int = 3, name: str = "") -> Survey:
    """The call sites of a network with its graph, which shares the network's parameters and buffers.

    Args:
        network: see `find_sites`.
        resolution_px: see `find_sites`.
        channels: see `find_sites`.
        name: see `find_sites`.

    Raises:
        SiteError: the network cannot be traced, differs between training and evaluation in a way that tracing would
            freeze, does not accept the resolution, or has no site.
    """
    name = name or type(network).__name__
    graph = trace(network, name)
    surveyor = _Surveyor(graph, propagate(graph, resolution_px, channels, name), network)
    calls = surveyor.find()
    if composed := surveyor.find_composed(calls):
        raise SiteError(
            f"{name} cannot be used: in {quote(module_path(composed.node) or name)} its {composed.site.native} at "
            f"{composed.site.name} is part of a composed activation (a power or a gate), which no other activation can "
            "replace; choose another network"
        )
    if not calls:
        advice = "set a larger resolution_px" if surveyor.has_points() else "choose a convolutional network"
        raise SiteError(
            f"{name} has no activation call site at {resolution_px} px: none of {', '.join(NATIVE)} is called on a "
            f"4-D map larger than 1x1 (transformers that process tokens have no such maps); {advice}"
        )
    fused = Counter(call.node.target for call in calls if call.is_fused)
    if shared := [str(target) for target, count in fused.items() if count > 1]:
        raise SiteError(
            f"{name} cannot be used: it calls its fused normalisation and activation '{shared[0]}' more than once; "
            "choose another network"
        )
    return Survey(graph, calls)


class _Surveyor:
    """Finds the sites in one graph and describes each."""

    def __init__(self, graph: fx.GraphModule, shapes: Shapes, network: nn.Module) -> None:
        self.graph = graph
        self.shapes = shapes
        self.stage_of: Callable[[str], int] | None = network.stage_of if isinstance(network, OwnNetwork) else None
        self.modules: dict[str, nn.Module] = dict(graph.named_modules(remove_duplicate=False))
        self.from_image = self._reachable()
        self.stem = next((node for node in graph.graph.nodes if self._is_conv(node) and node in self.from_image), None)
        self.names: Counter[str] = Counter()

    def find(self) -> tuple[Call, ...]:
        calls: list[Call] = []
        for node in self.graph.graph.nodes:
            native = self._native(node)
            if native is not None and node in self.from_image and self._is_map(node):
                is_fused = node.op == "call_module" and hidden_activation(self._module(node)) is not None
                calls.append(Call(self._site(len(calls), node, native, is_fused), node, is_fused))
        return tuple(calls)

    def find_composed(self, calls: Sequence[Call]) -> Call | None:
        """The first call whose result is made another function of, in the forward of a larger module."""
        return next((call for call in calls if is_composed_call(call.node, self.modules, self.from_image)), None)

    def has_points(self) -> bool:
        """Whether an activation is called on a 1x1 map; at a higher resolution it may be a site."""
        return any(
            self._native(node) is not None and node in self.from_image and len(self.shapes.get(node.name, ())) == 4
            for node in self.graph.graph.nodes
        )

    def _site(self, index: int, node: fx.Node, native: str, is_fused: bool) -> Site:
        layout = self._layout(node)
        channels, height, width = self._map(node, layout)
        return Site(
            index=index,
            name=self._name(node, native, is_fused),
            native=native,
            stage=self._stage(node, height * width),
            kind=self._kind(node),
            channels=channels,
            height=height,
            width=width,
            layout=layout,
        )

    def _native(self, node: fx.Node) -> str | None:
        """Name of the activation that a node calls; the class name of a module with a composed one."""
        if node.op == "call_module":
            module = self._module(node)
            if is_composed(module):
                return type(module).__name__
            hidden = hidden_activation(module)
            return activation_of(hidden) if hidden is not None else native_of(node, self.modules)
        return native_of(node, self.modules)

    def _is_map(self, node: fx.Node) -> bool:
        if len(self.shapes.get(node.name, ())) != 4:
            return False
        _, height, width = self._map(node, self._layout(node))
        return height * width > 1

    def _map(self, node: fx.Node, layout: Layout) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, a, b, c = self.shapes[node.name]
        return (a, b, c) if layout == "nchw" else (c, a, b)

    def _name(self, node: fx.Node, native: str, is_fused: bool) -> str:
        path = module_path(node)
        if node.op != "call_module":
            path = f"{path}.{native}" if path else native
        path = f"{path}.act" if is_fused else path
        self.names[path] += 1
        return path if self.names[path] == 1 else f"{path}#{self.names[path]}"

    def _stage(self, node: fx.Node, area: int) -> int:
        if self.stage_of is not None:
            return self.stage_of(module_path(node))
        if self.stem is None:
            return 1
        _, height, width = self._map(self.stem, "nchw")
        return max(1, 1 + round(math.log2(height * width / area) / 2))

    def _layout(self, node: fx.Node) -> Layout:
        """Layout of a map, from the last operation before it that determines it: convolution, linear or permutation."""
        swapped = False
        while node.all_input_nodes and not self._is_conv(node):
            if self._is_linear(node):
                return "nchw" if swapped else "nhwc"
            swapped ^= node.target in PERMUTATIONS and len(self.shapes.get(node.name, ())) == 4
            node = node.all_input_nodes[0]
        return "nhwc" if swapped else "nchw"

    def _kind(self, site: fx.Node) -> Kind:
        node = site
        if not self._is_normalisation(site):
            node = site.all_input_nodes[0]
        while self._is_transparent(node):
            node = self._maps_into(node)[0]
        if self._is_conv(node):
            if node is self.stem:
                return "stem"
            return "1x1" if self._kernel(node) == (1, 1) else "3x3"
        if self._is_linear(node) and len(self.shapes[node.name]) == 4:
            return "1x1"
        return "add" if node.target in ADDITIONS and len(self._maps_into(node)) == 2 else "other"

    def _is_transparent(self, node: fx.Node) -> bool:
        if node.op == "call_module":
            module = self._module(node)
            is_dropout = isinstance(module, nn.modules.dropout._DropoutNd)
            name = type(module).__name__
            return self._is_normalisation(node) or is_dropout or name in TRANSPARENT_MODULES
        has_constant = node.target in (*PRODUCTS, *ADDITIONS) and len(self._maps_into(node)) == 1
        return node.op.startswith("call") and (node.target in TRANSPARENT or has_constant)

    def _is_normalisation(self, node: fx.Node) -> bool:
        return node.op == "call_module" and is_normalisation(self._module(node))

    def _is_conv(self, node: fx.Node) -> bool:
        return node.target is F.conv2d or (node.op == "call_module" and isinstance(self._module(node), nn.Conv2d))

    def _is_linear(self, node: fx.Node) -> bool:
        return node.target is F.linear or (node.op == "call_module" and isinstance(self._module(node), nn.Linear))

    def _kernel(self, conv: fx.Node) -> tuple[int, ...]:
        if conv.op == "call_module":
            return tuple(self._module(conv).kernel_size)  # type: ignore[arg-type]
        return self.shapes[conv.all_input_nodes[1].name][2:]

    def _maps_into(self, node: fx.Node) -> list[fx.Node]:
        """The inputs of a node that depend on the image (a parameter does not)."""
        return [source for source in node.all_input_nodes if source in self.from_image]

    def _module(self, node: fx.Node) -> nn.Module:
        return self.modules[str(node.target)]

    def _reachable(self) -> set[fx.Node]:
        found: set[fx.Node] = set()
        for node in self.graph.graph.nodes:
            if node.op == "placeholder" or any(source in found for source in node.all_input_nodes):
                found.add(node)
        return found
