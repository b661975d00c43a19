"""Our rows against a paper's printed differences: does each row agree?

A paper prints one run per row, so only the sign of a printed difference to the baseline counts as its claim. The claim
is tested one-sided, because the paper stated the direction before we measured. A row with the paper's own data set,
network and recipe has the words `reproduced`, `contradicted (opposite)`, `contradicted (absent)` and `inconclusive`.
Any other row has `agrees`, `disagrees` and `undecided`, since the noise of a miniature does not show what the paper
could have detected.

There are three families of one-sided t tests over the rows with a claim, each held to `alpha` by Holm: the effect is
above 0 in the printed direction (reproduced), below 0 (opposite), below 1.205 sd (absent). All rows with a claim are in
each family, the paper's or not, so a further row only makes it harder for the others. Nothing is tested below 5 seeds;
from 5 to 7 seeds the words are provisional.

A mean over the seeds that ended in both rows favours a row that loses its bad seeds. A row whose runs failed therefore
counts as undecided unless the caller knows that the failed runs cannot explain the difference (`PrintedRow.obstacle`),
and failed runs never show that an effect is absent (`PrintedRow.has_lost`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ablate.statistics.agreement.directed import Bound, DirectedEffect, bounds_above, bounds_below, seeds_to_decide
from ablate.statistics.estimate import Estimate, estimate, t_interval
from ablate.statistics.words import counted

ABSENT_BELOW = 1.205
"""The effect, in sd of a single paired difference, that one run per row detects with 33 % power, one-sided at 5 %:
z(.95) - z(.67) (small telescopes, Simonsohn 2015). The paper could not have shown a smaller effect."""

TESTED_FROM = 5
"""Number of seeds below which only the direction of a row is reported."""

VERDICT_FROM = 8
"""Number of seeds below which a word is provisional. The rule for `absent` is the same there: at a true effect of
exactly 1.205 sd the word appears in 1.7, 2.4, 3.0 and 3.6 % of tables for n = 5, 6, 7, 8. With the upper 80 % limit of
sd in place of sd it would appear in 27, 19, 12 and 8 %."""

NOISE_FACTOR = 2.0
"""A printed difference below this many of our sd is within the noise of single runs and makes no claim."""

NO_CLAIM = "no claim"
PAPER_WORDS = ("reproduced", "contradicted (opposite)", "contradicted (absent)", "inconclusive")
OTHER_WORDS = ("agrees", "disagrees", "disagrees", "undecided")
"""The words of other rows, in the same places; the third is never reached there."""


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A row that a paper printed and we measured.

    Attributes:
        label: label of the row, unique in the table.
        printed: printed number minus the printed number of the baseline; None if one of them is not printed.
        differences: our differences, row minus baseline, by seed; NaN means absent.
        obstacle: reason why these differences cannot be tested, such as failed runs; None without one.
        has_lost: whether row or baseline lost a run that the other has; the effect is then never called absent.
        is_papers_own: whether row and baseline are the printed ones, by the paper's recipe on its data.
    """

    label: str
    printed: float | None
    differences: Mapping[int, float]
    obstacle: str | None = None
    has_lost: bool = False
    is_papers_own: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds that decide a row's word; effects are positive in the printed direction.

    Attributes:
        same: lower bound against 0.
        opposite: upper bound against 0.
        absent: upper bound against 1.205 sample sd; None for a row that is not the paper's, and for lost runs.
    """

    same: Bound
    opposite: Bound
    absent: Bound | None


@dataclass(frozen=True, slots=True)
class RowAgreement:
    """The verdict on one row.

    Attributes:
        label: label of the row.
        word: one of `PAPER_WORDS` or `OTHER_WORDS`, or `no claim`.
        n: number of seeds with a difference.
        direction: direction of our mean difference: `agrees` with the printed one, `differs`, or None if one of them
            is 0 or absent.
        notes: reasons for no claim or no test, or a mark that the word is provisional.
        bounds: bounds that decide the word; None without a test.
        magnitude: size compared with the printed difference; None without a printed difference or without a seed.
        seeds_needed: approximate fewest seeds that decide a tested, undecided row with 80 % power at Bonferroni's
            level, if our standardised difference is the true one; None above 1,000.
        is_papers_own: see `PrintedRow`.
    """

    label: str
    word: str
    n: int
    direction: str | None
    notes: tuple[str, ...] = ()
    bounds: Bounds | None = None
    magnitude: Magnitude | None = None
    seeds_needed: int | None = None
    is_papers_own: bool = False

    @property
    def is_claim(self) -> bool:
        """Whether the row makes a claim and counts for the table."""
        return self.word != NO_CLAIM

    @property
    def text(self) -> str:
        """The word with its reasons: `undecided, direction agrees (not tested): n = 3, ...`."""
        untested = f", direction {self.direction} (not tested)" if self.direction and not self.bounds else ""
        needed = [f"about {self.seeds_needed} seeds would decide it"] if self.seeds_needed else []
        return f"{self.word}{untested}: {', '.join([f'n = {self.n}', *self.notes, *needed])}"


def judge_rows(rows: Sequence[PrintedRow], *, alpha: float) -> list[RowAgreement]:
    """The verdict on every row; see `ablate.statistics.agreement.printed.agreement` for the arguments."""
    samples = [_sample(row) for row in rows]
    bounds = _bounds_of([sample for sample in samples if sample.no_claim is None], alpha)
    return [_verdict(sample, bounds, alpha) for sample in samples]


@dataclass(frozen=True, slots=True)
class _Sample:
    """A row in numbers, with the reasons why it makes no claim or cannot be tested."""

    row: PrintedRow
    found: Estimate
    no_claim: str | None
    obstacle: str | None

    @property
    def effect(self) -> DirectedEffect | None:
        """The mean in the printed direction; None if the row is not tested."""
        if self.no_claim or self.obstacle or not self.row.printed or self.found.mean is None or not self.found.sd:
            return None
        return DirectedEffect(math.copysign(1, self.row.printed) * self.found.mean, self.found.sd, self.found.n)


def _sample(row: PrintedRow) -> _Sample:
    if row.printed is not None and not math.isfinite(row.printed):
        row = replace(row, printed=None)
    present = [value for value in row.differences.values() if not math.isnan(value)]
    finite = [value for value in present if math.isfinite(value)]
    found = estimate(dict(enumerate(finite)))
    infinite = len(present) - len(finite)
    obstacle = row.obstacle or (counted(infinite, "infinite value") if infinite else _obstacle(finite, found.sd))
    return _Sample(row, found, _no_claim(row.printed, found.sd), obstacle)


def _no_claim(printed: float | None, sd: float | None) -> str | None:
    if printed is None:
        return "no printed difference"
    if printed == 0:
        return "printed difference is 0"
    if sd is not None and abs(printed) < NOISE_FACTOR * sd:
        return "printed difference within our noise"
    return None


def _obstacle(finite: Sequence[float], sd: float | None) -> str | None:
    if len(finite) < TESTED_FROM:
        return f"not tested below {TESTED_FROM} seeds"
    # equal differences may still differ in their last bits, which is not a spread to test against
    if sd is None or sd <= 1e-9 * max(map(abs, finite)):
        return "no spread to test against"
    return None


def _bounds_of(claims: Sequence[_Sample], alpha: float) -> dict[str, Bounds | None]:
    """The bounds of every row with a claim; None if it cannot be tested."""
    effects = [claim.effect for claim in claims]
    same, opposite = bounds_above(effects, 0, alpha), bounds_below(effects, 0, alpha)
    complete = [claim.effect if claim.row.is_papers_own and not claim.row.has_lost else None for claim in claims]
    absent = bounds_below(complete, ABSENT_BELOW, alpha)
    return {
        claim.row.label: Bounds(above, below, less) if above and below else None
        for claim, above, below, less in zip(claims, same, opposite, absent, strict=True)
    }


def _verdict(sample: _Sample, bounds: Mapping[str, Bounds | None], alpha: float) -> RowAgreement:
    is_papers_own = sample.row.is_papers_own
    words, absent_below = (PAPER_WORDS, ABSENT_BELOW) if is_papers_own else (OTHER_WORDS, None)
    own, effect = bounds.get(sample.row.label), sample.effect
    word = NO_CLAIM if sample.no_claim else words[_place(own, alpha)]
    return RowAgreement(
        label=sample.row.label,
        word=word,
        n=sample.found.n,
        direction=_direction(sample.found.mean, sample.row.printed),
        notes=_notes(sample),
        bounds=own,
        magnitude=_magnitude(sample),
        seeds_needed=seeds_to_decide(effect, absent_below, alpha / len(bounds))
        if effect and word == words[-1]
        else None,
        is_papers_own=is_papers_own,
    )


def _place(bounds: Bounds | None, alpha: float) -> int:
    """The place of a claim's word among the four words."""
    if bounds is None:
        return 3
    tests = (bounds.same, bounds.opposite, bounds.absent)
    return next((place for place, test in enumerate(tests) if test and test.p <= alpha), 3)


