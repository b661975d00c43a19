"""Which pairs of rows have a decided order in our data, and is it the printed order?

Kendall's tau counts every pair, even if our seeds do not decide its order. Here only decided pairs count. The decision
is the one for any two rows (`ablate.statistics.decisions`): two-sided, paired by seed, corrected over all pairs by
Holm, and undone if it depends on failed runs or on a row that was tried before.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ablate.statistics.decisions.evidence import DecisionRule, gather_evidence
from ablate.statistics.decisions.family import Decision, analyse_comparison
from ablate.statistics.decisions.row_comparison import Runs
from ablate.statistics.words import counted, of_planned

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
        seeds: fewest and most seeds that the two rows of a pair share; None without a pair or a lost run.
        planned: number of planned seeds.
    """

    concordant: tuple[Pair, ...]
    discordant: tuple[Pair, ...]
    undecided: tuple[Pair, ...]
    printed_equal: tuple[Pair, ...]
    test: str
    seeds: tuple[int, int] | None = None
    planned: int = 0

    @property
    def text(self) -> str:
        """The counts: `Of 10 pairs of rows, 4 stand in the printed order, 1 in the reverse order, and 5 ...`."""
        resting = f"; {of_planned(*self.seeds, self.planned)} a pair" if self.seeds else ""
        same, reverse, unknown, equal = (
            len(pairs) for pairs in (self.concordant, self.discordant, self.undecided, self.printed_equal)
        )
        parts = [
            f"{same or 'none'} {'stands' if same < 2 else 'stand'} in the printed order",
            f"{reverse or 'none'} in the reverse order",
            f"{unknown or 'none'} {'is' if unknown < 2 else 'are'} undecided",
            *([f"{equal} {'is' if equal == 1 else 'are'} decided but printed as equal"] if equal else []),
        ]
        total = counted(same + reverse + unknown + equal, "pair")
        counts = f"Of {total} of rows, {', '.join(parts[:-1])}, and {parts[-1]}"
        return f"{counts} ({self.test}, Holm over all pairs{resting})."


def order_of_pairs(
    printed: Mapping[str, float],
    rows: Sequence[Runs],
    *,
    lower_is_better: bool,
    alpha: float = 0.05,
    tried_before: Collection[str] = (),
) -> PairOrder:
    """Every pair of rows that are printed, over the seeds that the two rows share.

    Args:
        printed: row label -> printed number.
        rows: our runs.
        lower_is_better: direction of the metric, in which a failed run is the worst value.
        alpha: family-wise error rate over all pairs, in (0, 1).
        tried_before: labels of rows whose pairs stay undecided, since these seeds are not the first that were tested.
    """
    pairs = list(itertools.combinations([row for row in rows if row.label in printed], 2))
    design = DecisionRule(lower_is_better=lower_is_better, alpha=alpha)
    joint = gather_evidence(pairs, design)
    lists: dict[str, list[Pair]] = {"concordant": [], "discordant": [], "undecided": [], "printed_equal": []}
    for (a, b), evidence in zip(pairs, joint.found, strict=True):
        decision: Decision = "undecided"
        if not {a.label, b.label} & set(tried_before):
            decision = analyse_comparison(a, b, evidence=evidence, design=design).decision
        better = (printed[a.label] - printed[b.label]) * (-1 if lower_is_better else 1)
        lists[_place(better, decision)].append((a.label, b.label))
    shared = [evidence.comparison.n for evidence in joint.found]
    has_lost = any(a.lost or b.lost for a, b in pairs)
    return PairOrder(
        **{name: tuple(found) for name, found in lists.items()},
        test=TEST_NAMES[joint.test],
        seeds=(min(shared), max(shared)) if has_lost else None,
        planned=max((row.n_planned for row in rows), default=0),
    )


def _place(printed_better: float, decision: Decision) -> str:
    """The list of a pair.

    Args:
        printed_better: by how much the first row is printed as better than the second.
        decision: ours on the first row against the second; no margin is given, so it is never `equivalent`.
    """
    if decision == "undecided":
        return "undecided"
    if printed_better == 0:
        return "printed_equal"
    return "concordant" if (printed_better > 0) == (decision == "better") else "discordant"
