"""The points that a script reports: metrics with their step, from whichever source, and the values that count."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ablate.errors import TrialError, quote
from ablate.study.command import BEST, MetricSpec

STEPS = ("step", "global_step", "iteration", "iter", "epoch")
"""Names under which scripts report the step, in this order; an epoch stands for a step where there is none."""
TOTALS = ("steps", "total_steps", "max_steps", "epochs", "max_epochs")
MAX_POINTS = 100_000


@dataclass(frozen=True, slots=True)
class Point:
    """Some numbers that a script reported together.

    Attributes:
        values: name -> number, which may be NaN or infinite.
        step: its step; None where the script gave none.
        epoch: its epoch, likewise.
        steps: steps in all, likewise.
    """

    values: Mapping[str, float]
    step: float | None = None
    epoch: float | None = None
    steps: float | None = None


def point_of(row: Mapping[str, object]) -> Point | None:
    """The numbers in a mapping; None if it has none."""
    numbers = {str(name): number for name, value in row.items() if (number := number_of(value)) is not None}
    step = next((numbers[name] for name in STEPS if _is_count(numbers.get(name))), None)
    steps = next((numbers[name] for name in TOTALS if _is_count(numbers.get(name))), None)
    epoch = numbers.get("epoch")
    return Point(numbers, step, epoch if _is_count(epoch) else None, steps) if numbers else None


def number_of(value: object) -> float | None:
    """A number, or a text that is one; truth values are none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _is_count(value: float | None) -> bool:
    return value is not None and 0 <= value <= 2**53


@dataclass(slots=True)
class Series:
    """All values of the declared metrics that a script has reported.

    Attributes:
        metrics: declared name -> declaration.
        values: name -> (step, value), in the order in which they came; a step is None where the script gave none.
        others: further names under which it reported numbers.
    """

    metrics: Mapping[str, MetricSpec]
    values: dict[str, list[tuple[float | None, float]]] = field(default_factory=dict)
    others: dict[str, None] = field(default_factory=dict)
    _seen: dict[tuple[str, float], dict[float | None, float]] = field(default_factory=dict)

    def add(self, point: Point) -> dict[str, float]:
        """Keep a point. Returns the values of declared metrics that are new in it.

        Raises:
            TrialError: a metric has two different values for one step, or there are too many points.
        """
        new: dict[str, float] = {}
        for name, value in point.values.items():
            if name not in self.metrics:
                if len(self.others) < 64 and name not in (*STEPS, *TOTALS):
                    self.others[name] = None
                continue
            if point.step is not None:
                before = self._before(name, point.step, point.epoch)
                if before is not None:
                    if before != value and not (math.isnan(before) and math.isnan(value)):
                        raise TrialError(
                            f"reported {quote(name)} twice at step {point.step:g}: {before:g}, then {value:g}; report "
                            "it once for each step"
                        )
                    continue
                self._seen.setdefault((name, point.step), {})[point.epoch] = value
            values = self.values.setdefault(name, [])
            values.append((point.step, value))
            if len(values) > MAX_POINTS:
                raise TrialError(f"reported {quote(name)} more than {MAX_POINTS:,} times; report fewer points")
            new[name] = value
        return new

    def _before(self, name: str, step: float, epoch: float | None) -> float | None:
        """The value that was reported at a step; steps may begin again in each epoch, where both values have one."""
        known = self._seen.get((name, step), {})
        if epoch is None:
            return next(reversed(known.values()), None)
        return known.get(epoch, known.get(None))

    def results(self) -> dict[str, float]:
        """The value of each metric that counts; it may be NaN or infinite.

        Raises:
            TrialError: a metric was not reported, or not at the step that its `by` names.
        """
        missing = [name for name in self.metrics if not self.values.get(name)]
        if missing:
            raise TrialError(f"reported no {listed(missing)}{_hint(missing[0], self.others)}")
        return {name: self._result(name, spec) for name, spec in self.metrics.items()}

    def _result(self, name: str, spec: MetricSpec) -> float:
        values = [value for _, value in self.values[name]]
        if spec.take != BEST:
            return (
                math.fsum(values[-spec.last :]) / len(values[-spec.last :])
                if all_finite(values[-spec.last :])
                else math.nan
            )
        assert spec.by is not None  # checked with the document
        again = next((one for (one, _), known in self._seen.items() if one in (name, spec.by) and len(known) > 1), None)
        if again is not None:
            raise TrialError(
                f"reported {quote(again)} with steps that begin again in each epoch, so the step at which "
                f"{quote(spec.by)} is best is unknown; report a step that only grows"
            )
        sign = 1 if self.metrics[spec.by].goal == "max" else -1
        judged = [
            (step, sign * value) for step, value in self.values[spec.by] if step is not None and math.isfinite(value)
        ]
        if not judged:
            raise TrialError(f"reported {quote(spec.by)} without a step, so the step at which it is best is unknown")
        best = max(judged, key=lambda one: one[1])[0]
        found = [value for step, value in self.values[name] if step == best]
        if not found:
            raise TrialError(f"reported no {quote(name)} at step {best:g}, at which {quote(spec.by)} is best")
        return found[-1]


def all_finite(values: Iterable[float]) -> bool:
    """Whether no value is NaN or infinite."""
    return all(map(math.isfinite, values))


def listed(names: Iterable[str]) -> str:
    """Metric names in a sentence."""
    return " and no ".join(f"metric {quote(name)}" for name in list(names)[:3])


def _hint(name: str, others: Iterable[str]) -> str:
    names = list(others)
    if not names:
        return "; print a line of JSON such as " + f'{{"step": 1, "{name}": 0.5}}, or see README for the other ways'
    return f"; it reported {', '.join(names[:24])}"
