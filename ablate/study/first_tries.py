"""What was registered first in a home: the date of a design, and the seeds of a baseline. See `ablate.study.tries`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ablate.study.names import is_same_row
from ablate.study.plan import Plan
from ablate.study.preregistration import Preregistration
from ablate.study.tries import Block, RegisteredRow, blocks_of, digest_of


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


def trials_of_first(plan: Plan, earlier: Iterable[RegisteredRow]) -> set[str]:
    """Keys of the trials of the studies that first registered a plan's baselines, as far as they were kept."""
    digests = {digest_of(row) for row in plan.rows if row.is_baseline}
    earlier = list(earlier)
    firsts: dict[str, str] = {}
    for one in earlier:
        if one.has_decisions and one.recipe in digests:
            firsts.setdefault(one.recipe, one.study)
    return {key for one in earlier if one.study in firsts.values() for key in one.trials}


def find_used_as_first(plan: Plan, earlier: Iterable[RegisteredRow], ended: Mapping[str, datetime]) -> frozenset[str]:
    """Labels of the baselines that a study uses on exactly the seeds with which their recipe was first registered.

    Even if their results were known, nobody could choose their seeds, nor make a baseline of a row that did badly. To
    choose among several known baselines is still possible. Seeds that were added to the first study before any trial
    of the group had a result belong to its registration. A study that decides nothing is not the first one, but what it
    had trained before the first one may have been the reason for its choice.

    Args:
        plan: plan of the study.
        earlier: registrations of its baselines' recipes, and of the groups of which these were first the baselines;
            all older than its own, oldest first.
        ended: key -> when the trial had its result, for those of `trials_of_first`.
    """
    earlier = list(earlier)
    blocks = {(seed, plan.repetition.replicate) for seed in plan.seeds}
    baselines = {row.name: digest_of(row) for row in plan.rows if row.is_baseline}
    return frozenset(name for name, recipe in baselines.items() if _is_first(recipe, earlier, blocks, ended))


def _is_first(recipe: str, rows: Sequence[RegisteredRow], blocks: set[Block], ended: Mapping[str, datetime]) -> bool:
    """Whether the first registration of a recipe that shows decisions is that of a baseline on exactly these blocks."""
    for one in rows:
        if one.recipe != recipe:
            continue
        if one.has_decisions:
            group = [other for other in rows if (other.study, other.baseline) == (one.study, one.baseline)]
            first = _registered_blindly(one, group, ended)
            return set(blocks_of(first)) == blocks and not one.is_tested
        if set(blocks_of([one])) & blocks:
            return False
    return False


def _registered_blindly(
    first: RegisteredRow, rows: Sequence[RegisteredRow], ended: Mapping[str, datetime]
) -> list[RegisteredRow]:
    """The registrations of a baseline, from the first one up to the first result of its group.

    Args:
        first: registration of the row.
        rows: all registrations of its group, oldest first.
        ended: see `find_used_as_first`.
    """
    if not all(one.trials for one in rows):
        return [first]
    results = [ended[key] for one in rows for key in one.trials if key in ended]
    limit = min(results, default=None)
    alike = [one for one in rows if one.source == first.source and is_same_row(one.row, first.row)]
    return [one for one in alike if limit is None or datetime.fromisoformat(one.at) < limit] or [first]
