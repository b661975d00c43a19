"""Whether a row loses more of its seeds than before: lost seeds are judged on their own, apart from the means.

Two tests, each for any share of lost seeds and any noise:

* If nothing changes, each set of seeds is as likely as any other to contain the lost ones. The number of lost seeds
  after a split then has a hypergeometric distribution (Fisher's exact test). At each firing, the split s firings ago is
  tested at a level divided by s(s + 1). These levels add up to the given one.
* If all firings since a split lost more seeds than every firing before it, `find_apart` counts the orders of firings.
  This finds a row that loses one of its seeds each time, after few good firings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from ablate.statistics.drift.detectors import find_apart


@dataclass(frozen=True, slots=True)
class Loss:
    """A row that loses more seeds since a firing than before it.

    Attributes:
        place: place, among the row's firings, of the one that shows it.
        changed: place of the estimated first changed firing.
        lost_before, seeds_before: lost seeds and all seeds of the firings before `changed`.
        lost_after, seeds_after: lost seeds and all seeds from `changed` to `place`.
    """

    place: int
    changed: int
    lost_before: int
    seeds_before: int
    lost_after: int
    seeds_after: int


def find_loss(counts: Sequence[tuple[int, int]], reference: int, chance: float) -> Loss | None:
    """The first firing after the reference at which a test crosses, with the split of its strongest evidence.

    Args:
        counts: lost seeds and all seeds of each firing, in order of time.
        reference: number of firings before the first split, at least 1.
        chance: probability of a false alarm of each test at each firing, over all of its splits.
    """
    lost, seeds = (list(accumulate((one[index] for one in counts), initial=0)) for index in (0, 1))

    def split(changed: int, place: int) -> Loss:
        before, end = (lost[changed], seeds[changed]), place + 1
        return Loss(place, changed, *before, lost[end] - before[0], seeds[end] - before[1])

    apart = find_apart([one[0] for one in counts], reference, chance, upward_only=True)
    end = apart.place if apart else len(counts)
    lossy = [place for place in range(reference, end) if counts[place][0]]
    for number, place in enumerate(lossy, 1):  # a firing without a lost seed adds no evidence, nor does such a split
        found = [
            (_weighted(loss, chance), loss) for changed in lossy[:number] if _is_more(loss := split(changed, place))
        ]
        strongest = min(found, key=lambda one: one[0], default=None)
        if strongest and strongest[0] <= chance:
            return strongest[1]
    return split(apart.changed, apart.place) if apart else None


def _is_more(loss: Loss) -> bool:
    return loss.lost_after * loss.seeds_before > loss.lost_before * loss.seeds_after


def _weighted(loss: Loss, chance: float) -> float:
    """The tail probability times s(s + 1); more than `chance` if it certainly does not cross."""
    firings = loss.place - loss.changed + 1
    weight = firings * (firings + 1)
    return weight * hypergeometric_tail(loss, enough=chance / weight)


def hypergeometric_tail(loss: Loss, *, enough: float = 1.0) -> float:
    """Probability that at least `lost_after` of all lost seeds are among the seeds after the split.

    Args:
        loss: the split.
        enough: the sum ends early where it exceeds this.
    """
    lost, n, x = loss.lost_before + loss.lost_after, loss.seeds_after, loss.lost_after
    term = math.exp(
        _log_comb(n, x) + _log_comb(loss.seeds_before, lost - x) - _log_comb(n + loss.seeds_before, lost)
    )  # fmt: skip
    total = term
    while x < min(lost, n) and total <= enough:
        term *= (n - x) * (lost - x) / ((x + 1) * (loss.seeds_before - lost + x + 1))
        total, x = total + term, x + 1
    return total


def _log_comb(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def find_rise(counts: Sequence[tuple[int, int]], reference: int, chance: float) -> Loss | None:
    """The split with the smallest tail probability at the last firing, if that is at most a chance: for a notice.

    It is not corrected for the number of splits and firings, so it shows smaller changes than an alarm.
    """
    found = list[Loss]()
    for changed in (place for place in range(reference, len(counts)) if counts[place][0]):
        sums = [sum(one[index] for one in part) for part in (counts[:changed], counts[changed:]) for index in (0, 1)]
        found.append(Loss(len(counts) - 1, changed, *sums))
    strongest = min(filter(_is_more, found), key=hypergeometric_tail, default=None)
    return strongest if strongest and hypergeometric_tail(strongest) <= chance else None


def find_lossy_part(counts: Sequence[tuple[int, int]], reference: int) -> tuple[int, int, bool] | None:
    """The part of a history in which half or more of the seeds are lost. It is a description, not a test.

    Args:
        counts: lost seeds and all seeds of each firing, in order of time.
        reference: number of firings of the reference window; 0 if all firings come after it.

    Returns:
        Lost seeds, all seeds, and whether the part is the reference window, or else all firings since. None if fewer
        than half are lost in both parts, or if the window is not full.
    """
    if len(counts) < reference:
        return None
    for is_reference, part in ((True, counts[:reference]), (False, counts[reference:])):
        lost, seeds = (sum(one[index] for one in part) for index in (0, 1))
        if lost and 2 * lost >= seeds:
            return lost, seeds, is_reference
    return None
