"""Activations for the selected call sites. `build_activation` builds any of them from a recipe.

Every activation maps (B, C, H, W) to the same shape, dtype and memory format (under autocast, torch's PReLU returns the
lower precision). Random weights are drawn from the generator argument, never from torch's global generator.
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
    """Build the activation of a recipe for one call site.

    Args:
        recipe: recipe; `activation` is read, and the funnel fields or `swish_trainable` if they apply.
        channels: C of the map at the site.
        generator: CPU generator of the random weights.

    Returns:
        A module on the CPU, in training mode; `nn.ReLU` for `relu`, `Funnel` for `frelu`.
    """
    build = build_funnel if recipe.activation == "frelu" else BUILDERS[recipe.activation]
    return build(recipe, channels, generator)
