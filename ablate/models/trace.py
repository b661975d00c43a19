"""Traces a network into a graph without freezing the differences between training and evaluation.

torch.fx runs a network's forward once and records every call. A branch that Python takes in between, such as
`if self.training`, is frozen. Modules with such branches are therefore recorded as one call, and a functional dropout
is replaced by a module. A network whose graphs still differ between the two modes is refused.
"""

from __future__ import annotations

import copy
import logging
import math
import sys
from collections.abc import Callable
from functools import partial
from itertools import zip_longest
from typing import Any, TypeVar

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from ablate.errors import SiteError, quote
from ablate.models.composed import FUNCTION_NAMES, activation_of, is_composed, names_in_code

LINEAR_MAPS = (nn.modules.conv._ConvNd, nn.Linear)

CANDIDATES_PX = (32, 64, 128, 224)
"""Resolutions that are tried if a network does not accept the requested one."""

BATCH = 2
"""Batch size for finding shapes; more than one image distinguishes a map from a table."""

# A size that a network does not accept is expected here; torch would log its traceback.
logging.getLogger("torch._subclasses.fake_tensor").setLevel(logging.CRITICAL)

Network = TypeVar("Network", bound=nn.Module)

Shapes = dict[str, tuple[int, ...]]
"""Name of a node -> shape of its result, if the result is a tensor."""


def is_normalisation(module: nn.Module) -> bool:
    """Whether a module is a normalisation: a subclass of torch's classes, or a class with `Norm` in its name."""
    if isinstance(module, (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)):
        return True
    return "Norm" in type(module).__name__ and not any(isinstance(inner, LINEAR_MAPS) for inner in module.modules())


def hidden_activation(module: nn.Module) -> nn.Module | None:
    """The activation inside a fused normalisation such as timm's `BatchNormAct2d`, or None."""
    act = getattr(module, "act", None)
    if isinstance(act, nn.Module) and activation_of(act) is not None and is_normalisation(module):
        return act
    return None


class SiteTracer(fx.Tracer):
    """Records as one call: torch's modules, activations, normalisations, and modules that read `self.training`.

    Args:
        trusting: whether modules that timm marks as not traceable are also recorded as one call, even if they contain
            activations.
    """

    proxy_buffer_attributes = True
    """A buffer is read at each call and keeps its key; otherwise its value would be frozen."""

    def __init__(self, *, trusting: bool) -> None:
        leaves, functions = _timm_leaves()
        super().__init__(autowrap_functions=functions)
        self._leaves = leaves
        self._trusted = leaves if trusting else frozenset()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """See `torch.fx.Tracer.is_leaf_module`."""
        if super().is_leaf_module(m, module_qualified_name) or activation_of(m) is not None:
            return True
        if hidden_activation(m) is not None or is_composed(m) or type(m) in self._trusted:
            return True
        is_opaque = type(m) in self._leaves or _reads_mode(m) or is_normalisation(m)
        # An activation inside attention works on tokens or tables; elsewhere it may be a site and must be visible.
        return is_opaque and ("Attention" in type(m).__name__ or not _has_activation(m))


def trace(network: nn.Module, name: str) -> fx.GraphModule:
    """Trace a network into a graph.

    Args:
        network: network; it is not changed. The graph has its own modules and shares parameters and buffers.
        name: name of the network for error messages.

    Raises:
        SiteError: the network cannot be traced, or tracing would freeze its mode.
    """
    in_training, graph = (_trace_in_mode(network, name, training=training) for training in (True, False))
    pairs = list(zip_longest(in_training.graph.nodes, graph.graph.nodes))
    for a, b in [pair for pair in pairs if None in pair or _signature(pair[0]) != _signature(pair[1])]:
        if a is not None and b is not None and _is_dropout_by_mode(a, b):
            _follow_mode(graph, b)
            continue
        raise SiteError(
            f"{name} cannot be used: its graph differs between training and evaluation (first at "
            f"{quote(module_path(b or a) or (b or a).name)}), and tracing would freeze one of the two; choose another "
            "network"
        )
    graph.recompile()
    return graph.train(network.training)


def structural_copy(network: Network) -> Network:
    """A deep copy that shares parameters and buffers, with its own mode, hooks and module caches."""
    tensors = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})


def propagate(graph: fx.GraphModule, resolution_px: int, channels: int, name: str) -> Shapes:
    """Shapes of all results for one image in evaluation mode, found with fake tensors.

    Args:
        graph: traced network.
        resolution_px: side of the image in pixels.
        channels: channels of the image.
        name: name of the network for error messages.

    Raises:
        SiteError: the network does not accept this resolution (the message has the smallest of `CANDIDATES_PX` that it
            accepts), or a module that cannot be traced contains an activation on a map.
    """
    recorder, error = _try_size(graph, resolution_px, channels)
    if error is None:
        if recorder.hiding:
            raise SiteError(
                f"{name} cannot be used: {quote(recorder.hiding[0])} cannot be traced and contains an activation on a "
                "map, which could not be replaced; choose another network"
            )
        return recorder.shapes
    for candidate in CANDIDATES_PX:
        if _try_size(graph, candidate, channels)[1] is None:
            raise SiteError(
                f"{name} does not accept {resolution_px} px; the smallest of {', '.join(map(str, CANDIDATES_PX))} "
                f"that it accepts is {candidate}; set resolution_px ({_reason(error)})"
            ) from error
    tried = ", ".join(map(str, dict.fromkeys((resolution_px, *CANDIDATES_PX))))
    raise SiteError(f"{name} accepts none of {tried} px; choose another network ({_reason(error)})") from error


