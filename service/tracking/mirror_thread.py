"""The mirror's thread: changes in the database are shown in MLflow, entry by entry, and retried until that works.

It reads the outbox, lets a child process show the entries (`service.tracking.mirror_process`), and clears those that
have not changed in the meantime. MLflow may be away for a day: only the entries wait. An entry that raises an internal
error, or ends the child process, three times is set aside. A child that does not answer is killed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ablate.workers.pool import Job, Said, Worker, WorkerLost
from service.context import Context
from service.errors import UnavailableError
from service.faults.pauses import Pauses
from service.faults.steps import Steps
from service.faults.work import Work
from service.store.queue import outbox
from service.store.queue.outbox import OutboxEntry
from service.tracking.mirror_process import Mirrored, Where, in_order, reconcile, write_runs
from service.tracking.mlflow_file import MirrorError

log = logging.getLogger(__name__)

LOOK_S = 0.5
AT_ONCE = 100
AT_ONCE_S = 3.0
"""Most entries in one batch, and about how many seconds a batch may take."""
ANSWER_S = 300.0
"""How long the child may need for one entry: MLflow retries for minutes, and a plot of many rows takes long."""
RECONCILE_S = 60.0
LAST_DRAIN_S = 5.0
"""How long a stopping service continues to mirror; the rest waits for its next start."""


class _EntryError(Exception):
    """An entry cannot be shown because of an internal error; the message is the traceback of the child process."""


class Mirroring:
    """See the module's text. One thread owns it.

    Args:
        context: of this process.
        where: address of MLflow's store.
    """

    def __init__(self, context: Context, where: Where) -> None:
        self.context = context
        self._where = where
        self._steps = Steps(context.faults)
        self._pauses = Pauses(first_s=LOOK_S)
        self._seen_version = -1
        self._reconciled_s = -RECONCILE_S
        self._worker: Worker | None = None
        self._stop = threading.Event()
        self._until_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Mirror until `stop` is set, then for a moment the remaining entries."""
        self._stop = stop
        try:
            while not stop.is_set():
                if not self._pauses.is_waiting("mlflow"):
                    self._steps.run("mirroring in MLflow", self._try, self._catch_up)
                stop.wait(LOOK_S)
            self._until_s = time.monotonic() + LAST_DRAIN_S
            self._steps.run("mirroring in MLflow", self._try, self._drain_for_the_last_time)
        finally:
            self._end_worker()

    def _try(self, mirror: Callable[[], None]) -> None:
        """Mirror, or wait for MLflow or the database; after each failure the pause is longer."""
        try:
            mirror()
        except MirrorError as error:
            self._pauses.grow("mlflow")
            self.context.parts["mlflow"] = "unreachable"
            if not self._stop.is_set():
                self.context.outages.begin("MLflow", str(error))
        except UnavailableError:  # the scheduler reports it
            self._pauses.grow("mlflow")
        else:
            self._pauses.end("mlflow")
            self.context.parts["mlflow"] = "ready"
            self.context.outages.end("MLflow")

    def _drain_for_the_last_time(self) -> None:
        while time.monotonic() < self._until_s and self._drain():
            pass

    def _catch_up(self) -> None:
        """Mirror all entries, and every minute end runs that MLflow wrongly shows as running."""
        version = self.context.store.version
        if version != self._seen_version or not self.context.store.is_sqlite:
            while self._drain():
                if self._stop.is_set():
                    return
            self._seen_version = version
        if time.monotonic() - self._reconciled_s >= RECONCILE_S:
            for _ in self._ask(Job("reconcile", reconcile, (self.context.settings, self._where))):
                self._reconciled_s = time.monotonic()

    def _drain(self) -> int:
        """Mirror some of the oldest entries, and record those. Returns their number.

        Raises:
            MirrorError: MLflow cannot be written; entries that were shown before are recorded.
        """
        with self.context.store.read() as connection:
            found = outbox.list_entries(connection, AT_ONCE)
        faults = self.context.faults
        self._record([Mirrored(entry, ()) for entry in found if faults.find_reason(_work_of(entry))])  # stuck
        entries = [entry for entry in in_order(found) if not faults.is_set_aside(_work_of(entry))]
        if not entries:
            return 0
        done: list[Mirrored] = []
        failed = 0
        try:
            job = Job("show", write_runs, (self.context.settings, self._where, entries, AT_ONCE_S))
            for shown in self._ask(job):
                if shown.error is None:
                    done.append(shown)  # one by one: entries that were shown before an error count
                else:
                    failed += 1
                    self._fail(shown.entry, shown.error)
        except _WorkerDiedError as error:
            answered = len(done) + failed
            if answered < len(entries):
                self._fail(entries[answered], str(error))
            raise
        finally:
            self._record(done)
        return len(done) + failed

    def _fail(self, entry: OutboxEntry, error: str) -> None:
        with self.context.faults.boundary(_work_of(entry), give_up=lambda _: self._record([Mirrored(entry, ())])):
            raise _EntryError(error)

    def _record(self, done: list[Mirrored]) -> None:
        if not done:
            return
        with self.context.store.write() as connection:
            for shown in done:
                for run in shown.runs:
                    outbox.record_run(connection, run.study_seq, run.trial_key, run.run_id, run.experiment_id)
            outbox.clear(connection, [shown.entry for shown in done])

    def _ask(self, job: Job) -> Iterator[Any]:
        """Results of a job in the child process. One that does not answer, or not before the service ends, is killed.

        Raises:
            MirrorError: it failed, died or was killed.
        """
        worker = self._ready_worker()
        worker.give(job)
        while worker.job is not None:
            self._await(worker)
            for event in worker.receive():
                if isinstance(event, Said):
                    yield event.item
                elif isinstance(event, WorkerLost):
                    raise MirrorError(event.reason) if worker.is_alive else _WorkerDiedError(event.reason)

    def _await(self, worker: Worker) -> None:
        given_up_s = time.monotonic() + ANSWER_S
        while not worker.pipe.poll(LOOK_S):
            if self._stop.is_set() and self._until_s == 0:
                self._until_s = time.monotonic() + LAST_DRAIN_S
            is_late = time.monotonic() > given_up_s
            if is_late or (self._stop.is_set() and time.monotonic() > self._until_s):
                self._end_worker()
                text = f"the mirror's process did not answer within {ANSWER_S:g} s" if is_late else "the service ends"
                raise _WorkerDiedError(text) if is_late else MirrorError(text)

    def _ready_worker(self) -> Worker:
        if self._worker is None or not self._worker.is_alive or self._worker.job is not None:
            self._end_worker()
            self._worker = Worker({}, is_trusted=True)
        return self._worker

    def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()


class _WorkerDiedError(MirrorError):
    """The child process died, or was killed because it did not answer."""


def _work_of(entry: OutboxEntry) -> Work:
    """The work of showing an entry in MLflow. A later change of the same trial is the same work."""
    what = f"trial {entry.trial_key[:12]}" if entry.trial_key else "the study"
    return Work("mirror", f"{entry.study_seq}:{entry.trial_key}", f"showing {what} in MLflow", entry.study_seq)
