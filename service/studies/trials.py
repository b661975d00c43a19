"""Calls on trials: list the cells of a study, get one trial, read its log and its files."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ablate.errors import DataError, TrialError
from ablate.remote.choices import TrialState
from ablate.remote.documents.studies import Page
from ablate.remote.documents.trials import CellView, FileOfTrial, FilesView, ItemsView, TrialView
from ablate.tasks import files
from ablate.trials.log import LOG
from service.context import Context
from service.errors import ConflictError, NotFoundError
from service.store import cells, studies
from service.studies.lifecycle import read_cursor

LOG_BYTES = 1 << 20
"""Largest part of a log that is returned: its end."""

SHORTEST_KEY = 8
MAX_FILES = 1000
"""Largest number of files of a trial that are listed."""


def list_cells(
    context: Context, study_id: str, *, state: TrialState | None, limit: int, cursor: str | None
) -> Page[CellView]:
    """The cells of a study, in the order in which they run.

    Raises:
        NotFoundError: there is no study with that id.
        StudyError: the cursor is unknown.
    """
    after = read_cursor(cursor)
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        found = cells.list_cells(
            connection, stored.seq, state=state, limit=limit + 1, after=-1 if after is None else after
        )
    page = found[:limit]
    return Page(items=[cell for _, cell in page], next=str(page[-1][0]) if len(found) > limit else None)


def get_trial(context: Context, key: str) -> TrialView:
    """One trial, by its key or by at least 8 first digits of it that are unique.

    Raises:
        NotFoundError: there is no such trial, or there are several.
    """
    with context.store.read() as connection:
        return cells.get_trial(connection, _whole_key(context, key))


def get_items(context: Context, key: str, *, as_list: bool = False) -> ItemsView:
    """Which test images a trial classified correctly.

    Args:
        context: see there.
        key: of the trial, or its first digits.
        as_list: whether the bits are a list of 0 and 1 instead of base64.

    Raises:
        NotFoundError: there is no such trial, or it kept no correctness by image.
        ConflictError: the trial has not ended.
    """
    with context.store.read() as connection:
        whole = _whole_key(context, key)
        outcome = cells.get_outcome(connection, whole)
    if outcome is None:
        raise ConflictError("the trial has not ended, so no test image was classified yet; ask again when it has")
    if outcome.items is None:
        reason = (
            f"it {outcome.status}" if outcome.status != "succeeded" else "another task or an earlier version did it"
        )
        raise NotFoundError(
            f"the trial kept no correctness by test image: {reason}. Trials of classify that succeed keep it; train "
            "the trial again, as a new replicate, with `fresh` in a submission"
        )
    items = outcome.items
    bits = items.is_correct().astype(int).tolist() if as_list else items.bits
    return ItemsView(key=whole, test_set=items.test_set, n=items.n, correct=items.correct, bits=bits)


def read_log(context: Context, key: str, start: int = 0) -> tuple[str, int]:
    """The output of a trial's attempts; only the end of a long one.

    Args:
        context: context of this process.
        key: of the trial.
        start: number of bytes at the begin of the log to leave out.

    Returns:
        The text, and the number of bytes up to its end: `start` of a later call that reads on.

    Raises:
        NotFoundError: there is no such trial, or it has not started.
    """
    whole = get_trial(context, key).key
    path = context.settings.workdir(whole) / LOG
    if not path.exists():
        raise NotFoundError(
            "no log here: the trial has not started, or it ran on a machine that does not share its folder"
        )
    with path.open("rb") as file:
        first = max(file.seek(0, 2) - LOG_BYTES, start)
        file.seek(first)
        content = file.read()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text, cut = decoder.decode(content), len(decoder.getstate()[0])  # a character that is cut is left for later
    omitted = f"(the first {first:,} bytes are omitted)\n" if first > start else ""
    return omitted + text, first + len(content) - cut


def list_files(context: Context, key: str) -> FilesView:
    """The files that the code of a trial wrote into its folder.

    Raises:
        NotFoundError: there is no such trial, or its folder is not on this machine.
    """
    trial = get_trial(context, key)
    found = list(files.list_files(_folder(context, trial), trial.task))
    shown = [FileOfTrial(path=one.path, size=one.size) for one in found[:MAX_FILES]]
    return FilesView(key=trial.key, files=shown, more=len(found) - len(shown))


@contextmanager
def open_file(context: Context, key: str, path: str) -> Iterator[tuple[BinaryIO, int]]:
    """One of these files, open for reading, and its size.

    Raises:
        NotFoundError: there is no such trial, or its code wrote no such file.
    """
    trial = get_trial(context, key)
    try:
        with files.open_file(_folder(context, trial), trial.task, path) as found:
            yield found
    except (TrialError, DataError) as error:
        raise NotFoundError(str(error)) from error


def _folder(context: Context, trial: TrialView) -> Path:
    folder = context.settings.workdir(trial.key)
    if not folder.is_dir():
        raise NotFoundError(
            "no files here: the trial has not started, or it ran on a machine that does not share its folder"
        )
    return folder


def _whole_key(context: Context, key: str) -> str:
    if len(key) == 64 or len(key) < SHORTEST_KEY or not (key.isascii() and key.isalnum()):
        return key
    with context.store.read() as connection:
        found = cells.find_keys(connection, key)
    if len(found) > 1:
        raise NotFoundError("several trial keys begin with these digits; give more digits")
    return found[0] if found else key
