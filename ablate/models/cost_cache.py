"""The cost of an architecture, counted once per process. torch is imported only when counting."""

from __future__ import annotations

import json
from functools import cache

from ablate.trials.trial import Cost


@cache
def count_architecture(architecture: str) -> Cost:
    """Count the cost of a network once per process; rows that differ only in training share the result.

    Args:
        architecture: JSON text of the recipe reduced by `architecture_of`.

    Raises:
        SiteError: the network cannot be built.
    """
    from ablate.models.probe import answer

    found = answer({"what": "cost", "recipe": json.loads(architecture)})
    return Cost.model_validate(found["cost"])
