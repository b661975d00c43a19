"""The study document of a function."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ablate.errors import TrialError, foreign_code, nearest, quote
from ablate.tasks.function.declare import ATTRIBUTE
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


def function_in(file: Path, name: str) -> Callable[..., Any]:
    """The function of a file that `@ablate.task` marks; the file is imported, so its code runs.

    Raises:
        TrialError: there is no such file or function, it is not marked, or the file raises.
    """
    if not file.is_file():
        raise TrialError(f"there is no file {quote(file)}; give FILE.py:FUNCTION")
    sys.path.insert(0, str(file.resolve().parent))
    sys.modules.pop(file.stem, None)  # another file of this name
    with foreign_code(f"{quote(file)} cannot be imported"):
        module = importlib.import_module(file.stem)
    found: Any = vars(module).get(name)
    if not hasattr(found, ATTRIBUTE):
        known = [one for one, value in vars(module).items() if hasattr(value, ATTRIBUTE)]
        text = nearest(name, known) if known else "; write @ablate.task(metrics=...) above one"
        raise TrialError(f"{quote(file)} has no task {quote(name)}{text}")
    return found  # type: ignore[no-any-return]
