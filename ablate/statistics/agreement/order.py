"""Which pairs of rows does our data put in an order, and is it the printed one?

A tau counts every pair alike, also those whose order our seeds leave open. Here only decided pairs count. The test is
that of any two rows (`ablate.statistics.decisions.evidence`): two-sided, seed by seed, corrected over all pairs by
Holm.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from ablate.statistics.decisions.comparison import Runs
from ablate.statistics.decisions.evidence import Evidence, TestDesign, gather_evidence

Pair = tuple[str, str]

TEST_NAMES = {"flip": "sign flip", "t": "paired t", None: "nothing to test"}


@dataclass(frozen=True, slots=True)
class PairOrder:
    """All pairs of rows, each in one of four lists.

    Attributes:
        concordant: decided, in the printed order.
        discordant: decided, against the printed order.
        undecided: our data does not decide.
        printed_equal: decided, but printed as equal.
        test: of every pair, in words.
    """

    concordant: tuple[Pair, ...]
    discordant: tuple[Pair, ...]
    undecided: tuple[Pair, ...]
    printed_equal: tuple[Pair, ...]
    test: str

    @property
    def text(self) -> str:
        """Counts: `of 10 pairs 4 concordant, 1 discordant, 5 undecided (paired t, Holm over all pairs)`."""
        lists = {"concordant": self.concordant, "discordant": self.discordant, "undecided": self.undecided}
        if self.printed_equal:
            lists["printed as equal"] = self.printed_equal
        total = sum(map(len, lists.values()))
        counts = ", ".join(f"{len(pairs)} {name}" for name, pairs in lists.items())
        return f"of {total} pair{'s' * (total != 1)} {counts} ({self.test}, Holm over all pairs)"


def order_of_pairs(
    printed: Mapping[str, float], values: Mapping[str, Mapping[int, float]], *, alpha: float = 0.05
) -> PairOrder:
    """Every pair of rows that both mappings have, over the seeds that the two rows share.

    Args:
        printed: row label -> printed number.
        values: row label -> our values by seed; values that are not finite are left out.
        alpha: of the whole family of pairs, in (0, 1).
    """
    pairs = list(itertools.combinations([label for label in values if label in printed], 2))
    design = TestDesign(lower_is_better=True, alpha=alpha)  # the direction of the metric plays no part in what is used
    joint = gather_evidence([(Runs(a, values[a]), Runs(b, values[b])) for a, b in pairs], design)
    lists: dict[str, list[Pair]] = {"concordant": [], "discordant": [], "undecided": [], "printed_equal": []}
    for (a, b), found in zip(pairs, joint.found, strict=True):
        lists[_place(printed[a] - printed[b], found, alpha)].append((a, b))
    return PairOrder(**{name: tuple(found) for name, found in lists.items()}, test=TEST_NAMES[joint.test])


def _place(told: float, found: Evidence, alpha: float) -> str:
    if found.p_adj is None or not found.difference or found.p_adj > alpha:
        return "undecided"
    if told == 0:
        return "printed_equal"
    return "concordant" if (told > 0) == (found.difference > 0) else "discordant"
