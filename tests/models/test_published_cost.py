"""Every printed cost of the paper's classification tables and backbones against our count of the same row.

The paper counts parameters without those of normalisations. A network is counted once; a row adds the count of what it
puts at each site that it selects. That this is the count of the operated network is tested too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from functools import lru_cache
from itertools import combinations
from math import prod
from typing import Any

import pytest
import torch

from ablate.activations import build_activation
from ablate.activations.funnel import WINDOWS
from ablate.models.call_site import Site
from ablate.models.cost import count_cost
from ablate.models.sites import Call, survey
from ablate.models.surgery import build, select
from ablate.models.zoo import build_network
from ablate.paper.published import studies_folder
from ablate.recipes.classify import ClassifyRecipe
from ablate.training.determinism import Streams
from ablate.trials.trial import Cost

stream = Streams(0).on_cpu
UNITS = {"M": 6, "G": 9}
COLUMNS = {"params": "params_without_norm", "flops": "multiply_adds"}

ONE_FUNNEL = "it is the cost of one funnel a bottleneck, behind the 3x3; Table 8 and the released code have three"
CUT = "the digits are cut, not rounded"
POOLING = "ShuffleNet's own 41M holds with the additions of the global pooling"
NOWHERE = "no stages give it with funnels behind both kinds of convolution, as Table 8 has it; see the three that do"
UNKNOWN = "neither with normalisations nor without"

MISSES = {
    ("T1", "resnet50 / FReLU", "params"): ONE_FUNNEL,
    ("T1", "resnet50 / FReLU", "flops"): ONE_FUNNEL,
    ("T1", "resnet101 / PReLU", "params"): CUT,
    ("T1", "resnet101 / FReLU", "params"): ONE_FUNNEL,
    ("T1", "resnet101 / FReLU", "flops"): ONE_FUNNEL,
    ("T2", "mobilenet_v1_x0.75 / ReLU", "params"): CUT,
    ("T2", "mobilenet_v1_x0.75 / PReLU", "params"): CUT,
    ("T2", "mobilenet_v1_x0.75 / Swish", "params"): CUT,
    ("T2", "mobilenet_v1_x0.75 / FReLU", "params"): NOWHERE,
    ("T2", "mobilenet_v1_x0.75 / FReLU", "flops"): NOWHERE,
    ("T2", "shufflenet_v2_x0.5 / ReLU", "flops"): POOLING,
    ("T2", "shufflenet_v2_x0.5 / PReLU", "flops"): POOLING,
    ("T2", "shufflenet_v2_x0.5 / Swish", "flops"): POOLING,
    ("T3", "resnet50 / FReLU", "params"): ONE_FUNNEL,
    ("T3", "resnet50 / FReLU", "flops"): ONE_FUNNEL,
    ("T3", "shufflenet_v2_x1.5 / FReLU", "params"): UNKNOWN,
    ("T10", "FReLU", "params"): ONE_FUNNEL,
    ("T10", "ReLU + SE", "params"): CUT,
    ("T10", "FReLU + SE", "params"): ONE_FUNNEL,
}
"""Printed cells (table, row, column) that our count does not round to, and what is known of each."""


def rows(*tables: str) -> Iterator[tuple[str, str, ClassifyRecipe, dict[str, Any]]]:
    """Table, label, recipe and printed values of each row; all sites if the label names none."""
    file = studies_folder() / "published.json"
    for table in json.loads(file.read_text(encoding="utf-8"))["tables"]:
        for row in table["rows"] if table["id"] in tables else ():
            factors = {name: value for name, value in row["factors"].items() if value is not None and name != "task"}
            fields = {"stages": "all", "layers": "all", "se_ratio": 32, **factors}
            yield table["id"], row["label"], ClassifyRecipe(**fields), row["values"]


ROWS = list(rows("T1", "T2", "T5", "T6", "T7", "T8", "T9", "T10"))
BACKBONES = list(rows("T3"))
RECIPES = {(table, label): recipe for table, label, recipe, _ in (*ROWS, *BACKBONES)}
CELLS = [
    (table, label, column, recipe, values[column])
    for table, label, recipe, values in (*ROWS, *BACKBONES)
    for column in COLUMNS
    if column in values
]


@lru_cache
def counted_base(model: str, se: bool) -> tuple[tuple[Call, ...], Cost]:
    network = build_network(ClassifyRecipe(model=model, se=se, se_ratio=32), 1000, stream)
    return survey(network, 224, name=model).calls, count_cost(network, 224)


@lru_cache
def counted_activation(recipe: ClassifyRecipe, channels: int, height: int) -> Cost:
    """Of one site; `recipe` without what says at which sites it is, so that rows share the count."""
    return count_cost(build_activation(recipe, channels, torch.Generator()), height, channels)


def sites_of(recipe: ClassifyRecipe) -> list[Site]:
    return [call.site for call in select(counted_base(recipe.model, recipe.se)[0], recipe)]


@lru_cache
def cost_of(recipe: ClassifyRecipe) -> Cost:
    parts = [counted_base(recipe.model, recipe.se)[1]]
    anywhere = changed(recipe, model="resnet50", stages="all", layers="all", se=False)
    parts += [counted_activation(anywhere, site.channels, site.height) for site in sites_of(recipe)]
    return Cost(**{name: sum(getattr(part, name) for part in parts) for name in Cost.model_fields})


def prints_as(count: int, printed: str, rounding: str = ROUND_HALF_UP) -> bool:
    """Whether a count, in the unit and digits of a printed cell, is that cell."""
    number = Decimal(printed[:-1])
    return Decimal(count).scaleb(-UNITS[printed[-1]]).quantize(number, rounding) == number


def count_of(recipe: ClassifyRecipe, column: str) -> int:
    count: int = getattr(cost_of(recipe), COLUMNS[column])
    return count


def changed(recipe: ClassifyRecipe, **fields: Any) -> ClassifyRecipe:
    return ClassifyRecipe(**{**recipe.model_dump(), **fields})


def test_all_48_classification_rows_and_their_40_printed_costs_are_looked_at():
    assert len(ROWS) == 48
    assert sum(table != "T3" for table, *_ in CELLS) == 40
    assert len(CELLS) == 52


def test_every_printed_cost_is_met_but_those_of_which_it_is_said_why():
    misses = {
        (table, label, column)
        for table, label, column, recipe, printed in CELLS
        if not prints_as(count_of(recipe, column), printed)
    }
    assert misses == MISSES.keys()


@pytest.mark.parametrize(("table", "label", "column", "recipe", "printed"), CELLS)
def test_what_is_said_of_a_missed_cost_is_true(
    table: str, label: str, column: str, recipe: ClassifyRecipe, printed: str
):
    reason, count = MISSES.get((table, label, column)), count_of(recipe, column)
    if reason == CUT:
        assert prints_as(count, printed, ROUND_DOWN)
    elif reason == ONE_FUNNEL:
        one = count_of(changed(recipe, layers=("3x3",)), column)
        assert prints_as(one, printed) or prints_as(one, printed, ROUND_DOWN)
    elif reason == POOLING:
        assert prints_as(count + 1024 * 7 * 7, printed)
    elif reason == NOWHERE:
        placed = [stages for number in range(1, 6) for stages in combinations(range(1, 6), number)]
        assert len(placed) == 31
        assert not any(prints_as(count_of(changed(recipe, stages=stages), "flops"), "328M") for stages in placed)
    elif reason == UNKNOWN:
        counts = (count, cost_of(recipe).params)
        assert not any(prints_as(count, printed, how) for count in counts for how in (ROUND_DOWN, ROUND_HALF_UP))
    else:
        assert prints_as(count, printed)


def test_mobilenets_328m_fits_three_placements_of_3x3_funnels_and_not_the_one_of_the_text():
    text = RECIPES["T2", "mobilenet_v1_x0.75 / FReLU"]
    assert (text.stages, text.layers) == ((1, 2, 3, 4), ("1x1", "3x3"))
    everywhere = changed(text, stages="all")
    assert [count_of(one, "flops") for one in (text, everywhere)] == [355_543_680, 356_729_088]
    assert [count_of(one, "params") for one in (text, everywhere)] == [2_618_608, 2_642_800]
    stages = [placed for number in range(1, 6) for placed in combinations(range(1, 6), number)]
    kinds: list[tuple[str, ...]] = [("1x1",), ("3x3",), ("1x1", "3x3"), ("1x1", "3x3", "stem")]
    fitting = [
        (layers, placed)
        for layers in kinds
        for placed in stages
        if prints_as(count_of(changed(text, stages=placed, layers=layers), "flops"), "328M")
    ]
    assert fitting == [(("1x1",), (3,)), (("3x3",), (1,)), (("3x3",), (3, 5))]


def test_shufflenet_has_funnels_everywhere_since_only_that_fits_its_larger_printed_cost():
    last = {"stages": (1, 2, 3, 4)}
    large, small = RECIPES["T3", "shufflenet_v2_x1.5 / FReLU"], RECIPES["T2", "shufflenet_v2_x0.5 / FReLU"]
    assert prints_as(count_of(large, "flops"), "318M")
    assert prints_as(count_of(changed(large, **last), "flops"), "317M")
    assert all(prints_as(count_of(one, "flops"), "45M") for one in (small, changed(small, **last)))


@pytest.mark.parametrize(
    ("table", "label", "recipe", "values"), ROWS, ids=[f"{table} {label}" for table, label, *_ in ROWS]
)
def test_a_row_costs_its_windows_at_its_sites_more_than_relu(
    table: str, label: str, recipe: ClassifyRecipe, values: dict[str, Any]
):
    sites, base, cost = sites_of(recipe), counted_base(recipe.model, recipe.se)[1], cost_of(recipe)
    taps = sum(map(prod, WINDOWS[recipe.window])) if recipe.condition == "parametric" else 0
    each = {"frelu": taps, "prelu": 1}.get(recipe.activation, 0)
    assert cost.params_without_norm - base.params_without_norm == sum(each * site.channels for site in sites)
    maps = sum(site.channels * site.height * site.width for site in sites) if recipe.activation == "frelu" else 0
    assert cost.multiply_adds - base.multiply_adds == taps * maps


@pytest.mark.parametrize("row", [("T10", "FReLU + SE"), ("T2", "mobilenet_v1_x0.75 / PReLU"), ("T6", "GN")])
def test_the_sum_over_sites_is_the_cost_of_the_operated_network(row: tuple[str, str]):
    recipe = RECIPES[row]
    assert count_cost(build(recipe, 1000, 224, stream).network, 224) == cost_of(recipe)


@pytest.mark.parametrize(
    ("model", "excited"),
    [
        ("resnet50", {256: 3, 512: 4, 1024: 6, 2048: 3}),
        ("resnet101", {256: 3, 512: 4, 1024: 23, 2048: 3}),
        ("mobilenet_v1_x0.75", {48: 1, 96: 2, 192: 2, 384: 6, 768: 2}),
        ("shufflenet_v2_x0.5", {24: 4, 48: 8, 96: 4}),
        ("shufflenet_v2_x1.5", {152: 1, 88: 3, 176: 8, 352: 4}),
    ],
)
def test_squeeze_and_excitation_is_in_every_block_and_adds_two_matrices(model: str, excited: dict[int, int]):
    (_, plain), (_, with_se) = counted_base(model, False), counted_base(model, True)
    matrices = sum(2 * blocks * channels * max(1, channels // 32) for channels, blocks in excited.items())
    assert with_se.params_without_norm - plain.params_without_norm == matrices
    assert with_se.multiply_adds - plain.multiply_adds == matrices
