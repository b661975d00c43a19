"""The comparison of a verify run: a stored trial and the same one trained again, with the same random streams.

Pure, over the verdicts of `ablate.trials.record_comparison`. If processor, threads, device and installed packages are
the same, numbers must be the same to the last bit; otherwise they may differ by a tolerance that the author of the
schedule chose. The tolerance is not measured: repeats on the machine of the reference are equal to the last bit, so
their spread is 0 and does not show how another machine rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ablate.trials.record_comparison import EQUAL, TrialComparison, compare_records, pair_provenance
from ablate.trials.trial import TrialRecord

MACHINE = ("processor", "threads", "device", "lock")
"""Provenance that decides, with the driver of a GPU, whether numbers must be the same to the last bit."""
MUST_BE_EQUAL = f"{', '.join(MACHINE)} are unchanged, so the numbers must be equal to the last bit"


class ProvenanceChange(NamedTuple):
    """A difference between two provenances, such as `versions.torch`."""

    what: str
    before: Any
    after: Any


def is_same_machine(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two provenances agree in all of `MACHINE` and in the driver, if there is one.

    A value that one of them lacks does not agree.
    """
    is_known = all(before.get(name) is not None and before.get(name) == after.get(name) for name in MACHINE)
    return is_known and before.get("driver") == after.get("driver")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[ProvenanceChange]:
    """Everything in which two provenances differ: commit, lock, versions, device, processor, threads, data and so on.

    Args:
        before: provenance of the last good trial.
        after: provenance of the changed one.
    """
    pairs = pair_provenance(before, after)
    return [ProvenanceChange(name, pair.then, pair.now) for name, pair in pairs.items() if pair.differs]


def compare_repeat(
    stored: TrialRecord, now: TrialRecord, *, is_same_machine: bool, tolerance: float
) -> TrialComparison:
    """Compare a stored trial with its repetition.

    Args:
        stored: the reference.
        now: the same trial, trained again with the same recipe, seed and streams.
        is_same_machine: whether bits must be equal; see the function of that name.
        tolerance: on another machine, the chosen share of a stored metric by which the new one may differ.

    Returns:
        The verdict; `worst_metric` and `first_difference_step` show where they differ. On the same machine it is
        `equal` or `different`, and nothing in between.
    """
    found = compare_records(stored, now, tolerance=0.0 if is_same_machine else tolerance)
    if not is_same_machine or found.verdict == EQUAL:
        return found
    return replace(found, verdict="different", notes=(*found.notes, MUST_BE_EQUAL))
