"""The comparison of a verify firing: a stored trial and the same one trained again, with the same random streams.

Pure, over the verdicts of `ablate.rerun`. Where processor, threads, device and installed packages are the same, numbers
must be the same to the last bit; elsewhere they may be off by a tolerance that was recorded by repeating the trial when
the reference was made.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ablate.rerun import EQUAL, Comparison, compare, pair_provenance
from ablate.trial import TrialRecord

MACHINE = ("processor", "threads", "device", "lock")
"""Provenance that decides whether numbers must be the same to the last bit."""
MUST_BE_EQUAL = f"{', '.join(MACHINE)} are what they were, so that nothing but equal bits will do"
FALSE_ALARMS = 1e-3
"""Share of comparisons that a recorded tolerance may call different where nothing has changed."""
LEAST_REPEATS = 3


class Difference(NamedTuple):
    """Something that differs between two places where a number came from, `versions.torch` for one."""

    what: str
    before: Any
    after: Any


def is_same_machine(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two provenances agree in all of `MACHINE`; what one of them does not say does not agree."""
    return all(before.get(name) is not None and before.get(name) == after.get(name) for name in MACHINE)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Everything in which two provenances differ: commit, lock, versions, device, processor, threads, data and so on.

    Args:
        before: of the last good trial.
        after: of the changed one.
    """
    pairs = pair_provenance(before, after)
    return [Difference(name, pair.then, pair.now) for name, pair in pairs.items() if pair.differs]


def compare_repeat(stored: TrialRecord, now: TrialRecord, *, is_same_machine: bool, tolerance: float) -> Comparison:
    """Compare a stored trial with its repetition.

    Args:
        stored: the reference.
        now: trained again with the same recipe, seed and streams.
        is_same_machine: whether bits must be equal; see the function of that name.
        tolerance: elsewhere, the share of a stored metric by which the new one may be off; see `tolerance_from`.

    Returns:
        The verdict; `worst_metric` and `first_difference_step` say where they part. On the same machine it is `equal`
        or `different`, and never anything between.
    """
    found = compare(stored, now, tolerance=0.0 if is_same_machine else tolerance)
    if not is_same_machine or found.verdict == EQUAL:
        return found
    return replace(found, verdict="different", notes=(*found.notes, MUST_BE_EQUAL))


def tolerance_from(repeats: Sequence[TrialRecord], *, false_alarms: float = FALSE_ALARMS) -> float:
    """The tolerance for further repetitions of a trial, from some of them: 0 where they are equal to the bit.

    A further one is off the first by two draws of the same noise, so the tolerance is t sqrt(2) standard deviations
    of the repeats, of the metric with the largest share of its first value; noise is taken as normal. Few repeats know
    their spread badly: at 1 in 1,000 three give 45 standard deviations, five 12, ten 6.8 for one metric.

    Args:
        repeats: at least 3 records of one trial; the first is the reference. They only know the noise that they saw:
            repeats of one machine say nothing of another.
        false_alarms: share of comparisons that may be beyond it, over all metrics together (Bonferroni), in (0, 1).

    Raises:
        ValueError: too few, not of one trial, not ended in the same way, or a metric that is 0 in the reference only.
    """
    _check(repeats)
    names = [*repeats[0].outcome.metrics]
    return max((_share(name, repeats, false_alarms / len(names)) for name in names), default=0.0)


def _check(repeats: Sequence[TrialRecord]) -> None:
    if len(repeats) < LEAST_REPEATS:
        raise ValueError(f"a tolerance needs {LEAST_REPEATS} repeats to know a spread, given {len(repeats)}")
    kinds = {(one.trial.task, one.trial.seed, one.outcome.status, *sorted(one.outcome.metrics)) for one in repeats}
    if len(kinds) > 1:
        raise ValueError(
            f"repeats must agree in task, seed, how they ended and names of metrics, given {sorted(map(str, kinds))}; "
            "no tolerance makes them one trial"
        )


def _share(name: str, repeats: Sequence[TrialRecord], level: float) -> float:
    from scipy.special import stdtrit

    values = [one.outcome.metrics[name] for one in repeats]
    spread = statistics.stdev(values)
    if spread == 0:
        return 0.0
    if values[0] == 0:
        raise ValueError(
            f"metric {name!r} is 0 in the reference and {max(values, key=abs):g} in a repeat; a share of 0 is nothing, "
            "so repeat a trial whose metric is not 0"
        )
    return -float(stdtrit(len(values) - 1, level / 2)) * math.sqrt(2) * spread / abs(values[0])