def module_path(node: fx.Node) -> str:
    """Path of the module that a node calls, or in whose forward it calls a function; empty for the root."""
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack")
    return str(next(reversed(stack.values()))[0]) if stack else ""


class _ShapeRecorder(fx.Interpreter):
    """Runs a graph and records shapes, and the modules recorded as one call that contain an activation on a map."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.hiding: list[str] = []
        for node in graph.graph.nodes:
            if node.op == "call_module":
                self._watch(str(node.target), graph.get_submodule(str(node.target)))

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, torch.Tensor):
            self.shapes[n.name] = tuple(result.shape)
        return result

    def _watch(self, path: str, module: nn.Module) -> None:
        known = {module, hidden_activation(module), *(module.modules() if is_composed(module) else ())}
        for inner in module.modules():
            if activation_of(inner) is not None and inner not in known:
                inner.register_forward_hook(partial(self._note, path))

    def _note(self, path: str, inner: nn.Module, inputs: object, out: torch.Tensor) -> None:
        # Tables (such as relative positions) have no batch axis; tokens have no height and width.
        if out.ndim == 4 and out.shape[0] == BATCH and math.prod(out.shape[2:]) > 1:
            self.hiding.append(path)


def _try_size(graph: fx.GraphModule, resolution_px: int, channels: int) -> tuple[_ShapeRecorder, Exception | None]:
    device = next((parameter.device for parameter in graph.parameters()), torch.device("cpu"))
    recorder = _ShapeRecorder(structural_copy(graph).eval())
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            recorder.run(torch.empty(BATCH, channels, resolution_px, resolution_px, device=device))
    except Exception as error:  # foreign code: it may raise anything for a size that it does not accept
        return recorder, error
    return recorder, None


def _trace_in_mode(network: nn.Module, name: str, *, training: bool) -> fx.GraphModule:
    copied = structural_copy(network).train(training)
    with torch.random.fork_rng(devices=[]):
        try:
            return fx.GraphModule(copied, SiteTracer(trusting=False).trace(copied))
        except fx.proxy.TraceError:
            pass  # the control flow may be in a module that timm marks as not traceable: retry with those trusted
        except Exception as error:  # foreign code runs on proxies here, and may raise anything
            raise SiteError(f"{name} cannot be traced by torch.fx ({_reason(error)})") from error
        try:
            return fx.GraphModule(copied, SiteTracer(trusting=True).trace(copied))
        except Exception as error:  # as above
            raise SiteError(f"{name} cannot be traced by torch.fx ({_reason(error)})") from error


def _signature(node: fx.Node) -> tuple[object, ...]:
    return node.op, node.target, fx.node.map_arg(node.args, str), repr(node.kwargs)


def _is_dropout_by_mode(in_training: fx.Node, in_evaluation: fx.Node) -> bool:
    """Whether both nodes are the same call of `F.dropout(x, p, self.training)`."""
    if in_training.target is not F.dropout or in_evaluation.target is not F.dropout:
        return False
    trained, evaluated = _dropout_arguments(in_training), _dropout_arguments(in_evaluation)
    modes = trained.pop("training", True), evaluated.pop("training", True)
    return modes == (True, False) and repr(trained) == repr(evaluated)


def _follow_mode(graph: fx.GraphModule, node: fx.Node) -> None:
    """Replace a call of `F.dropout` with a frozen mode by a module, which follows the mode."""
    arguments, path = _dropout_arguments(node), f"dropouts.{node.name}"
    graph.add_submodule(path, nn.Dropout(arguments.get("p", 0.5), arguments.get("inplace", False)))
    with graph.graph.inserting_before(node):
        new = graph.graph.call_module(path, (arguments["input"],))
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    graph.graph.erase_node(node)


def _dropout_arguments(node: fx.Node) -> dict[str, Any]:
    return {**dict(zip(("input", "p", "training", "inplace"), node.args, strict=False)), **node.kwargs}


def _reads_mode(module: nn.Module) -> bool:
    return "training" in names_in_code(module)


def _has_activation(module: nn.Module) -> bool:
    return any(activation_of(inner) is not None or FUNCTION_NAMES & names_in_code(inner) for inner in module.modules())


def _timm_leaves() -> tuple[frozenset[type], tuple[Callable[..., Any], ...]]:
    layers = sys.modules.get("timm.layers")  # every timm network imports it
    if layers is None:
        return frozenset(), ()
    functions = tuple(function for function in layers.get_notrace_functions() if callable(function))
    return frozenset(layers.get_notrace_modules()), functions


def _reason(error: BaseException) -> str:
    # torch.fx appends the node and a traceback to the text; the first line is from the network.
    text = str(error).partition("While executing")[0].strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:200]}" if text else type(error).__name__
