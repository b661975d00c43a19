"""Strategies: valid studies of the task `toy`, and what its trials may report."""

from __future__ import annotations

import sys
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ablate.trials.messages import MAX_STEP, MAX_TRAIN_S
from ablate.trials.trial import Cost, EpochMetrics, Heartbeat, Outcome

LABELS = ("plain", "$x^$", "100 %", "a_b", "<b>&", "\u4e2d\u6587", "=1+1", "w" * 200, "{}\\", "'\"", "a|b", "-", "/")
TEXTS = ("", "Does it help?", "$\\frac{1}$ \n\t| # <b>", "\u202e\x1b[2J", "</script>", "t" * 300)
LEVELS: dict[str, tuple[Any, ...]] = {
    "offset": (0.0, 1.0, -1e300, 5e-324),
    "ending": ("succeeded", "diverged", "failed"),
    "tags": (["a"], ["b"], []),
}
NUMBERS = (
    0.0, -0.0, 5e-324, -5e-324, sys.float_info.min, 1e-160, 1.0, 1 + 2**-52, 20.1, 20.3, 1e16, 1e154, 1e300, -1e300,
    sys.float_info.max, -sys.float_info.max,
)  # fmt: skip
"""Numbers at which floating-point arithmetic fails, among ordinary ones."""


def numbers() -> SearchStrategy[float]:
    """Any number that a trial may report."""
    return st.sampled_from(NUMBERS) | st.floats(0, 100) | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def documents(draw: DrawFn) -> dict[str, Any]:
    """A valid study of any design."""
    design = draw(st.sampled_from(["rows", "grid", "leave_one_out", "one_at_a_time"]))
    metrics = draw(st.permutations(["error", "score"]))[: draw(st.integers(1, 2))]
    seeds: SearchStrategy[Any] = st.integers(1, 6) | st.just([7, 3, 2**40])
    document: dict[str, Any] = {
        "name": "any",
        "title": draw(st.sampled_from(TEXTS)),
        "question": draw(st.sampled_from(TEXTS)),
        "seeds": draw(seeds),
        "metric": metrics[0],
        "metrics": metrics[1:],
        "base": {"task": "toy"},
        "audit": draw(st.booleans()),
        "table": draw(_tables()),
    }
    if design == "rows":
        return draw(_with_rows(document))
    names = draw(st.lists(st.sampled_from(list(LEVELS)), min_size=1, max_size=3, unique=True))
    if design == "leave_one_out":
        factors = [{"name": name, "off": {name: LEVELS[name][1]}} for name in names]
    else:
        factors = [{"name": name, "levels": list(LEVELS[name][: draw(st.integers(2, 4))])} for name in names]
    document |= {"design": design, "factors": factors}
    if design == "grid" and draw(st.booleans()):
        document["exclude"] = [{factor["name"]: factor["levels"][-1] for factor in factors}]
    if design == "grid" and len(names) > 1 and draw(st.booleans()):
        document["table"]["group_by"] = names[0]
    return document


@st.composite
def _tables(draw: DrawFn) -> dict[str, Any]:
    margin: SearchStrategy[Any] = st.sampled_from([{}, *({"margin": size} for size in (0.001, 1.0, 5e-324, 1.7e308))])
    return {
        "alpha": draw(st.sampled_from([0.05, 0.5, 0.0001])),
        "test": draw(st.sampled_from(["auto", "flip", "t", "pooled"])),
        **draw(margin),
    }


@st.composite
def _with_rows(draw: DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    labels = draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=5, unique=True))
    is_grouped = draw(st.booleans())
    rows = []
    for label in labels:
        row = {"label": label, "set": {"offset": float(draw(st.integers(0, 3)))}}  # equal recipes share their trials
        rows.append(row | ({"group": draw(st.sampled_from(["g $1", "h"]))} if is_grouped else {}))
    table = dict(document["table"])
    if draw(st.booleans()):
        by_group = {row["group"]: row["label"] for row in rows} if is_grouped else {}
        table["baseline"] = by_group or labels[-1]
    if draw(st.booleans()):
        table["headline"] = [labels[0]]
    if draw(st.booleans()):
        document["canary"] = {"rows": [labels[-1]]}
    return document | {"rows": rows, "table": table}


@st.composite
def ends(draw: DrawFn) -> list[tuple[list[EpochMetrics | Heartbeat], Outcome]]:
    """A few ways in which trials of a study end, with what they report before.

    Their values come from a pool of a few numbers, so they are often equal, and as often of very different size.
    """
    values = st.sampled_from(draw(st.lists(numbers(), min_size=1, max_size=3)))
    statuses = draw(st.sampled_from([("succeeded",), ("diverged",), ("failed",), ("succeeded", "diverged", "failed")]))
    return draw(st.lists(_end(values, statuses), min_size=1, max_size=4))


@st.composite
def _end(draw: DrawFn, values: SearchStrategy[float], statuses: tuple[str, ...]) -> Any:
    points: list[EpochMetrics | Heartbeat] = [
        EpochMetrics(
            step=step, steps=MAX_STEP, epoch=float(step), metrics={"error": draw(values), "curve": draw(values)}
        )
        for step in draw(st.sampled_from([(), (0, 1), (0, 0, MAX_STEP)]))
    ]
    status = draw(st.sampled_from(statuses))
    if status != "succeeded":
        return points, Outcome(status=status, reason=draw(st.none() | st.sampled_from(TEXTS)))
    metrics = {"error": draw(values)} | draw(st.just({}) | st.fixed_dictionaries({"score": values, "x" * 128: values}))
    size = draw(st.integers(0, MAX_STEP))
    return points, Outcome(
        status="succeeded",
        metrics=metrics,
        train_s=draw(st.sampled_from([None, 0.0, 5e-324, MAX_TRAIN_S * 0.99])),
        cost=draw(st.none() | st.just(Cost(params=size, params_without_norm=0, multiply_adds=size))),
        funnel_share={"layer1.0": draw(values)},
    )
