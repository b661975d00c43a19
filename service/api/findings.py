"""Pydantic's errors as problems: a pointer, a stable code and a sentence, without the value that was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from ablate.errors import Findings, Problem, quote
from ablate.study.document import RowSpec
from ablate.study.problems import place_of, pointer_of, sentence_of
from ablate.study.resources import Resources

NESTED: Mapping[str, type[BaseModel]] = {"resources": Resources, "rows": RowSpec}
"""Documents inside a body, by the field that contains them."""

Place = tuple[int | str, ...]
Detail = Mapping[str, Any]


def findings_of(model: type[BaseModel], body: object, error: ValidationError) -> Findings:
    """The problems in a body that is no `model`, one per location; an unknown field gets the nearest known name."""
    places: dict[Place, list[Detail]] = {}
    for item in error.errors(include_url=False):
        places.setdefault(place_of(body, item), []).append(item)
    outer = {place[:length] for place in places for length in range(len(place))}
    found = Findings()
    for place, items in places.items():
        # one branch of a union reports only a wrong type where another branch found an error inside
        if not (place in outer and all(_is_of_type(item) for item in items)) and not found.is_full:
            found.add(_finding(model, place, items, found))
    return found


def findings_of_request(error: RequestValidationError) -> list[Problem]:
    """Every problem in the parameters and headers of a request; the pointer is `/NAME`."""
    findings: dict[str, Problem] = {}
    for item in error.errors():
        pointer = pointer_of(tuple(item["loc"][1:]))
        if item["type"] == "missing":
            finding = Problem(pointer, "missing", f"required parameter {quote(item['loc'][-1])} is missing")
        else:
            finding = Problem(pointer, "invalid", sentence_of(item))
        findings.setdefault(pointer, finding)
    return list(findings.values())


def _finding(model: type[BaseModel], place: Place, items: Sequence[Detail], found: Findings) -> Problem:
    pointer, kind = pointer_of(place), items[0]["type"]
    if kind == "extra_forbidden":
        owner = NESTED.get(str(place[0]), model) if len(place) > 1 else model
        near = found.nearest(str(place[-1]), owner.model_fields)
        return Problem(pointer, "unknown_field", f"unknown field {quote(place[-1])}{near}")
    if kind == "missing":
        return Problem(pointer, "missing", f"'{place[-1]}' is missing")
    first, *others = [sentence_of(item) for item in items if not _is_of_type(item)] or map(sentence_of, items)
    alternatives = [text.removeprefix("should be ") for text in others if _is_of_type(items[0])]
    return Problem(pointer, "invalid", " or ".join(dict.fromkeys([first, *alternatives])))


def _is_of_type(item: Detail) -> bool:
    return str(item["type"]).endswith("_type")
