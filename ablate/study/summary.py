"""A plan in words, for a person who prints one."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ablate.study.rows import Row


def summarize(heading: str, rows: Sequence[Row], warnings: Sequence[str]) -> str:
    """The heading, a line for each row with what it sets, and the warnings."""
    labels = [row.name + " (baseline)" * row.is_baseline for row in rows]
    width = max(map(len, labels), default=0)
    sets = [", ".join(f"{name} = {json.dumps(value)}" for name, value in row.set.items()) for row in rows]
    lines = [f"  {label:<{width}}  {text}".rstrip() for label, text in zip(labels, sets, strict=True)]
    return "\n".join([heading, *lines, *(f"warning: {warning}" for warning in warnings)])
