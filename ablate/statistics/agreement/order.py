"""Which pairs of rows have a decided order in our data, and is it the printed order?

Kendall's tau counts every pair, even if our seeds do not decide its order. Here only decided pairs count. The test is
the one for any two rows (`ablate.statistics.decisions.evidence`): two-sided, paired by seed, corrected over all pairs
by Holm.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from ablate.statistics.decisions.evidence import DecisionRule, Evidence, gather_evidence
from ablate.statistics.decisions.row_comparison import Runs
from ablate.statistics.words import counted

Pair = tuple[str, str]

TEST_NAMES = {"flip": "sign flip", "t": "paired t", None: "nothing to test"}


@dataclass(frozen=True, slots=True)
class PairOrder:
    """All pairs of rows, each in one of four lists.

    Attributes:
        concordant: decided pairs in the printed order.
        discordant: decided pairs in the reverse of the printed order.
        undecided: pairs that our data does not decide.
        printed_equal: decided pairs that are printed as equal.
        test: name of the test of every pair.
    """

    concordant: tuple[Pair, ...]
    discordant: tuple[Pair, ...]
    undecided: tuple[Pair, ...]
    printed_equal: tuple[Pair, ...]
    test: str

    @property
    def text(self) -> str:
        """The counts: `10 pairs: 4 concordant, 1 discordant, 5 undecided (paired t, Holm over all pairs)`."""
        lists = {"concordant": self.concordant, "discordant": self.discordant, "undecided": self.undecided}
        if self.printed_equal:
            lists["printed as equal"] = self.printed_equal
        total = sum(map(len, lists.values()))
        counts = ", ".join(f"{len(pairs)} {name}" for name, pairs in lists.items())
        return f"{counted(total, 'pair')}: {counts} ({self.test}, Holm over all pairs)"


def order_of_pairs(
    printed: Mapping[str, float], values: Mapping[str, Mapping[int, float]], *, alpha: float = 0.05
) -> PairOrder:
    """Every pair of rows that both mappings contain, over the seeds that the two rows share.

    Args:
        printed: row label -> printed number.
        values: row label -> our values by seed; values that are not finite are left out.
        alpha: family-wise error rate over all pairs, in (0, 1).
    """
    pairs = list(itertools.combinations([label for label in values if label in printed], 2))
    design = DecisionRule(lower_is_better=True, alpha=alpha)  # nothing used here depends on the direction
    joint = gather_evidence([(Runs(a, values[a]), Runs(b, values[b])) for a, b in pairs], design)
    lists: dict[str, list[Pair]] = {"concordant": [], "discordant": [], "undecided": [], "printed_equal": []}
    for (a, b), found in zip(pairs, joint.found, strict=True):
        lists[_place(printed[a] - printed[b], found, alpha)].append((a, b))
    return PairOrder(**{name: tuple(found) for name, found in lists.items()}, test=TEST_NAMES[joint.test])


def _place(printed: float, found: Evidence, alpha: float) -> str:
    if found.p_adj is None or not found.difference or found.p_adj > alpha:
        return "undecided"
    if printed == 0:
        return "printed_equal"
    return "concordant" if (printed > 0) == (found.difference > 0) else "discordant"
