"""The mirror's child process: it reads the database, renders tables and plots, and writes MLflow.

Only this process of the service loads mlflow and matplotlib, and it has a lower priority than training. It only reads
the database; its results go back to `service.tracking.mirror_thread`, which records them.
"""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ablate.errors import AblateError
from ablate.study.written import render_document
from ablate.tables.formats.render import FORMATS, render
from ablate.tables.formats.seeds import SEEDS_FILE
from ablate.tables.plots.plot import plots_of
from ablate.tables.table import Table
from ablate.text import log_to_stderr
from service.context import make_context
from service.documents.runs import StudyRun
from service.documents.states import LIVE
from service.faults.work import let_pass
from service.settings import Settings
from service.store import mirror_queries as rows
from service.store import studies
from service.store.queue import outbox
from service.store.queue.outbox import OutboxEntry
from service.store.session import Store
from service.store.studies import Stored
from service.studies.results import MAX_PLOTTED, draw_plot, get_seeds, get_table, work_of_answer
from service.tracking.mlflow_file import MirrorError
from service.tracking.mlflow_writer import Mirror
from service.tracking.trial_files import read_files

log = logging.getLogger(__name__)

NICE = 10


@dataclass(frozen=True, slots=True)
class Where:
    """Where MLflow's store is; see `service.tracking.mlflow_writer.Mirror`."""

    tracking_uri: str
    artifact_location: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """A run of MLflow: of a trial in a study, or with "" for the trial of the study itself."""

    study_seq: int
    trial_key: str
    run_id: str
    experiment_id: str


@dataclass(frozen=True, slots=True)
class Mirrored:
    """An entry that MLflow now shows, and the runs that were made for it.

    Attributes:
        error: traceback of an internal error because of which it is not shown; None if it is.
    """

    entry: OutboxEntry
    runs: tuple[Run, ...]
    error: str | None = None


def in_order(entries: Sequence[OutboxEntry]) -> list[OutboxEntry]:
    """The order in which entries are shown: trials before their studies."""
    return sorted(entries, key=lambda entry: entry.trial_key == "")


class Shower:
    """One open mirror, with the runs that are not recorded yet."""

    def __init__(self, settings: Settings, where: Where) -> None:
        store = Store(settings.database)
        self.context = make_context(settings, store)
        self.mirror = Mirror(where.tracking_uri, where.artifact_location)
        self.runs: dict[int, tuple[str, str]] = {}

    def write(self, entry: OutboxEntry) -> Mirrored:
        """Show an entry as it is in the database now.

        Raises:
            MirrorError: MLflow did not accept it.
        """
        with self.context.store.read() as connection:
            stored = studies.get_by_seq(connection, entry.study_seq)
            known = self.runs.get(stored.seq) or outbox.find_run(connection, entry.study_seq)
        made = []
        if entry.trial_key == "" or known is None:
            known = self._show_study(stored, known[0] if known else None)
            made.append(Run(stored.seq, "", *known))
        if entry.trial_key:
            made += self._show_trial(entry, known[0])
        return Mirrored(entry, tuple(made))

    def _show_study(self, stored: Stored, run_id: str | None) -> tuple[str, str]:
        run_id = self.mirror.record_study(self._study_run(stored), run_id)
        self.runs[stored.seq] = run_id, self.mirror.experiment_id(stored.name)
        return self.runs[stored.seq]

    def _show_trial(self, entry: OutboxEntry, study_run_id: str) -> list[Run]:
        with self.context.store.read() as connection:
            run = rows.find_trial_run(connection, entry.study_seq, entry.trial_key)
            known = outbox.find_run(connection, entry.study_seq, entry.trial_key)
        if run is None or (known is None and run.state == "cancelled"):
            return []
        if run.state in ("succeeded", "diverged", "failed"):
            files, note = read_files(self.context.settings.workdir(run.key), run.task, run.key)
            run = replace(run, files=files, note=note)
        run_id = self.mirror.record_trial(run, study_run_id, known[0] if known else None)
        return [] if known and known[0] == run_id else [Run(entry.study_seq, entry.trial_key, run_id, "")]

    def _study_run(self, stored: Stored) -> StudyRun:
        name, text = render_document(stored.document)
        files: dict[str, str | bytes] = {name: text}
        means: Mapping[str, Mapping[str, float]] = {}
        if stored.state not in LIVE:
            try:
                table = get_table(self.context, stored.id)
                means = _means(table)
                with self.context.faults.answering(work_of_answer("table", stored.id)):
                    files |= {f"table.{name}": render(table, name, notes=name == "md") for name in FORMATS}
                files[SEEDS_FILE] = get_seeds(self.context, stored.id)
                if len(table.rows) <= MAX_PLOTTED:
                    files |= {
                        f"{name}.svg": draw_plot(self.context, stored.id, name, "svg") for name in plots_of(table)
                    }
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

    def state_of(self, study_id: str, key: str) -> str | None:
        """State of a study, or of a trial in it."""
        with self.context.store.read() as connection:
            return rows.find_state(connection, study_id, key)


_open: dict[tuple[str, Where], Shower] = {}


def _shower(settings: Settings, where: Where) -> Shower:
    """The open mirror of this process; opening it imports mlflow."""
    name = settings.database, where
    if name not in _open:
        log_to_stderr(logging.WARNING)
        os.nice(NICE)
        logging.getLogger("mlflow.store.db.utils").disabled = True  # its errors reach us as MirrorError
        _open[name] = Shower(settings, where)
    return _open[name]


def write_runs(settings: Settings, where: Where, entries: Sequence[OutboxEntry], seconds: float) -> Iterator[Mirrored]:
    """Show these entries in their order. One that MLflow refuses is skipped; one that raises an error is reported.

    After `seconds` the rest is left for another call.

    Raises:
        MirrorError: MLflow cannot be written.
    """
    shower = _shower(settings, where)
    shower.runs.clear()
    deadline = time.monotonic() + seconds
    for entry in entries:
        try:
            yield shower.write(entry)
        except MirrorError as error:
            if not error.is_refused:
                raise
            log.error("MLflow refuses an entry, which is skipped: %s", error)
            yield Mirrored(entry, ())
        except Exception as error:
            let_pass(error, shower.context.disk)
            yield Mirrored(entry, (), "".join(traceback.format_exception(error)))
        if time.monotonic() > deadline:
            return


def reconcile(settings: Settings, where: Where) -> Iterator[int]:
    """End the runs that MLflow wrongly shows as unfinished; yields their number.

    Raises:
        MirrorError: MLflow cannot be read or written.
    """
    shower = _shower(settings, where)
    yield shower.mirror.reconcile(shower.state_of)


def _means(table: Table) -> dict[str, dict[str, float]]:
    return {
        row.name: {name: cell.mean for name, cell in row.cells.items() if cell.mean is not None} for row in table.rows
    }
