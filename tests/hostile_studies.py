"""Valid studies with any results that a task can report: strategies for tests of everything that is made from them."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ablate.study.paper_tables import list_tables
from ablate.study.plan import Plan, plan_document
from ablate.trials.trial import Cost, EpochMetrics, Outcome, TrialRecord

LARGEST, SMALLEST, DENORMAL = sys.float_info.max, sys.float_info.min, 5e-324
NUMBERS = (
    0.0, DENORMAL, 1e-310, SMALLEST, 1e-300, 1e-160, 1e-12, 1.0, 1 + 2**-52, 20.0, 20.1, 20.3, 1e9, 1e16, 9.9e149,
    1e150, 1e300, LARGEST,
)  # fmt: skip
"""Sizes at which floating-point arithmetic fails, among ordinary ones."""

METRICS = ("top1_error_pct", "top5_error_pct", "test_loss", "train_loss")
FACTORS: Mapping[str, tuple[Any, ...]] = {
    "window": ("1x1", "3x3", "5x5"),
    "norm": ("bn", "none"),
    "lr": (0.1, 0.2, 0.3),
    "momentum": (0.5, 0.8, 0.9),
    "nesterov": (True, False),
}
NAMES = ("plain", "$x^$", "100 %", "a_b", "<b>&", "\u4e2d\u6587 \U0001f642", "=1+1", "w" * 200, "{}\\", "'\"")
"""Labels that a format could mistake for its own syntax."""
TEXTS = ("", "Does it help?", "$\\frac{1}$ \n\t| # <b>", "\u202e\x1b[2J", "t" * 300)


def numbers() -> SearchStrategy[float]:
    """Any finite number, often one at which arithmetic fails."""
    signed = st.sampled_from([sign * number for number in NUMBERS for sign in (1, -1)])
    return st.one_of(signed, signed, st.floats(0, 100), st.floats(allow_nan=False, allow_infinity=False))


@st.composite
def plans(draw: DrawFn) -> Plan:
    """The plan of a valid study, at times one of the paper's, whose rows have printed numbers."""
    if draw(st.integers(0, 3)):
        return plan_document(draw(documents()))
    table = draw(st.sampled_from(list_tables()))
    options = {"scale": draw(st.sampled_from(table.scales)), "seeds": draw(st.integers(1, 9))}
    return plan_document({**table.document, "table": {**table.document["table"], **draw(_tables())}}, **options)


@st.composite
def documents(draw: DrawFn) -> dict[str, Any]:
    """A valid study of any design."""
    design = draw(st.sampled_from(["rows", "grid", "leave_one_out", "one_at_a_time"]))
    metric, *more = draw(st.lists(st.sampled_from(METRICS), min_size=1, max_size=3, unique=True))
    document: dict[str, Any] = {
        "name": "any",
        "title": draw(st.sampled_from(TEXTS)),
        "question": draw(st.sampled_from(TEXTS)),
        "seeds": draw(st.one_of(st.integers(1, 12), st.just([7, 3, 2**40]))),
        "metric": metric,
        "metrics": more,
        "base": {"dataset": "digits"},
        "audit": draw(st.booleans()),
        "table": draw(_tables()),
    }
    if design == "rows":
        document |= draw(_rows())
        document["table"] |= draw(_chosen(document["rows"]))
    else:
        document |= {"design": design, "factors": draw(_factors(design))}
    if design == "grid" and draw(st.booleans()):
        first = document["factors"][0]
        document["exclude"] = [{one["name"]: one["levels"][0] for one in document["factors"]}]
        if draw(st.booleans()):
            document["table"]["group_by"] = first["name"]
    return document


@st.composite
def _tables(draw: DrawFn) -> dict[str, Any]:
    return {
        "alpha": draw(st.sampled_from([0.05, 0.5, 0.49999999, 0.0001, 0.1])),
        "test": draw(st.sampled_from(["auto", "flip", "t", "pooled"])),
        **draw(st.sampled_from([{}, *({"margin": size} for size in (0.001, 1.0, 1e6, 1e-300, DENORMAL, LARGEST))])),
    }


