"""A stored trial is trained once more on this machine, from its first step, in a temporary folder.

It runs as the trials of `ablate run` do, in a worker of the pool and with as many threads as the first time; nothing of
the first run, above all no checkpoint, is in its reach. Only what it started from is, where that is there; where it is
gone, it is trained again too. Whatever happens, no folder and no process is left.
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
from ablate.errors import TrialError, quote
from ablate.local.run import train_in_worker
from ablate.recipes.classify import NetworkFields
from ablate.study.document import Resources
from ablate.trials.needs import Blueprint, build_blueprint
from ablate.trials.provenance import CPU
from ablate.trials.registry import NamedTask, get_task
from ablate.trials.run import TRACEBACK
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome, Trial, TrialRecord
from ablate.workers.pool import Job, Pool, Said, WorkerLost
from ablate.workers.slots import slots, visible_gpus

Message = Heartbeat | EpochMetrics | Outcome


def check(then: TrialRecord, needs: Mapping[str, Path]) -> list[str]:
    """Whether a stored trial can be trained here, before anything is started.

    Args:
        then: what is stored of it.
        needs: name -> where the weights that it starts from may lie.

    Returns:
        What is to be known before and with the result, in sentences: code that has changed, weights that are not here,
        threads that are not recorded, a GPU that is not here.

    Raises:
        TrialError: its task is not installed here, or does not take its recipe any more.
        DataError: its data set is missing or damaged.
    """
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
        notes.append(f"its {name}, trial {key[:12]}, is trained again before it, since its weights are not here")
    if _threads(then) is None:
        notes.append(f"how many threads it had is not recorded; now it has {_resources(then).cpus}")
    if _had_gpu(then) and not visible_gpus():
        notes.append(
            f"it was trained on {then.provenance['device']}; no GPU is visible here, so now it runs on the CPU"
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
            f"task {quote(trial.task)} does not take the stored recipe of trial {trial.key[:12]} any more: "
            f"{place}: {first['msg']}; check out the code that it was trained with"
        ) from error


def _changed_code(trial: Trial, blueprint: Blueprint) -> list[str]:
    named, key = blueprint.task, blueprint.at(trial.seed, trial.replicate, trial.repeat).key
    if key == trial.key:
        return []
    what = "this version of ablate" if named.identity == named.name else f"the code of task {quote(named.name)}"
    return [f"{what} is not what it was trained with: the same cell has the key {key[:12]} now, not {trial.key[:12]}"]


def retrain(then: TrialRecord, show: Callable[[Message], None], *, needs: Mapping[str, Path]) -> TrialRecord:
    """Train a stored trial again.

    Args:
        then: what is stored of it: the trial, and from its provenance the threads, and whether it had a GPU.
        show: is given every message as it comes.
        needs: see `check`; what is not there is trained again.

    Returns:
        How it went this time. A worker that dies is a failure: it is not started again.
    """
    trial, curve = then.trial, list[EpochMetrics]()
    outcome, provenance = Outcome(status="failed", reason="its worker said nothing of how it ended"), dict[str, Any]()
    warm = get_task(trial.task).task.preload
    with TemporaryDirectory(prefix="ablate-rerun-") as folder:
        with Pool(slots(_resources(then), 1), warm) as pool:
            pool.submit(Job(trial.key, train_aside, (trial, Path(folder), needs)))
            for event in pool.events():
                if isinstance(event, Said):
                    message, said = event.item
                    provenance = said or provenance
                    if isinstance(message, EpochMetrics):
                        curve.append(message)
                    if isinstance(message, Outcome):
                        outcome = message
                    show(message)
                elif isinstance(event, WorkerLost):
                    outcome = Outcome(status="failed", reason=event.reason)
        _print_traceback(Path(folder) / TRACEBACK)
    finished_at = datetime.now(UTC).isoformat(timespec="seconds")
    return TrialRecord(trial=trial, outcome=outcome, curve=curve, provenance=provenance, finished_at=finished_at)


def train_aside(trial: Trial, workdir: Path, needs: Mapping[str, Path]) -> Iterator[tuple[Message, dict[str, Any]]]:
    """Runs in a worker: as `train_in_worker`, but what the task prints is no part of the command's result."""
    with redirect_stdout(sys.stderr):
        yield from train_in_worker(trial, workdir, needs)


def _print_traceback(path: Path) -> None:
    """Show it, since its folder goes."""
    if path.exists():
        sys.stderr.write(path.read_text(encoding="utf-8"))


def _resources(then: TrialRecord) -> Resources:
    gpus = 1.0 if _had_gpu(then) and visible_gpus() else 0.0
    return Resources(cpus=_threads(then) or Resources().cpus, gpus=gpus)


def _threads(then: TrialRecord) -> int | None:
    threads = then.provenance.get("threads")
    return threads if isinstance(threads, int) and threads > 0 else None


def _had_gpu(then: TrialRecord) -> bool:
    return bool(then.provenance.get("device", CPU) != CPU)
