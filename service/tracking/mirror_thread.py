"""The mirror's thread: changes in the database are shown in MLflow, entry by entry, and retried until that works.

It reads the outbox, lets a child process show the entries (`service.tracking.mirror_process`), and clears those that
have not changed in the meantime. MLflow may be away for a day: only the entries wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from ablate.workers.pool import Job, Pool, Said, WorkerLost
from service.context import Context
from service.store.queue import outbox
from service.tracking.mirror_process import Mirrored, Where, reconcile, write_runs
from service.tracking.mlflow_file import MirrorError

log = logging.getLogger(__name__)

LOOK_S = 0.5
AT_ONCE = 100
AT_ONCE_S = 3.0
"""Most entries in one batch, and about how many seconds a batch may take."""
RECONCILE_S = 60.0
LONGEST_PAUSE_S = 60.0
LAST_DRAIN_S = 5.0
"""How long a stopping service continues to mirror; the rest waits for its next start."""


class Mirroring:
    """See the module's text. One thread owns it.

    Args:
        context: of this process.
        where: address of MLflow's store.
    """

    def __init__(self, context: Context, where: Where) -> None:
        self.context = context
        self._where = where
        self._seen_version = -1
        self._reconciled_s = -RECONCILE_S

    def run(self, stop: threading.Event) -> None:
        """Mirror until `stop` is set, then for a moment the remaining entries."""
        pause_s = LOOK_S
        with Pool([{}], is_trusted=True) as pool:
            while not stop.is_set():
                try:
                    self._catch_up(pool, stop)
                    pause_s = LOOK_S
                    self.context.parts["mlflow"] = "ready"
                except MirrorError as error:
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                    log.warning("MLflow is not up to date; retrying in %.0f s: %s", pause_s, error)
                    self.context.parts["mlflow"] = "unreachable"
                stop.wait(pause_s)
            deadline = time.monotonic() + LAST_DRAIN_S
            try:
                while self._drain(pool) and time.monotonic() < deadline:
                    pass
            except MirrorError as error:
                log.warning("MLflow is not up to date; the next start continues: %s", error)

    def _catch_up(self, pool: Pool, stop: threading.Event) -> None:
        """Mirror all entries, and every minute end runs that MLflow wrongly shows as running."""
        version = self.context.store.version
        if version != self._seen_version or not self.context.store.is_sqlite:
            while self._drain(pool):
                if stop.is_set():
                    return
            self._seen_version = version
        if time.monotonic() - self._reconciled_s >= RECONCILE_S:
            for _ in _asked(pool, Job("reconcile", reconcile, (self.context.settings, self._where))):
                self._reconciled_s = time.monotonic()

    def _drain(self, pool: Pool) -> int:
        """Mirror some of the oldest entries, and record those. Returns their number.

        Raises:
            MirrorError: MLflow cannot be written; entries that were shown before are recorded.
        """
        with self.context.store.read() as connection:
            entries = outbox.list_entries(connection, AT_ONCE)
        if not entries:
            return 0
        done: list[Mirrored] = []
        try:
            for shown in _asked(
                pool, Job("show", write_runs, (self.context.settings, self._where, entries, AT_ONCE_S))
            ):
                done.append(shown)  # one by one: entries that were shown before an error count
        finally:
            self._record(done)
        return len(done)

    def _record(self, done: list[Mirrored]) -> None:
        if not done:
            return
        with self.context.store.write() as connection:
            for shown in done:
                for run in shown.runs:
                    outbox.record_run(connection, run.study_seq, run.trial_key, run.run_id, run.experiment_id)
            outbox.clear(connection, [shown.entry for shown in done])


def _asked(pool: Pool, job: Job) -> Iterator[Mirrored]:
    """Results of a job in the mirror's process.

    Raises:
        MirrorError: it failed, or died.
    """
    pool.submit(job)
    for event in pool.events():
        if isinstance(event, WorkerLost):
            raise MirrorError(event.reason)
        if isinstance(event, Said):
            yield event.item
