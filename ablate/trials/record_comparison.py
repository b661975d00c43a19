"""A trial that was trained twice: are the results the same? Pure: two records in, a verdict and all differences out.

`equal`: it ended in the same way, and every final metric and every point of the curve are the same to the last bit.
`within tolerance`: it ended in the same way, and every final metric is within a relative tolerance of the first.
`different`: everything else. A trial that diverged or failed has no final metric: it is `equal` or `within tolerance`
if it ends in the same way again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ablate.trials.trial import EpochMetrics, TrialRecord

EQUAL, WITHIN, DIFFERENT = "equal", "within tolerance", "different"
ALWAYS = ("commit", "lock", "device")
"""Provenance that is always shown, even if it does not differ."""
Verdict = Literal["equal", "within tolerance", "different"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A value of the stored trial and the same value of the new one; None if it is missing."""

    then: Any
    now: Any

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return bool(self.then != self.now)

    @property
    def relative(self) -> float:
        """Difference of two numbers as a share of the first one; infinite if that is 0 or one of them is missing."""
        if self.then is None or self.now is None:
            return math.inf
        if self.then == self.now:
            return 0.0
        return abs(self.now - self.then) / abs(self.then) if self.then else math.inf


@dataclass(frozen=True, slots=True)
class TrialComparison:
    """The comparison of a stored trial with the same one, trained again.

    Attributes:
        key: key of the trial.
        tolerance: relative tolerance.
        metrics: final metrics by name.
        points: points of the stored curve.
        first_difference_step: step of the first point at which the curves differ; None if they are the same.
        status: how it ended.
        reason: why it ended so, in words.
        provenance: commit, lock and device, and everything else that differs, by name (`versions.torch`).
        train_s: wall seconds of training.
        notes: sentences that belong to the verdict.
    """

    key: str
    verdict: Verdict
    tolerance: float
    metrics: Mapping[str, Pair]
    points: int
    first_difference_step: int | None
    status: Pair
    reason: Pair
    provenance: Mapping[str, Pair]
    train_s: Pair
    notes: tuple[str, ...] = ()

    @property
    def worst_metric(self) -> str | None:
        """The metric that differs most from the stored one; None if all are the same, or there are none."""
        differing = [name for name, pair in self.metrics.items() if pair.differs]
        return max(differing, key=lambda name: self.metrics[name].relative, default=None)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.status.differs:
            return f"{DIFFERENT}: it {self.status.then} then and {self.status.now} now; {self._curves}"
        if self.status.now != "succeeded":
            return f"{self.verdict}: it {self.status.now} then and now; {self._curves}"
        if self.verdict == EQUAL:
            found = f"{_count(len(self.metrics), 'metric')}, {_count(self.points, 'point')}"
            return f"{EQUAL}: every metric and every point of the curve is the same to the last bit ({found})"
        if self.worst_metric is None:
            return f"{self.verdict}: the metrics are the same; {self._curves}"
        change = f"{self.worst_metric} {_by(self.metrics[self.worst_metric])}"
        if self.verdict == WITHIN:
            return f"{WITHIN} of {self.tolerance:g}: at most {change}; {self._curves}"
        beyond = sum(pair.relative > self.tolerance for pair in self.metrics.values())
        count = f"{beyond} of {_count(len(self.metrics), 'metric')} beyond the tolerance of {self.tolerance:g}"
        return f"{DIFFERENT}: {change}; {count}; {self._curves}"

    @property
    def _curves(self) -> str:
        if self.first_difference_step is not None:
            return f"the curves differ from step {self.first_difference_step} on"
        return "the curves are the same" if self.points else "neither has a curve"

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "key": self.key,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "tolerance": self.tolerance,
            "metrics": {name: asdict(pair) for name, pair in self.metrics.items()},
            "first_difference_step": self.first_difference_step,
            "status": asdict(self.status),
            "reason": asdict(self.reason),
            "provenance": {name: asdict(pair) | {"differs": pair.differs} for name, pair in self.provenance.items()},
            "train_s": asdict(self.train_s),
            "notes": list(self.notes),
        }


def compare_records(
    then: TrialRecord, now: TrialRecord, *, tolerance: float, notes: Sequence[str] = ()
) -> TrialComparison:
    """Compare a stored trial with the same one, trained again.

    Args:
        then: the stored trial.
        now: the same trial, trained again.
        tolerance: how far a final metric may be from the stored one, as a share of it.
        notes: sentences that belong to the result.
    """
    names = dict.fromkeys([*then.outcome.metrics, *now.outcome.metrics])
    metrics = {name: Pair(then.outcome.metrics.get(name), now.outcome.metrics.get(name)) for name in names}
    status, step = Pair(then.outcome.status, now.outcome.status), first_difference(then.curve, now.curve)
    return TrialComparison(
        key=then.trial.key,
        verdict=_judge(status, metrics, step, tolerance),
        tolerance=tolerance,
        metrics=metrics,
        points=len(then.curve),
        first_difference_step=step,
        status=status,
        reason=Pair(then.outcome.reason, now.outcome.reason),
        provenance=pair_provenance(then.provenance, now.provenance),
        train_s=Pair(then.outcome.train_s, now.outcome.train_s),
        notes=tuple(notes),
    )


def first_difference(then: Sequence[EpochMetrics], now: Sequence[EpochMetrics]) -> int | None:
    """The step of the first point that differs between two curves; None if all are the same."""
    for one, other in zip(then, now, strict=False):
        if one != other:
            return min(one.step, other.step)
    longer = then if len(then) > len(now) else now
    rest = longer[min(len(then), len(now)) :]
    return rest[0].step if rest else None


def pair_provenance(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Pair]:
    """Commit, lock and device of two trials, and all other differences of their provenance, by name."""
    before, after = dict(_flat(then)), dict(_flat(now))
    pairs = {name: Pair(before.get(name), after.get(name)) for name in dict.fromkeys([*ALWAYS, *before, *after])}
    return {name: pair for name, pair in pairs.items() if name in ALWAYS or pair.differs}


def _judge(status: Pair, metrics: Mapping[str, Pair], step: int | None, tolerance: float) -> Verdict:
    if status.differs:
        return "different"
    if step is None and not any(pair.differs for pair in metrics.values()):
        return "equal"
    return "within tolerance" if all(pair.relative <= tolerance for pair in metrics.values()) else "different"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _by(pair: Pair) -> str:
    """`by +10 % (0.5 then, 0.55 now)`."""
    if pair.then is None or pair.now is None:
        return f"is missing {'then' if pair.then is None else 'now'}"
    change = 100 * ((pair.now - pair.then) / abs(pair.then)) if pair.then else math.inf
    share = f"by {change:+.3g} % " if math.isfinite(change) else ""
    return f"{share}({pair.then:.10g} then, {pair.now:.10g} now)"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
