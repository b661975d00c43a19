"""Plans and records made manually: real documents, no training."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from ablate.recipes.classify import ClassifyRecipe, applicable_values, identity_of
from ablate.study.document import Study
from ablate.study.plan import Plan, Row
from ablate.trials.trial import Cost, EpochMetrics, Outcome, Trial, TrialRecord, trial_key

DIRECTIONS = {"top1_error_pct": True, "map_pct": False, "ap50_pct": False, "ap75_pct": False, "train_loss": True}


def _make_plan(
    rows: Sequence[Mapping[str, Any]],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    metric: str = "top1_error_pct",
    metrics: Sequence[str] = (),
    excluded: Sequence[str] = (),
    **study: Any,
) -> Plan:
    """A plan of these rows (`label`, `set`, `group`, `baseline`); the first of each group is its baseline."""
    made, seen = [], set()
    for row in rows:
        group, patch = row.get("group"), row.get("set", {})
        recipe = ClassifyRecipe(**{"dataset": "digits", "lr": 0.01, **patch})
        is_baseline = row.get("baseline", group not in seen)
        seen.add(group)
        made.append(Row(row["label"], group, patch, recipe, is_baseline))
    trials, memberships = {}, {}
    for row in made:
        for seed in seeds:
            key = trial_key("classify", identity_of(row.recipe), seed)
            memberships[row.label, seed] = key
            trials[key] = Trial(key=key, task="classify", recipe=applicable_values(row.recipe), seed=seed)
    return Plan(
        study=Study.model_validate({"name": "table07", "seeds": list(seeds), **study}),
        scale="mini",
        seeds=tuple(seeds),
        rows=tuple(made),
        audits=(),
        metric=metric,
        metrics=tuple(metrics),
        lower_is_better=DIRECTIONS,
        trials=trials,
        memberships=memberships,
        excluded=tuple(excluded),
        warnings=(),
    )


def _make_record(trial: Trial, outcome: Outcome, curve: Sequence[EpochMetrics] = ()) -> TrialRecord:
    provenance = {"commit": "abc123", "versions": {"torch": "2.9.0"}}
    return TrialRecord(
        trial=trial, outcome=outcome, curve=list(curve), provenance=provenance, finished_at="2026-05-04T10:00:00+00:00"
    )


def _make_outcome(error: float, **fields: Any) -> Outcome:
    metrics = {"top1_error_pct": error, "map_pct": 100 - error, "train_loss": error / 40}
    cost = Cost(params=25_557_032, params_without_norm=25_503_912, multiply_adds=3_857_973_248)
    defaults = {"metrics": metrics, "train_s": 12.5 + error, "cost": cost}
    return Outcome(status="succeeded", **{**defaults, **fields})


def _make_records(plan: Plan, levels: Sequence[float] = (), *, noise: float = 0.25) -> dict[str, TrialRecord]:
    """A record for every trial: a level per row, a shift per seed that rows share, and noise of their own."""
    records = {}
    draws = random.Random(7)
    shifts = {seed: draws.gauss(0, 0.3) for seed in plan.seeds}
    for index, row in enumerate(plan.rows):
        level = levels[index] if index < len(levels) else 20 + (index * 7 % 11) / 4
        for seed in plan.seeds:
            trial = plan.trials[plan.memberships[row.label, seed]]
            error = level + shifts[seed] + draws.gauss(0, noise)
            outcome = _make_outcome(error, funnel_share={"layer1.0": 0.4, "layer2.0": 0.5 + 0.01 * index})
            records.setdefault(trial.key, _make_record(trial, outcome, _curve(error, draws)))
    return records


def _curve(error: float, draws: random.Random) -> list[EpochMetrics]:
    return [
        EpochMetrics(
            step=34 * k, steps=340, epoch=k, metrics={"top1_error_pct": error + 60 * 0.6**k + draws.gauss(0, 0.4)}
        )
        for k in range(1, 11)
    ]


@pytest.fixture
def make_plan() -> Callable[..., Plan]:
    return _make_plan


@pytest.fixture
def make_records() -> Callable[..., dict[str, TrialRecord]]:
    return _make_records


@pytest.fixture
def make_record() -> Callable[..., TrialRecord]:
    return _make_record


@pytest.fixture
def make_outcome() -> Callable[..., Outcome]:
    return _make_outcome


WINDOWS = ("A 1x1", "B 3x3", "C 5x5", "D 7x7", "E Sum(1x3, 3x1)")


@pytest.fixture
def window_plan() -> Plan:
    """Table 7 without its last row: five rows, three seeds, the second row the baseline."""
    windows = ("1x1", "3x3", "5x5", "7x7", "1x3+3x1")
    rows = [
        {"label": label, "set": {"window": window}, "baseline": window == "3x3"}
        for label, window in zip(WINDOWS, windows, strict=True)
    ]
    return _make_plan(rows, title="Window size and shape", question="Does a larger window help?")
