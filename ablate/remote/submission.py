"""A study as a client gives it, as the document that is sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.study.document import Study
from ablate.study.text import read_document

StudySource = str | Path | Mapping[str, Any] | Study
"""A path to a study file (.toml or .json), a mapping, or a `Study`."""


def document_of(study: StudySource) -> Any:
    """The study document as JSON values; the service validates it.

    Raises:
        StudyError: the file cannot be read, or is not TOML or JSON.
    """
    if isinstance(study, str | Path):
        return read_document(Path(study))
    return study.model_dump(mode="json", exclude_unset=True) if isinstance(study, Study) else study
