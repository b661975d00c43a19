"""Routes of trials: the trials of a study, one trial with its details, its log, its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Annotated, Any, BinaryIO, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse

from ablate.remote.choices import LOG_END
from ablate.remote.documents.studies import Page
from ablate.remote.documents.trials import CellView, FilesView, ItemsView, TrialView
from service.api.parameters import Cursor, InContext, InTrialState, Limit, StudyId, TrialKey
from service.api.problems import CONFLICT, INVALID, NOT_FOUND, documented
from service.studies import trials

router = APIRouter(tags=["trials"])
MAX_START = 1 << 53
"""Larger numbers are not exact in JSON."""

BYTES, CHUNK = "application/octet-stream", 1 << 16
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/studies/{study_id}/trials", responses=documented(NOT_FOUND, INVALID), summary="List trials of a study")
def list_trials(
    context: InContext, study_id: StudyId, state: InTrialState = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[CellView]:
    """The cells of a study, each with its trial, page by page. Recipes and curves are left out."""
    return trials.list_cells(context, study_id, state=state, limit=limit, cursor=cursor)


@router.get("/trials/{key}", responses=documented(NOT_FOUND), summary="Get a trial")
def get_trial(context: InContext, key: TrialKey) -> TrialView:
    """A trial with its resolved recipe, attempts, outcome, learning curve, provenance, and all its cells."""
    return trials.get_trial(context, key)


@router.get(
    "/trials/{key}/items",
    responses=documented(NOT_FOUND, CONFLICT, INVALID),
    summary="Get which test images a trial classified correctly",
)
def get_items(
    context: InContext,
    key: TrialKey,
    bits: Annotated[
        Literal["base64", "list"],
        Query(description="`base64`: 8 images a byte, the first one is the highest bit; `list`: 0 and 1"),
    ] = "base64",
) -> ItemsView:
    """One bit for each test image, 1 if the trial classified it correctly, in the order of the test set.

    Only trials of `classify` have them. Trials that have not ended are a 409; trials without them, such as those from
    an earlier version, are a 404.
    """
    return trials.get_items(context, key, as_list=bits == "list")


@router.get("/trials/{key}/files", responses=documented(NOT_FOUND), summary="List the files that a trial wrote")
def list_files(context: InContext, key: TrialKey) -> FilesView:
    """The files that the code of the trial wrote into its folder, with their sizes.

    Files of ablate itself, copies of the code, and links are left out. A trial that has no folder on this machine is a
    404.
    """
    return trials.list_files(context, key)


@router.get(
    "/trials/{key}/files/{path:path}",
    responses=FILE | documented(NOT_FOUND),
    response_class=Response,
    summary="Get a file that a trial wrote",
)
def get_file(
    context: InContext,
    key: TrialKey,
    path: Annotated[str, Path(max_length=4096, description="path of the file, as the list has it")],
) -> StreamingResponse:
    """The bytes of one of these files, as an attachment. Any other path is a 404."""
    stack = ExitStack()
    file, size = stack.enter_context(trials.open_file(context, key, path))
    name = quote(path.rpartition("/")[2], safe="")
    headers = {"Content-Length": str(size), "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return StreamingResponse(
        _parts(file, size), media_type=BYTES, headers=headers, background=BackgroundTask(stack.close)
    )


def _parts(file: BinaryIO, size: int) -> Iterator[bytes]:
    """A file in parts, up to the size that was announced; it may grow meanwhile."""
    while size > 0 and (part := file.read(min(CHUNK, size))):
        size -= len(part)
        yield part


@router.get(
    "/trials/{key}/log",
    responses=documented(NOT_FOUND, INVALID),
    response_class=PlainTextResponse,
    summary="Get the log of a trial",
)
def read_log(
    context: InContext,
    key: TrialKey,
    response: Response,
    start: Annotated[
        int, Query(ge=0, le=MAX_START, description="number of bytes at the begin of the log to leave out")
    ] = 0,
) -> str:
    """The output of the trial, attempt by attempt, as plain text; only the last MiB of a long one.

    The header `Ablate-Log-End` is the `start` with which the next call reads on.
    """
    text, end = trials.read_log(context, key, start)
    response.headers[LOG_END] = str(end)
    return text
