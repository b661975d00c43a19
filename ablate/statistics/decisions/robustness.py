"""How far the decision on a row depends on the test, on lost runs and on single seeds. It changes no decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ablate.statistics.decisions.evidence import Applied, DecisionRule
from ablate.statistics.decisions.family import Decision, FamilyAnalysis, RowAnalysis, analyse_family, direction
from ablate.statistics.decisions.row_comparison import Runs
from ablate.statistics.estimate import estimate

TESTS: tuple[Applied, ...] = ("flip", "t", "pooled")


@dataclass(frozen=True, slots=True)
class Robustness:
    """What else could have been said of a row.

    Attributes:
        label: label of the row.
        registered: the row with its decision, by the test that the study fixed.
        others: the row by each other test that is possible with these runs.
        worst: decision of the rank test if each lost run were the worst value; None if no run was lost in one row only.
        without_one: smallest and largest mean difference if any one seed is left out; None below 3 common seeds.
    """

    label: str
    registered: RowAnalysis
    others: Mapping[Applied, RowAnalysis]
    worst: Decision | None
    without_one: tuple[float, float] | None

    @property
    def does_sign_hold(self) -> bool:
        """Whether the difference has the same sign whichever seed is left out."""
        return self.without_one is not None and self.without_one[0] * self.without_one[1] > 0


def examine(rows: Sequence[Runs], reference: Runs, design: DecisionRule) -> tuple[Robustness, ...]:
    """The robustness of every row of a family; arguments as for `analyse_family`."""
    registered = analyse_family(rows, reference, design)
    others = {test: analyse_family(rows, reference, replace(design, test=test)) for test in TESTS}
    return tuple(
        Robustness(
            label=row.label,
            registered=row,
            others={test: family.rows[place] for test, family in others.items() if _is_other(test, family, row, place)},
            worst=_worst(row, design),
            without_one=_without_one(list(row.evidence.comparison.differences.values())),
        )
        for place, row in enumerate(registered.rows)
    )


def _is_other(test: Applied, family: FamilyAnalysis, row: RowAnalysis, place: int) -> bool:
    """Whether a test was applied, since pooling may be impossible, and is not the registered one."""
    return family.rows[place].evidence.test == test != row.evidence.test


def _worst(row: RowAnalysis, design: DecisionRule) -> Decision | None:
    lost = row.evidence.failures
    if lost.p_worst is None:
        return None
    return direction(lost.worst_sign, design) if row.evidence.p_worst_adj <= design.alpha else "undecided"


def _without_one(differences: Sequence[float]) -> tuple[float, float] | None:
    if len(differences) < 3:
        return None
    means = [
        estimate(dict(enumerate([*differences[:place], *differences[place + 1 :]]))).mean or 0.0
        for place in range(len(differences))
    ]
    return min(means), max(means)
