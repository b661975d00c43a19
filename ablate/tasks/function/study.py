"""The study document of a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ablate.tasks.function.task import keep_function


def study_of_function(
    function: Callable[..., Any],
    factors: Mapping[str, Sequence[Any]],
    rows: Mapping[str, Mapping[str, Any]],
    metrics: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """A study of a function: a row for each combination of the factors' levels, or the named rows, or both.

    Raises:
        TrialError: the function cannot be a task.
    """
    task, stored = keep_function(function, metrics)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stored.name).strip("-._") or "function"
    named = [{"label": label, "set": dict(patch)} for label, patch in rows.items()]
    document: dict[str, Any] = {"name": name, "base": {"task": task}, "metrics": list(stored.metrics)[1:]}
    if factors:
        document["factors"] = [{"name": factor, "levels": list(levels)} for factor, levels in factors.items()]
    if named or not factors:
        document["rows"] = named or [{"label": name}]
    return document
