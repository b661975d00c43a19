"""Our rows against a paper's printed differences: does each agree, and does the table as a whole?

A paper prints one run a row, so only the sign of a printed difference to the baseline is taken as its claim, and it is
tested one-sided: the paper wrote the direction down before we measured. At the paper's own data set, network and recipe
the words are `reproduced`, `contradicted (opposite)`, `contradicted (absent)` and `inconclusive`; at any other scale
`agrees`, `disagrees` and `undecided`, since the noise of a miniature says nothing about what the paper could have seen.

Three families of one-sided t tests over the rows with a claim, each held to `alpha` by Holm: the effect is above 0 in
the printed direction (reproduced), below 0 (opposite), below 1.205 sd (absent). Below 5 seeds nothing is tested; from 5
to 7 the words stand and are marked provisional.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ablate.statistics.agreement.directed import Bound, DirectedEffect, bounds_above, bounds_below, seeds_to_decide
from ablate.statistics.agreement.magnitude import Magnitude, magnitude
from ablate.statistics.estimate import Estimate, estimate

ABSENT_BELOW = 1.205
"""In sd of a single paired difference: the effect that one run an arm finds with 33 % power, one-sided at 5 %, that is
z(.95) - z(.67) (small telescopes, Simonsohn 2015). A smaller one the paper could not have shown."""

TESTED_FROM = 5
"""Seeds below which a row is only said to point one way or the other."""

VERDICT_FROM = 8
"""Seeds below which a word is provisional. `absent` keeps its rule there: at a true effect of exactly 1.205 sd it is
said in 1.7, 2.4, 3.0 and 3.6 % of tables for n = 5, 6, 7, 8. With the upper 80 % limit of sd in place of sd it would be
said in 27, 19, 12 and 8 %."""

NOISE_FACTOR = 2.0
"""A printed difference below this many sd of ours is within the noise of single runs, and no claim."""

NO_CLAIM = "no claim"
PAPER_WORDS = ("reproduced", "contradicted (opposite)", "contradicted (absent)", "inconclusive")
OTHER_WORDS = ("agrees", "disagrees", "disagrees", "undecided")
"""At other scales, in the same places; the third is never reached there."""


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A row that a paper printed and we measured.

    Attributes:
        label: of the row, unique in the table.
        printed: its printed number minus the printed baseline's; None where one of them is not printed.
        differences: ours, row minus baseline, by seed; NaN means absent.
    """

    label: str
    printed: float | None
    differences: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What decides a row's word; effects are counted positive in the printed direction.

    Attributes:
        same: lower bound against 0.
        opposite: upper bound against 0.
        absent: upper bound against 1.205 sample sd; None at another scale than the paper's.
    """

    same: Bound
    opposite: Bound
    absent: Bound | None


@dataclass(frozen=True, slots=True)
class RowAgreement:
    """The verdict on one row.

    Attributes:
        label: of the row.
        word: one of `PAPER_WORDS` or `OTHER_WORDS`, or `no claim`.
        n: seeds with a difference.
        direction: of our mean difference: `agrees` with the print, `differs`, or None where one is 0 or absent.
        notes: why it makes no claim, why it was not tested, or that it is provisional.
        bounds: None where nothing was tested.
        magnitude: None without a printed difference or without a seed.
        seeds_needed: of a tested row that is open, about the fewest that decide it with 80 % power at Bonferroni's
            level if our standardised difference is the true one; None above 1,000.
    """

    label: str
    word: str
    n: int
    direction: str | None
    notes: tuple[str, ...] = ()
    bounds: Bounds | None = None
    magnitude: Magnitude | None = None
    seeds_needed: int | None = None

    @property
    def is_claim(self) -> bool:
        """Whether the row counts for the table."""
        return self.word != NO_CLAIM

    @property
    def text(self) -> str:
        """The word and what is to be read with it: `undecided, direction agrees (not tested): n = 3, ...`."""
        untested = f", direction {self.direction} (not tested)" if self.direction and not self.bounds else ""
        needed = [f"about {self.seeds_needed} seeds would decide it"] if self.seeds_needed else []
        return f"{self.word}{untested}: {', '.join([f'n = {self.n}', *self.notes, *needed])}"


@dataclass(frozen=True, slots=True)
class Agreement:
    """The verdict on a table.

    Attributes:
        word: `reproduced` (`agrees`): every headline row is, and no claim is contradicted. `contradicted`
            (`disagrees`): a headline row is. `partly`: some rows are reproduced, and one outside the headline is
            contradicted. `inconclusive` (`undecided`): else. `no claim`: no headline row makes one.
        counts: word -> number of rows, over all rows with a claim.
        headline: labels of the rows that decide.
        without_claim: labels of headline rows that were asked for and make no claim.
        has_headline: whether any of these rows was to decide.
        is_provisional: whether a headline row has fewer than 8 seeds.
        rows: in the given order.
    """

    word: str
    counts: Mapping[str, int]
    headline: tuple[str, ...]
    without_claim: tuple[str, ...]
    has_headline: bool
    is_provisional: bool
    rows: tuple[RowAgreement, ...]

    @property
    def text(self) -> str:
        """The word with its counts: `partly; 3 claims: reproduced 2, contradicted (absent) 1`."""
        total = sum(self.counts.values())
        counts = ", ".join(f"{word} {count}" for word, count in self.counts.items())
        word = self.word if self.has_headline else "no headline row in this group"
        said = f"{word}; {total} claim{'s' * (total != 1)}: {counts}" if total else word
        if self.without_claim:
            said += f"; no claim in headline {', '.join(self.without_claim)}"
        return said + f"; provisional, {VERDICT_FROM} seeds make a verdict" * self.is_provisional


def agreement(
    rows: Sequence[PrintedRow],
    *,
    at_paper_scale: bool,
    alpha: float = 0.05,
    scale_factor: float = 1.0,
    headline: Sequence[str] | None = None,
) -> Agreement:
    """The verdict on every row and on the table.

    Args:
        rows: all rows of one group but its baseline; those without a claim get the word `no claim`.
        at_paper_scale: data set, network and recipe are the paper's.
        alpha: one-sided, of each of the three families, in (0, 0.5).
        scale_factor: the paper's sd of a paired difference over ours, above 0; used for `paper within noise` only.
        headline: labels of the rows that decide the table, named before the runs, () where all that were named stand
            elsewhere; None takes every row with a claim.

    Raises:
        ValueError: a headline label is no row's.
    """
    labels = [row.label for row in rows]
    if unknown := [label for label in headline or () if label not in labels]:
        raise ValueError(f"headline {unknown[0]!r} is no row; the rows are {', '.join(labels)}")
    samples = [_sample(row, scale_factor) for row in rows]
    bounds = _bounds_of([sample for sample in samples if sample.no_claim is None], at_paper_scale, alpha)
    verdicts = [_verdict(sample, bounds, at_paper_scale, alpha) for sample in samples]
    return _of_table(verdicts, at_paper_scale, headline)


@dataclass(frozen=True, slots=True)
class _Sample:
    """A row in numbers: what was found, why it makes no claim, why it cannot be tested."""

    row: PrintedRow
    found: Estimate
    no_claim: str | None
    obstacle: str | None

    @property
    def effect(self) -> DirectedEffect | None:
        """The mean in the printed direction; None where the row is not tested."""
        if self.no_claim or self.obstacle or not self.row.printed or self.found.mean is None or not self.found.sd:
            return None
        return DirectedEffect(math.copysign(1, self.row.printed) * self.found.mean, self.found.sd, self.found.n)


def _sample(row: PrintedRow, scale_factor: float) -> _Sample:
    if row.printed is not None and not math.isfinite(row.printed):
        row = replace(row, printed=None)
    present = [value for value in row.differences.values() if not math.isnan(value)]
    finite = [value for value in present if math.isfinite(value)]
    found = estimate(dict(enumerate(finite)))
    obstacle = f"{len(present) - len(finite)} infinite" if len(finite) < len(present) else _obstacle(finite, found.sd)
    return _Sample(row, found, _no_claim(row.printed, found.sd, scale_factor), obstacle)


def _no_claim(printed: float | None, sd: float | None, scale_factor: float) -> str | None:
    if printed is None:
        return "no printed difference"
    if printed == 0:
        return "printed difference 0"
    if sd is not None and abs(printed) < NOISE_FACTOR * sd * scale_factor:
        return "paper within noise"
    return None


def _obstacle(finite: Sequence[float], sd: float | None) -> str | None:
    if len(finite) < TESTED_FROM:
        return f"tested from {TESTED_FROM} seeds"
    # equal differences may still differ in their last bits; that is no spread to test against
    if sd is None or sd <= 1e-9 * max(map(abs, finite)):
        return "no spread to test against"
    return None


def _bounds_of(claims: Sequence[_Sample], at_paper_scale: bool, alpha: float) -> dict[str, Bounds | None]:
    """Of every row with a claim, None where it cannot be tested."""
    effects = [claim.effect for claim in claims]
    same, opposite = bounds_above(effects, 0, alpha), bounds_below(effects, 0, alpha)
    absent = bounds_below(effects, ABSENT_BELOW, alpha) if at_paper_scale else [None] * len(effects)
    return {
        claim.row.label: Bounds(above, below, less) if above and below else None
        for claim, above, below, less in zip(claims, same, opposite, absent, strict=True)
    }


def _verdict(sample: _Sample, bounds: Mapping[str, Bounds | None], at_paper_scale: bool, alpha: float) -> RowAgreement:
    words, absent_below = (PAPER_WORDS, ABSENT_BELOW) if at_paper_scale else (OTHER_WORDS, None)
    own, effect = bounds.get(sample.row.label), sample.effect
    word = NO_CLAIM if sample.no_claim else words[_place(own, alpha)]
    return RowAgreement(
        label=sample.row.label,
        word=word,
        n=sample.found.n,
        direction=_direction(sample.found.mean, sample.row.printed),
        notes=_notes(sample),
        bounds=own,
        magnitude=_magnitude(sample, at_paper_scale),
        seeds_needed=seeds_to_decide(effect, absent_below, alpha / len(bounds))
        if effect and word == words[-1]
        else None,
    )


def _place(bounds: Bounds | None, alpha: float) -> int:
    """The place of a claim's word among the four words."""
    if bounds is None:
        return 3
    tests = (bounds.same, bounds.opposite, bounds.absent)
    return next((place for place, test in enumerate(tests) if test and test.p <= alpha), 3)


