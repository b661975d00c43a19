"""A study of the service as a bundle."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from ablate.bundle.archive import BundleError, write_zip
from ablate.bundle.contents import Contents, bundle_files
from ablate.study.plan import Plan
from service.context import Context, refuse_without_space
from service.documents.states import LIVE
from service.errors import ConflictError, NotFoundError, UnavailableError
from service.store import cells, studies
from service.studies.prepare import plan_stored
from service.studies.results import costs_of, get_table, state_of, work_of_answer
from service.studies.trials import read_log

log = logging.getLogger(__name__)


def write_bundle(context: Context, study_id: str, *, measured: bool, weights: bool, code: bool = True) -> IO[bytes]:
    """The bundle of a study, as an open file; whoever closes it deletes it.

    Raises:
        NotFoundError: there is no study with that id.
        ConflictError: it has no result yet, this version of ablate cannot plan it, or weights were asked for and this
            machine has none.
        UnavailableError: the disk has no room for it.
    """
    results = _read(context, study_id, weights=weights)
    _refuse_without_room(context, results)
    with ExitStack() as stack, context.faults.answering(work_of_answer("table", study_id, "bundle")):
        file = stack.enter_context(tempfile.TemporaryFile(dir=context.settings.home))
        try:
            write_zip(file, bundle_files(results, log.debug, measured=measured, code=code))
        except BundleError as error:
            raise ConflictError(str(error)) from error
        stack.pop_all()
    return file


def _read(context: Context, study_id: str, *, weights: bool) -> Contents:
    table = get_table(context, study_id)
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        records = cells.list_records(connection, stored.seq)
    plan = plan_stored(context, stored)
    return Contents(
        document=stored.document,
        plan=plan,
        records=records,
        table=table,
        state=state_of(context, stored, plan, provisional=stored.state in LIVE),
        costs=costs_of(stored),
        logs=dict(_logs(context, plan)),
        weights=_weights(context, plan) if weights else {},
    )


def _logs(context: Context, plan: Plan) -> Iterator[tuple[str, str]]:
    for key in sorted({*plan.memberships.values()}):
        try:
            yield key, read_log(context, key)[0]
        except NotFoundError:  # it ran on another machine, or never
            continue


def _weights(context: Context, plan: Plan) -> dict[str, Path]:
    folders = {key: context.settings.workdir(key) for key in sorted({*plan.memberships.values()})}
    found = {key: folder for key, folder in folders.items() if any(folder.glob("*.safetensors"))}
    if not found:
        raise ConflictError("no trial of the study has its weights on this machine; ask without weights")
    return found


def _refuse_without_room(context: Context, results: Contents) -> None:
    refuse_without_space(context)
    size = sum(file.stat().st_size for folder in results.weights.values() for file in folder.glob("*.safetensors"))
    if size and 2 * size > context.free_bytes():
        text = f"the weights take {size >> 20:,} MiB, for which the disk has no room; make room, or ask without weights"
        raise UnavailableError(text, part="disk")
