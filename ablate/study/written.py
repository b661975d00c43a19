"""A stored study document as the text of a file that `ablate run` and `ablate submit` accept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ablate.text import visible_json

PATCHES = frozenset({"base", "overrides", "scales", "set", "off", "levels", "exclude"})
"""Fields of a study whose content is recipe values: there a null is a value, everywhere else it means the default."""


def render_document(document: Mapping[str, Any]) -> tuple[str, str]:
    """Name and text of a study's file: `study.toml`, or `study.json` where a recipe value is null, which TOML lacks."""
    written = _without_unset(document)
    if _has_null(written):
        return "study.json", visible_json(json.dumps(written, ensure_ascii=False, indent=2))
    import tomli_w

    return "study.toml", visible_json(tomli_w.dumps(written))


def _without_unset(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: inner if name in PATCHES else _without_unset(inner)
            for name, inner in value.items()
            if inner is not None
        }
    return [_without_unset(inner) for inner in value] if isinstance(value, list) else value


def _has_null(value: Any) -> bool:
    if isinstance(value, Mapping | list):
        return any(map(_has_null, value.values() if isinstance(value, Mapping) else value))
    return value is None
