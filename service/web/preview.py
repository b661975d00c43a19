"""A pasted study as it would be submitted: its plan, or every error with the line where it is. Stores nothing."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ablate.errors import Problem, StudyError
from ablate.remote.documents.plans import PlanView
from ablate.remote.documents.studies import Submission
from ablate.study.text import parse_json, parse_toml
from service.api.body import in_study, read_submission, refuse_unstorable
from service.api.problems import Refusal, publishable
from service.context import Context
from service.studies import submit
from service.web.places import Path, json_lines, line_of, toml_lines


@dataclass(frozen=True, slots=True)
class PlacedProblem:
    """An error with its place in the text.

    Attributes:
        line: counted from 1; None where it is about the whole, or about an option beside the text.
        excerpt: that line.
    """

    pointer: str
    message: str
    line: int | None
    excerpt: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a text would be as a study.

    Attributes:
        body: of `POST /api/v1/studies`, as JSON; empty where there are errors.
        plan: the answer of `POST /api/v1/studies/plan`; None where there are errors.
        outstanding: trials that would be trained.
    """

    body: str
    plan: PlanView | None
    errors: tuple[PlacedProblem, ...]

    @property
    def outstanding(self) -> int:
        """Different trials less the known ones."""
        return self.plan.distinct - self.plan.known if self.plan else 0


def preview(context: Context, text: str, options: dict[str, Any]) -> Preview:
    """Plan a pasted text.

    Args:
        context: see there.
        text: a study document as TOML or JSON, or a body of `POST /api/v1/studies` as JSON.
        options: further members of that body, such as `scale`; they go before those in the text.
    """
    try:
        body = _body_of(text) | options
        submission = read_submission(body, context)
        with in_study():
            plan = submit.plan_only(context, submission)
    except StudyError as error:
        return Preview("", None, tuple(_place(text, error.problems)))
    except Refusal as refusal:
        return Preview("", None, (PlacedProblem("", refusal.detail, None, ""),))
    return Preview(_as_json(submission), plan, ())


def _body_of(text: str) -> dict[str, Any]:
    """The text as a body. Where it is no document at all, its pointers are those of the text itself."""
    if not text.strip():
        raise StudyError([Problem("", "missing", "nothing is pasted yet; paste a study, or take an example")])
    document = _read(text)
    problems = list(_times_in(document, "/study"))
    if problems:
        raise StudyError(problems)
    document = parse_json(json.dumps(document))  # what TOML lets through and JSON does not: nan, inf, great depth
    refuse_unstorable(document)
    if not isinstance(document, dict):
        raise StudyError([Problem("", "invalid", "a study is a JSON object or a TOML document")])
    return document if isinstance(document.get("study"), dict) else {"study": document}


def _read(text: str) -> Any:
    return parse_json(text) if _is_json(text) else parse_toml(text)


def _is_json(text: str) -> bool:
    return text.lstrip().startswith("{")


def _times_in(value: object, pointer: str) -> Iterator[Problem]:
    """TOML knows dates and times; no field of a study does."""
    if isinstance(value, datetime.date | datetime.time):
        yield Problem(pointer, "invalid", "is a date or a time; put it in quotation marks")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from _times_in(inner, f"{pointer}/{name}")


def _as_json(submission: Submission) -> str:
    return json.dumps(submission.model_dump(exclude_unset=True), ensure_ascii=False)


def _place(text: str, problems: tuple[Problem, ...]) -> Iterator[PlacedProblem]:
    """The problems with their lines, in the order of the text; those without a line first."""
    lines, rows = _lines_of(text), text.split("\n")
    is_body = _is_json(text) and ("study",) in lines
    found = []
    for problem in problems:
        is_inside = is_body or not problem.pointer or problem.pointer.startswith("/study")
        pointer = problem.pointer if is_body else problem.pointer.removeprefix("/study")
        line = (line_of(pointer, lines) or _line_in(problem.message)) if is_inside else None
        excerpt = rows[line - 1].strip()[:200] if line else ""
        found.append(PlacedProblem(pointer, publishable(problem.message), line, excerpt))
    yield from sorted(found, key=lambda one: one.line or 0)


def _line_in(message: str) -> int | None:
    """The line that a parser names itself."""
    named = re.search(r"at line (\d+)", message)
    return int(named[1]) if named else None


def _lines_of(text: str) -> dict[Path, int]:
    """The text's lines by path; none where it cannot be read."""
    try:
        _read(text)
    except StudyError:
        return {}
    return json_lines(text) if _is_json(text) else toml_lines(text)
