"""A plan with its records as the documents of a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ablate.bundle.documents import FORMAT, Provenance, Resolved, ResolvedNeed, ResolvedRow, TrialFacts, Tried
from ablate.bundle.own import VERSION
from ablate.bundle.privacy import Scrubber
from ablate.study.plan import Plan, Row, task_name
from ablate.tables.inputs import RowCosts, StudyState
from ablate.trials.needs import Blueprint, build_blueprint, label_of_need
from ablate.trials.registry import get_task
from ablate.trials.trial import TrialRecord


def resolve(plan: Plan, state: StudyState, *, measured: bool) -> Resolved:
    """The study expanded, with the state in which its table was made."""
    named = get_task(task_name(plan))
    metrics = (plan.metric, *plan.metrics)
    return Resolved(
        format=FORMAT,
        ablate=VERSION,
        study=plan.study.name,
        scale=plan.scale,
        seeds=list(plan.seeds),
        task=named.name,
        task_identity=named.identity,
        metric=plan.metric,
        metrics=list(plan.metrics),
        lower_is_better={metric: plan.lower_is_better[metric] for metric in metrics},
        excluded=list(plan.excluded),
        replicate=plan.repetition.replicate,
        repeat=plan.repetition.repeat,
        canary_only=plan.repetition.canary_only,
        rows=[_row(plan, row) for row in plan.rows],
        audits=[_row(plan, row) for row in plan.audits],
        is_measured=measured,
        provisional=state.provisional,
        missing=state.missing,
        is_firing=state.is_firing,
        used_as_first=sorted(state.seen.used_as_first) if state.seen else [],
        registrations=list(state.registrations),
        tried={
            name: Tried(number=history.number, differences=[repr(one) for one in history.differences])
            for name, history in state.retried.items()
        },
    )


def _row(plan: Plan, row: Row) -> ResolvedRow:
    blueprint = row.blueprint or build_blueprint(get_task(task_name(plan)), row.recipe)
    return ResolvedRow(
        label=row.label,
        row=row.name if row.is_shared else None,
        group=row.group,
        set=dict(row.set),
        levels=dict(row.levels),
        is_baseline=row.is_baseline,
        line=row.line,
        replicate=row.replicate,
        recipe=blueprint.values,
        identity=dict(blueprint.identity),
        needs={name: _need(plan, label_of_need(name, row.name), need) for name, need in row.needs.items()},
        keys=_keys(plan, row.name),
    )


def _need(plan: Plan, name: str, need: Blueprint) -> ResolvedNeed:
    return ResolvedNeed(
        task=need.task.name,
        task_identity=need.task.identity,
        recipe=need.values,
        identity=dict(need.identity),
        keys=_keys(plan, name),
    )


def _keys(plan: Plan, name: str) -> dict[int, str]:
    return {seed: plan.memberships[name, seed] for seed in plan.seeds}


def describe_trials(
    plan: Plan, records: Mapping[str, TrialRecord], costs: RowCosts, scrub: Scrubber, *, measured: bool
) -> Provenance:
    """What is known of every trial of a study.

    Args:
        plan: the study, expanded.
        records: by trial key.
        costs: counted and measured costs of the rows.
        scrub: removes what must not leave the machine.
        measured: whether times are included.
    """
    audits = {plan.memberships[row.name, seed] for row in plan.audits for seed in plan.seeds}
    wanted = sorted(set(plan.memberships.values()) & records.keys())
    return Provenance(
        trials={key: _facts(records[key], scrub, measured=measured, is_audit=key in audits) for key in wanted},
        counted=dict(costs.counted),
        measured=dict(costs.measured) if measured else {},
    )


def _facts(record: TrialRecord, scrub: Scrubber, *, measured: bool, is_audit: bool) -> TrialFacts:
    outcome = record.outcome
    return TrialFacts(
        status=outcome.status,
        reason=None if outcome.reason is None else scrub(outcome.reason),
        train_s=outcome.train_s if measured else None,
        peak_memory_bytes=outcome.peak_memory_bytes if measured else None,
        cost=outcome.cost,
        funnel_share=outcome.funnel_share,
        items=outcome.items,
        finished_at=record.finished_at,
        provenance=scrub.document(record.provenance),
        audit_metrics=dict(outcome.metrics) if is_audit else {},
    )


def curve_lines(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterable[tuple[object, ...]]:
    """The lines of `curves.csv`, of rows, audit copies and needed trials."""
    for (name, seed), key in plan.memberships.items():
        if key in records:
            for point in records[key].curve:
                for metric, value in sorted(point.metrics.items()):
                    yield name, seed, key, point.step, repr(point.epoch), metric, repr(value)
