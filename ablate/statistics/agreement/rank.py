"""Do our rows have the order that a paper printed? Kendall's tau_b with its p-value and its noise.

All p-values are one-sided, because the printed order was fixed before we measured and the question is agreement with
it. Rows are compared over the seeds that all of them have, so that all rows use the same blocks. A few rows cannot show
much: `critical_tau` gives the limit. `ablate.statistics.agreement.order` examines single pairs instead.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.statistics.estimate import CONFIDENCE, estimate
from ablate.statistics.words import MINUS, counted, equals_p, of_planned

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TESTED_FROM = 5
"""Number of common seeds below which the order of our means is not tested, as in `agreement`."""

RESAMPLES = 2_000
"""Bootstrap resamples of the seeds for the noise interval."""

RESAMPLING_SEED = 20_200_707
"""Seed of the generator of the resamples: the same table always has the same interval."""

ENUMERATED_UP_TO = 7
"""Largest number of rows for which all orders (5,040 at 7) are enumerated if there are ties."""

EXACT_UP_TO = 100
"""Largest number of rows for which `critical_tau` is exact; above, the normal limit differs by less than .002."""

SAME = 1e-12
"""Relative difference below which two means are equal, since it is rounding."""

LARGEST_ARRAY = 2_000_000
"""Largest size of an array while resampling."""


@dataclass(frozen=True, slots=True)
class RankAgreement:
    """The printed order compared with ours.

    Attributes:
        word: `agrees` (p <= alpha), `reversed` (the opposite order would agree), `undecided`, `too few rows` (no order
            of so few rows could reach alpha), `no order` (all printed numbers, or all our means, are equal), `no common
            seed` or `not tested below 5 seeds`.
        rows: labels of the compared rows.
        left_out: label -> reason why the row is not compared.
        n: number of seeds that all compared rows have.
        planned: number of planned seeds; 0 if it is not known.
        tau: Kendall's tau_b, -1 to 1; None without an order.
        p: probability of at least this much agreement if all orders were equally likely; None if tau is None.
        method: method for p: `exact`, `exact over ties` or `asymptotic`; None if tau is None.
        critical: smallest tau that reaches alpha with this many rows and no ties; None if none does.
        low, high: 95 % noise interval of tau, by bootstrap over seeds of all rows together; None below 2 seeds.
    """

    word: str
    rows: tuple[str, ...]
    left_out: Mapping[str, str]
    n: int
    tau: float | None
    p: float | None
    method: str | None
    critical: float | None
    low: float | None
    high: float | None
    planned: int = 0

    @property
    def text(self) -> str:
        """The order as a whole: `The order as a whole agrees (Kendall's tau_b 0.80 over 5 rows; 0.80 needed; ...).`"""
        rows, seeds = counted(len(self.rows), "row"), counted(self.n, "seed")
        if self.n < self.planned:
            seeds = of_planned(self.n, self.n, self.planned)
        if self.tau is None or self.p is None:
            return f"The order as a whole{self._said} ({rows}, {seeds})."
        needed = "no value is enough" if self.critical is None else f"{self.critical:.2f} needed"
        facts = [f"p {equals_p(self.p)}, {self.method}", "noise interval unknown"]
        if self.low is not None and self.high is not None:
            facts[1] = f"95 % noise interval {_signed(self.low)} to {_signed(self.high)}"
        if self.method == "exact":  # with ties another tau is needed
            facts.insert(0, needed)
        return (
            f"The order as a whole{self._said} (Kendall's tau_b {_signed(self.tau)} over {rows}; {'; '.join(facts)}; "
            f"{seeds})."
        )

    @property
    def _said(self) -> str:
        """The word as the rest of a sentence about the order."""
        verbs = {"agrees": " agrees", "reversed": " is reversed", "undecided": " is undecided"}
        if self.word.startswith("not tested"):
            return f" is {self.word}"
        return verbs.get(self.word, f" is not tested: {self.word}")


def _signed(tau: float) -> str:
    return f"{tau:.2f}".replace("-", MINUS)


def rank_agreement(
    printed: Mapping[str, float | None],
    values: Mapping[str, Mapping[int, float]],
    *,
    alpha: float = 0.05,
    planned: int = 0,
) -> RankAgreement:
    """Kendall's tau_b between printed numbers and our means, over the rows that have both.

    Args:
        printed: row label -> printed number, for one group with its baseline; None or NaN means not printed.
        values: row label -> our values of the same metric by seed; NaN means absent.
        alpha: one-sided level of `agrees`, in (0, 1).
        planned: number of planned seeds, named in the text if some are lost.
    """
    left_out = _left_out(printed, values)
    # sorted, so that the order of the rows does not change what is resampled
    rows = sorted(label for label in values if label not in left_out)
    numbers = [number for label in rows if (number := printed[label]) is not None]
    blocks = _blocks(numbers, [values[label] for label in rows])
    means = [estimate(dict(enumerate(of_row))).mean or 0.0 for of_row in zip(*blocks, strict=True)]
    tau, p, method = _kendall(numbers, means) if means else (None, None, None)
    against = _kendall([-number for number in numbers], means)[1] if means else None
    critical = critical_tau(len(rows), alpha)
    low, high = _noise_interval(numbers, blocks) if tau is not None and len(blocks) > 1 else (None, None)
    return RankAgreement(
        word=_word(len(rows), len(blocks), p, against, critical, alpha),
        rows=tuple(label for label in values if label not in left_out),
        left_out=left_out,
        n=len(blocks),
        tau=tau,
        p=p,
        method=method,
        critical=critical,
        low=low,
        high=high,
        planned=planned,
    )


def critical_tau(rows: int, alpha: float = 0.05) -> float | None:
    """The smallest tau without ties whose one-sided p is at most alpha: .8 for 5 rows; None if none is (3 rows)."""
    import numpy as np
    from scipy.special import ndtri

    if rows < 2:
        return None
    if rows > EXACT_UP_TO:
        return float(-ndtri(alpha)) * math.sqrt(2 * (2 * rows + 5) / (9 * rows * (rows - 1)))
    share = np.ones(1)  # of all orders, by their number of inversions
    for k in range(2, rows + 1):
        share = np.convolve(share, np.full(k, 1 / k))
    reached = np.flatnonzero(np.cumsum(share) <= alpha * (1 + 1e-9))
    return float(1 - 4 * reached[-1] / (rows * (rows - 1))) if len(reached) else None


def _left_out(printed: Mapping[str, float | None], values: Mapping[str, Mapping[int, float]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for label, of_row in values.items():
        number = printed.get(label)
        present = [value for value in of_row.values() if not math.isnan(value)]
        if number is None or not math.isfinite(number):
            found[label] = "not printed"
        elif not present:
            found[label] = "no value"
        elif not all(map(math.isfinite, present)):
            found[label] = "an infinite value"
    return found


def _blocks(numbers: Sequence[float], rows: Sequence[Mapping[int, float]]) -> list[tuple[float, ...]]:
    """The values of all rows by common seed, in an order that does not depend on the names of the seeds.

    It does not depend on the sign of the metric either: if the printed numbers fall, the values are sorted falling.
    """
    present = [{seed for seed, value in row.items() if not math.isnan(value)} for row in rows]
    rises = next((number > numbers[0] for number in numbers if number != numbers[0]), True)
    common = set.intersection(*present) if present else set()
    return sorted((tuple(row[seed] for row in rows) for seed in common), reverse=not rises)


def _signs(values: Sequence[float] | Array) -> Array:
    """Signs of all differences, antisymmetric, from shape (..., rows) to (..., rows, rows); 0 for a tie."""
    import numpy as np

    array = np.asarray(values, dtype=float)
    gaps = array[..., :, None] - array[..., None, :]
    tolerance = SAME * np.abs(array).max(axis=-1)[..., None, None]
    signs: Array = np.sign(np.where(np.abs(gaps) <= tolerance, 0.0, gaps))
    return signs


def _taus(numbers: Array, ours: Array) -> Array:
    """Kendall's tau_b of signs (rows, rows) with each of (..., rows, rows); NaN if one of the two has only ties."""
    import numpy as np

    scale = np.sqrt((numbers * numbers).sum() * (ours * ours).sum(axis=(-2, -1)))
    taus: Array = (numbers * ours).sum(axis=(-2, -1)) / np.where(scale, scale, np.nan)
    return taus


