"""A warm process that counts sites and costs with torch: `main`, JSON lines in and out.

A request on stdin is `{"id", "recipe": {...}, "what": "cost" | "sites"}`. The answer on stdout is
`{"id", "sites": [...], "replaced": [names]}`, for `cost` also with `"cost": {...}`, or `{"id", "error": "..."}`. The
process ends when stdin ends, or with the process that started it. Networks are built on the CPU and traced with fake
tensors, so nothing is computed. The client is `ablate.models.probe_client.Probe`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import asdict
from typing import IO, Any

import torch
from pydantic import ValidationError

from ablate.data.datasets import describe
from ablate.errors import AblateError
from ablate.models.cost import count_cost
from ablate.models.surgery import build
from ablate.recipes.classify import ClassifyRecipe
from ablate.text import print_every_character
from ablate.workers.child import LIFELINE, end_with_parent

WHATS = ("cost", "sites")


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request, without its id.

    Raises:
        AblateError: the data set or network is unknown, or no site is selected.
        ValidationError: the recipe is invalid.
    """
    what = request.get("what")
    if what not in WHATS:
        raise AblateError(f"'what' is {what!r}; allowed: {', '.join(WHATS)}")
    recipe = ClassifyRecipe.model_validate(request["recipe"])
    info = describe(recipe.dataset)
    resolution_px = recipe.resolution_px or info.resolution_px
    # Weights do not matter here, so every stream is the same.
    operated = build(recipe, info.classes, resolution_px, lambda name: torch.Generator().manual_seed(0))
    sites = [asdict(site) for site in sorted((*operated.replaced, *operated.kept), key=lambda site: site.index)]
    found = {"sites": sites, "replaced": [site.name for site in operated.replaced]}
    if what == "cost":
        return {"cost": count_cost(operated.network, resolution_px).model_dump(), **found}
    return found


def respond(line: str) -> dict[str, Any]:
    """The answer to one line. Every failure is in `error`, since the process must stay warm for the next request."""
    number: Any = None
    try:
        request = json.loads(line)
        number = request["id"]
        return {"id": number, **answer(request)}
    except (AblateError, ValidationError) as error:
        return {"id": number, "error": str(error)}
    except Exception as error:  # foreign builders may raise anything; the traceback goes to stderr, not to a user
        traceback.print_exc()
        return {"id": number, "error": f"{type(error).__name__} in the probe; its stderr has the traceback"}


def main() -> None:
    """Answer until stdin ends."""
    print_every_character()
    if LIFELINE in os.environ:  # else it was started from a shell
        end_with_parent()
    torch.set_num_threads(1)
    with _claimed_stdout() as out:
        for line in sys.stdin:
            out.write(json.dumps(respond(line)) + "\n")
            out.flush()


def _claimed_stdout() -> IO[str]:
    """The real stdout; the output of libraries goes to stderr from now on."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


if __name__ == "__main__":
    main()
