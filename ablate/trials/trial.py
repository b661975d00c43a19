"""A trial, its messages while it runs, and its outcome: the documents that cross a process.

A trial is a pure function of (recipe, seed). Its key is its content: studies that need the same (task, recipe, seed,
replicate, repeat) share one trial. This module imports neither torch nor a task.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ablate.documents import Document, canonical_json
from ablate.trials.items import Items

SEMANTICS_VERSION = 1
"""Enters every key. Raise it when the same recipe would give other numbers: a changed default, a changed algorithm."""
REPLICATE_BITS = 64
"""Position of the replicate in the seed that a task gets, above that of the trial's seed."""

MAX_COUNT = 1 << 53
"""Largest number of bytes that is recorded; larger whole numbers are not exact in JSON."""


class Trial(Document):
    """One cell of a study for one seed.

    Attributes:
        key: the identity, 64 hexadecimal digits; see `trial_key`.
        task: name of the task that trains it.
        recipe: every field of the resolved recipe that applies, as JSON values.
        seed: seed of the random streams, which all rows of a seed share.
        replicate: 0, or the number of a deliberate repetition with its own streams.
        needs: name -> key of the trial from whose weights this one starts; see `ablate.trials.needs`.
        repeat: 0, or the number of a deliberate repetition with the same streams, which should give the same numbers.
    """

    key: str
    task: str
    recipe: dict[str, Any]
    seed: int
    replicate: int = 0
    repeat: int = 0
    needs: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Repetition:
    """Which repetition of a study's trials is planned; the default is the one that studies share.

    Attributes:
        replicate, repeat: those of every trial; see `Trial`.
        canary_only: whether only the rows of `[canary]` are trained.
    """

    replicate: int = 0
    repeat: int = 0
    canary_only: bool = False


FIRST = Repetition()


def trial_key(
    task: str,
    identity: Mapping[str, Any],
    seed: int,
    replicate: int = 0,
    *,
    repeat: int = 0,
    needs: Mapping[str, str] | None = None,
) -> str:
    """SHA-256 of what decides a trial's result.

    Args:
        task: the task's name, with a digest of its code for tasks that are not built in (`name@digest`).
        identity: the recipe's fields that apply and differ from their default (`recipe.identity_of`), so that a
            field added later with a default does not change old keys.
        seed: the trial's seed.
        replicate: see `Trial`.
        repeat: see `Trial`; it enters only if it is not 0, so that keys from before repeats existed do not change.
        needs: see `Trial`; the recipe's fields of these names are not part of `identity`. They enter only if there are
            any, so that keys from before needs existed do not change.
    """
    content = {"v": SEMANTICS_VERSION, "task": task, "recipe": identity, "seed": seed, "replicate": replicate}
    if repeat:
        content["repeat"] = repeat
    if needs:
        content["needs"] = dict(needs)
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        raise ValueError(f"metric {bad[0]} is not finite; a trial that produced it has status 'diverged'")
    return metrics


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("should be a whole number, not true or false")
    return value


Metrics = Annotated[dict[str, float], AfterValidator(_finite)]
Steps = Annotated[int, BeforeValidator(_no_bool)]


# What these documents may contain while a trial runs is limited further; see `ablate.trials.messages`.


class Heartbeat(Document):
    """A sign of life between two points of the curve: progress, and the moment at which a trial can be cancelled.

    Attributes:
        step: optimiser steps done.
        steps: steps in all.
        metrics: metrics so far; for display only, never stored.
    """

    kind: Literal["heartbeat"] = "heartbeat"
    step: Steps
    steps: Steps
    metrics: Metrics = Field(default_factory=dict)


class EpochMetrics(Document):
    """A point of the learning curve. Which steps have one follows from the recipe alone, never from a clock."""

    kind: Literal["epoch"] = "epoch"
    step: Steps
    steps: Steps
    epoch: float
    metrics: Metrics


class Cost(Document):
    """Counted cost of a row's network.

    Attributes:
        params: trainable parameters.
        params_without_norm: the same without those of normalisation layers (the paper counts so).
        multiply_adds: of convolutions and linear layers for one image at the recipe's resolution.
    """

    params: int
    params_without_norm: int
    multiply_adds: int


class Measured(Document):
    """Measured cost of running a row's network, on this machine after training, alternating between the rows.

    Attributes:
        inference_ms_1, inference_ms_32: median time of a batch of 1 and of 32 images.
        rounds: number of measurements of each.
        is_folded: whether every normalisation after a funnel condition could be folded into its convolution.
        peak_memory_bytes: peak memory of tensors during a training step.
        device: `cpu` or `cuda`.
    """

    inference_ms_1: float
    inference_ms_32: float
    rounds: int
    is_folded: bool
    peak_memory_bytes: int
    device: str


class Outcome(Document):
    """How a trial ended.

    Attributes:
        status: `diverged` (NaN or infinity) is a result, `failed` is not.
        metrics: final metrics of the task; empty unless `succeeded`.
        reason: why it diverged or failed, one sentence.
        train_s: wall seconds of training, without evaluation and checkpoints.
        cost: counted cost of the network, if the task counts it.
        funnel_share: for each funnel site, the share of pixels at which T(x) > x on test images after training.
        items: which test images are correct, if the task keeps it; None in records from before it was kept.
        peak_memory_bytes: largest resident memory of the process of a script; None of other tasks.
    """

    kind: Literal["outcome"] = "outcome"
    status: Literal["succeeded", "diverged", "failed"]
    metrics: Metrics = Field(default_factory=dict)
    reason: str | None = None
    train_s: float | None = None
    cost: Cost | None = None
    funnel_share: dict[str, float] = Field(default_factory=dict)
    items: Items | None = Field(None, exclude_if=lambda items: items is None)  # records without it stay as they were
    peak_memory_bytes: int | None = Field(None, ge=0, le=MAX_COUNT, exclude_if=lambda peak: peak is None)


Message = Annotated[Heartbeat | EpochMetrics | Outcome, Field(discriminator="kind")]


class TrialRecord(Document):
    """A finished trial as it is stored: one line of `trials.jsonl`."""

    trial: Trial
    outcome: Outcome
    curve: list[EpochMetrics] = Field(default_factory=list)
    provenance: dict[str, Any] = Field(default_factory=dict)
    finished_at: str

    @property
    def is_result(self) -> bool:
        """Whether the trial does not have to run again: it succeeded, or it diverged."""
        return self.outcome.status != "failed"
