"""False discovery rate over everything that a home has tested, however much is still to come.

e-LOND (Xu, Ramdas 2024, "Online multiple testing with e-values"): hypotheses come one after the other, each with an
e-value, and each gets its share of alpha at once. The expected share of false ones among the discoveries is at most
alpha, whatever the dependence between the e-values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Discovery:
    """One hypothesis.

    Attributes:
        needed: e-value from which on it is a discovery.
        is_found: whether it is one.
    """

    needed: float
    is_found: bool


def find_discoveries(e_values: Sequence[float], alpha: float) -> list[Discovery]:
    """The discoveries among hypotheses, in the order in which they came.

    The t-th one has the share `alpha * 6 / (pi t)^2` of alpha, times one more than the number of discoveries before it.

    Args:
        e_values: an e-value of each hypothesis, at least 0.
        alpha: false discovery rate, in (0, 1).
    """
    found: list[Discovery] = []
    count = 0
    for place, e in enumerate(e_values, 1):
        needed = (math.pi * place) ** 2 / (6 * alpha * (count + 1))
        found.append(Discovery(needed, e >= needed))
        count += e >= needed
    return found
