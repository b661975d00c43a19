"""From a plan and its records to the `Table`: means, paired differences, printed numbers, cost and notes.

The functions are pure and numbers stay unrounded. Means exclude diverged and failed seeds, which are counted and listed
in the notes.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ablate.paper.published import PublishedTable
from ablate.recipes.classify import applicable_values
from ablate.statistics.decisions.paired import paired_difference
from ablate.statistics.estimate import estimate
from ablate.study.overrides import override_notes
from ablate.study.plan import Plan
from ablate.study.preregistration import Seen, describe_registrations, is_exploratory
from ablate.study.printed_rows import join_printed
from ablate.tables.analysis import Findings, RowFinding, find_verdicts, tries_of
from ablate.tables.columns import default_columns
from ablate.tables.fronts import find_fronts
from ablate.tables.grid_effects import find_effects, find_factors, find_levels
from ablate.tables.inputs import RowCosts, StudyState
from ablate.tables.notes import fold_line, kept_line, table_notes
from ablate.tables.notes_choices import choice_notes, limits, why_table_undecided, why_undecided
from ablate.tables.notes_provenance import provenance_notes
from ablate.tables.pivot_results import find_pivot, pivot_notes
from ablate.tables.printed_comparability import has_printed_cost
from ablate.tables.results import RowResults, collect_results, row_notes
from ablate.tables.row_costs import cost_of, peak_memory_of, printed_cost_of, train_s_of, with_cost, with_measured
from ablate.tables.summary import summarise
from ablate.tables.table import (
    Difference,
    FunnelShare,
    PrintedCell,
    PublishedColumn,
    Table,
    TableCell,
    TableRow,
)
from ablate.trials.trial import TrialRecord


def build_table(
    plan: Plan,
    records: Mapping[str, TrialRecord],
    *,
    published: PublishedTable | None = None,
    costs: RowCosts = RowCosts(),
    state: StudyState = StudyState(),
) -> Table:
    """The table of a study.

    Args:
        plan: rows, seeds and trial keys.
        records: records by trial key; keys without a record are missing results.
        published: printed numbers, joined by `join_printed`.
        costs: costs of the rows.
        state: state of the study.
    """
    published = join_printed(published, plan.rows) if published else None
    results, audits = (collect_results(rows, plan, records) for rows in (plan.rows, plan.audits))
    found = Findings() if why_undecided(plan, state) else find_verdicts(plan, results, audits, published, state.retried)
    rows = _build_rows(results, found, plan, published, state.missing)
    rows = [with_measured(with_cost(row, costs.counted.get(row.name)), costs.measured.get(row.name)) for row in rows]
    seen = Seen.of(records.values()) if state.seen is None else state.seen
    was_known = is_exploratory(plan, state.registrations, seen)
    table = Table(
        **_design_of(plan),
        provisional=state.provisional,
        commits=_commits_of(results),
        exploratory=was_known or bool(state.retried),
        effects=find_effects(plan, results) if found.families else None,
        fronts=find_fronts(rows, plan.metric, lower_is_better=plan.lower_is_better[plan.metric]),
        families=list(found.families),
        columns=_columns_of(plan, found, published),
        pivot=find_pivot(plan, rows, found, is_open=state.provisional or any(result.missing for result in results)),
        rows=rows,
        published=_source_of(published),
        notes=[],
        provenance=[*describe_registrations(plan, state.registrations, seen), *provenance_notes(results, rows)]
        if plan.study.imported is None
        else [],
    )
    undecided, known = why_table_undecided(plan, state, table), limits(plan, state, table, seen, was_known=was_known)
    notes = table_notes(plan, results, table, published, missing=state.missing)
    notes += [*pivot_notes(table), *choice_notes(state, table)]
    summary = [*summarise(table, undecided=undecided, limits=known), *_options(plan)]
    return table.model_copy(update={"summary": summary, "notes": notes})


def _options(plan: Plan) -> list[str]:
    """The lines on folds, on the fields that `--set` replaced, and on results that are kept of earlier code."""
    replaced = " ".join(override_notes(plan.study, plan.scale, plan.rows))
    return [*fold_line(plan), *([replaced] if replaced else []), *kept_line(plan)]


def _design_of(plan: Plan) -> dict[str, Any]:
    """The fields of the table that are known before anything has run."""
    study = plan.study
    return {
        "study": study.name,
        "title": study.title,
        "question": study.question,
        "scale": plan.scale,
        "seeds": list(plan.seeds),
        "folds": study.folds,
        "setup": _setup_of(plan),
        "metric": plan.metric,
        "metrics": list(plan.metrics),
        "lower_is_better": plan.lower_is_better[plan.metric],
        "directions": {metric: plan.lower_is_better[metric] for metric in (plan.metric, *plan.metrics)},
        "alpha": study.table.alpha,
        "margin": study.table.margin,
        "test": study.table.test,
        "factors": find_factors(plan),
        "imported": study.imported.origin if study.imported else None,
    }


def _columns_of(plan: Plan, findings: Findings, published: PublishedTable | None) -> list[str]:
    return default_columns(
        plan.metric,
        plan.metrics,
        findings.families,
        has_published=published is not None,
        has_printed_cost=has_printed_cost(plan, published),
    )


def _setup_of(plan: Plan) -> list[str]:
    """Data, network and length of training that all rows share."""
    if plan.study.imported is not None:
        return [f"imported from {plan.study.imported.file}"]
    recipes = [applicable_values(row.recipe) for row in plan.rows]
    shared = {name: value for name, value in recipes[0].items() if all(other.get(name) == value for other in recipes)}
    words = {
        "dataset": "{}",
        "model": "{}",
        "steps": "{:,} steps",
        "epochs": "{:,} epochs",
        "batch_size": "batches of {:,}",
    }
    setup = [text.format(shared[name]) for name, text in words.items() if shared.get(name)]
    return setup or [f"task {plan.study.base.get('task', 'classify')}"]


def _commits_of(results: Sequence[RowResults]) -> list[str]:
    """The commits of the code that trained the rows, each once."""
    records = (record for result in results for record in result.records.values())
    return list(dict.fromkeys(commit for record in records if (commit := record.provenance.get("commit"))))


def _build_rows(
    results: Sequence[RowResults], findings: Findings, plan: Plan, published: PublishedTable | None, missing: str
) -> list[TableRow]:
    baselines = {result.row.group: result for result in results if result.row.is_baseline}
    rows = []
    for result in results:
        baseline, finding = baselines.get(result.row.group), findings.rows.get(result.row.name)
        row = _build_row(result, baseline, plan, published, missing)
        rows.append(_with_finding(row, plan.metric, finding, train_s_of(baseline)))
    return rows


def _build_row(
    result: RowResults, baseline: RowResults | None, plan: Plan, published: PublishedTable | None, missing: str
) -> TableRow:
    row, metrics = result.row, (plan.metric, *plan.metrics)
    return TableRow(
        label=row.label,
        row=row.name if row.is_shared else None,
        group=row.group,
        baseline=row.is_baseline,
        set=dict(row.set),
        levels=find_levels(plan, row),
        n_planned=len(result.keys),
        n_ok=len(result.succeeded),
        n_diverged=len(result.with_status("diverged")),
        n_failed=len(result.with_status("failed")),
        cells={metric: _build_cell(metric, result, baseline, published, plan.study.folds) for metric in metrics},
        trials=list(result.keys.values()),
        line=row.line,
        notes=row_notes(result, metrics, missing),
        **cost_of(result),
        **printed_cost_of(row.name, published),
        train_s=train_s_of(result),
        peak_memory_bytes=peak_memory_of(result),
        funnel_share=_funnel_share_of(result),
    )


def _build_cell(
    metric: str,
    result: RowResults,
    baseline: RowResults | None,
    published: PublishedTable | None,
    folds: int | None,
) -> TableCell:
    values = result.values(metric)
    found = estimate(values)
    is_baseline = result.row.is_baseline
    reference = None if is_baseline or baseline is None else baseline
    return TableCell(
        mean=found.mean,
        sd=found.sd,
        values=values,
        diff=_difference(values, reference.values(metric), folds) if reference else None,
        decision="baseline" if is_baseline else None,
        published=_printed_cell(metric, result.row.name, reference.row.name if reference else None, published),
    )


def _with_finding(row: TableRow, metric: str, finding: RowFinding | None, baseline_s: float | None) -> TableRow:
    """A row with the findings on its primary metric."""
    if finding is None:
        return row
    evidence = finding.analysis.evidence
    found: dict[str, Any] = {
        "p": evidence.p,
        "p_flip": evidence.comparison.p_flip,
        "p_adj": evidence.p_adj,
        "decision": finding.analysis.decision,
        "tested": finding.tested,
        "agreement": finding.agreement,
    }
    if finding.retried:
        number, answer = finding.retried
        found |= {"p": answer.p, "p_adj": answer.p_adj, "decision": answer.decision, "tries": tries_of(number, answer)}
    cells = row.cells | {metric: row.cells[metric].model_copy(update=found)}
    more = (finding.tested.seeds_needed or 0) - row.n_planned
    pair_s = (row.train_s or 0.0) + (baseline_s or 0.0)
    worker_h = more * pair_s / 3600 if more > 0 and row.train_s else None
    return row.model_copy(update={"cells": cells, "worker_h": worker_h})


def _difference(values: Mapping[int, float], reference: Mapping[int, float], folds: int | None) -> Difference | None:
    found = paired_difference(values, reference, folds=folds)
    return Difference(mean=found.mean, low=found.low, high=found.high, n=found.n) if found else None


def _printed_cell(
    metric: str, name: str, reference: str | None, published: PublishedTable | None
) -> PrintedCell | None:
    """The printed number, and its difference from the printed number of the row `reference`."""
    printed = published.cells.get(name, {}).get(metric) if published else None
    if published is None or printed is None:
        return None
    against = published.cells.get(reference, {}).get(metric) if reference else None
    difference = printed.minus(against) if against else None
    return PrintedCell(
        value=printed.value,
        diff=difference.value if difference else None,
        source=", ".join(published.sources[name]),
        text=printed.text,
        diff_text=difference.text if difference else None,
    )


def _funnel_share_of(result: RowResults) -> FunnelShare | None:
    by_site: dict[str, list[float]] = {}
    for record in result.succeeded.values():
        for site, share in record.outcome.funnel_share.items():
            if 0 <= share <= 1:
                by_site.setdefault(site, []).append(share)
    sites = {site: statistics.mean(shares) for site, shares in by_site.items()}
    if not sites:
        return None
    mean = statistics.mean(share for shares in by_site.values() for share in shares)
    return FunnelShare(mean=mean, low=min(sites.values()), high=max(sites.values()), sites=sites)


def _source_of(published: PublishedTable | None) -> PublishedColumn | None:
    if published is None:
        return None
    return PublishedColumn(
        id=published.id,
        title=published.title,
        paper=published.paper,
        dataset=published.dataset,
        sources=dict(published.source_texts),
    )
