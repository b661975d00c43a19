"""Activations that are composed of another one: s relu(x)^2 + b, x relu6(x + 3) / 6, a gate act(a) b.

Replacing the inner activation alone would make a function of it that nobody meant, such as s swish(x)^2 + b. A module
that computes such a function is one activation as a whole. One in the forward of a larger module has no place where
another activation could stand, so its network is refused (`ablate.models.sites`).

An activation with constants around it, such as s relu(x) + b, is not composed: the inner one is the nonlinearity.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

ACTIVATION_MODULES = {
    "ReLU": "relu",
    "ReLU6": "relu6",
    "LeakyReLU": "leaky_relu",
    "PReLU": "prelu",
    "ELU": "elu",
    "SiLU": "silu",
    "Swish": "silu",
    "SwishMe": "silu",
    "Hardswish": "hardswish",
    "HardSwish": "hardswish",
    "HardSwishMe": "hardswish",
    "GELU": "gelu",
    "GELUTanh": "gelu",
    "Mish": "mish",
    "MishMe": "mish",
}
"""Class name -> activation: torch's own modules and timm's of the same function."""

NATIVE = ("relu", "relu6", "leaky_relu", "prelu", "elu", "silu", "hardswish", "gelu", "mish")
FUNCTIONS: dict[Any, str] = {
    getattr(holder, spelling): name
    for name in NATIVE
    for spelling in (name, f"{name}_")
    for holder in (F, torch)
    if hasattr(holder, spelling)
}
METHODS = {"relu": "relu", "relu_": "relu", "prelu": "prelu"}

POWERS = (operator.pow, operator.ipow, torch.pow, torch.square, torch.sqrt, torch.exp, torch.clamp,
          "pow", "pow_", "square", "square_", "sqrt", "exp", "clamp", "clamp_")  # fmt: skip
PRODUCTS = (operator.mul, operator.imul, torch.mul, "mul", "mul_", operator.truediv, operator.itruediv, torch.div,
            "div", "div_")  # fmt: skip
SUMS = (operator.add, operator.iadd, torch.add, "add", "add_", operator.sub, operator.isub, torch.sub, "sub", "sub_",
        operator.neg, torch.neg, "neg")  # fmt: skip
GATES = (torch.sigmoid, F.sigmoid, F.hardsigmoid, torch.tanh, F.tanh, F.softplus, "sigmoid", "tanh")
PARTS = (torch.chunk, torch.split, operator.getitem, "chunk", "split", "contiguous")
POINTWISE = frozenset({*POWERS, *PRODUCTS, *SUMS, *GATES, *FUNCTIONS, *METHODS})
POINTWISE_MODULES = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Softplus)

FUNCTION_NAMES = frozenset({"relu", "relu_", *ACTIVATION_MODULES.values()})

Modules = Mapping[str, nn.Module]


def activation_of(module: nn.Module) -> str | None:
    """Name of the activation that a module computes; None for any other module."""
    return ACTIVATION_MODULES.get(type(module).__name__)


def is_composed(module: nn.Module) -> bool:
    """Whether a module computes a composed activation of its one input, number by number."""
    if activation_of(module) or type(module).__module__.startswith("torch.nn"):
        return False
    inner = [child for child in module.modules() if child is not module]
    if not all(activation_of(child) or isinstance(child, POINTWISE_MODULES) for child in inner):
        return False
    if not (any(map(activation_of, inner)) or FUNCTION_NAMES & names_in_code(module)):
        return False
    try:
        graph = _Tracer().trace(module)
    except Exception:  # foreign code runs on proxies here, and may raise anything; then it is looked at from outside
        return False
    nodes = [node for node in graph.nodes if node.op not in ("get_attr", "output")]
    modules = dict(module.named_modules())
    if [node.op for node in nodes].count("placeholder") != 1 or nodes[0].op != "placeholder":
        return False
    if not all(_is_pointwise(node, modules) for node in nodes[1:]):
        return False
    return any(is_composed_call(node, modules, {*nodes}) for node in nodes if native_of(node, modules))


def names_in_code(module: nn.Module) -> frozenset[str]:
    """The names that the methods of a module's class use, without those of `nn.Module`."""
    classes = [kind for kind in type(module).__mro__ if not issubclass(nn.Module, kind)]
    methods = [method for kind in classes for method in vars(kind).values() if hasattr(method, "__code__")]
    return frozenset(name for method in methods for name in method.__code__.co_names)


def native_of(node: fx.Node, modules: Modules) -> str | None:
    """Name of the activation that a node calls by itself; None for any other node."""
    if node.op == "call_module":
        return activation_of(modules[str(node.target)])
    if node.op == "call_function":
        return FUNCTIONS.get(node.target)
    return METHODS.get(str(node.target)) if node.op == "call_method" else None


def is_composed_call(node: fx.Node, modules: Modules, from_image: Collection[fx.Node]) -> bool:
    """Whether the forward that calls an activation makes another nonlinear function of its result, number by number.

    That is a power of it, or its product with something that is computed from the same values without another layer.
    A product with the answer of a squeeze-and-excitation is none: there are layers in between.
    """
    pending, seen = [node], {node}
    while pending:
        result = pending.pop()
        for user in result.users:
            if user in seen or _caller(user) != _caller(node):
                continue
            seen.add(user)
            others = [source for source in user.all_input_nodes if source is not result and source in from_image]
            if user.target in POWERS or (user.target in PRODUCTS and user.args[:2] == (result, result)):
                return True
            if user.target in PRODUCTS and any(_sources(other, modules) & _sources(node, modules) for other in others):
                return True
            if user.target in (*PRODUCTS, *SUMS) and not others:  # with constants alone
                pending.append(user)
    return False


def _sources(node: fx.Node, modules: Modules) -> set[fx.Node]:
    """The results of layers, or inputs, from which a node is computed number by number."""
    found: set[fx.Node] = set()
    pending, seen = [node], {node}
    while pending:
        one = pending.pop()
        if one.target in PARTS or _is_pointwise(one, modules):
            new = [source for source in one.all_input_nodes if source not in seen]
            seen.update(new)
            pending += new
        elif one.op != "get_attr":
            found.add(one)
    return found


def _is_pointwise(node: fx.Node, modules: Modules) -> bool:
    if node.op == "call_module":
        module = modules[str(node.target)]
        return activation_of(module) is not None or isinstance(module, POINTWISE_MODULES)
    return node.op in ("call_function", "call_method") and node.target in POINTWISE


def _caller(node: fx.Node) -> str:
    """Path of the module in whose forward a node is called."""
    paths = [str(path) for path, _ in node.meta.get("nn_module_stack", {}).values()]
    if node.op == "call_module" and paths and paths[-1] == str(node.target):
        paths.pop()
    return paths[-1] if paths else ""


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """See `torch.fx.Tracer.is_leaf_module`."""
        return activation_of(m) is not None or super().is_leaf_module(m, module_qualified_name)
