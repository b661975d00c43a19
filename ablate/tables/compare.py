"""Any two rows of a study, seed by seed, as a document. Post hoc: corrected over all pairs of the table's rows."""

from __future__ import annotations

from collections.abc import Mapping

from ablate.errors import TableError, nearest, quote
from ablate.plan import Plan
from ablate.statistics.pairs import PairAnalysis, analyse_pair
from ablate.tables.analysis import bounds_of, design_of, runs_of, superiority_of
from ablate.tables.results import collect_results
from ablate.tables.table import Difference
from ablate.tables.verdicts import Bounds, Superiority
from ablate.trial import Document, TrialRecord


class PairedSeed(Document):
    """Two values of one seed; `difference` is a - b."""

    seed: int
    a: float
    b: float
    difference: float


class RowComparison(Document):
    """Row a minus row b, over the seeds that both have.

    Attributes:
        study, scale, metric, lower_is_better: of the table.
        seeds: the common ones.
        diff: a - b, with its 95 % t interval; null without a common seed.
        test: that `p` is of, `flip` or `t`; null below 2 common seeds.
        p, p_flip, p_t: uncorrected; p_adj corrected over `pairs`, all pairs of the table's rows.
        simultaneous: interval that holds for all pairs together.
        decision: `better`, `worse` (a against b), `equivalent` or `undecided`.
        mde: smallest difference that these seeds would have decided with 80 % power; null where it is not known.
        seeds_needed: that would decide a difference as large as the one seen; null where no number would.
        is_post_hoc: always: the two were chosen after the table could be seen.
        provisional: whether results of any row are outstanding; nothing is decided then.
        sentence: the result for a reader, generated.
    """

    study: str
    scale: str | None
    metric: str
    lower_is_better: bool
    a: str
    b: str
    seeds: list[PairedSeed]
    diff: Difference | None
    test: str | None
    p: float | None
    p_flip: float | None
    p_t: float | None
    p_adj: float | None
    pairs: int
    simultaneous: Bounds | None
    p_better: Superiority | None
    decision: str
    mde: float | None
    seeds_needed: int | None
    is_post_hoc: bool = True
    provisional: bool
    sentence: str


def compare_rows(plan: Plan, records: Mapping[str, TrialRecord], a: str, b: str) -> RowComparison:
    """Compare two rows of a study on its primary metric.

    Args:
        plan: its rows and seeds.
        records: by trial key.
        a: label of the row to judge.
        b: label of the row that it is compared with.

    Raises:
        TableError: a label is no row's, or both are one.
    """
    labels = [row.label for row in plan.rows]
    for label in (a, b):
        if label not in labels:
            raise TableError(f"no row {quote(label)}{nearest(label, labels)}")
    if a == b:
        raise TableError(f"row {quote(a)} is compared with itself; name two rows")
    results = collect_results(plan.rows, plan, records)
    found = analyse_pair([runs_of(result, plan.metric) for result in results], a, b, design=design_of(plan))
    provisional = any(result.missing for result in results)  # all rows are in the correction
    return _document(plan, found, provisional=provisional)


def _outstanding(found: PairAnalysis) -> str:
    """Nothing is decided by looking again and again."""
    seen = found.analysis.evidence.comparison
    size = "" if seen.mean is None else f"; so far the difference is {seen.mean:.4g} over n = {seen.n}"
    return f"nothing is decided as long as results are outstanding{size}"


def _document(plan: Plan, found: PairAnalysis, *, provisional: bool) -> RowComparison:
    analysis, evidence = found.analysis, found.analysis.evidence
    seen = evidence.comparison
    return RowComparison(
        study=plan.study.name,
        scale=plan.scale,
        metric=plan.metric,
        lower_is_better=plan.lower_is_better[plan.metric],
        a=analysis.label,
        b=analysis.reference,
        seeds=[PairedSeed(seed=one.seed, a=one.a, b=one.b, difference=one.difference) for one in found.seeds],
        diff=None if seen.mean is None else Difference(mean=seen.mean, low=seen.low, high=seen.high, n=seen.n),
        test=evidence.test,
        p=evidence.p,
        p_flip=seen.p_flip,
        p_t=seen.p_t,
        p_adj=evidence.p_adj,
        pairs=found.pairs,
        simultaneous=bounds_of(evidence.interval),
        p_better=superiority_of(analysis.better),
        decision="undecided" if provisional else analysis.decision,
        mde=analysis.mde,
        seeds_needed=found.seeds_needed,
        provisional=provisional,
        sentence=_outstanding(found) if provisional else found.sentence,
    )
