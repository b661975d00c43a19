"""`ablate run` without its screen: a study is trained in this process and its workers, and stored in a folder.

Known results are read from the folder. The other trials are inspected (a row whose network cannot be built is refused
before anything is trained), trained, and appended as one synced line each. A trial that needs another one waits for it,
and fails if that one does not succeed. The same call resumes after an interruption at any moment.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ablate.documents import canonical_json
from ablate.errors import MachineError, TrialError, describe_error
from ablate.local.folder import Folder
from ablate.local.preview import count_costs
from ablate.local.slots import ask, check_cpus, slots
from ablate.recipes.classify import identity_of
from ablate.statistics.words import counted
from ablate.study.document import Study
from ablate.study.plan import Plan, Row, task_name, task_of
from ablate.study.resources import within
from ablate.trials.dependents import Waiting
from ablate.trials.log import describe_timeout, give_up, note_end, run_logged
from ablate.trials.machine import describe_os_error
from ablate.trials.messages import Envelope, MessageCheck, MessageError
from ablate.trials.provenance import describe_process
from ablate.trials.registry import get_task
from ablate.trials.run import Message
from ablate.trials.trial import EpochMetrics, Heartbeat, Measured, Outcome, Trial, TrialRecord
from ablate.workers.pool import Job, Pool, Said, WorkerLost

TRIES = 2
"""How often a trial is started if its worker dies, unless the study allows more retries."""
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Moved:
    """A trial sent a message."""

    trial: Trial
    message: Heartbeat | EpochMetrics | Outcome


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the user who watches the run."""

    text: str


def run_study(plan: Plan, folder: Folder, workers: int | None = None) -> Iterator[Moved | Note]:
    """Train the trials without a known result, then measure the rows.

    Args:
        plan: the study, expanded.
        folder: locked by the caller (`Folder.locked`); its records are read and new ones appended.
        workers: see `slots`.

    Yields:
        Every message of every trial, when it arrives, and notes.

    Raises:
        StudyError: a row cannot be built; nothing has been trained.
        TrialError: the resources do not fit this machine.
        MachineError: the disk is full, or the like. What ended before is stored; the same call resumes.
    """
    with folder.writing():
        yield from _run(plan, folder, workers)


def _run(plan: Plan, folder: Folder, workers: int | None) -> Iterator[Moved | Note]:
    known = {key: record for key, record in folder.read().items() if record.is_result}
    outstanding = plan.outstanding(known)
    measured = read_measured(plan, folder)
    if not outstanding and measured is not None:
        return
    check_cpus(plan.study.resources)
    count = max(within(plan.study.limits, len(outstanding)), 1)
    environments = slots(plan.study.resources, workers)[:count]
    with Pool(environments, warm=task_of(plan).preload) as pool:
        if outstanding:
            count_costs(plan, pool)
            work = _Work(outstanding, folder, pool, plan.study)
            yield from work.run(known)
            if work.left:
                return
        if measured is None:
            yield from _measure(plan, folder, pool)


