"""The interval over seeds and test images: its analysis of variance, its coverage, and an independent bootstrap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student

from ablate.statistics.decisions.seeds_and_images import over_seeds_and_images
from ablate.statistics.estimate import t_interval

Table = NDArray[np.float64]


def drawn(random: np.random.Generator, n: int, m: int, seeds: float, images: float) -> Table:
    effects = seeds * random.standard_normal((n, 1)) + images * random.standard_normal((1, m))
    return np.asarray(effects + random.standard_normal((n, m)))


def test_variance_and_degrees_of_freedom_are_those_of_the_two_way_analysis_of_variance() -> None:
    table = np.array([[3.0, 1, 0, 4], [2, 2, -1, 3], [7, 3, 2, 4]])
    found = over_seeds_and_images(table)
    rows, columns = table.mean(1, keepdims=True), table.mean(0, keepdims=True)
    rest = ((table - rows - columns + table.mean()) ** 2).sum() / 6
    seeds, images = 4 * rows.var(ddof=1), 3 * columns.var(ddof=1)
    variance = seeds + images - rest
    df = variance**2 / (seeds**2 / 2 + images**2 / 3 + rest**2 / 6)
    half = student.ppf(0.975, df) * np.sqrt(variance / 12)
    assert (found.mean, found.df) == pytest.approx((2.5, df))
    assert (found.low, found.high) == pytest.approx((2.5 - half, 2.5 + half))


def test_without_differences_between_images_it_is_the_interval_over_seeds() -> None:
    per_seed = np.array([1.0, 2.0, 4.0, 3.0])
    found = over_seeds_and_images(np.repeat(per_seed[:, None], 50, axis=1))
    assert (found.low, found.high) == pytest.approx(t_interval(2.5, float(per_seed.std(ddof=1)), 4))


def test_rows_that_change_places_change_the_sign_and_equal_rows_differ_by_nothing() -> None:
    table = drawn(np.random.default_rng(3), 4, 30, 0.3, 1.0)
    found, reverse = over_seeds_and_images(table), over_seeds_and_images(-table)
    assert (reverse.mean, reverse.low, reverse.high) == pytest.approx((-found.mean, -found.high, -found.low))
    equal = over_seeds_and_images(np.zeros((3, 20), np.int8))
    assert (equal.mean, equal.low, equal.high) == (0, 0, 0)


@pytest.mark.parametrize("shape", [(1, 9), (9, 1)])
def test_one_seed_or_one_image_shows_no_spread(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="needs 2 of each"):
        over_seeds_and_images(np.zeros(shape))


def right_or_wrong(random: np.random.Generator) -> Table:
    """Two rows that are alike on the whole: images of another difficulty for each of them, 5 x 400."""
    easy = random.normal(2, 1.5, (1, 400))
    a, b = (1 / (1 + np.exp(-easy - random.standard_normal((1, 400)))) for _ in range(2))
    wrong_a, wrong_b = (random.random((5, 400)) > share for share in (a, b))
    return 100 * (wrong_a.astype(float) - wrong_b)


@pytest.mark.parametrize(
    ("draw", "over_seeds"),
    [
        (lambda random: drawn(random, 5, 400, 0.0, 1.0), 0.69),
        (lambda random: drawn(random, 5, 400, 0.05, 1.0), 0.78),
        (lambda random: drawn(random, 5, 400, 0.0, 0.0), 0.95),
        (right_or_wrong, 0.90),
    ],
)
def test_it_covers_the_difference_on_all_images_where_the_interval_over_seeds_may_not(
    draw: Callable[[np.random.Generator], Table], over_seeds: float
) -> None:
    """300 tables each: the standard error of a coverage of 95 % is 1.3 %, of one of 69 % 2.7 %."""
    random, hits, hits_over_seeds = np.random.default_rng(11), 0, 0
    for _ in range(300):
        table = draw(random)
        found, means = over_seeds_and_images(table), table.mean(1)
        low, high = t_interval(float(means.mean()), float(means.std(ddof=1)), len(means))
        hits, hits_over_seeds = hits + (found.low <= 0 <= found.high), hits_over_seeds + (low <= 0 <= high)
    assert 0.92 <= hits / 300 <= 0.99
    assert abs(hits_over_seeds / 300 - over_seeds) < 0.08


def test_the_pigeonhole_bootstrap_gives_the_same_spread() -> None:
    """Owen 2007: seeds and images are drawn anew, independently. It adds the rest twice, which is little here."""
    random = np.random.default_rng(5)
    table = drawn(random, 12, 300, 0.3, 2.0)
    n, m = table.shape
    means = [table[np.ix_(random.integers(n, size=n), random.integers(m, size=m))].mean() for _ in range(2000)]
    found = over_seeds_and_images(table)
    ours = (found.high - found.low) / 2 / student.ppf(0.975, found.df)
    assert float(np.std(means)) == pytest.approx(ours, rel=0.08)
