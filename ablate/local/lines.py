"""Files to which documents are appended, one a line; a line that a crash cut off is moved to another file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from ablate.documents import Document
from ablate.errors import TrialError

D = TypeVar("D", bound=Document)
DIGEST = re.compile(rb'"((?:[0-9a-f]{32}){1,2})"')
"""A recipe's digest or a trial's key, as a value in a line."""


def append_lines(path: Path, documents: Iterable[Document]) -> None:
    """Append documents; they are on disk when this returns."""
    lines = [json.dumps(one.model_dump(mode="json"), separators=(",", ":"), allow_nan=False) for one in documents]
    with path.open("ab") as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


def read_lines(file: Path, kind: type[D], wanted: str, *, about: Collection[str] | None = None) -> Iterator[D]:
    """The documents of a file, in order; an incomplete last line is ignored.

    Args:
        file: which need not exist.
        kind: class of the documents.
        wanted: what a line should be and what to do if it is not, for the error.
        about: only lines that name one of these digests are read; None reads all.

    Raises:
        TrialError: a line cannot be read.
    """
    whole = file.read_bytes().rpartition(b"\n")[0] if file.exists() else b""
    named = None if about is None else {digest.encode() for digest in about}
    for number, line in enumerate(whole.split(b"\n") if whole else (), start=1):
        if named is not None and named.isdisjoint(DIGEST.findall(line)):
            continue
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:
            raise TrialError(f"line {number} of {file} is not {wanted}") from error


def cut_off_a_torn_line(file: Path) -> None:
    """Move an incomplete last line, left by a crash, into `NAME.torn`. Call it with the file locked."""
    if not file.exists() or _ends_with_a_line(file):
        return
    content = file.read_bytes()
    torn = content.rpartition(b"\n")[2]
    if torn:
        with file.with_suffix(".torn").open("ab") as aside:
            aside.write(torn + b"\n")
        with file.open("r+b") as whole:
            whole.truncate(len(content) - len(torn))


def _ends_with_a_line(file: Path) -> bool:
    """Whether the last byte ends a line; a file that a service appends to may be too large to read each time."""
    with file.open("rb") as end:
        end.seek(max(0, end.seek(0, os.SEEK_END) - 1))
        return end.read() == b"\n"
