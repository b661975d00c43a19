"""What every document of ablate is: a frozen value that crosses a process as JSON."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A frozen value with named fields that can be written as JSON and read back; unknown fields and NaN are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal bytes. NaN and infinity are a ValueError."""
    return CANONICAL.encode(value)


CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