def _notes(sample: _Sample) -> tuple[str, ...]:
    reasons = tuple(reason for reason in (sample.no_claim, sample.obstacle) if reason)
    provisional = (f"provisional below {VERDICT_FROM} seeds",) * (sample.found.n < VERDICT_FROM)
    return reasons or provisional


def _direction(mean: float | None, printed: float | None) -> str | None:
    if not mean or not printed:
        return None
    return "agrees" if (mean > 0) == (printed > 0) else "differs"


def _magnitude(sample: _Sample) -> Magnitude | None:
    found, printed = sample.found, sample.row.printed
    if found.mean is None or printed is None:
        return None
    return magnitude(found.mean, found.sd, found.n, printed, at_paper_scale=sample.row.is_papers_own)


@dataclass(frozen=True, slots=True)
class Magnitude:
    """Our mean difference compared with the printed one.

    Attributes:
        ratio: our difference divided by the printed one; None if the printed one is 0.
        standardised: our difference divided by its sample sd, with its sign; None without spread.
        low, high: 95 % prediction interval for the difference of one run; None at another scale, below 2 seeds and
            for two with equal differences.
        is_inside: whether the printed difference is in that interval, ends included.
    """

    ratio: float | None
    standardised: float | None
    low: float | None = None
    high: float | None = None
    is_inside: bool | None = None


