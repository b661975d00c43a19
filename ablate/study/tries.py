"""Tries: the studies that show a decision on the same pair of recipes, a row's and its baseline's.

Whoever repeats a study on other seeds until a row is decided will find one that is, whether the rows differ or not. So
each study registers its rows in its home before its trials run. The first one to register a pair keeps its level. Each
later one on other seeds or replicates, or with another metric or test, is a later try, whatever its name, its labels or
its folder, and however its recipes are written: see `ablate.study.effective`. No try is a study that shows no decision:
see `Plan.has_decisions`. The same trials, metric and test again do not count as a new try, since they give the same
answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from ablate.documents import Document
from ablate.study.effective import effective_digest
from ablate.study.names import is_same_row
from ablate.study.plan import Plan
from ablate.study.preregistration import register
from ablate.study.rows import Row
from ablate.trials.needs import Blueprint

Block = tuple[int, int]
"""(seed, replicate): the random numbers that the rows of a study share."""


class RegisteredRow(Document):
    """A row as it was registered in a home: with its study, or with seeds that were added to it.

    Attributes:
        at: time in ISO 8601 with offset, to the microsecond.
        study: id of the study, unique in the home.
        row: name of the row.
        recipe, baseline: digests of what the row and its baseline train in effect; equal for the baseline itself.
        exact, exact_baseline: the same of their recipes as they are written; empty in records from before both were
            kept, whose `recipe` and `baseline` are these. See `in_effect`.
        seeds, replicate: the planned trials.
        metric, test: see `ablate.study.preregistration.Preregistration`.
        has_decisions: whether the table of the study decides anything; not that of a pilot or a firing.
        design: see `ablate.study.preregistration.Preregistration.digest`; empty in records from before it was kept.
        number: 1 for the first try of the pair, 2 for the second; None if the study shows no decision on it.
        trials: key of the row's trial for each seed; empty in records from before they were kept.
    """

    at: str
    study: str
    row: str
    recipe: str
    baseline: str
    seeds: list[int]
    replicate: int
    metric: str
    test: str
    has_decisions: bool
    design: str = ""
    number: int | None = None
    exact: str = ""
    exact_baseline: str = ""
    trials: list[str] = Field(default_factory=list)

    @property
    def by_block(self) -> dict[Block, str]:
        """The key of the row's trial for each of its blocks, as far as it was kept."""
        return {(seed, self.replicate): key for seed, key in zip(self.seeds, self.trials, strict=False)}

    @property
    def source(self) -> tuple[str, str, str]:
        """The study with the recipes as they are written; the same study with other code is another try."""
        return self.study, self.exact, self.exact_baseline

    @property
    def pair(self) -> str:
        """See `pair_of`."""
        return pair_of(self.recipe, self.baseline)

    @property
    def is_tested(self) -> bool:
        """Whether the study decides on the row; the baseline and rows with its recipe have nothing to decide."""
        return self.recipe != self.baseline


def pair_of(recipe: str, other: str) -> str:
    """Digest of a pair of recipes, in either order: a try with the roles exchanged is a try as well."""
    return hashlib.sha256(" ".join(sorted((recipe, other))).encode()).hexdigest()[:32]


def digest_of(row: Row) -> str:
    """What identifies the training of a row of a plan, over all studies and versions and however it is written."""
    return effective_digest(_blueprint_of(row))


def exact_of(row: Row) -> str:
    """What identifies the recipe of a row of a plan as it is written: the beginning of a trial's key."""
    return _blueprint_of(row).at(0).key[:32]


def _blueprint_of(row: Row) -> Blueprint:
    if row.blueprint is None:
        raise ValueError(f"row {row.name!r} is not planned, so its recipe has no digest")
    return row.blueprint


def in_effect(rows: Iterable[RegisteredRow], plan: Plan) -> Iterator[RegisteredRow]:
    """Registrations with those of an earlier version as this one would write them, if a plan has their recipes."""
    known = {exact_of(row): row for row in plan.rows}
    digests = {exact: digest_of(row) for exact, row in known.items()}
    for one in rows:
        if one.exact:
            yield one
            continue
        changes: dict[str, Any] = {
            "recipe": digests.get(one.recipe, one.recipe),
            "baseline": digests.get(one.baseline, one.baseline),
            "exact": one.recipe,
            "exact_baseline": one.baseline,
        }
        if one.recipe in known:
            blueprint = _blueprint_of(known[one.recipe])
            changes["trials"] = [blueprint.at(seed, one.replicate).key for seed in one.seeds]
        yield one.model_copy(update=changes)


def rows_to_register(
    plan: Plan, study: str, at: datetime | None = None, *, is_firing: bool = False
) -> list[RegisteredRow]:
    """The rows of a plan as they are registered, without the number of their try.

    Args:
        plan: plan of the study.
        study: its id in the home.
        at: time; None means now.
        is_firing: whether a schedule fired the study.
    """
    baselines = {row.group: (digest_of(row), exact_of(row)) for row in plan.rows if row.is_baseline}
    design = register(plan, at)
    return [
        RegisteredRow(
            at=design.at,
            study=study,
            row=row.name,
            recipe=digest_of(row),
            baseline=baselines[row.group][0],
            seeds=list(plan.seeds),
            replicate=plan.repetition.replicate,
            metric=plan.metric,
            test=plan.study.table.test,
            has_decisions=plan.has_decisions and not is_firing,
            design=design.digest,
            exact=exact_of(row),
            exact_baseline=baselines[row.group][1],
            trials=[plan.memberships[row.name, seed] for seed in plan.seeds],
        )
        for row in plan.rows
    ]


