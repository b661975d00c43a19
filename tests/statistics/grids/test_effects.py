from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from ablate.statistics.grids.effects import effects_of

FACTORS = {"window": ("1x1", "3x3"), "norm": ("bn", "none", "ln")}


def cells(n: int = 4) -> dict[tuple[str, str], dict[int, float]]:
    rng = np.random.default_rng(0)
    keys = itertools.product(*FACTORS.values())
    return {key: dict(enumerate((3.0 * (key[0] == "1x1") + rng.normal(0, 0.2, n)).tolist())) for key in keys}


def test_a_balanced_grid_has_exact_shares():
    found = effects_of(cells(), FACTORS)
    assert [effect.factors for effect in found.anova.effects] == [("window",), ("norm",), ("window", "norm")]
    assert found.anova.effects[0].eta_squared > 0.9
    assert (found.importances, found.notes) == ((), ())
    assert found.means["window",]["1x1",].mean == pytest.approx(3, abs=0.2)


def test_a_grid_with_a_hole_has_fanova_and_says_so():
    holed = {key: values for key, values in cells().items() if key != ("3x3", "ln")}
    found = effects_of(holed, FACTORS)
    assert found.anova is None
    assert max(found.importances, key=lambda one: one.share).factor == "window"
    assert found.notes == (
        "1 of 6 cells are empty: 1 not in the study",
        "unbalanced grid: main effects by fANOVA (Optuna), without interactions",
    )
    assert ("3x3", "ln") not in found.means["window", "norm"]


def test_a_failed_seed_does_not_make_a_grid_unbalanced():
    failed = cells()
    failed["1x1", "bn"][2] = math.nan
    found = effects_of(failed, FACTORS)
    assert found.anova.n == 3
    assert found.notes == ("seeds left out because some cells lack them: 2",)


def equal(value_of_seed=lambda seed: 1.0) -> dict[tuple[str, str], dict[int, float]]:
    return {key: {seed: value_of_seed(seed) for seed in range(3)} for key in cells()}


@pytest.mark.parametrize(
    ("given", "note"),
    [
        ({}, "no value yet"),
        ({key: {0: math.nan} for key in cells()}, "no value yet"),
        ({("1x1", "bn"): {0: 1.0}}, "no factor varies, so there are no effects"),
        (equal(), "all cells are equal, so there is no variation to explain"),
        (equal(lambda seed: 0.1 * seed), "all cells are equal, so there is no variation to explain"),
        (dict(list(equal().items())[1:]), "all cells are equal, so there is no variation to explain"),
        (cells(1), "1 seed: every share includes the noise of training, and nothing is tested"),
        (
            {key: {0: 1.0 * place, 1: 1.0 * place} for place, key in enumerate(cells())},
            "not tested, because all seeds agree: window, norm, window x norm",
        ),
        (
            {("1x1", "bn"): {0: 1.0}, ("3x3", "bn"): {1: 1.0}},
            "unbalanced grid with one factor only, so there is nothing to compare it with",
        ),
    ],
)
def test_where_there_is_no_answer_there_is_a_sentence(given, note):
    assert effects_of(given, FACTORS).notes[-1] == note


def test_an_unbalanced_grid_too_large_for_forests_says_so():
    levels = tuple(map(str, range(151)))
    cells = {(level, word): {0: float(place)} for place, level in enumerate(levels) for word in ("on", "off")}
    del cells["0", "on"]
    found = effects_of(cells, {"many": levels, "other": ("on", "off")})
    assert not found.importances
    assert found.notes[-1] == "unbalanced grid with 301 cells, above the limit of 300 for main effects by fANOVA"
