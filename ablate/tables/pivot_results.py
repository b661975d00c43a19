"""From rows to the lines of a pivoted table: mean ranks, one test over the groups, and the sentences on them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from ablate.statistics.decisions.family import depends_on_failures
from ablate.statistics.decisions.over_groups import (
    MIN_GROUPS,
    OverGroups,
    decide_over_groups,
    describe_power_over_groups,
    mean_ranks,
)
from ablate.statistics.words import counted, equals_p
from ablate.study.lines import differing_fields, noun_of
from ablate.study.plan import Plan
from ablate.tables.agreement import TRIED_BEFORE
from ablate.tables.analysis import Findings, design_of
from ablate.tables.lines import Line, Pivot
from ablate.tables.table import Table, TableRow
from ablate.tables.words import listed, named

Members = Mapping[str, TableRow]
"""The rows of a line, by group."""
NO_DIFFERENCE, FAILURES = "no difference", "failures"


def find_pivot(plan: Plan, rows: Sequence[TableRow], found: Findings, *, is_open: bool) -> Pivot | None:
    """The lines of a study with a pivot; None for another one.

    Args:
        plan: plan of the study.
        rows: rows of its table.
        found: findings on them; without families nothing is tested.
        is_open: whether results are outstanding; then nothing is ranked.
    """
    by, groups = plan.study.table.pivot, list(dict.fromkeys(row.group for row in rows if row.group is not None))
    lines = lines_of(rows)
    if by is None or not lines:
        return None
    baseline = next((label for label, members in lines.items() if _is_baseline(members, groups)), None)
    is_tested = bool(found.families) and baseline is not None and len(groups) >= MIN_GROUPS
    others = {label: members for label, members in lines.items() if label != baseline}
    decided = _decide(plan, others, groups) if is_tested else {}
    suspect = {label for label, one in found.rows.items() if depends_on_failures(one.analysis, design_of(plan))}
    ranks = {} if is_open else _ranks(plan, lines, groups)
    made = []
    for label, members in lines.items():
        differences = None if is_open else _differences(plan.metric, members, groups)
        line = Line(
            label=label,
            baseline=label == baseline,
            mean_rank=ranks.get(label),
            mean_diff=math.fsum(differences) / len(groups) if differences else None,
            decision="baseline" if label == baseline else None,
        )
        if is_tested and label != baseline:
            line = line.model_copy(update=_tested(plan, members, decided.get(label), suspect))
        made.append(line)
    return Pivot(
        by=by,
        groups=groups,
        baseline=baseline,
        test="flip" if is_tested else None,
        comparisons=len(others),
        also=differing_fields(plan.rows, by),
        lines=made,
    )


def lines_of(rows: Sequence[TableRow]) -> dict[str, dict[str, TableRow]]:
    """The rows of each line by group, in the order of the rows."""
    lines: dict[str, dict[str, TableRow]] = {}
    for row in rows:
        if row.line is not None and row.group is not None:
            lines.setdefault(row.line, {})[row.group] = row
    return lines


def _is_baseline(members: Members, groups: Sequence[str]) -> bool:
    return all(group in members and members[group].baseline for group in groups)


def _ranks(plan: Plan, lines: Mapping[str, Members], groups: Sequence[str]) -> dict[str, float]:
    """The mean ranks of the lines that have a value in every group."""
    values = {label: [_mean(plan.metric, members.get(group)) for group in groups] for label, members in lines.items()}
    whole = {label: [mean for mean in means if mean is not None] for label, means in values.items()}
    whole = {label: means for label, means in whole.items() if len(means) == len(groups)}
    found = mean_ranks(list(whole.values()), lower_is_better=plan.lower_is_better[plan.metric])
    return dict(zip(whole, found, strict=True))


def _mean(metric: str, row: TableRow | None) -> float | None:
    return row.cells[metric].mean if row else None


def _differences(metric: str, members: Members, groups: Sequence[str]) -> list[float] | None:
    """The mean difference from the baseline in each group; None if a group has none."""
    found = [members[group].cells[metric].diff for group in groups if group in members]
    means = [one.mean for one in found if one is not None]
    return means if len(means) == len(groups) else None


def _decide(plan: Plan, others: Mapping[str, Members], groups: Sequence[str]) -> dict[str, OverGroups | None]:
    differences = [
        None if _was_tried(plan.metric, members) else _differences(plan.metric, members, groups)
        for members in others.values()
    ]
    found = decide_over_groups(
        differences, alpha=plan.study.table.alpha, lower_is_better=plan.lower_is_better[plan.metric]
    )
    return dict(zip(others, found, strict=True))


def _was_tried(metric: str, members: Members) -> bool:
    """Whether a row was tried before: its difference is that of this try alone, whose p does not keep its level."""
    return any(row.cells[metric].tries for row in members.values())


def _tested(plan: Plan, members: Members, found: OverGroups | None, suspect: Collection[str]) -> dict[str, object]:
    """The fields of a line that the test decides."""
    if found is None:
        return {"reason": TRIED_BEFORE if _was_tried(plan.metric, members) else NO_DIFFERENCE}
    is_undone = found.decision != "undecided" and any(row.name in suspect for row in members.values())
    decision, reason = ("undecided", FAILURES) if is_undone else (found.decision, None)
    return {"p": found.p, "p_adj": found.p_adj, "decision": decision, "reason": reason}


def describe_over_groups(table: Table) -> list[str]:
    """What the test over the groups decided, or why there is none, the longest wording first; empty without a pivot."""
    pivot = table.pivot
    if pivot is None or not table.families or not pivot.comparisons:
        return []
    noun = noun_of(pivot.by)
    weak = describe_power_over_groups(len(pivot.groups), pivot.comparisons, table.alpha, noun)
    if weak:
        return [f"{weak[:1].upper()}{weak[1:]}."]
    if pivot.test is None:
        return [f"No test over {noun}: their baselines are different rows."]
    found: dict[str, list[Line]] = {}
    for line in (line for line in pivot.lines if not line.baseline):
        found.setdefault(line.decision or "not tested", []).append(line)
    names, counts = [], []
    for word, lines in sorted(found.items()):
        is_one = len(lines) == 1
        counts.append(f"{counted(len(lines), 'row')} {'is' if is_one else 'are'} {word}")
        names.append(f"{named([line.label for line in lines])} {'is' if is_one else 'are'} {word}")
        if word in ("better", "worse"):
            p = equals_p(max(line.p_adj or 0.0 for line in lines))
            names[-1] += f" than '{pivot.baseline}' ({'' if is_one else 'largest '}p {p})"
    head = f"Over all {len(pivot.groups)} {noun}, "
    return [f"{head}{'; '.join(texts)}." for texts in (names, counts)]


def pivot_notes(table: Table) -> Iterator[str]:
    """The sentences on ranks and on the test over groups; none while results are outstanding."""
    pivot = table.pivot
    if pivot is None:
        return
    noun = noun_of(pivot.by)
    if pivot.also:
        yield f"Between {noun}, rows of one line also differ in {listed(pivot.also)}."
    ranked = [line.label for line in pivot.lines if line.mean_rank is not None]
    if ranked:
        yield (
            f"The mean rank is over {len(pivot.groups)} {noun}, among the {counted(len(ranked), 'row')} that have a "
            "value in each of them; 1 is best."
        )
        yield from _unranked(table, pivot)
    if table.families:
        yield from _test_notes(pivot, noun)


def _unranked(table: Table, pivot: Pivot) -> Iterator[str]:
    lines = lines_of(table.rows)
    for line in (line for line in pivot.lines if line.mean_rank is None):
        missing = [group for group in pivot.groups if _mean(table.metric, lines[line.label].get(group)) is None]
        yield f"Row '{line.label}' has no mean rank, because it has no value in {listed(missing)}."


def _test_notes(pivot: Pivot, noun: str) -> Iterator[str]:
    """How the test over the groups was made, if there is one."""
    if pivot.test is None or not pivot.comparisons:
        return
    yield (
        f"Overall: sign-flip test of the mean differences from '{pivot.baseline}' in {len(pivot.groups)} {noun}, p "
        f"corrected for {counted(pivot.comparisons, 'row')} (Holm). It assumes that the {noun} are independent, and it "
        f"speaks of {noun} like these; where differences are large, they weigh most."
    )
    reasons = {
        NO_DIFFERENCE: f"not tested over {noun}, because a difference is missing",
        TRIED_BEFORE: f"not tested over {noun}, because rows were tried before",
        FAILURES: f"undecided over {noun}, because failed runs may explain a difference",
    }
    for reason, text in reasons.items():
        labels = [line.label for line in pivot.lines if line.reason == reason]
        if labels:
            yield f"{named(labels)} {'is' if len(labels) == 1 else 'are'} {text}."
