"""How a study decides, written down with the time before its trials run: what is claimed later rests on it.

A test assumes that seeds, rows, metric, margin and level were chosen before the results were seen. Whoever keeps a
study's results keeps its registrations beside them, one for the start and one for each change; from them and the
results' times follows what a table has to say about it.

Results are shared between studies, so some may be known before a study is written. Those of a row that is tested may be
why it is tested, or why it gets more seeds: the tests are exploratory then. Those of a baseline alone are harmless as
long as seeds are 0 to n - 1; from a list, the seeds on which it did badly could have been picked.

What cannot be seen from here: results in another folder or service.
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
    "seeds": "its seeds", "rows": "its rows or baselines", "metric": "its metric", "alpha": "its level",
    "margin": "its margin", "test": "its test", "headline": "its headline",
}  # fmt: skip


class Preregistration(Document):
    """What was fixed, and when.

    Attributes:
        at: ISO 8601 with offset, to the microsecond.
        study: its name, since a folder may hold several studies; empty where none was written down.
        seeds: planned.
        rows: digest of the rows' recipes, each with its baseline's; labels and order are no part of what is tested.
        metric: the one that is tested.
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
    """The registration of a plan at a time, now unless told."""
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
    """What the later one has otherwise, in words; none where it says the same."""
    return [words for name, words in WORDS.items() if getattr(before, name) != getattr(after, name)]


def is_exploratory(plan: Plan, history: Sequence[Preregistration], seen: Sequence[TrialRecord]) -> bool:
    """Whether results that could have shaped the study were known when it was fixed, or any when it was changed.

    Args:
        plan: of the study as it is now.
        history: its registrations, oldest first.
        seen: every result that is or was kept beside the registrations, also what was set aside.
    """
    seen = _without_needed(plan, seen)
    finished = [record.finished_at for record in seen]
    return any(_shaping(plan, seen, one.at) for one in history[:1]) or any(
        _count_before(later.at, finished) for later in history[1:]
    )


def describe(plan: Plan, history: Sequence[Preregistration], seen: Sequence[TrialRecord]) -> list[str]:
    """Sentences for the table: when the design was fixed, and what was changed with how many results known."""
    if not history:
        return []
    seen = _without_needed(plan, seen)
    first, finished = history[0], [record.finished_at for record in seen]
    parts = ["rows", "seeds", *(["margin"] if first.margin else []), "test"]
    fixed = f"{', '.join(parts[:-1])} and {parts[-1]} were fixed on {_day(first.at)}, {_known(first.at, finished)}"
    sentences = [fixed + _known_of_its_own(plan, seen, first.at)]
    for before, after in pairwise(history):
        known = _count_before(after.at, finished)
        text = f"{' and '.join(changes(before, after))} changed on {_day(after.at)}, {_known(after.at, finished)}"
        sentences.append(text + (": the tests assume that it was planned, so they are exploratory" if known else ""))
    return sentences


def describe_others(own: Preregistration, others: Iterable[Preregistration]) -> list[str]:
    """A sentence on studies that test the same rows in another way: whoever has several can choose among them."""
    apart = [words for other in others if other.rows == own.rows and (words := changes(own, other))]
    if not apart:
        return []
    what = dict.fromkeys(word.removeprefix("its ") for words in apart for word in words)
    studies = "1 other study tests" if len(apart) == 1 else f"{len(apart)} other studies test"
    return [
        f"{studies} these rows with another choice of {' or '.join(what)}: which one counts is to be said beforehand"
    ]


def _without_needed(plan: Plan, seen: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Without the results of trials from which those of the rows start: they say nothing about the rows."""
    needed = plan.needed
    return [record for record in seen if record.trial.key not in needed]


def _known_of_its_own(plan: Plan, seen: Sequence[TrialRecord], at: str) -> str:
    known = {record.trial.key for record in seen if _is_before(record, at)} & plan.trials.keys()
    if not known:
        return ""
    shaping = _shaping(plan, seen, at)
    return f", {shaping}, so the tests are exploratory" if shaping else ", here of baselines alone"


def _shaping(plan: Plan, seen: Sequence[TrialRecord], at: str) -> str:
    """What was known at a time that could have shaped the study, in words; empty where nothing was."""
    known = {record.trial.key for record in seen if _is_before(record, at)}
    of_rows = {row.label: {plan.memberships[row.label, seed] for seed in plan.seeds} for row in plan.rows}
    baselines = set().union(*(of_rows[row.label] for row in plan.rows if row.is_baseline))
    tested = set().union(*of_rows.values()) - baselines
    if count := len(known & tested):
        return f"{count} of them of rows that are tested here"
    is_picked = plan.seeds != tuple(range(len(plan.seeds)))
    return "some of them of a baseline whose seeds are picked" if is_picked and known & baselines else ""


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