def magnitude(mean: float, sd: float | None, n: int, printed: float, *, at_paper_scale: bool) -> Magnitude:
    """Ratio, standardised effect and, at the paper's own scale, whether one run could have given the printed number.

    Args:
        mean: mean of our `n` differences.
        sd: sample standard deviation of our differences; None for n = 1.
        n: number of our differences, at least 1.
        printed: printed difference.
        at_paper_scale: whether data set, network and recipe are the paper's; there is no interval otherwise.
    """
    ratio = mean / printed if printed else None
    standardised = mean / sd if sd else None
    if sd is None or not at_paper_scale:
        return Magnitude(ratio, standardised)
    interval = prediction_interval(mean, sd, n)
    if interval is None:
        return Magnitude(ratio, standardised)
    return Magnitude(ratio, standardised, *interval, interval[0] <= printed <= interval[1])


def prediction_interval(mean: float, sd: float, n: int) -> tuple[float, float] | None:
    """The 95 % interval for one further value, `mean -+ t(n - 1) sd sqrt(1 + 1/n)`; where sd = 0, see `t_interval`.

    Raises:
        ValueError: n is below 2.
    """
    # the t interval of a mean uses sd / sqrt(n), that of a single value sd sqrt(1 + 1/n)
    return t_interval(mean, sd * math.sqrt(n + 1), n)
