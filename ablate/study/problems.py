"""Converts pydantic's errors into problems: a JSON pointer, a stable code and a plain sentence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from ablate.errors import Findings, Problem, quote
from ablate.names import closest
from ablate.recipes.classify import DATASET
from ablate.text import MAX_NAME, in_plain_words, visible_name

Location = tuple[int | str, ...]

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Pattern of the names of studies and schedules."""
PATTERNS: Mapping[str, str] = {
    NAME: "a name has 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit",
    DATASET: "a data set's name has letters, digits, '.', '_' and '-', beginning with a letter or digit; "
    "'ablate data list' lists the names",
}
"""Pattern -> what it allows, in words: a person never reads a regular expression."""


def problems_of(
    document: object,
    error: ValidationError,
    model: type[BaseModel],
    components: Mapping[str, type[BaseModel]],
    *,
    skip: Collection[str] = (),
    elsewhere: Mapping[str, Iterable[str]] | None = None,
) -> Findings:
    """Convert a pydantic error: one problem per place; a typo gets the nearest allowed name.

    Args:
        document: what was validated as `model`.
        error: the result.
        model: class of the document.
        components: field -> class of its value or items; for other fields the names of `model` are suggested.
        skip: pointers at and below which nothing is reported.
        elsewhere: see `ablate.errors.nearest`.
    """
    found = Findings()
    places: set[str] = set()
    items = [(place_of(document, item), item) for item in error.errors(include_url=False)]
    outer = {location[:length] for location, _ in items for length in range(len(location))}
    for location, item in items:
        if found.is_full:
            break
        if location in outer and item["type"].endswith("_type"):
            continue  # one branch of a union has a wrong type, another one an error inside
        pointer = pointer_of(location)
        if pointer in places or any(pointer == place or pointer.startswith(place + "/") for place in skip):
            continue
        places.add(pointer)
        if item["type"] == "extra_forbidden":
            owner = components.get(str(location[0]), model) if len(location) > 1 else model
            near = found.nearest(str(location[-1]), owner.model_fields, elsewhere)
            found.add(Problem(pointer, "unknown_field", f"no field {quote(location[-1])} here{near}"))
        elif item["type"] == "missing":
            found.add(Problem(pointer, "missing", f"'{location[-1]}' is missing"))
        else:
            found.add(Problem(pointer, "invalid", sentence_of(item)))
    return found


def sentence_of(item: Mapping[str, Any]) -> str:
    """The sentence for one of pydantic's errors, with the most similar allowed word. The value is not repeated."""
    text, given = sentence(str(item["msg"]).removeprefix("Value error, ")), item.get("input")
    if item["type"] == "literal_error" and isinstance(given, str):
        match = closest(given, re.findall(r"'([^']+)'", str(item.get("ctx", {}).get("expected", ""))))
        return f"{text}; did you mean '{match.name}'?" if match else text
    if item["type"] in ("list_type", "tuple_type") and isinstance(given, Mapping):
        name = visible_name(str(item["loc"][-1]))
        return f"{text}; in TOML, write [[{name}]] in double brackets, once for each item"
    if item["type"] == "string_pattern_mismatch" and item.get("ctx", {}).get("pattern") == NAME:
        proposed = name_of_title(given) if isinstance(given, str) else ""
        return f"{text}; for example {quote(proposed)}" if proposed else text
    return text


def name_of_title(title: str) -> str:
    """A name for a study or schedule like its title: `window-size` for `Window size`; empty if nothing is left."""
    folded = title.replace("×", "x").casefold()
    letters = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9._]+", "-", letters.replace("'", "")).strip("-._")[:MAX_NAME].rstrip("-._")


def sentence(message: str) -> str:
    """Pydantic's message in plain words: `a table` for dictionary, `a whole number` for integer, `text` for string."""
    message = re.sub(r"a valid dictionary or instance of \w+|a valid dictionary", "a table", message)
    message = re.sub(r"List should have (at \w+ \d+ items?) after validation, not \d+", r"should have \1", message)
    message = re.sub(
        r"String should match pattern '(.*)'",
        lambda found: PATTERNS.get(found[1], "has a character or a form that is not allowed here"),
        message,
    )
    return in_plain_words(message)


def pointer_of(parts: Location) -> str:
    """JSON pointer (RFC 6901) of a location; its names are shown as in a sentence."""
    shown = (visible_name(str(part)) for part in parts)
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in shown)


def place_of(document: object, item: Mapping[str, Any]) -> Location:
    """The place of one of pydantic's errors, without the branches of unions (`constrained-int`, `list[...]`) in it.

    Args:
        document: what was validated. A component that is a key or an index in it is kept, whatever it looks like.
        item: the error. The last component of its `loc` is kept if it is a missing or an unknown name.
    """
    location: Location = item["loc"]
    is_name = item["type"] in ("extra_forbidden", "missing")
    kept: list[int | str] = []
    for index, part in enumerate(location):
        is_kept = _is_in(document, part)
        document = document[part] if is_kept else document  # type: ignore[index]
        if is_kept or (is_name and index == len(location) - 1):
            kept.append(part)
    return tuple(kept)


def _is_in(document: object, part: int | str) -> bool:
    if isinstance(document, list | tuple):
        return isinstance(part, int) and part < len(document)
    return isinstance(document, Mapping) and part in document
