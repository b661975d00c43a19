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
from ablate.tables.summary_results import joined, names_of
from ablate.tables.table import Table
from ablate.tables.words import named

MAX_TRIED = 3
"""Largest number of rows that were tried before and are named in the summary."""
OUTSTANDING = (
    "Nothing is decided while results are missing, because repeated looks at a test find differences by chance."
)
KNOWN_BASELINE = (
    "Results of the baseline {} were known before. If it was chosen because it did badly, "
    "rows look better than they are."
)


def why_undecided(plan: Plan, state: StudyState) -> str:
    """Why a table decides nothing, whatever its results are; empty if it does."""
    if state.provisional:
        return OUTSTANDING
    if plan.study.pilot:
        return "Nothing is decided: the study is a pilot. The study that decides needs other seeds."
    if state.is_firing:
        return "Nothing is decided here: a schedule fired the study, and the schedule's history shows what it found."
    return "" if plan.has_decisions else "Nothing is decided: the trials repeat others with the same random numbers."


def why_table_undecided(plan: Plan, state: StudyState, table: Table) -> str:
    """Why this table decides nothing; empty if it does, or if it has no result that could be decided on."""
    if state.provisional:
        done = sum(row.n_ok + row.n_diverged + row.n_failed for row in table.rows)
        return f"{done} of {counted(sum(row.n_planned for row in table.rows), 'result')} are there. {OUTSTANDING}"
    has_results = any(row.n_ok for row in table.rows)
    return why_undecided(plan, state) or ("" if table.families or not has_results else OUTSTANDING)


def limits(plan: Plan, state: StudyState, table: Table, seen: Seen, *, was_known: bool) -> list[str]:
    """What a reader must know of the choice of this study: known results and earlier tries.

    Args:
        plan: plan of the study.
        state: state of the study.
        table: its table without these sentences.
        seen: every result that could have been seen before something was fixed.
        was_known: whether results were known when it was fixed or changed.
    """
    found = []
    if plan.study.imported is not None:
        found.append(plan.study.imported.origin.sentence)
    elif was_known:
        found.append(
            "Exploratory: results were known when the study was fixed or changed, so false findings are likelier than "
            f"{100 * table.alpha:g} %."
        )
    elif known := find_known_baselines(plan, state.registrations, seen) if table.families else []:
        found.append(KNOWN_BASELINE.format(names_of(table)[known[0]]))
    numbers = {label: history.number for label, history in state.retried.items()}
    retried = _describe_retried(numbers, names_of(table), has_folds=bool(table.folds))
    return [*found, *(retried if found or not retried else [f"Exploratory: {retried[0]}"])]


def choice_notes(state: StudyState, table: Table) -> list[str]:
    """Other studies that test the same rows in another way, and what of this table is of its last try alone."""
    own = state.registrations[-1:]
    notes = [sentence for one in own for sentence in describe_others(one, state.others)]
    if state.retried:
        notes.append(
            f"Mean, difference and interval of {named(state.retried)} in the table are of this try alone"
            + ("." if table.folds else "; decision and p use the seeds of all tries.")
        )
    return [*notes, *(_describe_families(state.other_families) if table.families else [])]


def _describe_retried(numbers: Mapping[str, int], names: Mapping[str, str], *, has_folds: bool) -> list[str]:
    """Which rows were tried before (label -> number of this try)."""
    if not numbers:
        return []
    named_rows = joined([f"{names[label]} (try {number})" for label, number in numbers.items()])
    rows = named_rows if len(numbers) <= MAX_TRIED else counted(len(numbers), "row")
    was, its, them = ("was", "its", "it") if len(numbers) == 1 else ("were", "their", "them")
    decide = "nothing decides" if has_folds else "the seeds of all tries decide"
    return [f"{rows} {was} compared with {its} baseline before, so {decide} {them}."]


def _describe_families(found: Sequence[OtherFamily]) -> list[str]:
    """A sentence on rows that other studies test among other rows: p is corrected for another number there."""
    if not found:
        return []
    labels = list(dict.fromkeys(label for family in found for label in family.rows))
    sizes = sorted({family.size for family in found})
    size = counted(sizes[0], "row") if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} rows"
    tests = "1 other study tests" if len(found) == 1 else f"{len(found)} other studies test"
    return [
        f"{tests} {named(labels)} on the same seeds among {size}, and p is corrected for these there. State in advance "
        "which study counts."
    ]
