"""What is known of a row that was tried before: the differences of all its tries, in the order of registration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ablate.statistics.decisions.paired import difference
from ablate.statistics.decisions.row_comparison import LARGEST
from ablate.statistics.words import MINUS, counted, with_unit
from ablate.study.names import is_same_row
from ablate.study.plan import Plan, Row
from ablate.study.tries import (
    Block,
    RegisteredRow,
    blocks_of,
    content_of,
    digest_of,
    exact_of,
    rows_to_register,
    tries_of_two,
)
from ablate.tables.verdicts import Tries
from ablate.tables.words import MISSING
from ablate.trials.trial import Outcome


@dataclass(frozen=True, slots=True)
class PairHistory:
    """The tries of a row and a reference.

    Attributes:
        number: number of this try, above 1.
        differences: row minus reference for every (seed, replicate) of all tries up to this one, in the order of
            registration; see `ablate.statistics.decisions.anytime.answer_at_any_time` for those that are not known.
    """

    number: int
    differences: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PairTrials:
    """Keys of the two trials of each block of a pair, in the order of registration."""

    number: int
    keys: tuple[tuple[str, str], ...]


def find_retried(plan: Plan, registered: Sequence[RegisteredRow], study: str) -> dict[str, PairTrials]:
    """Name -> trials of all tries up to this one, for the rows of a plan that were tried before.

    Args:
        plan: plan of the study.
        registered: registrations of its pairs, with its own, oldest first.
        study: id of the study.
    """
    baselines = {row.group: row for row in plan.rows if row.is_baseline}
    found = {}
    for row in plan.rows:
        own = [one for one in registered if one.study == study and is_same_row(one.row, row.name)]
        if own and own[-1].number is not None and own[-1].number > 1:
            alike = [one for one in registered if one.pair == own[-1].pair and one.at <= own[-1].at]
            tries = [one for one in alike if one.number is not None]
            found[row.name] = PairTrials(own[-1].number, _keys_of(row, baselines[row.group], tries, registered))
    return found


def find_pair(plan: Plan, registered: Sequence[RegisteredRow], study: str, a: str, b: str) -> PairTrials | None:
    """The trials of all tries of two rows of a plan, a before b; None if they were not tried before.

    A row and its baseline are the try that the study registered. For any other two, each earlier study that decides
    and has both rows is a try, whatever its baseline: whoever compares rows may compare them in each of these studies.

    Args:
        plan: plan of the study.
        registered: registrations of the recipes of its rows, oldest first.
        study: id of the study.
        a, b: names of the two rows.
    """
    rows = {row.name: row for row in plan.rows}
    first, second = rows[a], rows[b]
    for row, other in ((first, second), (second, first)):
        if other.is_baseline and row.group == other.group:
            found = find_retried(plan, registered, study).get(row.name)
            keys = () if found is None else found.keys
            return found and PairTrials(found.number, keys if row is first else tuple((y, x) for x, y in keys))
    begin = min((one.at for one in registered if one.study == study), default=None)
    earlier = [one for one in registered if one.study != study and (begin is None or one.at < begin)]
    tries = tries_of_two(digest_of(first), digest_of(second), earlier)
    own = [row for row in rows_to_register(plan, study) if row.row == a]
    contents = [content_of(rows, frozenset((rows[-1].exact, others[-1].exact))) for rows, others in tries]
    mine = content_of(own, frozenset((exact_of(first), exact_of(second))))
    number = 1 + list(dict.fromkeys([*contents, mine])).index(mine)
    alike = [row for rows, _ in tries for row in rows] + own
    return PairTrials(number, _keys_of(first, second, alike, registered)) if number > 1 else None


def _keys_of(
    row: Row, reference: Row, tries: Iterable[RegisteredRow], registered: Iterable[RegisteredRow]
) -> tuple[tuple[str, str], ...]:
    """The trials of each block of some tries, once. Trials with the block under another name or code do not add to it.

    They have the same random numbers, so they may be the same run again, which is no further evidence.

    Args:
        row, reference: the two rows.
        tries: registrations of their tries, oldest first.
        registered: those of all rows of the studies of these tries.
    """
    of_studies: dict[tuple[str, str], dict[Block, str]] = {}
    for one in registered:
        keys = of_studies.setdefault((one.study, one.recipe), {})
        keys |= {block: key for block, key in one.by_block.items() if block not in keys}
    found: dict[Block, tuple[str, str]] = {}
    for one in tries:
        ours, theirs = (of_studies.get((one.study, digest_of(side)), {}) for side in (row, reference))
        for block in blocks_of([one]):
            found.setdefault(
                block, (ours.get(block) or _key_of(row, block), theirs.get(block) or _key_of(reference, block))
            )
    return tuple(found.values())


def _key_of(row: Row, block: Block) -> str:
    return row.blueprint.at(*block).key if row.blueprint else ""


def history_of(
    pair: PairTrials, outcomes: Mapping[str, Outcome | None], metric: str, *, lower_is_better: bool
) -> PairHistory:
    """The differences of a pair's blocks; a block of which neither trial was begun is left out.

    Args:
        pair: its trials.
        outcomes: key -> outcome of every trial that was begun; None if it has none.
        metric: metric of the comparison.
        lower_is_better: its direction.
    """
    begun = [keys for keys in pair.keys if keys[0] in outcomes or keys[1] in outcomes]
    values = (
        _difference(outcomes.get(ours), outcomes.get(theirs), metric, math.inf if lower_is_better else -math.inf)
        for ours, theirs in begun
    )
    return PairHistory(pair.number, tuple(values))


def _difference(ours: Outcome | None, theirs: Outcome | None, metric: str, worst: float) -> float:
    """Row minus reference; `worst` or its opposite if one of the two diverged; NaN if one of them has no result."""
    if ours is None or theirs is None or "failed" in (ours.status, theirs.status):
        return math.nan
    a, b = (one.metrics.get(metric) for one in (ours, theirs))
    a, b = (None if value is None or abs(value) >= LARGEST else value for value in (a, b))
    if a is None or b is None:
        return 0.0 if a is b else worst if a is None else -worst
    return difference(a, b)


def describe_tries(found: Tries, decision: str, unit: str) -> str:
    """The answer for a row that was tried before, in a few words."""
    lost = f", {found.lost} of them begun and never finished" if found.lost else ""
    enough = f"{found.e:.3g}, {found.needed:.3g} needed"
    evidence = enough if found.e >= found.needed else f"{found.e:.3g} of the {found.needed:.3g} needed"
    return (
        f"over all {counted(found.n, 'seed')} of its {found.number} tries{lost}: mean difference "
        f"{_signed(found.mean, unit)}, {_describe_interval(found, decision)}, so it is {decision} (evidence {evidence})"
    )


def _describe_interval(found: Tries, decision: str) -> str:
    low, high = _signed(found.low, ""), _signed(found.high, "")
    if found.low is None and found.high is None:
        return "no interval yet"
    text = f"{low} to {high}" if MISSING not in (low, high) else f"above {low}" if high == MISSING else f"below {high}"
    if decision == "equivalent":
        return f"interval {text}, which is within the margin"
    is_open = (found.low is None or found.low <= 0) and (found.high is None or found.high >= 0)
    if is_open != (decision == "undecided"):  # the hull of several pieces may include a 0 that is rejected
        return f"interval {text}"
    return f"interval {text}, which {'includes' if is_open else 'excludes'} 0"


def _signed(value: float | None, unit: str) -> str:
    return MISSING if value is None else with_unit(f"{value:+.3g}".replace("-", MINUS), unit)
