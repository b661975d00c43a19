"""What a whole home has tested."""

from __future__ import annotations

from ablate.documents import Document


class LedgerPair(Document):
    """Two recipes that were compared: a row and its baseline.

    Attributes:
        row, baseline: their labels in the study that compared them first.
        metric: metric of the comparison.
        studies: ids of the studies that compared them, oldest first.
        n: number of (seed, replicate) of all these studies.
        evidence: value of the symmetry e-process over all of them now; 1 says nothing, larger values speak against
            "no difference".
        needed: value from which on the difference is a discovery of the home.
        is_discovery: whether it is one, at the false discovery rate of the ledger.
        decision: the decision in the last of these studies; null if its table is not known.
    """

    row: str
    baseline: str
    metric: str
    studies: list[str]
    n: int
    evidence: float
    needed: float
    is_discovery: bool
    decision: str | None


class Ledger(Document):
    """Everything that the ended studies of a home decided on.

    Attributes:
        alpha: false discovery rate of `LedgerPair.is_discovery`.
        families: number of families: the rows of a study that are compared with the same baseline. The test over the
            groups of a pivoted table is one more.
        decided: number of families that show a row as better or worse.
        exploratory: number of these that are exploratory.
        expected: largest number of families that are expected to show a false decision: the sum of their levels.
        pairs: the pairs of recipes, in the order in which they were compared first.
    """

    alpha: float
    families: int
    decided: int
    exploratory: int
    expected: float
    pairs: list[LedgerPair]
