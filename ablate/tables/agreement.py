"""The agreement of a family with a paper: from its rows and the printed numbers to the documents of a table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from ablate.paper.published import PublishedTable
from ablate.statistics.agreement.order import order_of_pairs
from ablate.statistics.agreement.printed import Agreement, agreement
from ablate.statistics.agreement.rank import rank_agreement
from ablate.statistics.agreement.row_agreement import PrintedRow
from ablate.statistics.agreement.row_agreement import RowAgreement as RowVerdict
from ablate.statistics.decisions.evidence import DecisionRule
from ablate.statistics.decisions.family import FamilyAnalysis, RowAnalysis, depends_on_failures
from ablate.study.names import names_by_text
from ablate.study.plan import Plan
from ablate.tables.printed_comparability import papers_own
from ablate.tables.results import RowResults, runs_of
from ablate.tables.verdicts import FamilyAgreement, RowAgreement

Labels = Collection[str]
"""Labels of rows."""
TRIED_BEFORE = "tried before"
"""Reason of a row that its tries decide, or do not; see `ablate.tables.verdicts.Tested.reason`."""


def printed_differences(
    metric: str, baseline: RowResults, rows: Iterable[RowResults], published: PublishedTable | None
) -> dict[str, float]:
    """Printed difference from the baseline, for rows that have both printed numbers."""
    cells = published.cells if published else {}
    against = cells.get(baseline.row.name, {}).get(metric)
    found = {result.row.name: cells.get(result.row.name, {}).get(metric) for result in rows}
    return {label: one.minus(against).value for label, one in found.items() if one and against}


def compare_with_paper(
    plan: Plan, found: FamilyAnalysis, printed: Mapping[str, float], published: PublishedTable | None, tried: Labels
) -> Agreement | None:
    """The statistics of a family's agreement; None without a printed difference.

    Args:
        plan: plan of the study.
        found: analysis of the family.
        printed: label -> printed difference from the baseline.
        published: printed numbers.
        tried: labels of the rows that were tried before.
    """
    if not printed:
        return None
    own = papers_own(plan, published)
    rows = [_printed_row(row, printed.get(row.label), found.design, row.label in tried) for row in found.rows]
    names = names_by_text(plan.rows)
    asked = plan.study.table.headline and {names.get(text) for text in plan.study.table.headline}
    return agreement(
        [replace(row, is_papers_own=row.label in own) for row in rows],
        alpha=found.design.alpha,
        headline=None if asked is None else [row.label for row in rows if row.label in asked],
    )


def _printed_row(row: RowAnalysis, printed: float | None, design: DecisionRule, is_retried: bool) -> PrintedRow:
    """A row for the comparison with the paper, which sees only the seeds of this try that ended in both rows."""
    obstacle = "it depends on the failed runs" if depends_on_failures(row, design) else None
    return PrintedRow(
        label=row.label,
        printed=printed,
        differences=row.evidence.comparison.differences,
        obstacle=TRIED_BEFORE if is_retried else obstacle,
        has_lost=row.evidence.failures.p_worst is not None,
    )


def agreement_of(
    plan: Plan, agreed: Agreement, members: Sequence[RowResults], published: PublishedTable | None, tried: Labels
) -> FamilyAgreement:
    """The document of a family's agreement, with that of the order of its rows.

    Args:
        plan: plan of the study.
        agreed: see `compare_with_paper`, as `published` and `tried`.
        members: results of all rows of the family, with the baseline.
    """
    cells = published.cells if published else {}
    printed = {label: found.value for label, cell in cells.items() if (found := cell.get(plan.metric))}
    runs = [runs_of(result, plan.metric) for result in members]
    alpha = plan.study.table.alpha
    rank = rank_agreement(printed, {row.label: row.usable for row in runs}, alpha=alpha, planned=len(plan.seeds))
    lower_is_better = plan.lower_is_better[plan.metric]
    order = order_of_pairs(printed, runs, lower_is_better=lower_is_better, alpha=alpha, tried_before=tried)
    return FamilyAgreement(
        word=agreed.word,
        text=agreed.text,
        counts=dict(agreed.counts),
        headline=list(agreed.headline),
        tau=rank.tau,
        rank=rank.text,
        pairs=order.text,
    )


def row_agreement(row: RowVerdict) -> RowAgreement:
    """The document of a row's agreement."""
    size = row.magnitude
    return RowAgreement(
        word=row.word,
        text=row.text,
        direction=row.direction,
        ratio=size.ratio if size else None,
        standardised=size.standardised if size else None,
        is_inside=size.is_inside if size else None,
    )
