"""The sign-flip test: how often do random signs give a sum of paired differences at least as large as the observed one?

It is exact if every difference is symmetric about 0 under the null hypothesis, with any distribution. If the change
does nothing, row and reference are exchangeable within a seed, which implies this symmetry. The result does not depend
on the order of the differences or on the names of the seeds. A p-value is never below `smallest_p`, and so never 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXACT_UP_TO = 14
"""Largest number of nonzero differences for which all 2^n sign patterns are enumerated."""

RANDOM_FLIPS = 9_999
"""Number of random patterns above that; the identity is added as one more."""

LARGEST_ARRAY = 4_000_000
"""Number of random signs that are in memory together."""

TIE = 1e-9
"""Sums closer than this, relative to the largest possible sum, count as equal: they differ by rounding only."""


def signflip_p(differences: Sequence[float]) -> float:
    """The two-sided p of the sign-flip test on the sum, in (0, 1].

    With at most `EXACT_UP_TO` nonzero differences, it is the share of all 2^n sign patterns whose absolute sum is at
    least the observed one. With more, it is `(1 + hits) / (RANDOM_FLIPS + 1)` over random patterns, applied to the
    absolute differences in descending order. Their seed is the number of nonzero differences and nothing else, so the
    same table gives the same p on every machine. Differences of 0 are kept: they double both patterns and hits.

    Raises:
        ValueError: a difference is not finite.
    """
    if not all(map(math.isfinite, differences)):
        raise ValueError("the sign-flip test needs finite differences; failed seeds belong in the worst case")
    largest = max(map(abs, differences), default=0.0)
    scaled = sorted((abs(d) / largest for d in differences if d), reverse=True)
    if not scaled:
        return 1.0
    seen = abs(math.fsum(d / largest for d in differences)) - TIE * math.fsum(scaled)
    if len(scaled) <= EXACT_UP_TO:
        return float((abs(_half_of_all_sums(scaled)) >= seen).mean())
    hits = sum(int((abs(signs @ scaled) >= seen).sum()) for signs in _random_signs(len(scaled)))
    return (1 + hits) / (RANDOM_FLIPS + 1)


def smallest_p(n: int) -> float:
    """The smallest two-sided p that n nonzero differences can have, `2 / 2^n`; 1 for n = 0.

    Above `EXACT_UP_TO` it is `1 / (RANDOM_FLIPS + 1)`.
    """
    if n > EXACT_UP_TO:
        return 1 / (RANDOM_FLIPS + 1)
    return 2 / 2**n if n else 1.0


def _half_of_all_sums(magnitudes: Sequence[float]) -> NDArray[np.float64]:
    """The sums of the 2^(n-1) patterns with the first sign unchanged; the others are their negatives."""
    import numpy as np

    sums: NDArray[np.float64] = np.array([magnitudes[0]])
    for magnitude in magnitudes[1:]:
        sums = np.concatenate([sums + magnitude, sums - magnitude])
    return sums


def _random_signs(n: int) -> Iterable[NDArray[np.float64]]:
    """(RANDOM_FLIPS, n) random signs, a part of the lines at a time; kept if they are few, since rows share them."""
    return _kept_signs(n) if RANDOM_FLIPS * 64 * math.ceil(n / 64) <= LARGEST_ARRAY else _draw_signs(n)


@lru_cache(maxsize=2)
def _kept_signs(n: int) -> list[NDArray[np.float64]]:
    return list(_draw_signs(n))


def _draw_signs(n: int) -> Iterator[NDArray[np.float64]]:
    """Random signs from the bits of PCG64(n), whose stream numpy guarantees not to change."""
    import numpy as np

    source, words = np.random.PCG64(n), math.ceil(n / 64)
    lines = max(1, LARGEST_ARRAY // (64 * words))
    for first in range(0, RANDOM_FLIPS, lines):
        count = min(lines, RANDOM_FLIPS - first)
        drawn = source.random_raw(count * words).reshape(count, words, 1)
        bits = (drawn >> np.arange(64, dtype=np.uint64)) & np.uint64(1)  # (count, words, 64)
        yield 2 * bits.reshape(count, -1)[:, :n].astype(np.float64) - 1
