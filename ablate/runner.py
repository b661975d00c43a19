"""One trial, from its document to its outcome. Knows no pool, no store and no service."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from ablate.tasks import get_task
from ablate.trial import EpochMetrics, Heartbeat, Outcome, Trial

TRACEBACK = "traceback.txt"
MOST_CHARACTERS = 300
"""Of an exception's text in a reason, which stands in tables; the traceback has all of it."""


def run_trial(trial: Trial, workdir: Path) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """Run a trial's task.

    Args:
        trial: what to run. Its `replicate`, where it is not 0, becomes part of the seed that the task sees; its
            `repeat` does not.
        workdir: a folder of the trial's own; an interrupted trial is continued from what lies there.

    Yields:
        The task's messages, and last exactly one `Outcome`. An exception in the task's code is an outcome too, with
        status `failed`; its traceback is written to `workdir/traceback.txt`. Workers get no SIGINT, and Ray cancels by
        GeneratorExit, so KeyboardInterrupt is the task's own.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    try:
        named = get_task(trial.task)
        recipe = named.task.Recipe.model_validate_json(json.dumps(trial.recipe))
        for message in named.task.run(recipe, effective_seed(trial), workdir):
            if not isinstance(message, (Heartbeat, EpochMetrics, Outcome)):
                kind = type(message).__name__
                raise TypeError(f"the task yielded a {kind}; allowed: Heartbeat, EpochMetrics, Outcome")
            yield message
            if isinstance(message, Outcome):
                return
    except GeneratorExit:  # the one thing that is not the task's: whoever listens has stopped the trial
        raise
    except BaseException as error:  # a task is foreign code: whatever it raises is this trial's end, and only its
        (workdir / TRACEBACK).write_text(traceback.format_exc(), encoding="utf-8", errors="backslashreplace")
        yield _ending(error)
        return
    yield Outcome(status="failed", reason=f"task '{trial.task}' ended without an outcome")


def effective_seed(trial: Trial) -> int:
    """The trial's seed; for a replicate above 0 another number, far from every seed, that depends on both."""
    return trial.seed if trial.replicate == 0 else (trial.replicate << 64) | trial.seed


def _ending(error: BaseException) -> Outcome:
    """The outcome that an exception stands for: a metric that is NaN or infinite has diverged, all else has failed."""
    if isinstance(error, ValidationError) and error.title in ("EpochMetrics", "Outcome", "Heartbeat"):
        bad = [str(one["loc"][-1]) for one in error.errors() if one["type"] == "finite_number"]
        if bad:
            return Outcome(status="diverged", reason=f"metric '{bad[0]}' is not finite")
    text = " ".join(str(error).encode("utf-8", "backslashreplace").decode().split()) or "no message"
    return Outcome(
        status="failed",
        reason=f"{type(error).__name__}: {text[:MOST_CHARACTERS]} (traceback in the trial's {TRACEBACK} and log)",
    )
