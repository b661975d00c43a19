"""Builds a network by name, before surgery: our own, torchvision's and timm's.

Pretrained weights are never downloaded. A network of torchvision or timm has its library's initialisation, drawn with a
seed that depends only on the trial's seed and the network's name.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.errors import SiteError, nearest, quote
from ablate.models.mobilenet import build_mobilenet
from ablate.models.own_networks import Options, OwnNetwork, Stream, drawing_from, initialise
from ablate.models.resnet import build_resnet
from ablate.models.shufflenet import build_shufflenet
from ablate.recipes.classify import NetworkFields, TrainingFields

WITHOUT_AUXILIARY_HEADS = {"aux_logits": False, "init_weights": True}
TORCHVISION_OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": WITHOUT_AUXILIARY_HEADS,
    "inception_v3": WITHOUT_AUXILIARY_HEADS,
}


def build_network(recipe: NetworkFields, num_classes: int, stream: Stream) -> nn.Module:
    """Build the network of a recipe on the CPU, in training mode, with fresh weights.

    Args:
        recipe: recipe; `model` is read, the fields of `FIELDS_OF_OWN` for our own networks, and `dropout` if the recipe
            has it. On a network of torchvision or timm, `dropout = 0` keeps the network's own dropout; another value
            replaces or adds a dropout directly before the head.
        num_classes: outputs of the head.
        stream: source of the generator for `init/PATH` (our own) or `init/MODEL` (others).

    Raises:
        SiteError: no network has this name, timm is not installed, or `dropout` cannot be added.
    """
    dropout = recipe.dropout if isinstance(recipe, TrainingFields) else 0.0
    if recipe.is_own:
        return _build_own(recipe, num_classes, dropout, stream)
    library, _, name = recipe.model.partition("/")
    build = {"torchvision": _build_torchvision, "timm": _build_timm}[library]
    with drawing_from(stream, f"init/{recipe.model}"):
        network = build(name, num_classes)
    if dropout:
        _put_dropout(network, recipe.model, num_classes, dropout)
    return network.train()


class HeadDropout:
    """Forward pre-hook: dropout on the input of the head, only in training mode.

    Args:
        p: probability.
    """

    def __init__(self, p: float) -> None:
        self.p = p

    def __call__(self, head: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Inputs (B, C) to the same shape."""
        return F.dropout(inputs[0], self.p, head.training), *inputs[1:]


def _build_own(recipe: NetworkFields, num_classes: int, dropout: float, stream: Stream) -> OwnNetwork:
    options = Options(
        num_classes=num_classes,
        width=recipe.width,
        depth=recipe.depth,
        stem=recipe.stem,
        se_ratio=recipe.se_ratio if recipe.se else None,
        se_position=recipe.se_position,
        stride_in=recipe.stride_in,
        conv_bias=recipe.conv_bias,
        dropout=dropout,
    )
    network: OwnNetwork
    with torch.device("meta"):  # `initialise` allocates memory and draws random numbers, once
        if recipe.model.startswith("resnet"):
            network = build_resnet(recipe.model, options)
        elif recipe.model.startswith("shufflenet"):
            network = build_shufflenet(recipe.model, options)
        else:
            network = build_mobilenet(options)
    network.to_empty(device="cpu")
    initialise(network, stream)
    return network


def _build_torchvision(name: str, num_classes: int) -> nn.Module:
    names = _torchvision_names()
    if name not in names:
        raise SiteError(f"torchvision has no classification network {quote(name)}{nearest(name, names)}")
    options = TORCHVISION_OPTIONS.get(name, {})
    network: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=num_classes, **options)
    return network


def _build_timm(name: str, num_classes: int) -> nn.Module:
    timm = _import_timm()
    if not timm.is_model(name):
        raise SiteError(f"timm has no network {quote(name)}{nearest(name, timm.list_models())}")
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=num_classes)
    return network


def _torchvision_names() -> list[str]:
    return list(torchvision.models.list_models(module=torchvision.models))


def _import_timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise SiteError(
            "networks named timm/NAME need timm, which is not installed; in the checkout run: pip install '.[zoo]'"
        ) from error
    return timm


def _put_dropout(network: nn.Module, model: str, num_classes: int, p: float) -> None:
    heads = [
        (path, module)
        for path, module in network.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == num_classes
    ]
    if not heads:
        raise SiteError(
            f"dropout {p} cannot be added before the head of {model}, which is not a linear layer; set dropout to 0"
        )
    path, head = heads[-1]
    parent = network.get_submodule(path.rpartition(".")[0])
    siblings = list(parent.children()) if isinstance(parent, nn.Sequential) else []
    before = siblings[siblings.index(head) - 1] if head in siblings[1:] else None
    if isinstance(before, nn.Dropout):
        before.p = p
    else:
        head.register_forward_pre_hook(HeadDropout(p))
