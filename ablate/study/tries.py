"""Tries: the studies that show a decision on the same pair of recipes, a row's and its baseline's.

Whoever repeats a study on other seeds until a row is decided will find one that is, whether the rows differ or not. So
each study registers its rows in its home before its trials run. The first one to register a pair keeps its level. Each
later one on other seeds or replicates, or with another metric or test, is a later try, whatever its name, its labels or
its folder. No try is a study that shows no decision: see `Plan.has_decisions`. The same seeds, metric and test again
are no new try either, since they give the same answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ablate.documents import Document
from ablate.study.plan import Plan
from ablate.study.preregistration import Preregistration, register
from ablate.study.rows import Row

Block = tuple[int, int]
"""(seed, replicate): the random numbers that the rows of a study share."""


class RegisteredRow(Document):
    """A row as it was registered in a home: with its study, or with seeds that were added to it.

    Attributes:
        at: time in ISO 8601 with offset, to the microsecond.
        study: id of the study, unique in the home.
        row: label of the row.
        recipe, baseline: digests of the recipes of the row and of its baseline; equal for the baseline itself.
        seeds, replicate: the planned trials.
        metric, test: see `ablate.study.preregistration.Preregistration`.
        has_decisions: whether the table of the study decides anything; not that of a pilot or a firing.
        design: see `ablate.study.preregistration.Preregistration.digest`; empty in records from before it was kept.
        number: 1 for the first try of the pair, 2 for the second; None if the study shows no decision on it.
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
    """What identifies the recipe of a row of a plan, over all studies and versions."""
    if row.blueprint is None:
        raise ValueError(f"row {row.label!r} is not planned, so its recipe has no digest")
    return row.blueprint.at(0).key[:32]


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
    baselines = {row.group: digest_of(row) for row in plan.rows if row.is_baseline}
    design = register(plan, at)
    return [
        RegisteredRow(
            at=design.at,
            study=study,
            row=row.label,
            recipe=digest_of(row),
            baseline=baselines[row.group],
            seeds=list(plan.seeds),
            replicate=plan.repetition.replicate,
            metric=plan.metric,
            test=plan.study.table.test,
            has_decisions=plan.has_decisions and not is_firing,
            design=design.digest,
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
        own = [one for one in alike if (one.study, one.row) == (row.study, row.row)]
        others = [one for one in alike if one.study != row.study and one.number is not None]
        is_try = row.has_decisions and row.is_tested and len(row.seeds) > 1  # one seed is never tested
        is_there = bool(own) and own[-1].model_copy(update={"at": row.at, "number": None}) == row
        if not is_there or is_try != (own[-1].number is not None):
            yield row.model_copy(update={"number": number_of([*own, row], others) if is_try else None})


def number_of(own: Sequence[RegisteredRow], others: Iterable[RegisteredRow]) -> int:
    """The number of a try among those of its pair.

    Args:
        own: registrations of the row in its study, the new one last.
        others: earlier registrations of the pair by other studies, oldest first, that show a decision.
    """
    by_study: dict[str, list[RegisteredRow]] = {}
    for one in others:
        by_study.setdefault(one.study, []).append(one)
    numbers = {study: rows[0].number or 1 for study, rows in by_study.items()}
    known = own[0].number
    is_repeat = any(number == known and by_study[study][0].at < own[0].at for study, number in numbers.items())
    if known is not None and not is_repeat:  # seeds were added to a try that was the first of its number
        return known
    same = [numbers[study] for study, rows in by_study.items() if content_of(rows) == content_of(own)]
    return min(same) if same else max([*numbers.values(), known or 0]) + 1


def content_of(rows: Sequence[RegisteredRow]) -> tuple[frozenset[Block], str, str]:
    """What gives a pair the same answer again: the blocks of all registrations of a row, its metric and its test."""
    return frozenset(blocks_of(rows)), rows[-1].metric, rows[-1].test


def blocks_of(rows: Iterable[RegisteredRow]) -> list[Block]:
    """The distinct blocks of some registrations, in their order."""
    return list(dict.fromkeys((seed, row.replicate) for row in rows for seed in row.seeds))


@dataclass(frozen=True, slots=True)
class OtherFamily:
    """A family of another study that repeats tries of a study, on the same seeds, among other rows.

    Attributes:
        rows: labels of the repeated rows in the study itself.
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


def tries_of_two(recipe: str, other: str, registered: Iterable[RegisteredRow]) -> list[list[RegisteredRow]]:
    """The registrations of a recipe in each study that decides and has the other one too; none if they are equal."""
    by_study: dict[str, dict[str, list[RegisteredRow]]] = {}
    for one in registered:
        is_withdrawn = one.is_tested and one.number is None
        if one.has_decisions and not is_withdrawn:
            by_study.setdefault(one.study, {}).setdefault(one.recipe, []).append(one)
    return [rows[recipe] for rows in by_study.values() if recipe != other and rows.keys() >= {recipe, other}]


def first_registered(
    design: Preregistration, rows: Iterable[RegisteredRow], known: Iterable[RegisteredRow]
) -> Preregistration:
    """A design with the time at which it was first registered in the home, since it was fixed then.

    It keeps its own time if the same rows were also registered with another margin, level or headline. Someone could
    have registered several designs in advance, to pick one of them after a look at the results.

    Args:
        design: of a study.
        rows: the rows of the study, as they are to be registered.
        known: registrations of the home that contain their recipes.
    """
    mine = {_tested(row) for row in rows if row.is_tested}
    together: dict[tuple[str, str], list[RegisteredRow]] = {}
    for one in known:
        if one.number is not None:
            together.setdefault((one.study, one.at), []).append(one)
    alike = [one for group in together.values() if {_tested(one) for one in group} == mine for one in group]
    is_only = {one.design for one in alike} == {design.digest}
    return design.model_copy(update={"at": min(one.at for one in alike)}) if is_only else design


def _tested(row: RegisteredRow) -> tuple[str, int, tuple[int, ...], str, str]:
    return row.pair, row.replicate, tuple(row.seeds), row.metric, row.test


def find_used_as_first(plan: Plan, earlier: Iterable[RegisteredRow]) -> frozenset[str]:
    """Labels of the baselines that a study uses on exactly the seeds with which their recipe was first registered.

    Even if their results were known, nobody could choose their seeds, nor make a baseline of a row that did badly. To
    choose among several known baselines is still possible. A study that decides nothing is not the first one, but what
    it had trained before the first one may have been the reason for its choice.

    Args:
        plan: plan of the study.
        earlier: registrations that contain the recipes of its baselines and are older than its own, oldest first.
    """
    by_recipe: dict[str, list[RegisteredRow]] = {}
    for one in earlier:
        by_recipe.setdefault(one.recipe, []).append(one)
    blocks = {(seed, plan.repetition.replicate) for seed in plan.seeds}
    baselines = {row.label: by_recipe.get(digest_of(row), []) for row in plan.rows if row.is_baseline}
    return frozenset(label for label, rows in baselines.items() if _is_first(rows, blocks))


def _is_first(rows: Iterable[RegisteredRow], blocks: set[Block]) -> bool:
    """Whether the first of some registrations that shows decisions is that of a baseline on exactly these blocks."""
    for one in rows:
        own = set(blocks_of([one]))
        if one.has_decisions:
            return own == blocks and not one.is_tested
        if own & blocks:
            return False
    return False
