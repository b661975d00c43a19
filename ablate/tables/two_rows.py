"""Comparison of any two rows of a study, paired by seed, as a document.

A row and its baseline are a planned comparison, and the answer is that of the table. Any other two rows may have
been chosen after the table was seen. Their comparison is post hoc and corrected over all pairs of rows.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from ablate.documents import Document
from ablate.errors import Problem, TableError, quote
from ablate.statistics.decisions.any_two_rows import PairAnalysis, analyse_pair
from ablate.statistics.decisions.anytime import answer_at_any_time
from ablate.statistics.decisions.evidence import DecisionRule
from ablate.statistics.words import counted
from ablate.study.names import clause_on_unknown, find_name, names_with_label
from ablate.study.plan import Plan, Row
from ablate.study.preregistration import Preregistration, Seen, find_known_baselines, is_exploratory
from ablate.tables.analysis import bounds_of, design_of, superiority_of, tries_of
from ablate.tables.inputs import StudyState
from ablate.tables.notes_choices import KNOWN_BASELINE, why_undecided
from ablate.tables.notes_verdicts import ANYTIME, NO_ANYTIME
from ablate.tables.over_images import OverImages, compare_by_image, no_comparison
from ablate.tables.results import collect_results, runs_of
from ablate.tables.table import Difference
from ablate.tables.tries import PairHistory, describe_tries
from ablate.tables.verdicts import Bounds, Superiority, Tries
from ablate.tables.words import named
from ablate.trials.trial import TrialRecord

EXPLORATORY = (
    ". Exploratory: results were known when the study was fixed or changed, so p-values do not keep their level"
)
MAX_LABELS = 24
"""Largest number of labels in the error about an unknown label."""


class PairedSeed(Document):
    """The two values of one seed; `difference` is a - b."""

    seed: int
    a: float
    b: float
    difference: float


class RowComparison(Document):
    """Row a minus row b, over the seeds that both have.

    Attributes:
        study, scale, metric, lower_is_better: values of the table.
        seeds: values of the common seeds.
        diff: a - b, with its 95 % t interval; null without a common seed.
        test: test of `p`, `flip`, `t`, `pooled`, or `anytime` for rows that were tried before; null below 2 common
            seeds.
        p, p_flip, p_t: uncorrected p-values.
        p_adj: p-value corrected for `pairs`: all pairs of the table's rows, or, if planned, the comparisons of the
            baseline's family.
        simultaneous: interval that holds for all of these comparisons together.
        rho: correlation over seeds; null below 3 common seeds.
        pairing_gain: share of variance that pairing saved, below 0 if it cost; null below 3 common seeds.
        decision: `better`, `worse` (a against b), `equivalent` or `undecided`.
        mde: smallest difference that these seeds can decide with 80 % power; null if unknown.
        seeds_needed: number of seeds that would decide a difference as large as the observed one; null if no number
            would.
        is_post_hoc: whether the rows may have been chosen after the table was seen; a row and its baseline are planned.
        tries: answer that decides rows that were tried before; p and p_adj are then those of its e-process.
        exploratory: whether results were known when the study was fixed or changed, or the rows were tried before; the
            p-values of tests then do not keep their level.
        provisional: whether results of any row are outstanding; nothing is decided then.
        images: the two rows by test image, with an interval that holds for other test images too.
        sentence: generated sentences with the result.
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
    rho: float | None
    pairing_gain: float | None
    decision: str
    mde: float | None
    seeds_needed: int | None
    is_post_hoc: bool
    tries: Tries | None = None
    exploratory: bool
    provisional: bool
    images: OverImages
    sentence: str


def compare_rows(
    plan: Plan,
    records: Mapping[str, TrialRecord],
    a: str,
    b: str,
    *,
    registrations: Sequence[Preregistration] = (),
    seen: Seen | None = None,
    history: PairHistory | None = None,
    is_firing: bool = False,
) -> RowComparison:
    """Compare two rows of a study on its primary metric.

    Args:
        plan: rows and seeds.
        records: records by trial key.
        a: the row to judge: its label, or `GROUP / LABEL` where several groups have the label.
        b: the row for comparison.
        registrations: registrations of the study, oldest first.
        seen: see `ablate.tables.inputs.StudyState`, as `is_firing`.
        history: tries of the two rows, a minus b, if they were tried before.

    Raises:
        TableError: there is no such row, or both are the same.
    """
    problems = find_row_problems(plan, a, b)
    if problems:
        raise TableError("; ".join(problem.message for problem in problems))
    a, b = names_of_two(plan, a, b)
    results = collect_results(plan.rows, plan, records)
    runs = [runs_of(result, plan.metric) for result in results]
    found = analyse_pair(runs, a, b, design=design_of(plan), planned=_family_of(plan, a, b))
    seen = Seen.of(records.values()) if seen is None else seen
    is_known = is_exploratory(plan, registrations, seen)
    document = _document(plan, found, is_exploratory=is_known)
    if history is not None:
        document = _with_tries(document, history, design_of(plan))
    known = [name for name in find_known_baselines(plan, registrations, seen) if name in (a, b) and not is_known]
    for text in (KNOWN_BASELINE.format(named([name])) for name in known):
        document = document.model_copy(update={"sentence": f"{document.sentence}. {text.rstrip('.')}"})
    if any(result.missing for result in results):  # the correction covers all rows
        return document.model_copy(
            update={"decision": "undecided", "provisional": True, "sentence": _outstanding(found)}
        )
    why = why_undecided(plan, StudyState(is_firing=is_firing))
    document = document.model_copy(update={"decision": "undecided", "sentence": why} if why else {})
    first, second = (next(result for result in results if result.row.name == name) for name in (a, b))
    return document.model_copy(update={"images": compare_by_image(first, second, plan.metric, document.decision)})


