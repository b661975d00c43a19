"""A preview of a pasted study: its plan, or every error with its line. Stores nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ablate.errors import Problem, StudyError
from ablate.remote.documents.plans import PlanView
from ablate.remote.documents.studies import Submission
from ablate.study.text import parse_document
from ablate.text import visible_json
from service.api.body import in_study, read_submission
from service.api.problems import Refusal, publishable
from service.context import Context
from service.studies import submit
from service.web.line_numbers import Path, json_lines, line_of, path_of, toml_lines


@dataclass(frozen=True, slots=True)
class PlacedProblem:
    """An error with its place in the text.

    Attributes:
        line: counted from 1; None if the error is about the whole text, or about an option of the form.
        excerpt: that line.
    """

    pointer: str
    message: str
    line: int | None
    excerpt: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The study that a text describes.

    Attributes:
        body: of `POST /api/v1/studies`, as JSON; empty if there are errors.
        more: number of errors that were left out.
        plan: the answer of `POST /api/v1/studies/plan`; None if there are errors.
        outstanding: number of trials to train.
    """

    body: str
    plan: PlanView | None
    errors: tuple[PlacedProblem, ...]
    more: int = 0

    @property
    def outstanding(self) -> int:
        """Number of different trials without a result."""
        return self.plan.distinct - self.plan.known if self.plan else 0


def preview(context: Context, text: str, options: dict[str, Any]) -> Preview:
    """Plan a pasted text.

    Args:
        context: see there.
        text: a study document as TOML or JSON, or a body of `POST /api/v1/studies` as JSON.
        options: further members of that body, such as `scale`; they override those in the text.
    """
    try:
        body = _body_of(text) | options
        submission = read_submission(body, context)
        with in_study():
            plan = submit.plan_only(context, submission)
    except StudyError as error:
        return Preview("", None, tuple(_place(text, error.problems)), error.more)
    except Refusal as refusal:
        return Preview("", None, (PlacedProblem("", refusal.detail, None, ""),))
    return Preview(_as_json(submission), plan, ())


def _body_of(text: str) -> dict[str, Any]:
    """The text as a body. Where it is not a document, its pointers are those of the text."""
    if not text.strip():
        raise StudyError([Problem("", "missing", "the form is empty; paste a study, or start from an example")])
    with in_study():
        document = parse_document(text, _kind_of(text), is_strict=False)
    if not isinstance(document, dict):
        raise StudyError([Problem("", "invalid", "the text is not a study; paste a JSON object or a TOML document")])
    return document if isinstance(document.get("study"), dict) else {"study": document}


def _kind_of(text: str) -> Literal["JSON", "TOML"]:
    return "JSON" if text.lstrip().startswith("{") else "TOML"


def _as_json(submission: Submission) -> str:
    return visible_json(json.dumps(submission.model_dump(exclude_unset=True), ensure_ascii=False))


def _place(text: str, problems: Sequence[Problem]) -> Iterator[PlacedProblem]:
    """The problems with their lines, in the order of the text; those without a line first."""
    lines, rows = _lines_of(text, problems), text.split("\n")
    is_body = _kind_of(text) == "JSON" and ("study",) in lines
    found = []
    for problem in problems:
        is_inside = is_body or not problem.pointer or problem.pointer.startswith("/study")
        pointer = problem.pointer if is_body else problem.pointer.removeprefix("/study")
        line = (line_of(pointer, lines) or _line_in(problem.message)) if is_inside else None
        excerpt = rows[line - 1].strip()[:200] if line else ""
        found.append(PlacedProblem(pointer, publishable(problem.message), line, excerpt))
    yield from sorted(found, key=lambda one: one.line or 0)


def _line_in(message: str) -> int | None:
    """The line number in a parser's message."""
    named = re.search(r"at line (\d+)", message)
    return int(named[1]) if named else None


def _lines_of(text: str, problems: Sequence[Problem]) -> dict[Path, int]:
    """The lines of what the problems point to, by path; empty if the text was not read."""
    if problems[0].code in ("not_json", "not_toml", "unreadable"):
        return {}
    paths = [path_of(problem.pointer) for problem in problems]
    whole = {path[: length + 1] for path in paths for length in range(len(path))}
    wanted = whole | {path[1:] for path in whole} | {("study",)}  # the text is a body, or the study of one
    return (json_lines if _kind_of(text) == "JSON" else toml_lines)(text, wanted)
