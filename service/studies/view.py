"""A stored study as its REST document."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ablate.remote.documents.studies import Finding, Links, StudyView
from ablate.study.resources import LimitsSpec, ResourcesSpec, within
from service.dispatch.machines import Machine, count_parallel
from service.store.overview import Overview
from service.store.studies import Stored


def view_study(stored: Stored, overview: Overview, machines: Sequence[Machine]) -> StudyView:
    """A study's view from its row and its counts."""
    base = f"/api/v1/studies/{stored.id}"
    run = overview.run
    mlflow = f"/mlflow/#/experiments/{run[1]}/runs/{run[0]}?workflowType=machine_learning" if run else None
    links = {"self": base, "table": f"{base}/table", "trials": f"{base}/trials", "events": f"{base}/events"}
    return StudyView(
        id=stored.id,
        name=stored.name,
        title=stored.title,
        scale=stored.scale,
        state=stored.state,
        priority=stored.priority,
        schedule=stored.schedule,
        created_at=stored.created_at,
        started_at=stored.started_at,
        ended_at=stored.ended_at,
        progress=overview.progress,
        eta_s=estimate_left_s(stored, overview, machines),
        reason=stored.reason,
        warnings=[Finding(**warning) for warning in stored.warnings],
        links=Links(**links, mlflow=mlflow),
    )


def estimate_left_s(stored: Stored, overview: Overview, machines: Sequence[Machine]) -> float | None:
    """Wall-clock seconds that a study still needs, without waiting time; None until a similar trial was timed."""
    if stored.state not in ("queued", "running") or not overview.durations_s:
        return None
    left = overview.waiting + sum(1 - fraction for fraction in overview.fractions)
    resources = ResourcesSpec.model_validate(stored.document.get("resources", {}))
    limits = LimitsSpec.model_validate(stored.document.get("limits") or {})
    parallel = within(limits, count_parallel(machines, resources))
    return round(left * statistics.median(overview.durations_s) / parallel, 1)
