"""Activations: what a selected call site gets. One function builds any of them from a recipe.

Every activation maps (B, C, H, W) to the same shape, dtype and memory format (under autocast torch's PReLU answers
in the lower precision). Random weights come from the generator that is handed in, never from torch's global one.
"""

from __future__ import annotations

import torch
from torch import nn

from ablate.activations.funnel import Funnel, build_funnel
from ablate.activations.maximum import maximum
from ablate.activations.pointwise import BUILDERS
from ablate.recipes.classify import ActivationFields

__all__ = ["Funnel", "build_activation", "maximum"]


def build_activation(recipe: ActivationFields, channels: int, generator: torch.Generator) -> nn.Module:
    """The activation that a recipe names, for one call site.

    Args:
        recipe: `activation` and, by it, the funnel fields or `swish_trainable` are read.
        channels: C of the map at the site.
        generator: on the CPU; source of whatever is random in the weights.

    Returns:
        A module on the CPU, in training mode; `nn.ReLU` for `relu`, `Funnel` for `frelu`.
    """
    build = build_funnel if recipe.activation == "frelu" else BUILDERS[recipe.activation]
    return build(recipe, channels, generator)