@st.composite
def _rows(draw: DrawFn) -> dict[str, Any]:
    labels = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    groups = draw(st.lists(st.sampled_from([None, "g $1", "h"]), min_size=len(labels), max_size=len(labels)))
    is_grouped = None not in groups
    rows = []
    for place, label in enumerate(labels):
        row = {"label": label, "set": {"lr": 0.01 * draw(st.integers(1, 4))}}  # equal recipes share their trials
        rows.append(row | ({"group": groups[place]} if is_grouped else {}))
    return {"rows": rows}


@st.composite
def _chosen(draw: DrawFn, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The baseline and the headline, if they are named."""
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        by_group = {row.get("group"): row["label"] for row in rows}
        found["baseline"] = next(iter(by_group.values())) if None in by_group else by_group
    if draw(st.booleans()):
        found["headline"] = [rows[-1]["label"]]
    if len({row.get("group") for row in rows}) > 1 and draw(st.booleans()):
        found["pivot"] = "group"
    return found


@st.composite
def _factors(draw: DrawFn, design: str) -> list[dict[str, Any]]:
    names = draw(st.lists(st.sampled_from(list(FACTORS)), min_size=1, max_size=3, unique=True))
    if design == "leave_one_out":
        return [{"name": name, "off": {name: FACTORS[name][0]}} for name in names]
    return [{"name": name, "levels": list(FACTORS[name][: draw(st.integers(2, 3))])} for name in names]


@st.composite
def results(draw: DrawFn, plan: Plan) -> dict[str, TrialRecord]:
    """Records of the trials of a plan: some of them missing, diverged or failed, some without a metric.

    The values come from a pool of a few numbers, so that they are often equal, and equally often incompatible.
    """
    pool = draw(st.lists(numbers(), min_size=1, max_size=4))
    ends = draw(st.lists(st.sampled_from(ENDS), min_size=1, max_size=4))
    lost_rows = draw(st.sets(st.integers(0, len(plan.rows) - 1), max_size=2))
    step = draw(st.sampled_from([0.0, 0.0, 1e-15, 0.1, 1.0]))
    chance = random.Random(draw(st.integers(0, 2**32)))
    lost = {plan.memberships[plan.rows[place].label, seed] for place in lost_rows for seed in plan.seeds}
    found = {}
    for key, trial in plan.trials.items():
        end = chance.choice(("diverged", "failed")) if key in lost else chance.choice(ends)
        if end != "missing":
            outcome, curve = _outcome(end, plan, pool, step, chance)
            found[key] = TrialRecord(trial=trial, outcome=outcome, curve=curve, finished_at="2026-05-04T10:00:00+00:00")
    return found


ENDS = ("succeeded",) * 8 + ("diverged", "failed", "partly", "missing")


def _outcome(
    end: str, plan: Plan, pool: list[float], step: float, chance: random.Random
) -> tuple[Outcome, list[EpochMetrics]]:
    def value() -> float:
        number = chance.choice(pool) + step * chance.randint(-3, 3)
        return max(-LARGEST, min(LARGEST, number))

    steps = (0, 1, 1000, 2**53)
    names = (plan.metric, *plan.metrics)
    curve = [EpochMetrics(step=at, steps=2**53, epoch=at, metrics={plan.metric: value()}) for at in steps]
    if end in ("diverged", "failed"):
        return Outcome(status=end, reason=chance.choice((None, "the loss is gone", "\x1b[2J\n$x^$"))), curve
    metrics = {name: value() for name in names[: len(names) - (end == "partly")]}
    size = int(abs(chance.choice(pool)))
    cost = Cost(params=size, params_without_norm=size, multiply_adds=chance.choice((0, 1000, size)))
    outcome = Outcome(
        status="succeeded", metrics=metrics, train_s=value(), cost=cost, funnel_share={"layer1.0": value(), "x": 0.5}
    )
    return outcome, curve
