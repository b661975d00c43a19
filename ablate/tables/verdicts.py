"""What a table says of its rows beside the numbers: tests, decisions, agreement with the paper. Documents only.

Texts are generated from the numbers by `ablate.statistics` and are plain; each format escapes them.
"""

from __future__ import annotations

from pydantic import Field

from ablate.documents import Document


class Bounds(Document):
    """Two ends of an interval."""

    low: float
    high: float


class Superiority(Bounds):
    """P(better): the share of seeds in which the row is better, ties half, with its 95 % Clopper-Pearson interval."""

    share: float
    wins: int
    ties: int
    n: int


class Tested(Document):
    """How one row was compared with its baseline; `Cell` has p, p_flip, p_adj and the decision.

    Attributes:
        test: that `p` is of: `flip`, `t` or `pooled`; null below 2 common seeds.
        p_t: of the paired t test; null where it has no meaning.
        comparisons: for how many of them p_adj and the simultaneous interval are corrected.
        simultaneous: interval that holds for all rows of the family together; null without a test.
        p_better: null without a common seed.
        reason: why a row is undecided; see `ablate.statistics.decisions.family.Reason`.
        text: the decision with its reason, in words.
        mde: smallest difference that these seeds would have decided with 80 % power, in metric units; `mde_sd` in
            standard deviations of a paired difference.
        target: the difference that `seeds_needed` is about: the printed one, else the margin; null without either.
        seeds_needed: with which a difference of `target` would be decided with 80 % power, of an undecided row.
        seeds_equivalent: with which equivalence within the margin would be shown with 80 % power were there no
            difference, of an undecided row; null without a margin.
        rho: correlation with the baseline over seeds; `pairing_gain` the share of variance that pairing saved.
        p_lost: exact McNemar test of how often this row and the baseline lost a run; null where none did.
        p_worst: with lost runs counted as the worst, by ranks; null where none was lost. p_worst_adj, corrected for
            all comparisons, is what can undo a decision.
    """

    test: str | None
    p_t: float | None
    comparisons: int
    simultaneous: Bounds | None
    p_better: Superiority | None
    reason: str | None = None
    text: str
    mde: float | None
    mde_sd: float | None
    target: float | None
    seeds_needed: int | None
    seeds_equivalent: int | None = None
    rho: float | None
    pairing_gain: float | None
    p_lost: float | None
    p_worst: float | None
    p_worst_adj: float | None = None


class RowAgreement(Document):
    """A row against its printed difference.

    Attributes:
        word: at the paper's own data set, scale and recipe `reproduced`, `contradicted (opposite)`, `contradicted
            (absent)`, `inconclusive`; at any other `agrees`, `disagrees`, `undecided`; `no claim` where the paper makes
            none that a single run could show.
        text: the word, and what is to be read with it.
        ratio: our difference over the printed one; `standardised` over its sample standard deviation.
        is_inside: whether the printed difference lies where 95 % of single runs of ours would; at the paper's scale.
    """

    word: str
    text: str
    direction: str | None
    ratio: float | None
    standardised: float | None
    is_inside: bool | None


class FamilyAgreement(Document):
    """A family against the paper: the word for the whole, the rows it rests on, and the order of the rows."""

    word: str
    text: str
    counts: dict[str, int]
    headline: list[str]
    tau: float | None
    rank: str
    pairs: str


class Audit(Document):
    """The hidden copy of a baseline against the baseline: it must not come out different.

    Attributes:
        n: common seeds; `diff` over them, null without any, with `low` and `high` of its 95 % t interval.
        p: of the paired t test, by itself; null below 2 seeds.
        lost: what the copy lacks and why, seed by seed; `baseline_lost` the number of seeds that the baseline lacks.
        is_alarm: whether it did come out different, at the study's alpha, or was lost altogether, unlike the baseline.
    """

    n: int
    diff: float | None
    low: float | None
    high: float | None
    p: float | None
    lost: list[str] = Field(default_factory=list)
    baseline_lost: int = 0
    is_alarm: bool


class Family(Document):
    """The rows that are tested together: those of a group against its baseline.

    Attributes:
        comparisons: rows of it; with data or without, all count.
        n: seeds that decided the choice of the test.
        test: `flip`, `t`, `pooled`, or null where nothing can be tested.
        method: how p was made and what that assumes, a sentence; `spread` the check of the pooled test's assumption.
        agreement: null where nothing was printed.
    """

    group: str | None
    baseline: str
    comparisons: int
    n: int
    test: str | None
    method: str
    spread: str | None
    agreement: FamilyAgreement | None
    audit: Audit | None


class Effect(Document):
    """A main effect (one factor) or a two-way interaction (two) of a grid.

    Attributes:
        share: exact eta squared of a balanced grid, its share of the variance between cells and of the noise (with one
            seed the noise is in it); else the importance by fANOVA.
        low, high: 95 % interval of the share that infinitely many seeds would show; of fANOVA the smallest and largest
            of its forests, which is no interval; null where there is none.
        p, p_adj: of the F test against the seeds' own variation, and corrected over all effects of the grid; null where
            nothing is tested.
    """

    factors: list[str]
    share: float
    low: float | None
    high: float | None
    p: float | None
    p_adj: float | None


class LevelMean(Document):
    """Mean of the metric over all cells with these levels; `low` and `high` of its 95 % t interval, null without."""

    levels: dict[str, str]
    mean: float
    low: float | None
    high: float | None


class Effects(Document):
    """What matters in a grid, on the primary metric.

    Attributes:
        method: `anova`, `fanova`, or null where nothing can be said.
        effects: main effects in the order of the factors, then interactions.
        higher, residual: shares of interactions of three and more factors, and of noise; null unless `anova`.
        means: by level of one factor, then by pairs of levels.
        notes: what was left out, and what the method cannot say.
    """

    method: str | None
    effects: list[Effect]
    higher: float | None
    residual: float | None
    means: list[LevelMean]
    notes: list[str]


class Front(Document):
    """The rows that no other row beats in metric and in this cost at once, cheapest first."""

    cost: str
    rows: list[str]
