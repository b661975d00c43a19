"""A study as a caller gives it: a `Study`, a mapping, a file, or the text of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.errors import Problem, StudyError
from ablate.study.document import Study
from ablate.study.scan import check_values, other_values, refuse_what_json_lacks
from ablate.study.text import parse_document, read_document

StudySource = Study | Mapping[str, Any] | Path | str
"""A study, or where it is read: a mapping, the path of a `.toml` or `.json` file, or a text with a line break."""


def document_of(source: StudySource) -> Any:
    """The study document as JSON values, not yet validated.

    A string is a text if it starts with `{` (JSON) or has a line break (TOML), else a path.

    Raises:
        StudyError: it is none of these, or cannot be read as TOML or JSON.
    """
    if isinstance(source, Study):
        return source.model_dump(mode="json", exclude_unset=True)
    if isinstance(source, Mapping):
        check_values(source, "mapping")
        refuse_what_json_lacks(source)
        return dict(source)
    if isinstance(source, str) and source.lstrip().startswith("{"):
        return parse_document(source, "JSON")
    if isinstance(source, str) and "\n" in source:
        return parse_document(source, "TOML")
    if not isinstance(source, str | Path):
        text = f"a study is a Study, a mapping, a path or a text; given: {type(source).__name__}"
        raise StudyError([Problem("", "invalid", text)])
    return read_document(Path(source))


def read_to_send(path: Path) -> Any:
    """The document in a file, as JSON values.

    Raises:
        StudyError: it cannot be read; or it has dates, NaN or infinity, which are reported with all other problems.
    """
    from ablate.study.plan import plan_document  # a client that only sends needs no numpy

    document = read_document(path, is_strict=False)
    if any(other_values(document)):
        plan_document(document)
    return document