class _Work:
    """The trials that one call trains, and the state of those that are running."""

    def __init__(self, outstanding: Sequence[Trial], folder: Folder, pool: Pool, study: Study) -> None:
        self.folder, self.pool, self.resources = folder, pool, study.resources
        self.trials = {trial.key: trial for trial in outstanding}
        self.hours = study.limits.hours if study.limits else None
        self.until_s = time.monotonic() + 3600 * (math.inf if self.hours is None else self.hours)
        self.left = set(self.trials)
        self.waiting = Waiting(outstanding)
        self.lost, self.failed = Counter[str](), Counter[str]()
        self.checks: dict[str, MessageCheck] = {}
        self.curves: dict[str, list[EpochMetrics]] = {}
        self.jobs: dict[str, Job] = {}  # of the current attempt; what an earlier one still sends is ignored

    def run(self, known: Mapping[str, TrialRecord]) -> Iterator[Moved | Note]:
        """Train every trial; one that needs others starts once those have succeeded."""
        for trial in self.trials.values():
            if not trial.needs:
                self._submit(trial)
            for key in known.keys() & trial.needs.values():
                yield from self._release(key, known[key].outcome, is_next=False)
        for event in self.pool.events():
            if self.is_over:
                self.pool.clear()
            trial = self.trials[event.job.name]
            if self.jobs.get(trial.key) is not event.job:  # a worker that sends more, or dies, after the outcome
                continue
            if isinstance(event, Said):
                yield from self._hear(trial, event.item)
            elif isinstance(event, WorkerLost):
                yield from self._lose(trial, event)
            else:
                yield from self._fail(trial, "its worker sent no outcome")
        if self.left:
            yield Note(
                f"the study has used its {self.hours:g} h (hours in [limits]), so no more of its trials start: "
                f"{counted(len(self.left), 'trial')} left; run the same command again, and it gets as many hours again"
            )

    @property
    def is_over(self) -> bool:
        """Whether the hours of the study are used, so that no more of its trials start."""
        return time.monotonic() >= self.until_s

    def _hear(self, trial: Trial, text: object) -> Iterator[Moved | Note]:
        try:
            envelope = self.checks[trial.key].open_received(text)
        except MessageError as error:
            yield from self._fail(trial, f"its worker {error}")
            return
        message = envelope.message
        if message is None:
            raise MachineError(f"a trial cannot be trained in {self.folder.path}: {envelope.fault}")
        if isinstance(message, EpochMetrics):
            self.curves[trial.key].append(message)
        if not isinstance(message, Outcome):
            yield Moved(trial, message)
        elif message.status == "failed":
            yield from self._fail(trial, message.reason or "", message, envelope.provenance)
        else:
            yield from self._end(trial, message, self.curves[trial.key], envelope.provenance)

    def _lose(self, trial: Trial, event: WorkerLost) -> Iterator[Moved | Note]:
        if event.is_late:
            reason = describe_timeout(self.resources.timeout_s or 0, self.folder.workdir(trial.key))
            note_end(self.folder.workdir(trial.key), f"failed: {reason}")
            yield from self._fail(trial, reason)
            return
        note_end(self.folder.workdir(trial.key), f"lost: {event.reason}")
        self.lost[trial.key] += 1
        if self.lost[trial.key] < max(TRIES, 1 + self.resources.max_retries):
            yield self._again(trial, event.reason)
        else:
            reason = f"{event.reason}, {self.lost[trial.key]} times"
            yield from self._end(trial, Outcome(status="failed", reason=reason), [], {})

    def _fail(
        self, trial: Trial, reason: str, outcome: Outcome | None = None, provenance: Mapping[str, Any] = NOTHING
    ) -> Iterator[Moved | Note]:
        """An attempt failed: the trial is started again, or it ends."""
        self.failed[trial.key] += 1
        if self.failed[trial.key] <= self.resources.max_retries:
            yield self._again(trial, reason)
            return
        text = give_up(reason, self.failed[trial.key])
        last = (outcome or Outcome(status="failed")).model_copy(update={"reason": text})
        yield from self._end(trial, last, self.curves[trial.key] if outcome else [], dict(provenance))

    def _again(self, trial: Trial, reason: str) -> Note:
        self._submit(trial)
        then = "is left for the next run" if self.is_over else "is started again"
        return Note(f"trial {trial.key[:16]} (seed {trial.seed}) {then}: {reason}")

    def _end(
        self, trial: Trial, outcome: Outcome, curve: list[EpochMetrics], provenance: dict[str, Any]
    ) -> Iterator[Moved | Note]:
        self.folder.append(_record(trial, outcome, curve, provenance))
        self.jobs.pop(trial.key, None)
        self.left.discard(trial.key)
        yield Moved(trial, outcome)
        yield from self._release(trial.key, outcome, is_next=True)

    def _release(self, key: str, outcome: Outcome, *, is_next: bool) -> Iterator[Moved | Note]:
        """Submit the trials that waited for this one, ahead of all others if it has just ended; or end them too."""
        released = self.waiting.hear(key, outcome)
        for child, ending in reversed(released) if is_next else released:
            if ending is None:
                self._submit(child, is_next=is_next)
            else:
                yield from self._end(child, ending, [], {})

    def _submit(self, trial: Trial, *, is_next: bool = False) -> None:
        if self.is_over:
            self.jobs.pop(trial.key, None)
            return
        needs = {name: self.folder.workdir(key) for name, key in trial.needs.items()}
        args = trial, self.folder.workdir(trial.key), needs
        self.jobs[trial.key] = job = Job(trial.key, train_in_worker, args, self.resources.timeout_s)
        self.checks[trial.key], self.curves[trial.key] = MessageCheck(), []
        self.pool.submit(job, is_next=is_next)


def train_in_worker(trial: Trial, workdir: Path, needs: Mapping[str, Path]) -> Iterator[str]:
    """Run in a worker: a trial, which is logged; see `sent`."""
    yield from sent(run_logged(trial, workdir, needs))


def sent(messages: Iterator[Message]) -> Iterator[str]:
    """Messages as envelopes, the outcome with the provenance of the process; a fault of the machine is the last one."""
    try:
        for message in messages:
            provenance = describe_process() if isinstance(message, Outcome) else {}
            yield Envelope(message=message, provenance=provenance).model_dump_json()
    except MachineError as error:
        yield Envelope(fault=str(error)).model_dump_json()
    except OSError as error:
        yield Envelope(fault=describe_os_error(error)).model_dump_json()


def _record(trial: Trial, outcome: Outcome, curve: list[EpochMetrics], provenance: dict[str, Any]) -> TrialRecord:
    finished_at = datetime.now(UTC).isoformat(timespec="microseconds")
    return TrialRecord(trial=trial, outcome=outcome, curve=curve, provenance=provenance, finished_at=finished_at)


def _measure(plan: Plan, folder: Folder, pool: Pool) -> Iterator[Moved | Note]:
    yield Note(f"measuring inference time and memory of {len(plan.rows)} rows")
    try:
        (found,) = ask(pool, measure_rows, task=task_name(plan), recipes=[row.recipe for row in plan.rows])
        measured = [Measured.model_validate(one) for one in found]
        content = {_recipe_id(row): one.model_dump() for row, one in zip(plan.rows, measured, strict=True)}
    except (TrialError, ValueError, TypeError) as error:  # of the worker, or of what it sent
        yield Note(f"the rows could not be measured: {describe_error(error)}")
        return
    (folder.path / "measured.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def measure_rows(task_name: str, recipes: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """Run in a worker: the measured costs of each recipe, as JSON values."""
    task = get_task(task_name).task
    found = task.measure([task.Recipe.model_validate_json(text) for text in recipes])
    yield [one.model_dump(mode="json") for one in found]


def read_measured(plan: Plan, folder: Folder) -> Mapping[str, Measured] | None:
    """The measured costs that are stored in the folder, by row name; empty if the task measures nothing.

    None if a row has none: then all rows are measured again, since only values that were measured together can be
    compared.
    """
    if not task_of(plan).offers("measure"):
        return {}
    path = folder.path / "measured.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {row.name: Measured.model_validate(content[_recipe_id(row)]) for row in plan.rows}
    except (ValueError, KeyError, TypeError):  # a row is missing, or the file is damaged: measured again
        return None


def _recipe_id(row: Row) -> str:
    return canonical_json(identity_of(row.recipe))