def _notes(sample: _Sample) -> tuple[str, ...]:
    reasons = tuple(reason for reason in (sample.no_claim, sample.obstacle) if reason)
    provisional = (f"provisional, {VERDICT_FROM} seeds make a verdict",) * (sample.found.n < VERDICT_FROM)
    return reasons or provisional


def _direction(mean: float | None, printed: float | None) -> str | None:
    if not mean or not printed:
        return None
    return "agrees" if (mean > 0) == (printed > 0) else "differs"


def _magnitude(sample: _Sample, at_paper_scale: bool) -> Magnitude | None:
    found, printed = sample.found, sample.row.printed
    if found.mean is None or printed is None:
        return None
    return magnitude(found.mean, found.sd, found.n, printed, at_paper_scale=at_paper_scale)


def _of_table(rows: Sequence[RowAgreement], at_paper_scale: bool, headline: Sequence[str] | None) -> Agreement:
    words = PAPER_WORDS if at_paper_scale else OTHER_WORDS
    claims = [row for row in rows if row.is_claim]
    heads = [row for row in claims if headline is None or row.label in headline]
    counts = {word: sum(row.word == word for row in claims) for word in words}
    return Agreement(
        word=_table_word(heads, claims, words),
        counts={word: count for word, count in counts.items() if count},
        headline=tuple(row.label for row in heads),
        without_claim=tuple(row.label for row in rows if row.label in (headline or ()) and not row.is_claim),
        has_headline=headline is None or bool(headline),
        is_provisional=any(row.n < VERDICT_FROM for row in heads),
        rows=tuple(rows),
    )


def _table_word(heads: Sequence[RowAgreement], claims: Sequence[RowAgreement], words: Sequence[str]) -> str:
    same, contradicted, is_open = words[0], words[1:3], words[3]
    if not heads:
        return NO_CLAIM
    has_contradicted = any(row.word in contradicted for row in claims)
    if all(row.word == same for row in heads) and not has_contradicted:
        return same
    if any(row.word in contradicted for row in heads):
        return contradicted[0].split(" (")[0]
    return "partly" if has_contradicted and any(row.word == same for row in claims) else is_open
