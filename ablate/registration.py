"""How a study decides, written down with the time before its trials run: what is claimed later rests on it.

A test assumes that seeds, rows, metric, margin and level were chosen before the results were seen. Whoever keeps a
study's results keeps its registrations beside them, one for the start and one for each change; from them and the
results' times follows what a table has to say about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from ablate.plan import Plan
from ablate.recipe import identity_of
from ablate.trial import Document, TrialRecord, canonical_json

WORDS = {
    "seeds": "its seeds", "rows": "its rows or baselines", "metric": "its metric", "alpha": "its level",
    "margin": "its margin", "test": "its test", "headline": "its headline",
}  # fmt: skip


class Registration(Document):
    """What was fixed, and when.

    Attributes:
        at: ISO 8601 with offset, to the microsecond.
        seeds: planned.
        rows: digest of the rows' labels and recipes, and of which of them are baselines.
        metric: the one that is tested.
        alpha, margin, test, headline: see `ablate.study.TableSpec`.
    """

    at: str
    seeds: list[int]
    rows: str
    metric: str
    alpha: float
    margin: float | None
    test: str
    headline: list[str] | None


def register(plan: Plan, at: datetime | None = None) -> Registration:
    """The registration of a plan at a time, now unless told."""
    rows = canonical_json([[row.label, row.group, row.is_baseline, identity_of(row.recipe)] for row in plan.rows])
    table = plan.study.table
    return Registration(
        at=(at or datetime.now(UTC)).isoformat(timespec="microseconds"),
        seeds=list(plan.seeds),
        rows=hashlib.sha256(rows.encode()).hexdigest()[:16],
        metric=plan.metric,
        alpha=table.alpha,
        margin=table.margin,
        test=table.test,
        headline=table.headline,
    )


def changes(before: Registration, after: Registration) -> list[str]:
    """What the later one has otherwise, in words; none where it says the same."""
    return [words for name, words in WORDS.items() if getattr(before, name) != getattr(after, name)]


def is_exploratory(history: Sequence[Registration], records: Iterable[TrialRecord]) -> bool:
    """Whether anything was changed once a result was known."""
    finished = [record.finished_at for record in records]
    return any(_count_before(later.at, finished) for later in history[1:])


def describe(history: Sequence[Registration], records: Iterable[TrialRecord]) -> list[str]:
    """Sentences for the table: when the design was fixed, and what was changed with how many results known."""
    if not history:
        return []
    finished = [record.finished_at for record in records]
    first = history[0]
    sentences = [f"rows, seeds, margin and test were fixed on {_day(first.at)}, {_known(first.at, finished)}"]
    for before, after in pairwise(history):
        known = _count_before(after.at, finished)
        text = f"{' and '.join(changes(before, after))} changed on {_day(after.at)}, {_known(after.at, finished)}"
        sentences.append(text + (": the tests assume that it was planned, so they are exploratory" if known else ""))
    return sentences


def _count_before(at: str, finished: Iterable[str]) -> int:
    limit = datetime.fromisoformat(at)
    return sum(datetime.fromisoformat(time) <= limit for time in finished)


def _known(at: str, finished: Sequence[str]) -> str:
    count = _count_before(at, finished)
    return f"when {count} of the results were known" if count else "before any result was known"


def _day(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"
