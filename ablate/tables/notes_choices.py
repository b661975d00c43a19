"""Sentences below a table on the choice of its study among others: what was known before it, and what was tried before.

A service fixes them when the study ends. They contain no date, so that they stay the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablate.statistics.words import counted
from ablate.study.plan import Plan
from ablate.study.preregistration import Seen, describe_others, find_known_baselines
from ablate.study.tries import OtherFamily
from ablate.tables.inputs import StudyState
from ablate.tables.table import Table
from ablate.tables.words import listed, named

OUTSTANDING = "nothing is decided while results are outstanding: repeated looks at a test raise its false-alarm rate"
EXPLORATORY = "exploratory: results were known when the study was fixed or changed, so p-values do not keep their level"

KNOWN_BASELINE = (
    "results of the baseline {} were known when the study was fixed; if it was chosen because it did badly, "
    "rows look better than they are"
)


def why_undecided(plan: Plan, state: StudyState) -> str:
    """Why a table decides nothing, whatever its results are; empty if it does."""
    if state.provisional:
        return OUTSTANDING
    if plan.study.pilot:
        return "nothing is decided: the study is a pilot; the study that decides needs other seeds"
    if state.is_firing:
        return "nothing is decided: a schedule fired the study, and the history of the schedule shows what it found"
    return "" if plan.has_decisions else "nothing is decided: its trials repeat others with the same random numbers"


def choice_notes(plan: Plan, state: StudyState, table: Table, seen: Seen, *, was_known: bool) -> list[str]:
    """Why nothing is decided, or what a reader must know of the choice of this study among others.

    Args:
        plan: plan of the study.
        state: state of the study.
        table: its table without these notes.
        seen: every result that could have been seen before something was fixed.
        was_known: whether results were known when it was fixed or changed.
    """
    why = why_undecided(plan, state) or ("" if table.families else OUTSTANDING)
    notes = [why] if why and any(row.n_ok for row in table.rows) else []
    known = find_known_baselines(plan, state.registrations, seen) if table.families else []
    notes += [EXPLORATORY] if was_known else [KNOWN_BASELINE.format(named([label])) for label in known]
    notes += _describe_retried({label: history.number for label, history in state.retried.items()})
    own = state.registrations[-1:]
    notes += [sentence for one in own for sentence in describe_others(one, state.others)]
    return [*notes, *(_describe_families(state.other_families) if table.families else [])]


def _describe_retried(numbers: Mapping[str, int]) -> list[str]:
    """Which rows were tried before (label -> number of this try), and what in the table is of this try alone."""
    if not numbers:
        return []
    was, its = ("was", "its") if len(numbers) == 1 else ("were", "their")
    rows = listed([f"'{label}' (try {number})" for label, number in numbers.items()])
    return [
        f"exploratory: {rows} {was} compared with {its} baseline before. {its.capitalize()} decision and p use "
        f"the seeds of all tries; {its} mean, difference and interval in the table are of this try alone"
    ]


def _describe_families(found: Sequence[OtherFamily]) -> list[str]:
    """A sentence on rows that other studies test among other rows: p is corrected for another number there."""
    if not found:
        return []
    labels = list(dict.fromkeys(label for family in found for label in family.rows))
    sizes = sorted({family.size for family in found})
    size = counted(sizes[0], "row") if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} rows"
    tests = "1 other study tests" if len(found) == 1 else f"{len(found)} other studies test"
    what = f"{named(labels)} on the same seeds in a family of {size}, for which p is corrected there"
    return [f"{tests} {what}; state in advance which one counts"]
