"""One trial, from its document to its outcome. Knows no pool, no store and no service."""

from __future__ import annotations

import json
import shutil
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from ablate.errors import TrialError, quote
from ablate.trials.needs import Blueprint, build_blueprint, inherit
from ablate.trials.registry import get_task
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome, Trial

TRACEBACK = "traceback.txt"
MAX_CHARACTERS = 300
"""Of an exception's text in a reason, which stands in tables; the traceback has all of it."""


def run_trial(
    trial: Trial, workdir: Path, needs: Mapping[str, Path] = MappingProxyType({})
) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """Run a trial's task.

    Args:
        trial: what to run. Its `replicate`, where it is not 0, becomes part of the seed that the task sees; its
            `repeat` does not.
        workdir: a folder of the trial's own; an interrupted trial is continued from what lies there.
        needs: name -> folder of the trial that this one needs. A need that has no folder here, or one without finished
            weights (another machine, cleaned up), is trained first, in `workdir/needs/NAME`.

    Yields:
        The task's messages, and last exactly one `Outcome`. An exception in the task's code is an outcome too, with
        status `failed`; its traceback is written to `workdir/traceback.txt`. Workers get no SIGINT, and Ray cancels by
        GeneratorExit, so KeyboardInterrupt is the task's own. A need that is trained here speaks by heartbeats, and
        where it does not succeed, that is the outcome.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    try:
        for message in _messages(trial, workdir, needs):
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


def _messages(trial: Trial, workdir: Path, needs: Mapping[str, Path]) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """What the task says, and before that what its needs say that have to be trained."""
    named = get_task(trial.task)
    recipe = named.task.Recipe.model_validate_json(json.dumps(trial.recipe))
    folders: dict[str, Path] = {}
    for name, need in build_blueprint(named, recipe).needs.items():
        if name in needs and need.is_in(needs[name]):
            folders[name] = needs[name]
        else:
            folders[name] = workdir / "needs" / name
            yield from _train_need(name, need, trial, workdir)
    yield from named.task.run(recipe, effective_seed(trial), workdir, folders)


def _train_need(name: str, need: Blueprint, trial: Trial, workdir: Path) -> Iterator[Heartbeat | Outcome]:
    """Train what a trial needs in `workdir/needs/NAME`, unless it is there. Yields an outcome where that fails.

    The folder gets its name once it is finished; what is interrupted goes on in `NAME.unfinished`.
    """
    finished = workdir / "needs" / name
    if need.is_in(finished):
        return
    shutil.rmtree(finished, ignore_errors=True)
    unfinished, parent = finished.with_name(f"{name}.unfinished"), need.at(trial.seed, trial.replicate, trial.repeat)
    for message in run_trial(parent, unfinished):
        if not isinstance(message, Outcome):
            yield Heartbeat(step=message.step, steps=message.steps, metrics=message.metrics)
        elif message.status != "succeeded":
            if (unfinished / TRACEBACK).exists():
                (unfinished / TRACEBACK).replace(workdir / TRACEBACK)
            yield inherit(name, parent.key, message.status, message.reason)
            return
    if not need.is_in(unfinished):
        raise TrialError(f"task {quote(parent.task)} succeeded and left no finished weights for {quote(name)}")
    unfinished.rename(finished)


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
        reason=f"{type(error).__name__}: {text[:MAX_CHARACTERS]} (traceback in the trial's {TRACEBACK} and log)",
    )