def numbered(new: Iterable[RegisteredRow], known: Iterable[RegisteredRow]) -> Iterator[RegisteredRow]:
    """The rows that must be registered, with the numbers of their tries; without those that are registered already.

    Args:
        new: rows of a study.
        known: registrations of the home that contain their pairs, oldest first.
    """
    by_pair: dict[str, list[RegisteredRow]] = {}
    for one in known:
        by_pair.setdefault(one.pair, []).append(one)
    for row in new:
        alike = by_pair.get(row.pair, [])
        own = [one for one in alike if one.source == row.source and is_same_row(one.row, row.row)]
        others = [one for one in alike if one.source != row.source and one.number is not None]
        is_try = row.has_decisions and row.is_tested and len(row.seeds) > 1  # one seed is never tested
        is_there = bool(own) and own[-1].model_copy(update={"at": row.at, "number": None, "row": row.row}) == row
        if not is_there or is_try != (own[-1].number is not None):
            yield row.model_copy(update={"number": number_of([*own, row], others) if is_try else None})


def number_of(own: Sequence[RegisteredRow], others: Iterable[RegisteredRow]) -> int:
    """The number of a try among those of its pair.

    Args:
        own: registrations of the row in its study, the new one last.
        others: earlier registrations of the pair by other studies, oldest first, that show a decision.
    """
    by_study: dict[tuple[str, str, str], list[RegisteredRow]] = {}
    for one in others:
        by_study.setdefault(one.source, []).append(one)
    numbers = {study: rows[0].number or 1 for study, rows in by_study.items()}
    known = own[0].number
    is_repeat = any(number == known and by_study[study][0].at < own[0].at for study, number in numbers.items())
    if known is not None and not is_repeat:  # seeds were added to a try that was the first of its number
        return known
    same = [numbers[study] for study, rows in by_study.items() if content_of(rows) == content_of(own)]
    return min(same) if same else max([*numbers.values(), known or 0]) + 1


Content = tuple[frozenset[Block], frozenset[str], str, str]


def content_of(rows: Sequence[RegisteredRow], exact: frozenset[str] | None = None) -> Content:
    """What gives a pair the same answer again.

    Args:
        rows: all registrations of a row in a study.
        exact: its two recipes as they are written; None for those of the row and its baseline.
    """
    last = rows[-1]
    return frozenset(blocks_of(rows)), exact or frozenset((last.exact, last.exact_baseline)), last.metric, last.test


def blocks_of(rows: Iterable[RegisteredRow]) -> list[Block]:
    """The distinct blocks of some registrations, in their order."""
    return list(dict.fromkeys((seed, row.replicate) for row in rows for seed in row.seeds))


@dataclass(frozen=True, slots=True)
class OtherFamily:
    """A family of another study that repeats tries of a study, on the same seeds, among other rows.

    Attributes:
        rows: names of the repeated rows in the study itself.
        size: number of tested rows of the family, for which its p-values are corrected.
    """

    rows: tuple[str, ...]
    size: int


def find_other_families(plan: Plan, study: str, registered: Iterable[RegisteredRow]) -> list[OtherFamily]:
    """The families of other studies that test some rows of a study in the same way, but not exactly these rows.

    A row that is tested alone needs no correction. Whoever posts it alone and in a family has two answers to choose
    from.

    Args:
        plan: plan of the study.
        study: its id.
        registered: registrations of all rows of the studies that try one of its pairs, oldest first.
    """
    families: dict[tuple[str, str], dict[str, RegisteredRow]] = {}
    for one in registered:
        if one.number is not None and one.study != study:
            families.setdefault((one.study, one.baseline), {})[one.pair] = one
    own: dict[str, dict[str, RegisteredRow]] = {}
    for row in rows_to_register(plan, study):
        if row.is_tested:
            own.setdefault(row.baseline, {})[row.pair] = row
    found = []
    for mine in own.values():
        for family in families.values():
            shared = [pair for pair in mine.keys() & family if content_of([mine[pair]]) == content_of([family[pair]])]
            if shared and family.keys() != mine.keys():
                found.append(OtherFamily(tuple(sorted(mine[pair].row for pair in shared)), len(family)))
    return found


def tries_of_two(recipe: str, other: str, registered: Iterable[RegisteredRow]) -> list[list[list[RegisteredRow]]]:
    """The registrations of both recipes in each study that decides and has both; none if they are equal."""
    by_study: dict[str, dict[str, list[RegisteredRow]]] = {}
    for one in registered:
        is_withdrawn = one.is_tested and one.number is None
        if one.has_decisions and not is_withdrawn:
            by_study.setdefault(one.study, {}).setdefault(one.recipe, []).append(one)
    both = [rows for rows in by_study.values() if recipe != other and rows.keys() >= {recipe, other}]
    return [[rows[recipe], rows[other]] for rows in both]


def other_keys(plan: Plan, registered: Iterable[RegisteredRow]) -> dict[str, str]:
    """Key of a trial of another study -> that of a plan's trial, if both train the same and only their keys differ.

    Args:
        plan: plan of a study.
        registered: registrations that contain its recipes.
    """
    names = {digest_of(row): row.name for row in plan.rows}
    found = {}
    for one in registered:
        for (seed, replicate), key in one.by_block.items():
            place = (names.get(one.recipe, ""), seed)
            own = plan.memberships.get(place) if replicate == plan.repetition.replicate else None
            if own is not None and key not in plan.trials:
                found[key] = own
    return found
