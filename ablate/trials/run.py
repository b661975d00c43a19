"""One trial, from its document to its outcome. Does not depend on a pool, a store or a service."""

from __future__ import annotations

import json
import os
import shutil
import traceback
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from ablate.errors import MachineError, TrialError, describe_error, quote
from ablate.trials.machine import describe_os_error, find_fault
from ablate.trials.messages import MessageCheck, MessageError, explain
from ablate.trials.needs import Blueprint, build_blueprint, inherit
from ablate.trials.registry import get_task
from ablate.trials.trial import REPLICATE_BITS, EpochMetrics, Heartbeat, Outcome, Trial

TRACEBACK = "traceback.txt"
KEY, ATTEMPT = "ABLATE_KEY", "ABLATE_ATTEMPT"
"""Variables that code of a task sees while it runs: the trial's key, and the number of the attempt, from 1."""
DOCUMENTS = ("EpochMetrics", "Outcome", "Heartbeat", "Cost", "Items")
"""Documents that a task makes. One that cannot be made is a wrong message."""
Message = Heartbeat | EpochMetrics | Outcome


def run_trial(
    trial: Trial, workdir: Path, needs: Mapping[str, Path] = MappingProxyType({}), attempt: int = 1
) -> Iterator[Message]:
    """Run a trial's task.

    Args:
        trial: the trial to run. A `replicate` other than 0 becomes part of the seed that the task gets; `repeat` does
            not.
        workdir: the trial's own folder; an interrupted trial resumes from what is in it.
        needs: name -> folder of the trial that this one needs. A need without a folder here, or whose folder has no
            finished weights (another machine, cleaned up), is trained first, in `workdir/needs/NAME`.
        attempt: number of this attempt, which code of the task finds in `ABLATE_ATTEMPT`, as the key in `ABLATE_KEY`.

    Yields:
        The task's messages, and last exactly one `Outcome`. An exception in the task's code is an outcome too, with
        status `failed`, and so is a message that is not allowed (`ablate.trials.messages`); the traceback is written to
        `workdir/traceback.txt`. Workers get no SIGINT, and Ray cancels by GeneratorExit, so KeyboardInterrupt is the
        task's own. A need that is trained here reports heartbeats only; if it does not succeed, that is the outcome.

    Raises:
        MachineError: the machine is at fault (`ablate.trials.machine`), so there is no outcome.
    """
    check = MessageCheck()
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(describe_os_error(error)) from error
    try:
        for sent in _with_variables({KEY: trial.key, ATTEMPT: str(attempt)}, _messages(trial, workdir, needs)):
            message = check.check_sent(sent)
            yield message
            if isinstance(message, Outcome):
                return
    except GeneratorExit:  # not raised by the task: the caller has stopped the trial
        raise
    except BaseException as error:  # a task is foreign code: any exception ends this trial, and only this one
        _write_traceback(error, workdir)
        yield _ending(error)
        return
    yield Outcome(status="failed", reason=f"task '{trial.task}' ended without an outcome")


def _messages(trial: Trial, workdir: Path, needs: Mapping[str, Path]) -> Generator[Message, None, None]:
    """Messages of the task, after those of its needs that have to be trained first."""
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


def _with_variables(variables: Mapping[str, str], messages: Generator[Message, None, None]) -> Iterator[Message]:
    """The same messages; the variables are set while the task's code runs, and not between two messages."""
    before = {name: os.environ.get(name) for name in variables}
    try:
        while True:
            os.environ.update(variables)
            try:
                message = next(messages)
            except StopIteration:
                return
            finally:
                _restore(before)
            yield message
    finally:
        messages.close()


def _restore(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _train_need(name: str, need: Blueprint, trial: Trial, workdir: Path) -> Iterator[Heartbeat | Outcome]:
    """Train what a trial needs in `workdir/needs/NAME`, unless it is there. Yields an outcome if that fails.

    The folder gets its name when training has finished; an interrupted one resumes in `NAME.unfinished`.
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
        raise TrialError(f"task {quote(parent.task)} succeeded but left no finished weights for {quote(name)}")
    unfinished.rename(finished)


def effective_seed(trial: Trial) -> int:
    """The trial's seed; for a replicate above 0, a number that depends on both and is far from every seed."""
    return trial.seed if trial.replicate == 0 else (trial.replicate << REPLICATE_BITS) | trial.seed


def _write_traceback(error: BaseException, workdir: Path) -> None:
    """Write an exception's traceback; raises MachineError if the machine is at fault, or if it cannot be written."""
    if isinstance(error, MachineError):  # of a need that is trained here
        raise error
    fault = find_fault(error, workdir)
    if fault is None:
        try:
            text = "".join(traceback.format_exception(error))
            (workdir / TRACEBACK).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as unwritable:
            fault = find_fault(unwritable, workdir)
    if fault is not None:
        raise MachineError(fault) from error


def _ending(error: BaseException) -> Outcome:
    """The outcome of an exception: `diverged` for a metric that is NaN or infinite, else `failed`."""
    invalid = error.__cause__ if isinstance(error, MessageError) else error
    reason = describe_error(error)
    if isinstance(invalid, ValidationError) and invalid.title in DOCUMENTS:
        bad = [one["loc"] for one in invalid.errors() if one["type"] == "finite_number" and "metrics" in one["loc"]]
        if bad:
            return Outcome(status="diverged", reason=f"metric {quote(bad[0][-1])} is not finite")
        reason = explain(invalid)
    elif isinstance(error, MessageError):
        reason = str(error)
    return Outcome(status="failed", reason=f"{reason} (traceback in the trial's {TRACEBACK} and log)")
