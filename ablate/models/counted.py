"""The cost of a network by its architecture, counted once a process. Imports no torch until it counts."""

from __future__ import annotations

import json
from functools import cache

from ablate.trials.trial import Cost


@cache
def count_architecture(architecture: str) -> Cost:
    """Cost of a network, counted once a process: rows that differ in training alone share it."""
    from ablate.models.probe import answer

    found = answer({"what": "cost", "recipe": json.loads(architecture)})
    return Cost.model_validate(found["cost"])
