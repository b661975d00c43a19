"""How many seeds an effect needs, and which effects a number of seeds can detect.

Effects are in units of sd_D, the standard deviation of a paired difference over seeds (d_z). Differences are assumed
normal and tests are two-sided. A family of m comparisons is planned with Bonferroni, each at alpha / m, and decided
with Holm, which is never harder. Sources: the noncentral t distribution (exact) for the t test; Bouthillier et al.
2021, section 3, for planning seeds by power.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from ablate.statistics.decisions.corrections import bonferroni_level
from ablate.statistics.decisions.signflip import EXACT_UP_TO, smallest_p
from ablate.statistics.estimate import FEWEST_SEEDS
from ablate.statistics.words import counted, format_p, plain_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Test = Literal["auto", "flip", "t", "pooled"]
"""`flip`: sign flip. `t`: paired t. `pooled`: Dunnett on rows and blocks. `auto`: see `pick_test`."""

POWER = 0.8
MAX_SEEDS = 100_000
FAR = 1e5
"""Noncentrality above which a noncentral t is its limit: a number divided by an estimate of the standard deviation."""
NODES = 100
"""Nodes of the Gauss-Legendre rule over an estimate of the standard deviation."""
NEGLIGIBLE = 1e-16
"""Probability of the tails that the rule leaves out."""


def pick_test(n: int, comparisons: int, alpha: float) -> Literal["flip", "t"]:
    """The test that `auto` uses for a whole family: sign flip if it can decide at all, else the paired t test."""
    return "flip" if comparisons * smallest_p(n) <= alpha else "t"


def flip_seeds(comparisons: int, alpha: float = 0.05) -> int | None:
    """The fewest seeds with which sign flip can decide.

    1 + log2(m / alpha) rounded up: 6, 8, 9, 10 for m = 1, 5, 10, 20 at 5 %. None if even the smallest p of the random
    flips is above alpha / m, which is the case beyond 500 comparisons.
    """
    return next((n for n in range(1, EXACT_UP_TO + 2) if pick_test(n, comparisons, alpha) == "flip"), None)


def t_power(effect_sd: float, n: int, level: float, df: int | None = None) -> float:
    """The probability that a two-sided t test at `level` over n differences decides, in either direction.

    Args:
        effect_sd: mean difference / sd_D, of any sign.
        n: seeds, at least 2.
        level: of this one test, in (0, 1).
        df: degrees of freedom of the estimate of sd_D; None means n - 1.
    """
    from scipy.special import stdtrit

    return _noncentral_power(effect_sd, n, -float(stdtrit(df or n - 1, level / 2)), df or n - 1)


def _noncentral_power(effect_sd: float, n: int, critical: float, df: int) -> float:
    shift = abs(effect_sd) * math.sqrt(n)
    upper = _noncentral_sf(critical, df, shift)
    # the wrong direction is less likely than a normal deviate beyond the shift, where the series does not converge
    return upper if shift > 8 else upper + _noncentral_sf(critical, df, -shift)


def _noncentral_sf(value: float, df: int, shift: float) -> float:
    """P(T > value) of a noncentral t; its limit where the series does not converge, far from `value`."""
    from scipy.special import gammainc, nctdtr

    if shift > FAR:
        ratio = shift / value
        return float(gammainc(df / 2, df * ratio * ratio / 2))
    below = float(nctdtr(df, shift, value))
    return float(shift > value) if math.isnan(below) else 1 - below


def detectable_effect(
    n: int, *, comparisons: int = 1, alpha: float = 0.05, power: float = POWER, test: Test = "auto"
) -> float | None:
    """The smallest effect in sd_D that n seeds decide with probability `power` (MDE); None if no effect is enough.

    For sign flip it is the effect of the t test at the level that sign flip can attain. If only n equal signs decide,
    it is the effect at which the signs are equal with that probability; simulated power there is .73 to .82 for .8.
    """
    level = bonferroni_level(alpha, comparisons)
    uses_t = test in ("t", "pooled") or (test == "auto" and pick_test(n, comparisons, alpha) == "t")
    if n < (FEWEST_SEEDS if uses_t else 2):
        return None
    if test == "pooled":
        return _detectable(n, level, power, (n - 1) * max(1, comparisons))
    if uses_t:
        return _detectable(n, level, power, n - 1)
    patterns = math.floor(level / smallest_p(n) * (1 + 1e-9))
    if not patterns:
        return None
    found = _detectable(n, patterns * smallest_p(n), power, n - 1)
    return max(found, _equal_signs_effect(n, power)) if patterns == 1 and n <= EXACT_UP_TO else found


@lru_cache(maxsize=1024)
def _detectable(n: int, level: float, power: float, df: int) -> float:
    from scipy.optimize import brentq
    from scipy.special import stdtrit

    critical = -float(stdtrit(df, level / 2))
    high = 1.0
    while _noncentral_power(high, n, critical, df) < power:
        high *= 2
    return float(brentq(lambda effect: _noncentral_power(effect, n, critical, df) - power, 0, high))


def _equal_signs_effect(n: int, power: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(power ** (1 / n)))


def seeds_for_effect(
    effect_sd: float, *, comparisons: int = 1, alpha: float = 0.05, power: float = POWER, test: Test = "auto"
) -> int | None:
    """The fewest seeds that decide an effect with probability `power`; None for no effect or above `MAX_SEEDS`.

    `auto` is evaluated at each n with the test that it uses there. See `detectable_effect` for what is exact.
    """
    level, effect = bonferroni_level(alpha, comparisons), abs(effect_sd)
    if not effect or math.isnan(effect):
        return None
    if test == "pooled":
        return _fewest(lambda n: t_power(effect, n, level, (n - 1) * max(1, comparisons)) >= power)
    fewest = _fewest(lambda n: t_power(effect, n, level) >= power)
    if fewest is None or test == "t":
        return fewest

    def detects(n: int) -> bool:
        found = detectable_effect(n, comparisons=comparisons, alpha=alpha, power=power, test=test)
        return found is not None and found <= effect

    # sign flip never detects more than t at the same n, and its few patterns make it jump up and down below EXACT_UP_TO
    few = next((n for n in range(fewest, EXACT_UP_TO + 1) if detects(n)), None)
    return few or _fewest(lambda n: n > EXACT_UP_TO and n >= fewest and detects(n))


def _fewest(enough: Callable[[int], bool]) -> int | None:
    """The smallest n, at least `FEWEST_SEEDS`, that is enough, if more is never worse."""
    high = FEWEST_SEEDS
    while not enough(high):
        high *= 2
        if high > MAX_SEEDS:
            return None
    low = max(high // 2, FEWEST_SEEDS - 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def tost_power(margin_sd: float, n: int, level: float = 0.05) -> float:
    """The probability that n seeds show equivalence within +-margin if the true difference is 0.

    The mean lies within margin - t sd / sqrt(n) of 0 (two one-sided tests at `level` each), integrated over sd: exact.

    Args:
        margin_sd: margin / sd_D, above 0.
        n: seeds, at least 2.
        level: level of each one-sided test, at most 0.5.
    """
    import numpy as np
    from scipy.special import chdtri, gammaln, ndtr, stdtrit

    df, t, reach = n - 1, max(0.0, -float(stdtrit(n - 1, level))), math.sqrt(n) * margin_sd
    low, high = (math.sqrt(float(chdtri(df, tail)) / df) for tail in (1 - NEGLIGIBLE, NEGLIGIBLE))
    high = min(high, reach / t) if t else high  # a larger sd shows nothing
    if high <= low:
        return 0.0
    nodes, weights = _gauss_legendre()
    sd = low + (high - low) * (nodes + 1) / 2
    log_density = (df - 1) * np.log(sd) - df * sd**2 / 2 + df / 2 * math.log(df / 2) - float(gammaln(df / 2))
    inside = 2 * ndtr(reach - t * sd) - 1
    return float((high - low) * (weights * np.exp(log_density) * inside).sum())


@lru_cache(maxsize=1)
def _gauss_legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import numpy as np

    return np.polynomial.legendre.leggauss(NODES)


def tost_seeds(margin_sd: float, *, comparisons: int = 1, alpha: float = 0.05, power: float = POWER) -> int | None:
    """The fewest seeds that show with probability `power` that two rows without a difference are equivalent."""
    if not margin_sd > 0:
        return None
    return _fewest(lambda n: tost_power(margin_sd, n, bonferroni_level(alpha, comparisons)) >= power)


def upper_sd(sd: float, df: int, confidence: float = 0.8) -> float:
    """The upper confidence limit of a standard deviation, for planning: the sd of a pilot itself is too imprecise.

    Args:
        sd: estimated with `df` degrees of freedom, n - 1 for a pilot of n seeds.
        df: at least 1.
        confidence: one-sided confidence.
    """
    from scipy.special import chdtri

    return sd * math.sqrt(df / float(chdtri(df, confidence)))


def describe_power(n_seeds: int, n_rows: int, alpha: float = 0.05, test: Test = "auto") -> list[str]:
    """Warnings before the trials run; empty if the requested test can decide.

    Args:
        n_seeds: planned seeds.
        n_rows: comparisons of the family, without the reference.
        alpha: family-wise error rate.
        test: test of the study.
    """
    if n_rows < 1:
        return []
    if n_seeds == 1 or (n_seeds < FEWEST_SEEDS and test != "flip"):
        return [too_few(n_seeds)]
    if test in ("t", "pooled") or pick_test(n_seeds, n_rows, alpha) == "flip":
        return []
    sentences = [_floor_sentence(n_seeds, n_rows, alpha)]
    if test == "auto":
        effect = detectable_effect(n_seeds, comparisons=n_rows, alpha=alpha, test="t") or 0.0
        sentences.append(
            f"{n_seeds} seeds can only detect differences above {plain_number(effect, effect)} standard deviations of "
            f"a paired difference ({100 * POWER:.0f} % power), by the paired t test, which assumes that differences "
            "over seeds are normally distributed"
        )
    return sentences


def too_few(n_seeds: int) -> str:
    """Why so few seeds decide nothing: `2 seeds: nothing is decided, because every test needs at least 3 seeds`."""
    return f"{counted(n_seeds, 'seed')}: nothing is decided, because every test needs at least {FEWEST_SEEDS} seeds"


def _floor_sentence(n_seeds: int, n_rows: int, alpha: float) -> str:
    smallest = min(1.0, n_rows * smallest_p(n_seeds))
    enough = flip_seeds(n_rows, alpha)
    can = f"{enough} seeds can" if enough else "no number of seeds can"
    cannot = f"the exact test cannot decide with {n_seeds} seeds and {counted(n_rows, 'comparison')}"
    return f"{cannot} (smallest adjusted p {format_p(smallest)}); {can}"
