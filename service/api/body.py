"""Request bodies, parsed strictly from their raw bytes: no guesses, no coercion, no ignored fields.

FastAPI's own parser accepts NaN, duplicate keys, UTF-16 and lone surrogates, or answers them with 500.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Annotated, Any, TypeVar

from fastapi import Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from ablate.documents import canonical_json
from ablate.errors import Findings, Problem, StudyError
from ablate.limits import MAX_STRING
from ablate.remote.documents.paper import PaperSubmission
from ablate.remote.documents.schedules import Acknowledgement, ScheduleChange, ScheduleSpec
from ablate.remote.documents.studies import Extension, Submission
from ablate.study.plan import plan_document
from ablate.study.text import parse_json
from service.api.findings import findings_of
from service.api.parameters import InContext
from service.api.problems import NOT_JSON, UNSUPPORTED_MEDIA_TYPE, Refusal, below

Body = TypeVar("Body", bound=BaseModel)


async def read_body(request: Request) -> bytes:
    """The raw body of a JSON request. The application's body limit returns 413 while the body is read."""
    body = await request.body()
    if not body.strip():
        raise Refusal(NOT_JSON, "the body is empty; send a JSON object")
    _require_json(request.headers)
    return body


def read_json(body: Annotated[bytes, Depends(read_body)]) -> dict[str, Any]:
    """The body as a JSON object; raises as `parse_body`."""
    return parse_body(body)


def parse_body(body: bytes, longest: int = MAX_STRING) -> dict[str, Any]:
    """A body as a JSON object, whose strings have at most `longest` bytes.

    Raises:
        Refusal: 400, with the reason why the body is not strict JSON.
        StudyError: the body is JSON, but not an object.
    """
    if body.startswith(codecs.BOM_UTF8):
        raise Refusal(NOT_JSON, "the body begins with a byte order mark; send the JSON without it")
    try:
        value = parse_json(body.decode("utf-8"), longest)
    except UnicodeDecodeError as error:
        raise Refusal(NOT_JSON, "the body is not UTF-8 text; encode the JSON as UTF-8") from error
    except StudyError as error:
        raise Refusal(NOT_JSON, str(error)) from error
    if not isinstance(value, dict):
        raise StudyError([Problem("", "invalid", "the body should be a JSON object")])
    return value


Json = Annotated[dict[str, Any], Depends(read_json)]


def read_submission(value: Json, context: InContext) -> Submission:
    """The body of `POST /studies`. Errors in its own fields are reported together with the study's errors."""
    return _validated_beside_study(Submission, value, context)


def _validated_beside_study(model: type[Body], value: dict[str, Any], context: InContext) -> Body:
    found = Findings()
    with found.collecting():
        return validated(model, value)
    if isinstance(value.get("study"), dict):
        scale = None if any(problem.pointer == "/scale" for problem in found.problems) else value.get("scale")
        with found.collecting(), in_study():
            plan_document(value["study"], scale=scale, max_trials=context.settings.max_trials)
    raise found.error()


def in_study() -> AbstractContextManager[None]:
    """Inside, pointers of problems refer to the body's study, except the scale, which is next to it."""
    return below("/study", beside=("/scale",))


def read_extension(value: Json) -> Extension:
    """The body of `POST /studies/{id}/extend`, which must add something."""
    extension = validated(Extension, value)
    if extension.seeds is None and not extension.rows:
        text = "'seeds' is missing; give a total number of seeds, a list of seeds to add, or 'rows' to add"
        raise StudyError([Problem("/seeds", "missing", text)])
    return extension


def read_paper(value: Json) -> PaperSubmission:
    """The body of `POST /paper`."""
    return validated(PaperSubmission, value)


def read_schedule(value: Json, context: InContext) -> ScheduleSpec:
    """The body of `POST /schedules`. Errors in its own fields are reported together with the study's errors."""
    return _validated_beside_study(ScheduleSpec, value, context)


def read_change(value: Json) -> ScheduleChange:
    """The body of `PATCH /schedules/{name}`, which must change something."""
    change = validated(ScheduleChange, value)
    if not change.model_fields_set:
        raise StudyError([Problem("", "missing", "the body changes no field; give at least one, such as 'paused'")])
    return change


def read_acknowledgement(value: Json) -> Acknowledgement:
    """The body of `POST /schedules/{name}/ack`."""
    return validated(Acknowledgement, value)


def digest_of(value: Json) -> str:
    """SHA-256 of the body's content; spaces and the order of keys do not matter."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _require_json(headers: Mapping[str, str]) -> None:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refusal(
            UNSUPPORTED_MEDIA_TYPE, "the Content-Type is not application/json; send JSON with that Content-Type"
        )
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refusal(
            UNSUPPORTED_MEDIA_TYPE, "the body is compressed, which is not supported; send it without Content-Encoding"
        )


def validated(model: type[Body], value: object) -> Body:
    """A body as a document; raises StudyError with every problem of an invalid one."""
    try:
        return model.model_validate(value, context=[0])
    except ValidationError as error:
        raise findings_of(model, value, error).error() from error
