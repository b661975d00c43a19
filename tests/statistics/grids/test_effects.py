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


def test_a_full_grid_has_shares_of_all_effects():
    found = effects_of(cells(), FACTORS)
    assert [effect.name for effect in found.anova.effects] == ["window", "norm", "window x norm"]
    assert found.anova.effects[0].eta_squared > 0.9
    assert (found.is_full, found.taken_as_zero, found.notes) == (True, (), ())
    assert found.means["window",]["1x1",].mean == pytest.approx(3, abs=0.2)


def test_a_grid_with_a_hole_has_main_effects_and_says_what_it_takes_as_zero():
    holed = {key: values for key, values in cells().items() if key != ("3x3", "ln")}
    found = effects_of(holed, FACTORS)
    assert [effect.name for effect in found.anova.effects] == ["window", "norm"]
    assert found.anova.effects[0].eta_squared > 0.9
    assert (found.is_full, found.taken_as_zero) == (False, ("window x norm",))
    assert found.notes == (
        "Some combinations of levels have no result, so level means are adjusted for other factors. Shares assume "
        "that these do not interact: window x norm.",
    )
    assert ("3x3", "ln") not in found.means["window", "norm"]


def test_a_hole_that_hides_no_interaction_is_named_and_takes_nothing_as_zero():
    levels = FACTORS | {"lr": ("0.1", "0.2")}
    holed = {
        (*key, lr): {s: v + float(lr) for s, v in values.items()}
        for key, values in cells().items()
        for lr in levels["lr"]
    }
    del holed["3x3", "ln", "0.2"]
    found = effects_of(holed, levels)
    assert (found.is_full, found.taken_as_zero) == (False, ())
    assert found.notes[0] == (
        "Some combinations of levels have no result, so level means are adjusted for other factors. Shares come "
        "from a linear model."
    )


def test_a_failed_seed_does_not_make_a_grid_unbalanced():
    failed = cells()
    failed["1x1", "bn"][2] = math.nan
    found = effects_of(failed, FACTORS)
    assert found.anova.n == 3
    assert found.notes == ("Effects leave out seeds that some cells lack: 2.",)


def equal(value_of_seed=lambda seed: 1.0) -> dict[tuple[str, str], dict[int, float]]:
    return {key: {seed: value_of_seed(seed) for seed in range(3)} for key in cells()}


@pytest.mark.parametrize(
    ("given", "note"),
    [
        ({}, "No row of the grid has a value."),
        ({key: {0: math.nan} for key in cells()}, "No row of the grid has a value."),
        ({("1x1", "bn"): {0: 1.0}}, "No factor varies, so there are no effects."),
        (equal(), "All rows are equal at every seed, so there is no variation to explain."),
        (equal(lambda seed: 0.1 * seed), "All rows are equal at every seed, so there is no variation to explain."),
        (dict(list(equal().items())[1:]), "All rows are equal at every seed, so there is no variation to explain."),
        (cells(1), "With 1 seed every share includes the noise of training, and nothing is tested."),
        (
            {key: dict.fromkeys(range(3), 1.0 * place) for place, key in enumerate(cells())},
            "These are not tested, because all seeds agree: window, norm, window x norm.",
        ),
        (
            {("1x1", "bn"): {0: 1.0}, ("3x3", "bn"): {1: 1.0}},
            "Rows have too few seeds in common to be compared, so there are no shares.",
        ),
    ],
)
def test_where_there_is_no_answer_there_is_a_sentence(given, note):
    assert effects_of(given, FACTORS).notes[-1] == note


def test_two_seeds_are_not_tested_and_have_no_interval():
    found = effects_of(cells(2), FACTORS)
    assert all(effect.p is None and effect.low is None for effect in found.anova.effects)
    assert found.notes == ("With 2 seeds no effect is tested and no share has an interval; both need 3 seeds.",)


def test_seeds_that_differ_from_row_to_row_leave_shares_without_tests():
    lost = {
        key: {s: v for s, v in values.items() if s != place % 4} for place, (key, values) in enumerate(cells().items())
    }
    del lost["1x1", "bn"][1], lost["1x1", "none"][2]
    found = effects_of(lost, FACTORS)
    assert found.anova.effects[0].eta_squared > 0.9
    assert all(effect.p is None for effect in found.anova.effects)
    assert found.notes[-1].startswith("Fewer than 2 seeds are common to all rows")


@pytest.mark.parametrize("seed", range(20))
def test_equal_rows_that_lost_different_seeds_have_no_shares_of_rounding(seed):
    rng = np.random.default_rng(seed)
    shifts = (100 + rng.normal(0, 1, 20)).tolist()
    levels = {"many": tuple("abcdefgh"), "other": tuple("abcdef")}
    partial = {
        key: {s: v for s, v in enumerate(shifts) if s == 0 or rng.random() < 0.6}
        for key in itertools.product(*levels.values())
    }
    assert (
        effects_of(partial, levels).notes[-1]
        == "All rows are equal at every seed, so there is no variation to explain."
    )


@pytest.mark.parametrize(("many", "other"), [(40, 2), (200, 5)])
def test_many_levels_take_no_time(many, other):
    levels = {"many": tuple(map(str, range(many))), "other": tuple(map(str, range(other)))}
    cells = {key: {0: float(key[0])} for key in itertools.product(*levels.values())}
    del cells["0", "0"]
    found = effects_of(cells, levels)
    assert found.anova.effects[0].eta_squared > 0.99
    assert any("Interactions have more than 600" in note for note in found.notes) == (many > 40)


def test_a_grid_with_too_many_levels_says_so():
    levels = tuple(map(str, range(700)))
    found = effects_of({(level,): {0: float(level)} for level in levels}, {"many": levels})
    assert found.anova is None
    assert found.notes == ("The factors have more than 600 levels together, above the limit for shares.",)