def _kendall(numbers: Sequence[float], means: Sequence[float]) -> tuple[float | None, float | None, str | None]:
    from scipy.stats import kendalltau

    printed, ours = _signs(numbers), _signs(means)
    tau, rows = float(_taus(printed, ours)), len(numbers)
    if math.isnan(tau):
        return None, None, None
    has_ties = bool((printed == 0).sum() > rows or (ours == 0).sum() > rows)
    if has_ties and rows <= ENUMERATED_UP_TO:
        return tau, _enumerated_p(printed, ours), "exact over ties"
    method = "asymptotic" if has_ties else "exact"
    # sums of signs have the order and the ties of the values
    found = kendalltau(printed.sum(axis=1), ours.sum(axis=1), method=method, alternative="greater")
    return tau, max(float(found.pvalue), sys.float_info.min), method


def _enumerated_p(printed: Array, ours: Array) -> float:
    """Share of all orders of our rows that agree with the printed order at least as much as ours does."""
    import numpy as np

    orders = np.array(list(itertools.permutations(range(len(ours)))))
    permuted = ours[orders[:, :, None], orders[:, None, :]]  # (orders, rows, rows)
    return float(np.mean((permuted * printed).sum(axis=(1, 2)) >= (printed * ours).sum()))


def _noise_interval(numbers: Sequence[float], blocks: Sequence[Sequence[float]]) -> tuple[float, float]:
    import numpy as np

    values, printed = np.asarray(blocks), _signs(numbers)  # (seeds, rows), (rows, rows)
    drawn = np.random.default_rng(RESAMPLING_SEED).integers(0, len(values), size=(RESAMPLES, len(values)))
    size = len(numbers) * max(values.shape)  # of the signs, or of the resampled values, of one resample
    chunks = np.array_split(drawn, min(RESAMPLES, 1 + RESAMPLES * size // LARGEST_ARRAY))
    taus = np.concatenate([_taus(printed, _signs(values[chunk].mean(axis=1))) for chunk in chunks])
    # a resample in which all rows tie has no order and so no agreement
    low, high = np.quantile(np.nan_to_num(taus), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _word(rows: int, seeds: int, p: float | None, against: float | None, critical: float | None, alpha: float) -> str:
    """`p` is the p-value of agreement, `against` that of disagreement."""
    if rows < 2:
        return "too few rows"
    if not seeds:
        return "no common seed"
    if p is None or against is None:
        return "no order"
    if critical is None:
        return "too few rows"
    if seeds < TESTED_FROM:
        return f"not tested below {TESTED_FROM} seeds"
    return "agrees" if p <= alpha else "reversed" if against <= alpha else "undecided"
