"""The design of a study, recorded with the time before its trials run: later claims depend on it.

A test assumes that seeds, rows, metric, margin and level were chosen before the results were seen. The registrations of
a study are stored with its results: one for the start and one for each change. With the times of the results they show
whether the tests are exploratory.

Studies share results, so some results may be known before a study is written. If they belong to a tested row, they may
be the reason for testing it or for adding seeds, and the tests are exploratory. Results of baselines only are harmless
if the seeds are 0 to n - 1; from a list, someone could pick the seeds on which the baseline did badly.

Results in another folder or service are not visible here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from ablate.documents import Document, canonical_json
from ablate.recipes.classify import identity_of
from ablate.study.plan import Plan
from ablate.trials.trial import TrialRecord

WORDS = {
    "seeds": "its seeds", "rows": "its rows or baselines", "metric": "its metric", "alpha": "its significance level",
    "margin": "its margin", "test": "its test", "headline": "its headline rows",
}  # fmt: skip


class Preregistration(Document):
    """The fixed design of a study at a time.

    Attributes:
        at: time in ISO 8601 with offset, to the microsecond.
        study: name of the study, since a folder may contain several; empty in old records without a name.
        seeds: planned seeds.
        rows: digest of the rows' recipes, each with the recipe of its baseline; labels and order are not tested.
        metric: tested metric.
        alpha, margin, test, headline: see `ablate.study.document.TableSpec`.
    """

    at: str
    study: str = ""
    seeds: list[int]
    rows: str
    metric: str
    alpha: float
    margin: float | None
    test: str
    headline: list[str] | None


def register(plan: Plan, at: datetime | None = None) -> Preregistration:
    """The registration of a plan at a time; None means now."""
    baselines = {row.group: identity_of(row.recipe) for row in plan.rows if row.is_baseline}
    rows = canonical_json(sorted(canonical_json([identity_of(row.recipe), baselines[row.group]]) for row in plan.rows))
    table = plan.study.table
    return Preregistration(
        at=(at or datetime.now(UTC)).isoformat(timespec="microseconds"),
        study=plan.study.name,
        seeds=list(plan.seeds),
        rows=hashlib.sha256(rows.encode()).hexdigest()[:16],
        metric=plan.metric,
        alpha=table.alpha,
        margin=table.margin,
        test=table.test,
        headline=table.headline,
    )


def changes(before: Preregistration, after: Preregistration) -> list[str]:
    """The differences of the later registration, in words; empty if there are none."""
    return [words for name, words in WORDS.items() if getattr(before, name) != getattr(after, name)]


def is_exploratory(plan: Plan, history: Sequence[Preregistration], seen: Sequence[TrialRecord]) -> bool:
    """Whether results that could have influenced the study were known when it was fixed, or any when it was changed.

    Args:
        plan: present plan of the study.
        history: registrations of the study, oldest first.
        seen: every result that is or was stored with the registrations, including results that were set aside.
    """
    seen = _without_needed(plan, seen)
    finished = [record.finished_at for record in seen]
    return any(_influence(plan, seen, one.at) for one in history[:1]) or any(
        _count_before(later.at, finished) for later in history[1:]
    )


def describe_registrations(plan: Plan, history: Sequence[Preregistration], seen: Sequence[TrialRecord]) -> list[str]:
    """Sentences for the table: when the design was fixed or changed, and how many results were known."""
    if not history:
        return []
    seen = _without_needed(plan, seen)
    first, finished = history[0], [record.finished_at for record in seen]
    parts = ["rows", "seeds", *(["margin"] if first.margin else []), "test"]
    fixed = f"{', '.join(parts[:-1])} and {parts[-1]} were fixed on {_day(first.at)}, {_known(first.at, finished)}"
    sentences = [fixed + _known_of_its_own(plan, seen, first.at)]
    for before, after in pairwise(history):
        known = _count_before(after.at, finished)
        changed = " and ".join(change.replace("its ", "the ", 1) for change in changes(before, after))
        text = f"{changed} changed on {_day(after.at)}, {_known(after.at, finished)}"
        sentences.append(text + ("; the tests assume an unchanged plan, so they are exploratory" if known else ""))
    return sentences


def describe_others(own: Preregistration, others: Iterable[Preregistration]) -> list[str]:
    """A sentence on studies that test the same rows in another way, since a reader could choose among them."""
    apart = [words for other in others if other.rows == own.rows and (words := changes(own, other))]
    if not apart:
        return []
    what = dict.fromkeys(word.removeprefix("its ") for words in apart for word in words)
    studies = "1 other study tests" if len(apart) == 1 else f"{len(apart)} other studies test"
    return [f"{studies} these rows with a different choice of {' or '.join(what)}; state in advance which one counts"]


def _without_needed(plan: Plan, seen: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The results without those of needed trials, from whose weights rows start: these show nothing about rows."""
    needed = plan.needed
    return [record for record in seen if record.trial.key not in needed]


def _known_of_its_own(plan: Plan, seen: Sequence[TrialRecord], at: str) -> str:
    known = {record.trial.key for record in seen if _is_before(record, at)} & plan.trials.keys()
    if not known:
        return ""
    influence = _influence(plan, seen, at)
    if influence:
        return f"; {influence}, so the tests are exploratory"
    return "; those of this study are of baselines only"


def _influence(plan: Plan, seen: Sequence[TrialRecord], at: str) -> str:
    """The results known at a time that could have influenced the study, in words; empty if there are none."""
    known = {record.trial.key for record in seen if _is_before(record, at)}
    of_rows = {row.label: {plan.memberships[row.label, seed] for seed in plan.seeds} for row in plan.rows}
    baselines = set().union(*(of_rows[row.label] for row in plan.rows if row.is_baseline))
    tested = set().union(*of_rows.values()) - baselines
    if count := len(known & tested):
        return f"{count} of them {'belongs' if count == 1 else 'belong'} to rows that are tested here"
    is_picked = plan.seeds != tuple(range(len(plan.seeds)))
    return "some of them belong to a baseline whose seeds are picked" if is_picked and known & baselines else ""


def _is_before(record: TrialRecord, at: str) -> bool:
    return datetime.fromisoformat(record.finished_at) <= datetime.fromisoformat(at)


def _count_before(at: str, finished: Iterable[str]) -> int:
    limit = datetime.fromisoformat(at)
    return sum(datetime.fromisoformat(time) <= limit for time in finished)


def _known(at: str, finished: Sequence[str]) -> str:
    count = _count_before(at, finished)
    if not count:
        return "before any result was known"
    return "when 1 result was known" if count == 1 else f"when {count} results were known"


def _day(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"
