"""How a study decides, written down with the time before its trials run: what is claimed later rests on it.

A test assumes that seeds, rows, metric, margin and level were chosen before the results were seen. Whoever keeps a
study's results keeps its registrations beside them, one for the start and one for each change; from them and the
results' times follows what a table has to say about it.

Results are shared between studies, so some may be known before a study is written. A baseline's alone decide nothing
that is tested. A row's beside its baseline's, of one seed, are a difference that was there to be looked at: whoever
then chose this row, or more seeds for it, may have looked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        study: its name, since a folder may hold several studies; empty where none was written down.
        seeds: planned.
        rows: digest of the rows' labels and recipes, and of which of them are baselines.
        metric: the one that is tested.
        alpha, margin, test, headline: see `ablate.study.TableSpec`.
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


def register(plan: Plan, at: datetime | None = None) -> Registration:
    """The registration of a plan at a time, now unless told."""
    rows = canonical_json([[row.label, row.group, row.is_baseline, identity_of(row.recipe)] for row in plan.rows])
    table = plan.study.table
    return Registration(
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


def changes(before: Registration, after: Registration) -> list[str]:
    """What the later one has otherwise, in words; none where it says the same."""
    return [words for name, words in WORDS.items() if getattr(before, name) != getattr(after, name)]


def is_exploratory(plan: Plan, history: Sequence[Registration], records: Mapping[str, TrialRecord]) -> bool:
    """Whether a difference was known when the study was fixed, or any result when it was changed.

    Args:
        plan: of the study as it is now.
        history: its registrations, oldest first.
        records: by trial key, of everything that is kept beside the registrations.
    """
    finished = [record.finished_at for record in records.values()]
    return any(_differences_known(plan, records, one.at) for one in history[:1]) or any(
        _count_before(later.at, finished) for later in history[1:]
    )


def describe(plan: Plan, history: Sequence[Registration], records: Mapping[str, TrialRecord]) -> list[str]:
    """Sentences for the table: when the design was fixed, and what was changed with how many results known."""
    if not history:
        return []
    first, finished = history[0], [record.finished_at for record in records.values()]
    parts = ["rows", "seeds", *(["margin"] if first.margin else []), "test"]
    fixed = f"{', '.join(parts[:-1])} and {parts[-1]} were fixed on {_day(first.at)}, {_known(first.at, finished)}"
    sentences = [fixed + _differences_told(plan, records, first.at)]
    for before, after in pairwise(history):
        known = _count_before(after.at, finished)
        text = f"{' and '.join(changes(before, after))} changed on {_day(after.at)}, {_known(after.at, finished)}"
        sentences.append(text + (": the tests assume that it was planned, so they are exploratory" if known else ""))
    return sentences


def _differences_told(plan: Plan, records: Mapping[str, TrialRecord], at: str) -> str:
    if not _count_before(at, (records[key].finished_at for key in plan.trials if key in records)):
        return ""
    known, tested = len(_differences_known(plan, records, at)), len(list(_differences(plan)))
    if not known:
        return ", none of them a difference that is tested here"
    return f", {known} of the {tested} differences tested here among them, so the tests are exploratory"


def _differences(plan: Plan) -> Iterator[tuple[str, str]]:
    """The keys of a row and of its baseline, for each row and seed."""
    baselines = {row.group: row.label for row in plan.rows if row.is_baseline}
    for row in plan.rows:
        if not row.is_baseline:
            for seed in plan.seeds:
                yield plan.memberships[row.label, seed], plan.memberships[baselines[row.group], seed]


def _differences_known(plan: Plan, records: Mapping[str, TrialRecord], at: str) -> list[tuple[str, str]]:
    limit = datetime.fromisoformat(at)
    known = {key for key, record in records.items() if datetime.fromisoformat(record.finished_at) <= limit}
    return [pair for pair in _differences(plan) if known.issuperset(pair)]


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
