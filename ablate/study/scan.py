"""Limits on the text of a document before a parser sees it, and on the values that a parser made of it.

What these limits refuse would take time and memory out of proportion to its length: `tomllib` minutes and gigabytes
for a key of 100,000 dots.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator, Mapping
from itertools import accumulate, chain
from typing import Any, Literal

from ablate.errors import Code, Findings, Problem, StudyError
from ablate.limits import MAX_DEPTH, MAX_DIGITS, MAX_ENTRIES, MAX_KEYS, MAX_STRING, MAX_VALUES
from ablate.study.problems import pointer_of

Format = Literal["JSON", "TOML", "mapping"]

REFUSALS: Mapping[Format, tuple[Code, str]] = {
    "JSON": ("not_json", "not strict JSON"),
    "TOML": ("not_toml", "not TOML that ablate reads"),
    "mapping": ("invalid", "the study cannot be read"),
}
"""Format -> code of its problems, and the beginning of their texts."""

OPAQUE: Mapping[Format, re.Pattern[str]] = {
    "JSON": re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL),
    "TOML": re.compile(
        r'"""[^"\\]*+(?:(?:\\.|"(?!""))[^"\\]*+)*+(?:"{3,5})?'
        r"|'''[^']*+(?:'(?!'')[^']*+)*+(?:'{3,5})?"
        r'|"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"?'
        r"|'[^'\n]*+'?"
        r"|\#[^\n]*+",
        re.DOTALL,
    ),
}
"""Strings, and TOML's comments. A parser stops at a string that is not closed, so that what follows does not matter."""

STEP = {"[": 1, "{": 1, "]": -1, "}": -1}
WORD = r"[^\s.=,\[\]{}]"
NUMBER = re.compile(rf"(?<!\w)[0-9][0-9A-Za-z]{{{MAX_DIGITS},}}")
DOTTED = re.compile(rf"(?<!{WORD})(?:{WORD}++[ \t]*+\.[ \t]*+){{{MAX_DEPTH},}}")
ENTRY: Mapping[Format, re.Pattern[str]] = {
    "JSON": re.compile(":"),
    "TOML": re.compile(r"=|^[ \t]*+\[", re.MULTILINE),
}
PARENTS = re.compile(rf"(?<!{WORD})((?:{WORD}++[ \t]*+\.[ \t]*+)++){WORD}++[ \t]*+[=\]]")
"""The parts of a dotted key before the last one: each makes a table."""

TOO_MANY_VALUES = f"its lists have more than {MAX_VALUES:,} items"
LARGEST = 10**MAX_DIGITS - 1
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
TOO_MANY_DIGITS = f"a number has more than {MAX_DIGITS} digits"


def scan(text: str, kind: Format) -> None:
    """Refuse a text that a parser should not see, in time proportional to its length.

    Raises:
        StudyError: brackets or a dotted key are nested too deeply, a number is too long, or there are too many keys.
    """
    bare = blank(text, kind)
    if max(accumulate(STEP[one] for one in re.sub(r"[^\[\]{}]++", "", bare)), default=0) > MAX_DEPTH:
        raise refusal(kind, TOO_DEEP)
    if NUMBER.search(bare.replace("_", "")):
        raise refusal(kind, TOO_MANY_DIGITS)
    if kind == "TOML" and DOTTED.search(bare):
        raise refusal(kind, TOO_DEEP)
    if bare.count(",") > MAX_VALUES + MAX_ENTRIES:  # those of lists, and at most one for each key
        raise refusal(kind, TOO_MANY_VALUES)
    parents = sum(names.count(".") for names in PARENTS.findall(bare)) if kind == "TOML" else 0
    _refuse_entries(kind, len(ENTRY[kind].findall(bare)) + parents)


def _refuse_entries(kind: Format, entries: int) -> None:
    if entries > MAX_ENTRIES:
        raise refusal(kind, f"it has {entries:,} keys; at most {MAX_ENTRIES:,} are allowed")


def blank(text: str, kind: Format) -> str:
    """The text with its strings replaced by as many `s`, and its comments by as many spaces."""
    return OPAQUE[kind].sub(lambda found: (" " if found[0][0] == "#" else "s") * len(found[0]), text)


def refusal(kind: Format, reason: str) -> StudyError:
    """The error for a document that ablate does not read."""
    code, opening = REFUSALS[kind]
    return StudyError([Problem("", code, f"{opening}: {reason}")])


def check_values(document: object, kind: Format, longest: int = MAX_STRING) -> None:
    """Check what a parser made of a text: its depth, its keys, its numbers, and strings that cannot be stored.

    Args:
        document: values, lists and tables.
        kind: where it comes from.
        longest: largest number of bytes of a string.

    Raises:
        StudyError: with the first problem found.
    """
    layer: list[Any] = [document]
    depth = entries = values = 0
    while layer:
        tables = [item for item in layer if isinstance(item, dict)]
        lists = [item for item in layer if isinstance(item, list | tuple)]
        for size in map(len, tables):
            entries += size
            if size > MAX_KEYS:
                raise refusal(kind, f"a table has {size:,} keys; at most {MAX_KEYS:,} are allowed")
        _refuse_entries(kind, entries)
        if (values := values + sum(map(len, lists))) > MAX_VALUES:
            raise refusal(kind, TOO_MANY_VALUES)
        depth += bool(tables or lists)
        if depth > MAX_DEPTH:
            raise refusal(kind, TOO_DEEP)
        if fault := next(
            filter(None, (_fault_of(item, longest) for item in layer if isinstance(item, str | int))), None
        ):
            raise refusal(kind, fault)
        layer = [
            *chain.from_iterable(tables),
            *chain.from_iterable(map(dict.values, tables)),
            *chain.from_iterable(lists),
        ]


def _fault_of(value: str | int, longest: int) -> str:
    """Why a value is refused; empty if it is not."""
    if isinstance(value, int):
        return TOO_MANY_DIGITS if abs(value) > LARGEST else ""
    if "\0" in value:
        return "a text contains the character NUL (U+0000), which cannot be stored; remove it"
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        return "it contains a lone surrogate"
    return f"a text has {size:,} bytes; at most {longest:,} are allowed" if size > longest else ""


def refuse_what_json_lacks(document: object, pointer: str = "") -> None:
    """Refuse dates, times, NaN and infinity, which TOML and Python have, and no field of a study.

    Raises:
        StudyError: with every such value.
    """
    Findings(other_values(document, pointer)).refuse()


def other_values(value: object, pointer: str = "") -> Iterator[Problem]:
    """A problem for each value that TOML and Python have, and JSON has not."""
    if isinstance(value, datetime.date | datetime.time):
        text = "is a date or a time, which no field of a study is; put it in quotation marks"
        yield Problem(pointer, "invalid", text)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(pointer, "invalid", "is NaN or infinite; give a finite number")
    elif isinstance(value, Mapping | list | tuple):
        for name, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            if isinstance(inner, Mapping | list | tuple | float | datetime.date | datetime.time):
                yield from other_values(inner, pointer + pointer_of((name,)))
