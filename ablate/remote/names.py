"""Names that become part of a path: a trial's key, a study's id, a schedule's name. Checked before a path is built."""

from __future__ import annotations

import re

from ablate.errors import quote
from ablate.remote.errors import RefusedError
from ablate.study.problems import NAME

KEY = re.compile(r"[0-9a-f]{8,64}")
STUDY_ID = re.compile(r"[0-9a-z]{20}")


def check_key(text: str) -> str:
    """A trial's key, or its first 8 digits or more.

    Raises:
        RefusedError: the text cannot be a key.
    """
    if not KEY.fullmatch(text):
        has = "a key has 64 hexadecimal digits (0-9, a-f), and its first 8 are enough"
        raise RefusedError(
            f"{quote(text)} is not the key of a trial; {has}; `ablate show ID` lists the keys of a study"
        )
    return text


def check_schedule_name(text: str) -> str:
    """The name of a schedule.

    Raises:
        RefusedError: the text cannot be the name of a schedule.
    """
    if not re.fullmatch(NAME, text):
        has = "a name has letters, digits, '.', '_' and '-', at most 64"
        raise RefusedError(
            f"{quote(text)} is not the name of a schedule; {has}; `ablate schedule list` lists the names"
        )
    return text
