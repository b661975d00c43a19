"""`ablate --version`."""

from __future__ import annotations

import ablate
from ablate.trials.provenance import describe_process


def describe_version() -> str:
    """Version, commit, Python and torch, one line each; nothing heavy is imported."""
    here = describe_process()
    lines = {
        "ablate": ablate.__version__,
        "commit": here["commit"] or "unknown (not a checkout)",
        "Python": here["python"],
        "torch": here["versions"].get("torch", "not installed"),
    }
    return "\n".join(f"{name} {value}" for name, value in lines.items())
