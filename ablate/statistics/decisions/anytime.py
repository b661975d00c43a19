"""The answer that stays valid however often somebody looks, and however often a comparison is tried again.

It is a symmetry e-process over paired differences in a fixed order (Ramdas, Wang 2024; Vovk, Wang 2022). If every
difference is symmetric about 0, its value E is at least 1/a at any time with a probability of at most a. So E may be
looked at after each study and still keeps its level; the p-value of the best of 25 studies does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.statistics.decisions.evidence import DecisionRule
from ablate.statistics.decisions.family import Decision, direction
from ablate.statistics.decisions.paired import SMALLEST

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LAMBDAS = (0.5, 1.0, 2.0)
"""Fixed in advance: a process for each, averaged over both directions. Larger ones suit larger differences."""

LARGEST_LOG = 700.0
"""Larger values of the process are shown as this one, whose exponential is finite."""
BISECTIONS = 40
"""Each halves the error of an end of the interval."""


@dataclass(frozen=True, slots=True)
class AnytimeAnswer:
    """The evidence of all differences against "no difference", and the decision that it allows.

    Attributes:
        n: number of differences, with lost ones.
        lost: number of differences that are not known.
        mean: mean of the known ones: a description, since no fixed-n interval around it keeps its level.
        e: largest value of the e-process so far; 1 without any.
        needed: value that decides, the number of comparisons divided by alpha.
        p: 1 / e, at most 1: a p-value that is valid at any time.
        p_adj: the same, corrected for all comparisons.
        low, high: ends of the interval that holds at any time for all comparisons together; None if there is no end
            yet.
        decision: `equivalent` if that interval is within the margin.
    """

    n: int
    lost: int
    mean: float | None
    e: float
    needed: float
    p: float
    p_adj: float
    low: float | None
    high: float | None
    decision: Decision


def answer_at_any_time(differences: Sequence[float], design: DecisionRule, comparisons: int = 1) -> AnytimeAnswer:
    """The anytime answer to a sequence of paired differences, in the order in which they were planned.

    A lost difference counts against both directions, as if it had been the largest one possible. So nobody gains
    by stopping a run after a look at it.

    With folds nothing is decided: they depend on each other, so that equal signs of all are no rare event.

    Args:
        differences: row minus reference. `inf` or `-inf`: only one of the two ended, as the worst value of that sign.
            NaN: at least one of the two was begun and never finished.
        design: alpha, margin and direction.
        comparisons: number of comparisons in the family.
    """
    import numpy as np

    values = np.asarray(differences, dtype=float)
    known = values[np.isfinite(values)]
    unit = float(np.abs(known).max(initial=0.0)) or 1.0  # squares of large numbers would not be finite
    needed = max(1, comparisons) / design.alpha
    log_e, sign = (0.0, 0.0) if design.folds else _largest(values / unit)
    ends = _interval(values / unit, math.log(needed)) if len(known) and not design.folds else (None, None)
    low, high = (None if end is None else end * unit for end in ends)
    p_adj = max(min(1.0, max(1, comparisons) * math.exp(-log_e)), SMALLEST)
    decision: Decision = "undecided"
    if p_adj <= design.alpha:
        decision = direction(sign, design)
    elif design.margin is not None and low is not None and high is not None:
        decision = "equivalent" if -design.margin < low and high < design.margin else "undecided"
    return AnytimeAnswer(
        n=len(values),
        lost=int(np.isnan(values).sum()),
        mean=math.fsum(known / len(known)) if len(known) else None,
        e=math.exp(min(log_e, LARGEST_LOG)),
        needed=needed,
        p=max(math.exp(-log_e), SMALLEST),
        p_adj=p_adj,
        low=low,
        high=high,
        decision=decision,
    )


def evidence_now(differences: Sequence[float]) -> float:
    """The value of the process after the last difference, which is an e-value; see `answer_at_any_time`."""
    import numpy as np

    values = np.asarray(differences, dtype=float)
    if not len(values):
        return 1.0
    unit = float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) or 1.0
    up, down = (process[0] for process in _log_processes(values / unit, np.zeros(1)))
    return math.exp(min(float(np.logaddexp(up[-1], down[-1])) - math.log(2), LARGEST_LOG))


def _largest(values: NDArray[np.float64]) -> tuple[float, float]:
    """Logarithm of the largest value so far, at least that of the start, and the sign of the differences there."""
    import numpy as np

    if not len(values):
        return 0.0, 0.0
    up, down = (process[0] for process in _log_processes(values, np.zeros(1)))
    together = np.logaddexp(up, down) - math.log(2)  # (n,)
    best = int(together.argmax())
    return max(0.0, float(together[best])), float(up[best] - down[best])


def _log_processes(values: NDArray[np.float64], shifts: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Logarithms of the two one-sided processes after each difference, for each shift under test: (shifts, n) each.

    A difference is divided by the root mean square of the differences up to it, so it is at most the root of their
    number. This is the bound for a lost one.
    """
    import numpy as np

    is_known = np.isfinite(values)
    centred = np.where(is_known, values, 0.0) - np.where(is_known, shifts[:, None], 0.0)  # (shifts, n)
    count = np.cumsum(is_known)
    scale = np.sqrt(np.cumsum(centred**2, axis=1) / np.maximum(count, 1))
    z = centred / np.where(scale > 0, scale, 1.0)
    bound = np.sqrt(count + 1.0)
    z = np.where(np.isinf(values), np.sign(np.nan_to_num(values)) * bound, z)
    sides = (np.where(np.isnan(values), -bound, sign * z) for sign in (1, -1))
    return tuple(_log_mean([np.cumsum(math.log(2) - np.logaddexp(0.0, -2 * k * side), axis=1) for k in LAMBDAS])
                 for side in sides)  # fmt: skip


def _log_mean(logs: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    import numpy as np

    mean: NDArray[np.float64] = np.logaddexp.reduce(logs) - math.log(len(logs))
    return mean


def _interval(values: NDArray[np.float64], log_threshold: float) -> tuple[float | None, float | None]:
    """The shifts that the process has never rejected: the ends of their hull; None where there is no end."""
    import numpy as np

    def is_kept(shifts: NDArray[np.float64]) -> NDArray[np.bool_]:
        up, down = _log_processes(values, shifts)
        kept: NDArray[np.bool_] = (np.logaddexp(up, down) - math.log(2)).max(axis=1) < log_threshold
        return kept

    known = values[np.isfinite(values)]
    centre = float(np.median(known))
    reach = float(np.abs(known - centre).max()) or 1e-9
    steps = reach * np.concatenate([np.linspace(0, 2, 41), 2 * np.geomspace(1.1, 1e6, 30)])

    def end(direction: int) -> float | None:
        kept = np.flatnonzero(is_kept(centre + direction * steps))
        outermost = int(kept[-1]) if len(kept) else 0
        if outermost == len(steps) - 1:
            return None
        inside, outside = steps[outermost], steps[outermost + 1]
        for _ in range(BISECTIONS):
            middle = (inside + outside) / 2
            if is_kept(np.asarray([centre + direction * middle]))[0]:
                inside = middle
            else:
                outside = middle
        return centre + direction * float(outside)

    return end(-1), end(1)
