"""The findings of a table on its rows: tests, decisions, agreement with the paper. Documents only.

`ablate.statistics` generates the texts from the numbers. They are plain text; each format escapes them.
"""

from __future__ import annotations

from pydantic import Field

from ablate.documents import Document


class Bounds(Document):
    """Two ends of an interval."""

    low: float
    high: float


class Superiority(Bounds):
    """P(better): the share of seeds in which the row is better (ties half), with its 95 % Clopper-Pearson interval."""

    share: float
    wins: int
    ties: int
    n: int


class Tested(Document):
    """The comparison of one row with its baseline; `TableCell` has p, p_flip, p_adj and the decision.

    Attributes:
        test: test of `p`: `flip`, `t`, `pooled`, or `anytime` for a row that was tried before; null below 2 common
            seeds.
        p_t: p-value of the paired t test; null if it is undefined.
        comparisons: number of comparisons for which p_adj and the simultaneous interval are corrected.
        simultaneous: interval that holds for all rows of the family together; null without a test.
        p_better: share of seeds in which the row is better; null without a common seed.
        reason: reason of an undecided row; see `ablate.statistics.decisions.family.Reason`; `tried before` if
            the tries of the row decide it, or do not.
        text: decision with its reason, in words.
        mde: smallest difference that these seeds can detect with 80 % power, in metric units.
        mde_sd: the same in standard deviations of a paired difference.
        target: difference for `seeds_needed`: the printed one, else the margin; null without either.
        seeds_needed: number of seeds that detect a difference of `target` with 80 % power, for an undecided row.
        seeds_equivalent: number of seeds that show equivalence within the margin with 80 % power if there is no
            difference, for an undecided row; null without a margin.
        rho: correlation with the baseline over seeds.
        pairing_gain: share of variance that pairing saved.
        p_lost: p-value of the exact McNemar test for equal rates of lost runs in row and baseline; null without lost
            runs.
        p_worst: p-value by ranks with lost runs counted as the worst values; null without lost runs.
        p_worst_adj: p_worst corrected for all comparisons; it can undo a decision.
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


class Tries(Document):
    """The answer for a row that was tried before: it stays valid whatever was seen, and decides the row.

    The table's difference is that of this try alone, and the p-values of its test do not keep their level.

    Attributes:
        number: number of this try; the first one has no such answer.
        n: number of (seed, replicate) of all tries up to this one, in the order of registration.
        lost: number of these that were begun and have no result; they count against both directions.
        mean: mean difference over all others: a description, since no fixed-n interval around it keeps its level.
        e: largest value of the symmetry e-process, which decides from `needed` on.
        needed: number of comparisons divided by alpha.
        low, high: ends of the interval of the difference that holds at any time, for all comparisons together; null
            for an end that the differences do not bound yet.
    """

    number: int
    n: int
    lost: int
    mean: float | None
    e: float
    needed: float
    low: float | None
    high: float | None


class RowAgreement(Document):
    """A row compared with its printed difference.

    Attributes:
        word: for a row with the paper's own data set, network and recipe `reproduced`, `contradicted (opposite)`,
            `contradicted (absent)` or `inconclusive`; for any other row `agrees`, `disagrees` or `undecided`; `no
            claim` if the paper makes no claim that a single run could show.
        text: word with its reasons.
        direction: `agrees` or `differs`, for the sign of our difference; null if it is unknown.
        ratio: our difference divided by the printed one.
        standardised: our difference divided by its sample standard deviation.
        is_inside: whether the printed difference is in the 95 % prediction interval of one run; at the paper's scale.
    """

    word: str
    text: str
    direction: str | None
    ratio: float | None
    standardised: float | None
    is_inside: bool | None


class FamilyAgreement(Document):
    """A family compared with the paper: the word for the whole, the rows that decide it, and the order of the rows.

    If a headline row is the paper's own, only such rows count; `text` names the others.
    """

    word: str
    text: str
    counts: dict[str, int]
    headline: list[str]
    tau: float | None
    rank: str
    pairs: str


class Audit(Document):
    """The hidden duplicate of a baseline compared with the baseline: they must not differ.

    Attributes:
        n: number of common seeds.
        diff: mean difference over them; null without a common seed.
        low, high: ends of its 95 % t interval.
        p: uncorrected p-value of the paired t test; null below 2 seeds.
        lost: missing results of the duplicate by seed, with reasons.
        baseline_lost: number of seeds that the baseline lost.
        is_alarm: whether the two differ at the study's alpha, or the duplicate lost all its runs unlike the baseline.
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
        group: name of the group; null for a table without groups.
        baseline: label of the baseline.
        comparisons: number of rows in the family, with or without data.
        n: number of seeds from which the test was chosen.
        test: `flip`, `t`, `pooled`, or null if nothing can be tested.
        method: sentence on the test and its assumptions.
        spread: check of the pooled test's assumption; null for other tests.
        agreement: agreement with the paper; null without printed numbers.
        audit: result of the hidden duplicate; null without one.
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
        name: the effect in words, such as `norm within frelu`; `norm or window` if the rows do not tell these apart.
        factors: one or two factors.
        within: factor -> its levels to which the effect is confined, since the factors apply to these only.
        confounded: factors of the other effects that the rows do not tell apart from this one; all numbers are of all
            of them together.
        share: share in the variance between cells and the noise, 0 to 1, in which all levels of a factor count alike
            (weighted eta squared); with one seed it includes the noise.
        low, high: 95 % interval of the share with infinitely many seeds; null below 3 seeds.
        p: p-value of the F test against the variation over seeds, in which all rows count alike; null without a test.
        p_adj: p corrected over all effects of the grid; null without a test.
    """

    name: str = ""
    factors: list[str]
    within: dict[str, list[str]] = Field(default_factory=dict)
    confounded: list[list[str]] = Field(default_factory=list)
    share: float
    low: float | None
    high: float | None
    p: float | None
    p_adj: float | None


class LevelMean(Document):
    """Mean of the metric over all cells with these levels; `low` and `high` of its 95 % t interval, null without.

    On a grid with empty cells the mean is adjusted for the other factors.
    """

    levels: dict[str, str]
    mean: float
    low: float | None
    high: float | None


class Effects(Document):
    """The effects in a grid on the primary metric.

    Attributes:
        method: `anova`; `linear_model` if some combinations of levels have no value, so that shares are those of a
            model; null if neither is possible.
        effects: main effects in the order of the factors, then interactions.
        taken_as_zero: interactions that are left out because the rows do not show them, in words.
        higher: share of all other differences between rows, such as interactions of three and more factors.
        residual: share of noise.
        means: means by level of one factor, then by pairs of levels.
        notes: sentences on left-out values and on the limits of the method.
    """

    method: str | None
    effects: list[Effect]
    taken_as_zero: list[str] = Field(default_factory=list)
    higher: float | None
    residual: float | None
    means: list[LevelMean]
    notes: list[str]


class Front(Document):
    """The Pareto-optimal rows in the metric and this cost, cheapest first."""

    cost: str
    rows: list[str]
