"""The sign-flip test: how often would random signs give a sum of paired differences at least as large as the one seen?

Exact where every difference is symmetric about 0 under the null hypothesis, whatever its distribution; "the change does
nothing" makes row and reference exchangeable within a seed and so implies it. Nothing here depends on the order of the
differences or on the names of the seeds. A p is never below `smallest_p`, hence never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXACT_UP_TO = 14
"""Most differences other than 0 of which all 2^n sign patterns are looked at."""

RANDOM_FLIPS = 9_999
"""Random patterns beyond that; the identity is added as one more."""

TIE = 1e-9
"""Sums closer than this, relative to the largest possible sum, count as equal: they differ by rounding only."""


def signflip_p(differences: Sequence[float]) -> float:
    """The two-sided p of the sign-flip test on the sum, in (0, 1].

    With at most `EXACT_UP_TO` differences other than 0, the share of all 2^n sign patterns whose absolute sum is at
    least the one seen; with more, `(1 + hits) / (RANDOM_FLIPS + 1)` over random patterns drawn from a seed that is the
    number of those differences and nothing else, applied to the absolute differences in descending order: the same
    table gives the same p on every machine. Differences of 0 are kept: they double the patterns and the hits alike.

    Raises:
        ValueError: a difference is not finite.
    """
    if not all(map(math.isfinite, differences)):
        raise ValueError("the sign-flip test needs finite differences; leave failed seeds to the worst case")
    largest = max(map(abs, differences), default=0.0)
    scaled = sorted((abs(d) / largest for d in differences if d), reverse=True)
    if not scaled:
        return 1.0
    seen = abs(math.fsum(d / largest for d in differences)) - TIE * math.fsum(scaled)
    if len(scaled) <= EXACT_UP_TO:
        return float((abs(_half_of_all_sums(scaled)) >= seen).mean())
    hits = int((abs(_random_signs(len(scaled)) @ scaled) >= seen).sum())
    return (1 + hits) / (RANDOM_FLIPS + 1)


def smallest_p(n: int) -> float:
    """The smallest two-sided p that n differences other than 0 can have, `2 / 2^n`; 1 for n = 0.

    Beyond `EXACT_UP_TO`, `1 / (RANDOM_FLIPS + 1)`.
    """
    if n > EXACT_UP_TO:
        return 1 / (RANDOM_FLIPS + 1)
    return 2 / 2**n if n else 1.0


def _half_of_all_sums(magnitudes: Sequence[float]) -> NDArray[np.float64]:
    """The sums of the 2^(n-1) patterns that leave the first sign alone; the others are their negatives."""
    import numpy as np

    sums: NDArray[np.float64] = np.array([magnitudes[0]])
    for magnitude in magnitudes[1:]:
        sums = np.concatenate([sums + magnitude, sums - magnitude])
    return sums


@lru_cache(maxsize=4)
def _random_signs(n: int) -> NDArray[np.float64]:
    """(RANDOM_FLIPS, n) random signs from the bits of PCG64(n), whose stream numpy promises not to change."""
    import numpy as np

    words = np.random.PCG64(n).random_raw(RANDOM_FLIPS * math.ceil(n / 64)).reshape(RANDOM_FLIPS, -1, 1)
    bits = (words >> np.arange(64, dtype=np.uint64)) & np.uint64(1)  # (RANDOM_FLIPS, words, 64)
    signs: NDArray[np.float64] = bits.reshape(RANDOM_FLIPS, -1)[:, :n].astype(np.float64)
    return 2 * signs - 1