def _with_tries(document: RowComparison, history: PairHistory, design: DecisionRule) -> RowComparison:
    """The comparison with the answer that is still valid for rows that were tried before."""
    answer = answer_at_any_time(history.differences, design, document.pairs)
    tries = tries_of(history.number, answer)
    text = f"Try {history.number} of these two rows in this home{', post hoc' * document.is_post_hoc}"
    answered = describe_tries(tries, answer.decision, design.unit)
    how = NO_ANYTIME if design.folds else ANYTIME
    sentence = f"{text}: {document.a} minus {document.b}, {answered}. Rows that were tried before {how}"
    found = {
        "test": "anytime",
        "p": answer.p,
        "p_adj": answer.p_adj,
        "decision": answer.decision,
        "tries": tries,
        "exploratory": True,
    }
    return document.model_copy(update={**found, "seeds_needed": None, "sentence": sentence})


def _family_of(plan: Plan, a: str, b: str) -> list[str]:
    """Names of the rows of the family, if one of the two rows is its baseline; empty for any other two."""
    rows = {row.name: row for row in plan.rows}
    if rows[a].group != rows[b].group or not (rows[a].is_baseline or rows[b].is_baseline):
        return []
    return [row.name for row in plan.rows if row.group == rows[a].group and not row.is_baseline]


def names_of_two(plan: Plan, a: str, b: str) -> tuple[str, str]:
    """The names of two rows of a plan, without `find_row_problems`; see `ablate.study.names`."""
    first, second = find_name(a, plan.rows), find_name(b, plan.rows)
    assert first is not None
    assert second is not None
    return first, second


def find_row_problems(plan: Plan, a: str, b: str) -> list[Problem]:
    """All problems that prevent the comparison of two rows; the pointers are `/a` and `/b`."""
    names = {text: find_name(text, plan.rows) for text in (a, b)}
    wrong = [(pointer, text) for pointer, text in (("/a", a), ("/b", b)) if names[text] is None]
    if wrong:
        return [Problem(pointer, "unknown_row", _unknown_row(text, plan.rows)) for pointer, text in wrong]
    if names[a] == names[b]:
        return [Problem("/b", "same_row", f"row {quote(a)} cannot be compared with itself; name two rows")]
    return []


def _unknown_row(text: str, rows: Sequence[Row]) -> str:
    names, what = [row.name for row in rows], f"no row {quote(text)}"
    if names_with_label(text, rows):
        return what + clause_on_unknown(text, rows)
    close = difflib.get_close_matches(text, names, n=1, cutoff=0.6)
    if close:
        return f"{what}; did you mean {quote(close[0])}?"
    rest = f" and {len(names) - MAX_LABELS} more" if len(names) > MAX_LABELS else ""
    return f"{what}; the rows are {', '.join(map(quote, names[:MAX_LABELS]))}{rest}"


def _outstanding(found: PairAnalysis) -> str:
    """The sentence while results are outstanding: repeated looks at a test must not decide anything."""
    seen = found.analysis.evidence.comparison
    size = "" if seen.mean is None else f"; so far the difference is {seen.mean:.4g} over {counted(seen.n, 'seed')}"
    return f"nothing is decided while results are outstanding{size}"


def _document(plan: Plan, found: PairAnalysis, *, is_exploratory: bool) -> RowComparison:
    analysis, evidence = found.analysis, found.analysis.evidence
    seen, pairing = evidence.comparison, analysis.pairing
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
        rho=pairing.rho if pairing else None,
        pairing_gain=pairing.gain if pairing else None,
        decision=analysis.decision,
        mde=analysis.mde,
        seeds_needed=found.seeds_needed,
        is_post_hoc=found.is_post_hoc,
        exploratory=is_exploratory,
        provisional=False,
        images=no_comparison("results are outstanding"),
        sentence=found.sentence + _exploratory_clause(plan, is_exploratory=is_exploratory),
    )


def _exploratory_clause(plan: Plan, *, is_exploratory: bool) -> str:
    if plan.study.imported is not None:
        return f". {plan.study.imported.origin.sentence.rstrip('.')}"
    return EXPLORATORY * is_exploratory
