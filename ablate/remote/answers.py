"""Answers of a service, read as documents."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from ablate.documents import Document
from ablate.remote.errors import BrokenError

Answer = TypeVar("Answer", bound=Document)


def read_answer(model: type[Answer], answer: object) -> Answer:
    """The answer as a document; fields that a newer service has added are ignored.

    Raises:
        BrokenError: it is not such a document.
    """
    try:
        return model.model_validate(answer, extra="ignore")
    except ValidationError as error:
        text = f"the answer of the service cannot be read as {model.__name__}"
        raise BrokenError(f"{text}; check that the service has the version of this client (`--version`)") from error
