"""The design of a study, recorded with the time before its trials run: later claims depend on it.

A test assumes that seeds, rows, metric, margin and level were chosen before the results were seen. The registrations of
a study are stored with its results: one for the start and one for each change. With the times of the results they show
whether the tests are exploratory.

Studies share results, so some results may be known before a study is written. If they belong to a tested row, they may
be the reason for testing it or for adding seeds, and the tests are exploratory. The same holds for known results of a
baseline, since someone could pick the number of seeds at which it did badly. On exactly the seeds with which it was
first registered in this home, only the baseline itself could be picked: the tests are not exploratory, and the table
says that its results were known.

A design that is registered again elsewhere in the home was fixed at the first time: see
`ablate.study.tries.first_registered`. A study may also repeat what another one tried on other seeds: see
`ablate.study.tries`. Results in another home are not visible.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

from ablate.documents import Document, canonical_json
from ablate.errors import quote
from ablate.recipes.classify import identity_of
from ablate.statistics.decisions.over_groups import MIN_GROUPS
from ablate.study.plan import Plan
from ablate.trials.trial import TrialRecord

WORDS = {
    "seeds": "its seeds", "rows": "its rows or baselines", "metric": "its metric", "alpha": "its significance level",
    "margin": "its margin", "test": "its test", "headline": "its headline rows",
    "has_decisions": "whether it decides", "pivot": "its test over groups",
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
        has_decisions: see `Plan.has_decisions`; whoever has looked at a pilot may not register it again as a decision.
        pivot: factor or field over whose groups rows are tested; None without such a test.
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
    has_decisions: bool = True
    pivot: str | None = None

    @property
    def digest(self) -> str:
        """What is equal for two designs exactly if there are no `changes` between them."""
        names = (name for name in WORDS if name != "pivot" or self.pivot is not None)  # so that older digests stay
        fixed = canonical_json({name: getattr(self, name) for name in names})
        return hashlib.sha256(fixed.encode()).hexdigest()[:32]


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
        has_decisions=plan.has_decisions,
        pivot=table.pivot if len(baselines) >= MIN_GROUPS else None,
    )


def changes(before: Preregistration, after: Preregistration) -> list[str]:
    """The differences of the later registration, in words; empty if there are none."""
    return [words for name, words in WORDS.items() if getattr(before, name) != getattr(after, name)]


@dataclass(frozen=True, slots=True)
class Seen:
    """The results that somebody may have seen before something was fixed.

    Attributes:
        finished: key of a trial -> time at which it ended, including results that were set aside.
        used_as_first: names of the baselines on exactly the seeds with which they were first registered; see
            `ablate.study.tries.find_used_as_first`.
    """

    finished: Mapping[str, str]
    used_as_first: Collection[str] = ()

    @classmethod
    def of(cls, records: Iterable[TrialRecord], used_as_first: Collection[str] = ()) -> Seen:
        """The results of these records."""
        return cls({record.trial.key: record.finished_at for record in records}, used_as_first)

    def without(self, keys: Collection[str]) -> Seen:
        """The same without some trials."""
        return replace(self, finished={key: at for key, at in self.finished.items() if key not in keys})

    def known(self, at: str) -> set[str]:
        """Keys of the results that were known at a time."""
        limit = datetime.fromisoformat(at)
        return {key for key, time in self.finished.items() if datetime.fromisoformat(time) <= limit}


def is_exploratory(plan: Plan, history: Sequence[Preregistration], seen: Seen) -> bool:
    """Whether results that could have influenced the study were known when it was fixed, or any when it was changed.

    Nobody knows this of imported results, so they always count as known.

    Args:
        plan: present plan of the study.
        history: registrations of the study, oldest first.
        seen: every result that is or was stored with the registrations.
    """
    if plan.study.imported is not None:
        return True
    seen = seen.without(plan.needed)  # trials from whose weights rows start show nothing about rows
    return any(_influence(plan, seen, one.at) for one in history[:1]) or any(
        seen.known(later.at) for later in history[1:]
    )


def find_known_baselines(plan: Plan, history: Sequence[Preregistration], seen: Seen) -> list[str]:
    """Names of the baselines of which results were known when the study was first fixed."""
    known = {key for one in history[:1] for key in seen.without(plan.needed).known(one.at)}
    baselines = [row.name for row in plan.rows if row.is_baseline]
    return [name for name in baselines if any(plan.memberships[name, seed] in known for seed in plan.seeds)]


def describe_registrations(plan: Plan, history: Sequence[Preregistration], seen: Seen) -> list[str]:
    """Sentences for the table: when the design was fixed or changed, and how many results were known."""
    if not history:
        return []
    seen = seen.without(plan.needed)
    first = history[0]
    parts = ["rows", "seeds", *(["margin"] if first.margin else []), "test"]
    fixed = f"{', '.join(parts[:-1])} and {parts[-1]} were fixed on {_day(first.at)}, {_known(seen.known(first.at))}"
    sentences = [f"{fixed[0].upper()}{fixed[1:]}{_known_of_its_own(plan, seen, first.at)}."]
    for before, after in pairwise(history):
        known = seen.known(after.at)
        changed = " and ".join(change.replace("its ", "the ", 1) for change in changes(before, after))
        text = f"{changed[0].upper()}{changed[1:]} changed on {_day(after.at)}, {_known(known)}."
        sentences.append(text + (" The tests assume an unchanged plan, so they are exploratory." if known else ""))
    return sentences


def describe_others(own: Preregistration, others: Iterable[Preregistration]) -> list[str]:
    """A sentence on studies that test the same rows in another way, since a reader could choose among them."""
    apart = [words for other in others if other.rows == own.rows and (words := changes(own, other))]
    if not apart:
        return []
    what = dict.fromkeys(word.removeprefix("its ") for words in apart for word in words)
    studies = "1 other study tests" if len(apart) == 1 else f"{len(apart)} other studies test"
    return [f"{studies} these rows with a different choice of {' or '.join(what)}. State in advance which one counts."]


def _known_of_its_own(plan: Plan, seen: Seen, at: str) -> str:
    if not seen.known(at) & plan.trials.keys():
        return ""
    influence = _influence(plan, seen, at)
    if influence:
        return f". {influence[0].upper()}{influence[1:]}, so the tests are exploratory"
    return ". Those of this study are of baselines on the seeds with which they were first registered"


def _influence(plan: Plan, seen: Seen, at: str) -> str:
    """The results known at a time that could have influenced the study, in words; empty if there are none."""
    known = seen.known(at)
    of_rows = {row.name: {plan.memberships[row.name, seed] for seed in plan.seeds} for row in plan.rows}
    baselines = {row.name: of_rows[row.name] for row in plan.rows if row.is_baseline}
    tested = set().union(*of_rows.values()) - set().union(*baselines.values())
    if count := len(known & tested):
        return f"{count} of them {'belongs' if count == 1 else 'belong'} to rows that are tested here"
    chosen = [name for name, keys in baselines.items() if known & keys and name not in seen.used_as_first]
    if chosen:
        which = "these are not exactly the seeds with which it first was a baseline"
        return f"some of them belong to the baseline {quote(chosen[0])}, and {which}"
    return ""


def _known(known: Collection[str]) -> str:
    if not known:
        return "before any result was known"
    return "when 1 result was known" if len(known) == 1 else f"when {len(known)} results were known"


def _day(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"
