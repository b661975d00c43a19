"""A stored trial is trained again on this machine, from its first step, in a temporary folder.

It runs like the trials of `ablate run`, in a worker of the pool and with as many threads as the first time. It cannot
access anything of the first run, in particular no checkpoint; only the weights that it started from, and if those are
gone, they are trained again too. No folder and no process is left afterwards, even after an error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel, ValidationError

from ablate.data import datasets
from ablate.errors import MachineError, TrialError, quote
from ablate.local.run import sent
from ablate.local.slots import slots
from ablate.recipes.classify import NetworkFields
from ablate.study.imported import IMPORTED, NOT_TRAINED
from ablate.study.resources import Resources
from ablate.text import visible
from ablate.trials.gpus import visible_gpus
from ablate.trials.messages import MessageCheck
from ablate.trials.needs import Blueprint, build_blueprint
from ablate.trials.provenance import CPU
from ablate.trials.registry import NamedTask, get_task
from ablate.trials.run import TRACEBACK, run_trial
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome, Trial, TrialRecord
from ablate.workers.pool import Job, Pool, Said, WorkerLost

Message = Heartbeat | EpochMetrics | Outcome


def check(then: TrialRecord, needs: Mapping[str, Path]) -> list[str]:
    """Check before anything starts whether a stored trial can be trained on this machine.

    Args:
        then: the stored record.
        needs: name -> folder that may have the weights that the trial starts from.

    Returns:
        Sentences to read with the result: code that has changed, weights or a GPU that are missing on this machine,
        threads that are not recorded.

    Raises:
        TrialError: its task is not installed here, or no longer accepts its recipe, or it was imported.
        DataError: its data set is missing or damaged.
    """
    if then.trial.task == IMPORTED:
        raise TrialError(NOT_TRAINED)
    named = get_task(then.trial.task)
    recipe = _recipe_of(then.trial, named)
    blueprint = build_blueprint(named, recipe)
    missing = {name: need for name, need in blueprint.needs.items() if name not in needs or not need.is_in(needs[name])}
    for one in (recipe, *(need.recipe for need in missing.values())):
        if isinstance(one, NetworkFields):
            datasets.get_path(one.dataset)
    notes = _changed_code(then.trial, blueprint)
    for name, need in missing.items():
        key = then.trial.needs.get(name) or need.at(then.trial.seed, then.trial.replicate, then.trial.repeat).key
        notes.append(f"its {name}, trial {key[:12]}, is trained again first, since its weights are not on this machine")
    if _threads(then) is None:
        notes.append(f"its number of threads was not recorded; it now has {_resources(then).cpus}")
    if _had_gpu(then) and not visible_gpus():
        notes.append(
            f"it was trained on {then.provenance['device']}; no GPU is visible here, so it now runs on the CPU"
        )
    return notes


def _recipe_of(trial: Trial, named: NamedTask) -> BaseModel:
    try:
        recipe: BaseModel = named.task.Recipe.model_validate_json(json.dumps(trial.recipe))
        return recipe
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "recipe"
        raise TrialError(
            f"task {quote(trial.task)} no longer accepts the stored recipe of trial {trial.key[:12]}: "
            f"{place}: {first['msg']}; check out the commit that it was trained with"
        ) from error


def _changed_code(trial: Trial, blueprint: Blueprint) -> list[str]:
    named, key = blueprint.task, blueprint.at(trial.seed, trial.replicate, trial.repeat).key
    if key == trial.key:
        return []
    what = "this version of ablate" if named.identity == named.name else f"the code of task {quote(named.name)}"
    return [f"{what} has changed since it was trained: the same cell now has the key {key[:12]}, not {trial.key[:12]}"]


def retrain(then: TrialRecord, show: Callable[[Message], None], *, needs: Mapping[str, Path]) -> TrialRecord:
    """Train a stored trial again.

    Args:
        then: the stored record; its provenance gives the number of threads, and whether it had a GPU.
        show: receives every message when it arrives.
        needs: see `check`; missing weights are trained again.

    Returns:
        The new record. A worker that dies is a failure: it is not started again.

    Raises:
        MachineError: the disk is full, or the like.
        TrialError: the worker sent something that is not allowed.
    """
    trial, curve, messages = then.trial, list[EpochMetrics](), MessageCheck()
    outcome, provenance = Outcome(status="failed", reason="its worker did not report an outcome"), dict[str, Any]()
    warm = get_task(trial.task).task.preload
    with TemporaryDirectory(prefix="ablate-rerun-") as folder:
        with Pool(slots(_resources(then), 1), warm) as pool:
            pool.submit(Job(trial.key, train_aside, (trial, Path(folder), needs)))
            for event in pool.events():
                if isinstance(event, Said):
                    envelope = messages.open_received(event.item)
                    message = envelope.message
                    if message is None:
                        raise MachineError(f"the trial cannot be trained in {folder}: {envelope.fault}")
                    if isinstance(message, EpochMetrics):
                        curve.append(message)
                    if isinstance(message, Outcome):
                        outcome, provenance = message, envelope.provenance
                    show(message)
                elif isinstance(event, WorkerLost):
                    outcome = Outcome(status="failed", reason=event.reason)
        _print_traceback(Path(folder) / TRACEBACK)
    finished_at = datetime.now(UTC).isoformat(timespec="seconds")
    return TrialRecord(trial=trial, outcome=outcome, curve=curve, provenance=provenance, finished_at=finished_at)


def train_aside(trial: Trial, workdir: Path, needs: Mapping[str, Path]) -> Iterator[str]:
    """Run in a worker: as `ablate.local.run.train_in_worker`, but what the task prints goes to stderr."""
    with redirect_stdout(sys.stderr):
        yield from sent(run_trial(trial, workdir, needs))


def _print_traceback(path: Path) -> None:
    """Print the traceback, since its folder is deleted."""
    if path.exists():
        sys.stderr.write(visible(path.read_text(encoding="utf-8"), lines=True))


def _resources(then: TrialRecord) -> Resources:
    gpus = 1.0 if _had_gpu(then) and visible_gpus() else 0.0
    return Resources(cpus=_threads(then) or Resources().cpus, gpus=gpus)


def _threads(then: TrialRecord) -> int | None:
    threads = then.provenance.get("threads")
    return threads if isinstance(threads, int) and threads > 0 else None


def _had_gpu(then: TrialRecord) -> bool:
    return bool(then.provenance.get("device", CPU) != CPU)
