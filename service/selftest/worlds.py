"""Studies whose rows do not differ, each in a world of its own: no two of them share a trial."""

from __future__ import annotations

from typing import Any, get_args

from ablate.tasks.null import Noise

MAX_STUDIES = 10_000
SAME = ("reference", "same 1", "same 2")
"""Labels of the rows without an effect; the first one is the baseline."""
SHIFTED = "shifted"
"""Label of the row with the planted effect."""
DESIGNS = (("auto", 8), ("flip", 8), ("t", 6), ("auto", 5))
"""Test and number of seeds. `auto` is the sign-flip test with 8 seeds, and the t test with 5."""
NOISES = get_args(Noise)


def build_study(number: int, *, seed: int, planted: float = 0.0) -> dict[str, Any]:
    """A study of rows without an effect; tests, seeds and noises take turns.

    Args:
        number: of the study, from 0, below `MAX_STUDIES`.
        seed: other seeds give other worlds.
        planted: effect of one further row, in units of the noise (its standard deviation where it is normal); 0: there
            is no such row.
    """
    test, seeds = DESIGNS[number % len(DESIGNS)]
    noise = NOISES[number // len(DESIGNS) % len(NOISES)]
    rows = [{"label": label, "set": {"row": row}} for row, label in enumerate(SAME)]
    if planted:
        rows.append({"label": SHIFTED, "set": {"row": len(rows), "effect": planted}})
    return {
        "name": f"null-{number}",
        "question": f"Does a {test} test of {seeds} seeds with {noise} noise show an effect where there is none?",
        "seeds": seeds,
        "base": {"task": "null", "world": seed * MAX_STUDIES + number, "noise": noise},
        "rows": rows,
        "table": {"test": test},
    }
