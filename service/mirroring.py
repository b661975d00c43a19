"""The mirror's thread: what changed in the database is shown in MLflow, entry by entry, as often as it takes.

It reads the outbox, writes the present state of each study and trial (`service.tracking`), and clears what has not
changed meanwhile. MLflow may be away for a day: entries wait, and nothing else does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import tomli_w

from ablate.errors import AblateError
from ablate.tables.plots import PLOTS
from ablate.tables.render import FORMATS, render
from ablate.tables.table import Table
from service.context import Context
from service.results import draw_plot, get_table
from service.runs import StudyRun
from service.shapes import LIVE
from service.store import mirror as rows
from service.store import outbox, studies
from service.store.outbox import Entry
from service.store.studies import Stored
from service.tracking import Mirror, MirrorError

log = logging.getLogger(__name__)

LOOK_S = 0.5
AT_ONCE = 100
RECONCILE_S = 60.0
LONGEST_PAUSE_S = 60.0
LAST_DRAIN_S = 10.0
"""How long a service that stops goes on mirroring; what is left then waits for its next start."""


class Mirroring:
    """See the module's text. One thread owns it.

    Args:
        context: of this process.
        tracking_uri, artifact_location: see `service.tracking.Mirror`.
    """

    def __init__(self, context: Context, tracking_uri: str, artifact_location: str | None) -> None:
        self.context = context
        self._where = tracking_uri, artifact_location
        self._mirror: Mirror | None = None
        self._new_runs: dict[tuple[int, str], tuple[str, str]] = {}
        self._seen_version = -1
        self._reconciled_s = -RECONCILE_S

    def run(self, stop: threading.Event) -> None:
        """Mirror until told to stop, then for a moment what is left."""
        pause_s = LOOK_S
        while not stop.is_set():
            try:
                self.catch_up()
                pause_s = LOOK_S
                self.context.parts["mlflow"] = "ready"
            except MirrorError as error:
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                log.warning("MLflow is not up to date, trying again in %.0f s: %s", pause_s, error)
                self.context.parts["mlflow"] = "unreachable"
            stop.wait(pause_s)
        deadline = time.monotonic() + LAST_DRAIN_S
        try:
            while self._drain() and time.monotonic() < deadline:
                pass
        except MirrorError as error:
            log.warning("MLflow is not up to date; the next start goes on: %s", error)

    def catch_up(self) -> None:
        """Mirror everything that waits, and every minute look for runs that MLflow wrongly shows as running.

        Raises:
            MirrorError: MLflow cannot be written.
        """
        if self._mirror is None:
            self._mirror = Mirror(*self._where)
        version = self.context.store.version
        if version != self._seen_version or not self.context.store.is_sqlite:
            while self._drain():
                pass
            self._seen_version = version
        if time.monotonic() - self._reconciled_s >= RECONCILE_S:
            self._mirror.reconcile(self._state_of)
            self._reconciled_s = time.monotonic()

    def _state_of(self, study_id: str, key: str) -> str | None:
        with self.context.store.read() as connection:
            return rows.find_state(connection, study_id, key)

    def _drain(self) -> int:
        """Mirror the oldest entries. Returns how many; one that MLflow refuses is put behind and told of."""
        with self.context.store.read() as connection:
            entries = outbox.list_entries(connection, AT_ONCE)
        done: list[Entry] = []
        for entry in sorted(entries, key=lambda entry: entry.trial_key == ""):  # trials first: a study ends with them
            try:
                self._show(entry)
            except MirrorError as error:
                if not error.is_refused:
                    self._keep(done)
                    raise
                log.error("MLflow refuses an entry, which is left out: %s", error)
            done.append(entry)
        self._keep(done)
        return len(done)

    def _keep(self, done: list[Entry]) -> None:
        """Remember the new runs, and clear what is done."""
        if not (done or self._new_runs):
            return
        with self.context.store.write() as connection:
            for (study_seq, key), run in self._new_runs.items():
                outbox.record_run(connection, study_seq, key, *run)
            outbox.clear(connection, done)
        self._new_runs.clear()

    def _show(self, entry: Entry) -> None:
        with self.context.store.read() as connection:
            stored = studies.get_by_seq(connection, entry.study_seq)
            known = self._new_runs.get((entry.study_seq, "")) or outbox.find_run(connection, entry.study_seq)
        if entry.trial_key == "" or known is None:
            known = self._show_study(stored, known[0] if known else None)
        if entry.trial_key:
            self._show_trial(entry, known[0])

    def _show_study(self, stored: Stored, run_id: str | None) -> tuple[str, str]:
        assert self._mirror is not None
        run_id = self._mirror.record_study(self._study_run(stored), run_id)
        found = run_id, self._mirror.experiment_id(stored.name)
        self._new_runs[stored.seq, ""] = found
        return found

    def _show_trial(self, entry: Entry, study_run_id: str) -> None:
        assert self._mirror is not None
        with self.context.store.read() as connection:
            run = rows.find_trial_run(connection, entry.study_seq, entry.trial_key)
            known = outbox.find_run(connection, entry.study_seq, entry.trial_key)
        if run is None or (known is None and run.state == "cancelled"):
            return
        run_id = self._mirror.record_trial(run, study_run_id, known[0] if known else None)
        if known is None or known[0] != run_id:
            self._new_runs[entry.study_seq, entry.trial_key] = run_id, ""

    def _study_run(self, stored: Stored) -> StudyRun:
        files: dict[str, str | bytes] = {"study.toml": tomli_w.dumps(_without_null(stored.document))}
        means: Mapping[str, Mapping[str, float]] = {}
        if stored.state not in LIVE:
            try:
                table = get_table(self.context, stored.id)
                means = _means(table)
                files |= {f"table.{name}": render(table, name) for name in FORMATS}
                files |= {f"{name}.svg": draw_plot(self.context, stored.id, name, "svg") for name in PLOTS}
            except AblateError as error:
                log.error("the table of study %s is not shown in MLflow: %s", stored.id, error)
        return StudyRun(
            study_id=stored.id,
            name=stored.name,
            title=stored.title,
            scale=stored.scale,
            state=stored.state,
            started_at=stored.created_at,
            ended_at=stored.ended_at,
            row_means=means,
            files=files,
        )


def _means(table: Table) -> dict[str, dict[str, float]]:
    return {
        row.label: {name: cell.mean for name, cell in row.cells.items() if cell.mean is not None} for row in table.rows
    }


def _without_null(value: Any) -> Any:
    """TOML has no null: what is null in JSON is left out."""
    if isinstance(value, dict):
        return {name: _without_null(inner) for name, inner in value.items() if inner is not None}
    return [_without_null(inner) for inner in value if inner is not None] if isinstance(value, list) else value
