"""Nested factors and empty cells, compared with sums of squares that are worked out from means."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.grids.effects import Effects, effects_of

Key = tuple[str | None, ...]
ACTIVATION = {"activation": ("relu", "swish", "frelu"), "norm": ("bn", "none")}
README = {("relu", None): 15.0, ("swish", None): 14.0, ("frelu", "bn"): 12.5, ("frelu", "none"): 12.8}


def noisy(values: Mapping[Key, float], n: int, noise: float, seed: int = 0) -> dict[Key, dict[int, float]]:
    rng = np.random.default_rng(seed)
    block = rng.normal(0, 3, n)
    return {key: dict(enumerate((value + block + rng.normal(0, noise, n)).tolist())) for key, value in values.items()}


def shares(found: Effects) -> dict[str, float]:
    return {effect.name: effect.eta_squared for effect in found.anova.effects}


# ---- the fault that was reported


def test_the_activation_matters_although_some_levels_have_no_norm():
    found = effects_of(noisy(README, 8, 0.05), ACTIVATION)
    by_name = {effect.name: effect for effect in found.anova.effects}
    assert list(by_name) == ["activation", "norm within frelu"]
    assert by_name["activation"].eta_squared > 0.97
    assert by_name["activation"].p_adj < 1e-9
    assert by_name["norm within frelu"].eta_squared < 0.02


def test_shares_of_the_reported_grid_are_those_worked_out_by_hand():
    # means 15, 14, 12.65 of the levels around 41.65 / 3; the norms are 0.15 from their mean in a third of the weight
    between = sum((mean - 41.65 / 3) ** 2 for mean in (15, 14, 12.65)) / 3
    within = 0.15**2 / 3
    found = effects_of({key: {0: value} for key, value in README.items()}, ACTIVATION)
    expected = {"activation": between / (between + within), "norm within frelu": within / (between + within)}
    assert shares(found) == pytest.approx(expected)


def test_the_means_of_a_nested_factor_are_of_its_own_rows():
    means = effects_of(noisy(README, 4, 0.05), ACTIVATION).means
    assert list(means) == [("activation",), ("norm",)]
    assert list(means["norm",]) == [("bn",), ("none",)]
    assert means["activation",]["frelu",].mean == pytest.approx(
        (means["norm",]["bn",].mean + means["norm",]["none",].mean) / 2
    )
    assert all(mean.low < mean.mean < mean.high for by_level in means.values() for mean in by_level.values())


# ---- by hand: terms of three designs as differences of conditional means


class ByHand:
    """Sums of squares from means over cells, with a weight for each cell."""

    def __init__(self, cells: Mapping[Key, Mapping[int, float]], weights: Mapping[Key, float]) -> None:
        self.keys = list(cells)
        self.weights = np.array([weights[key] for key in self.keys])
        values = np.array([list(cells[key].values()) for key in self.keys]).T
        self.values = values - (values @ self.weights / self.weights.sum())[:, None]

    def mean(self, *places: int) -> Callable[[np.ndarray], np.ndarray]:
        """The mean of the cells with the same levels of these factors, for every cell."""

        def of(values: np.ndarray) -> np.ndarray:
            groups = [tuple(key[place] for place in places) for key in self.keys]
            masks = {group: np.array([other == group for other in groups]) for group in groups}
            return np.array([np.average(values[masks[group]], weights=self.weights[masks[group]]) for group in groups])

        return of

    def sums(self, effect: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
        """Of the mean over seeds, and of the deviations from it."""
        center = self.values.mean(axis=0)
        between = len(self.values) * float(self.weights @ effect(center) ** 2)
        return between, sum(float(self.weights @ effect(one - center) ** 2) for one in self.values)


def applies(by_hand: ByHand, place: int) -> np.ndarray:
    return np.array([key[place] is not None for key in by_hand.keys])


def nested_pair(levels: int, b: int, c: int) -> tuple[list[Key], dict[str, tuple[str, ...]], dict[Key, float]]:
    """B x C, both within a0, as window and norm within frelu."""
    factors = {
        "A": [f"a{i}" for i in range(levels)],
        "B": [f"b{i}" for i in range(b)],
        "C": [f"c{i}" for i in range(c)],
    }
    keys: list[Key] = [(level, None, None) for level in factors["A"][1:]]
    keys += [("a0", *pair) for pair in itertools.product(factors["B"], factors["C"])]
    return keys, factors, {key: 1 / levels / (1 if key[1] is None else b * c) for key in keys}


def effects_of_nested_pair(hand: ByHand) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    inside = applies(hand, 1)
    a, ab, ac, abc = hand.mean(0), hand.mean(0, 1), hand.mean(0, 2), hand.mean(0, 1, 2)
    return {
        "A": a,
        "B within a0": lambda v: inside * (ab(v) - a(v)),
        "C within a0": lambda v: inside * (ac(v) - a(v)),
        "B x C within a0": lambda v: inside * (abc(v) - ab(v) - ac(v) + a(v)),
    }


def nested_and_crossed(levels: int, b: int, c: int) -> tuple[list[Key], dict[str, tuple[str, ...]], dict[Key, float]]:
    """B within a0, all crossed with C."""
    factors = {
        "A": [f"a{i}" for i in range(levels)],
        "B": [f"b{i}" for i in range(b)],
        "C": [f"c{i}" for i in range(c)],
    }
    pairs: list[Key] = [(level, None) for level in factors["A"][1:]] + [("a0", level) for level in factors["B"]]
    keys = [(*pair, level) for pair in pairs for level in factors["C"]]
    return keys, factors, {key: 1 / levels / c / (1 if key[1] is None else b) for key in keys}


def effects_of_nested_and_crossed(hand: ByHand) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    inside = applies(hand, 1)
    a, c, ab, ac, abc = hand.mean(0), hand.mean(2), hand.mean(0, 1), hand.mean(0, 2), hand.mean(0, 1, 2)
    return {
        "A": a,
        "B within a0": lambda v: inside * (ab(v) - a(v)),
        "C": c,
        "A x C": lambda v: ac(v) - a(v) - c(v),
        "B x C within a0": lambda v: inside * (abc(v) - ab(v) - ac(v) + a(v)),
    }


def nested_in_several(levels: int, b: int, c: int) -> tuple[list[Key], dict[str, tuple[str, ...]], dict[Key, float]]:
    """B within a0 and a1, and C within b0, which is nested itself."""
    factors = {
        "A": [f"a{i}" for i in range(levels + 1)], "B": [f"b{i}" for i in range(b)], "C": [f"c{i}" for i in range(c)],
    }  # fmt: skip
    keys: list[Key] = [(level, None, None) for level in factors["A"][2:]]
    for level in ("a0", "a1"):
        keys += [(level, "b0", leaf) for leaf in factors["C"]] + [(level, one, None) for one in factors["B"][1:]]
    sizes = {None: 1, **dict.fromkeys(factors["B"], b)}
    return keys, factors, {key: 1 / (levels + 1) / sizes[key[1]] / (1 if key[2] is None else c) for key in keys}


def effects_of_nested_in_several(hand: ByHand) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    in_b, in_c = applies(hand, 1), applies(hand, 2)
    a, ab, abc = hand.mean(0), hand.mean(0, 1), hand.mean(0, 1, 2)

    def over(places: tuple[int, ...], inside: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """The mean over cells of the same group within a domain, about the mean of the domain; 0 outside."""

        def of(v: np.ndarray) -> np.ndarray:
            found = np.zeros(len(v))
            for place in np.flatnonzero(inside):
                same = inside & np.array([all(key[p] == hand.keys[place][p] for p in places) for key in hand.keys])
                found[place] = np.average(v[same], weights=hand.weights[same])
            return found

        return of

    b, b_all = over((1,), in_b), over((), in_b)
    c, c_all = over((2,), in_c), over((), in_c)
    a_in_c = over((0,), in_c)
    return {
        "A": a,
        "B within a0 or a1": lambda v: in_b * (b(v) - b_all(v)),
        "C within b0": lambda v: in_c * (c(v) - c_all(v)),
        "A x B": lambda v: in_b * (ab(v) - a(v) - b(v) + b_all(v)),
        "A x C within b0": lambda v: in_c * (abc(v) - a_in_c(v) - c(v) + c_all(v)),
    }


DESIGNS = [
    (nested_pair, effects_of_nested_pair),
    (nested_and_crossed, effects_of_nested_and_crossed),
    (nested_in_several, effects_of_nested_in_several),
]


@pytest.mark.parametrize(("design", "terms"), DESIGNS)
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 3), st.integers(2, 3), st.integers(3, 5))
def test_nested_grids_of_three_factors_have_the_sums_of_squares_worked_out_by_hand(
    design, terms, seed, levels, b, c, n
):
    keys, factors, weights = design(levels, b, c)
    rng = np.random.default_rng(seed)
    cells = noisy({key: rng.normal(0, 1) for key in keys}, n, 1.0, seed)
    found = {effect.name: effect for effect in effects_of(cells, factors).anova.effects}
    weighted, alike = ByHand(cells, weights), ByHand(cells, dict.fromkeys(keys, 1.0))
    total = float((weighted.values**2 @ weighted.weights).sum())
    assert list(found) == list(terms(weighted))
    for name, effect in terms(weighted).items():
        assert found[name].eta_squared == pytest.approx(weighted.sums(effect)[0] / total, abs=1e-9)
    p = {}
    for name, effect in terms(alike).items():
        between, error = alike.sums(effect)
        f = between / error * (n - 1)  # both have the degrees of freedom of the effect
        p[name] = stats.f.sf(f, found[name].df, found[name].df * (n - 1))
        assert (found[name].f, found[name].p) == pytest.approx((f, p[name]), rel=1e-6)
    smallest = min(p.values())
    assert min(effect.p_adj for effect in found.values()) == pytest.approx(min(1, smallest * len(p)), rel=1e-6)


@pytest.mark.parametrize("design", [design for design, _ in DESIGNS])
@pytest.mark.parametrize("place", range(3))
def test_a_planted_effect_of_one_factor_gets_the_share(design, place):
    keys, factors, _ = design(3, 3, 2)
    size = {level: shift for of in factors.values() for level, shift in zip(of, (0.0, 2.0, -1.5, 4.0), strict=False)}
    # rows to which the factor does not apply have the mean of its levels, so that only these differ
    middle = np.mean([size[level] for level in factors[list(factors)[place]]])
    found = effects_of(noisy({key: size.get(key[place], middle) for key in keys}, 6, 0.01), factors)
    name, share = max(shares(found).items(), key=lambda item: item[1])
    assert name.split(" within ")[0] == list(factors)[place]
    assert share > 0.99


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(DESIGNS), st.data())
def test_neither_order_nor_names_nor_direction_matter(seed, given_design, data):
    keys, factors, _ = given_design[0](3, 2, 3)
    rng = np.random.default_rng(seed)
    keys = [key for key in keys if rng.random() < 0.9] if seed % 2 else keys
    cells = noisy({key: rng.normal(0, 1) for key in keys}, 4, 0.5, seed)
    plain = effects_of(cells, factors)
    mixed = {key: cells[key] for key in data.draw(st.permutations(keys))}
    shuffled = {name: data.draw(st.permutations(levels)) for name, levels in factors.items()}
    negative = {key: {seed: 7 - 3 * value for seed, value in values.items()} for key, values in mixed.items()}
    renamed = {tuple(level and f"new {level}" for level in key): values for key, values in negative.items()}
    other = effects_of(renamed, {name: [f"new {level}" for level in levels] for name, levels in shuffled.items()})

    def numbers(found: Effects) -> list[tuple[float, ...]]:
        return [
            (one.eta_squared, one.f, one.p, one.p_adj, one.low, one.high, found.anova.higher, found.anova.residual)
            for one in found.anova.effects
        ]

    def names(found: Effects) -> list[list[tuple[str, ...]]]:
        return [[source.factors for source in one.sources] for one in found.anova.effects]

    assert names(other) == names(plain)
    assert np.allclose(np.array(numbers(other)), np.array(numbers(plain)), rtol=1e-5, atol=1e-9)


def test_the_order_of_factors_does_not_matter():
    keys, factors, _ = nested_and_crossed(3, 2, 2)
    cells = noisy({key: float(place**2 % 7) for place, key in enumerate(keys)}, 4, 0.5)
    turned = effects_of({key[::-1]: values for key, values in cells.items()}, dict(reversed(factors.items())))
    plain = shares(effects_of(cells, factors))
    assert {
        frozenset(name.replace(" within ", " x ").split(" x ")): share for name, share in shares(turned).items()
    } == (pytest.approx({frozenset(name.replace(" within ", " x ").split(" x ")): s for name, s in plain.items()}))


def test_a_factor_that_needs_two_others_is_within_both():
    keys: list[Key] = [
        (window, condition, dilation)
        for window, condition in itertools.product(("1x1", "3x3"), ("conv", "avg"))
        for dilation in (("1", "2") if (window, condition) == ("3x3", "conv") else (None,))
    ]
    factors = {"window": ("1x1", "3x3"), "condition": ("conv", "avg"), "dilation": ("1", "2")}
    found = effects_of(noisy({key: float(key[2] == "2") for key in keys}, 5, 0.01), factors)
    assert list(shares(found)) == ["window", "condition", "dilation within 3x3 and conv", "window x condition"]
    assert found.is_full


def test_a_factor_that_applies_where_either_of_two_others_says_so_is_compared_there():
    keys: list[Key] = [
        (one, other, word) for one in "xy" for other in "pq"
        for word in (("on", "off") if "x" in one or "p" in other else (None,))
    ]  # fmt: skip
    factors = {"one": ("x", "y"), "other": ("p", "q"), "word": ("on", "off")}
    found = effects_of(noisy({key: 2.0 * (key[2] == "on") - (key[2] is not None) for key in keys}, 5, 0.01), factors)
    assert max(shares(found).items(), key=lambda item: item[1])[0] == "word where it applies"


def test_a_level_that_two_factors_have_is_called_by_its_factor():
    keys: list[Key] = [("on", "on"), ("on", "off"), ("off", None)]
    factors = {"se": ("on", "off"), "bias": ("on", "off")}
    found = effects_of(noisy({key: float(place) for place, key in enumerate(keys)}, 4, 0.1), factors)
    assert list(shares(found)) == ["se", "bias within se=on"]


def test_null_nested_grids_keep_their_level():
    keys, factors, _ = nested_and_crossed(3, 2, 2)
    rng = np.random.default_rng(4)
    tables = 300
    wrong = 0
    for _ in range(tables):
        cells = {key: dict(enumerate(rng.normal(0, 1, 4).tolist())) for key in keys}
        wrong += any(effect.p_adj <= 0.05 for effect in effects_of(cells, factors).anova.effects)
    assert wrong / tables <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / tables)


# ---- empty cells and effects that the cells do not tell apart


def test_a_two_by_two_grid_with_a_hole_is_additive():
    # effects of 2 and 0.5 around the mean make variances of 4 and 0.25 over the whole grid: 94 and 6 %
    cells = {("a1", "b1"): {0: 0.0}, ("a2", "b1"): {0: 4.0}, ("a1", "b2"): {0: 1.0}}
    found = effects_of(cells, {"A": ("a1", "a2"), "B": ("b1", "b2")})
    assert shares(found) == pytest.approx({"A": 4 / 4.25, "B": 0.25 / 4.25})
    assert found.taken_as_zero == ("A x B",)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_a_hole_changes_no_share_of_a_model_that_the_other_cells_identify(seed, holes):
    rng = np.random.default_rng(seed)
    factors = {"A": ("1", "2", "3"), "B": ("1", "2", "3"), "C": ("1", "2")}
    keys = list(itertools.product(*factors.values()))
    size = {(name, level): rng.normal() for name, levels in factors.items() for level in levels}
    values = {key: sum(size[pair] for pair in zip(factors, key, strict=True)) for key in keys}
    kept = [keys[place] for place in rng.permutation(len(keys))[holes:]]
    full = effects_of({key: {0: values[key]} for key in keys}, factors)
    holed = effects_of({key: {0: values[key]} for key in kept}, factors)
    known, joined = shares(holed), {name for name in shares(holed) if " or " in name}
    assert {name: known[name] for name in known.keys() - joined} == pytest.approx(
        {name: share for name, share in shares(full).items() if name in known}, abs=1e-9
    )
    parts = {part for name in joined for part in name.split(" or ")}
    assert {*(known.keys() - joined), *parts, *holed.taken_as_zero} == set(shares(full))


def test_an_interaction_that_other_cells_identify_stays_in_a_grid_with_a_hole():
    factors = {"A": ("1", "2"), "B": ("1", "2"), "C": ("1", "2")}
    values = {key: float((key[0] == "1") ^ (key[1] == "1")) for key in list(itertools.product("12", "12", "12"))[1:]}
    found = effects_of(noisy(values, 4, 0.01), factors)
    assert found.taken_as_zero == ()
    assert shares(found)["A x B"] > 0.99


def test_a_hole_in_a_nested_factor_changes_no_share_either():
    keys, factors, _ = nested_and_crossed(3, 3, 2)
    size = {"a0": 1.0, "a1": -2.0, "a2": 0.5, "b0": 0.3, "b1": -1.0, "b2": 0.7, "c0": 1.1, "c1": 0.0, None: 0.0}
    values = {key: {0: sum(size[level] for level in key)} for key in keys}
    full = shares(effects_of(values, factors))
    holed = shares(effects_of({key: values[key] for key in keys if key != ("a0", "b1", "c1")}, factors))
    assert holed == pytest.approx({name: full[name] for name in holed}, abs=1e-9)
    assert {"A", "B within a0", "C"} <= holed.keys()


def test_what_the_model_lacks_is_a_share_of_its_own():
    factors = {"A": ("1", "2", "3"), "B": ("1", "2", "3")}
    values = {key: {0: float(key[0] == key[1])} for key in itertools.product("123", "123")}
    del values["1", "2"]
    found = effects_of(values, factors)
    assert found.taken_as_zero == ("A x B",)
    assert found.anova.higher > 0.8


def test_factors_that_change_together_have_one_share():
    cells = noisy({(a, a, c): 4.0 * (a == "1") + (c == "1") for a in "12" for c in "123"}, 4, 0.01)
    found = effects_of(cells, {"A": ("1", "2"), "B": ("1", "2"), "C": ("1", "2", "3")})
    assert shares(found)["A or B"] == pytest.approx(4 / (4 + 2 / 9), abs=0.01)
    assert set(shares(found)) == {"A or B", "C", "A x C or B x C"}
    assert found.taken_as_zero == ("A x B",)
    assert any("cannot tell the effects of A and B apart" in note for note in found.notes)
    alone = effects_of({(key[0], key[2]): values for key, values in cells.items()}, {"A": "12", "C": "123"})
    assert list(shares(alone).values()) == pytest.approx(list(shares(found).values()))


def test_of_which_exactly_one_is_on_three_factors_have_one_share():
    cells = {("1", "0", "0"): {0: 1.0}, ("0", "1", "0"): {0: 2.0}, ("0", "0", "1"): {0: 5.0}}
    found = effects_of(cells, {"A": "01", "B": "01", "C": "01"})
    assert shares(found) == pytest.approx({"A or B or C": 1.0})


def test_a_half_fraction_tells_its_main_effects_apart_and_not_its_interactions():
    keys = [(a, b, str(int(a) ^ int(b))) for a in "01" for b in "01"]
    found = effects_of(noisy({key: 3.0 * int(key[2]) for key in keys}, 4, 0.01), {"A": "01", "B": "01", "C": "01"})
    assert shares(found)["C"] > 0.99
    assert found.taken_as_zero == ("A x B", "A x C", "B x C")
