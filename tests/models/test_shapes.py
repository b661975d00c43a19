"""The channels at the call sites of our own networks, counted without torch, are those of the networks."""

from __future__ import annotations

import pytest
import torch

from ablate.models.own_networks import Options
from ablate.models.sites import find_sites
from ablate.models.zoo import build_network
from ablate.recipes.classify import OWN_NETWORKS, ActivationFields
from ablate.recipes.shapes import SHAPES, channels_at_sites, scaled


@pytest.mark.parametrize("model", OWN_NETWORKS)
@pytest.mark.parametrize(("width", "is_deep"), [(1.0, True), (0.3, False)])
def test_the_counted_channels_are_those_of_the_network(model: str, width: float, is_deep: bool) -> None:
    shape = SHAPES[model]
    depth = shape.depth if is_deep else tuple(1 for _ in shape.depth)
    recipe = ActivationFields(model=model, width=width, depth=None if is_deep else depth)
    found: dict[tuple[int, str], set[int]] = {}
    for site in find_sites(build_network(recipe, 10, lambda _: torch.Generator()), 64):
        found.setdefault((site.stage, site.kind), set()).add(site.channels)
    channels = tuple(scaled(count, width) for count in shape.channels)
    assert channels == tuple(map(Options(10, width=width).channels, shape.channels))
    assert channels_at_sites(model, channels, depth) == found
