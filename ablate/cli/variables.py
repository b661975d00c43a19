"""The environment variables of ablate by name, and a warning of those that nothing reads."""

from __future__ import annotations

from collections.abc import Iterable

from ablate.names import closest

PREFIX = "ABLATE_"
SETTINGS = (
    "HOME", "DATA", "DEVICE", "WORKERS", "MAX_TRIALS", "URL", "API_KEY", "TASK_ENV", "DATABASE_URL", "RAY_ADDRESS",
    "DISPATCHER", "TRACKING_URI", "SILENCE_S", "MAX_BODY_BYTES", "ALLOWED_HOSTS", "NOTIFY_URL", "NOTIFY_FORMAT",
    "NOTIFY_COMMAND",
)  # fmt: skip
"""The settings of the library and of the service. They are listed here, since the settings import slowly."""
INTERNAL = ("LIFELINE", "TRIAL_GPUS", "REPORT", "SEED", "FOLD", "WORKDIR", "ATTEMPT", "KEY")
"""What ablate sets for its own processes and for scripts."""
OPTIONS = {"PORT": "`ablate serve --port`", "HOST": "`ablate serve --host`", "ROLE": "`ablate serve --role`"}
"""Names that other services have for what is an option here."""


def describe_unknown(variables: Iterable[str]) -> list[str]:
    """A sentence for each variable that begins as ours do, and that nothing reads."""
    names = sorted(name for name in variables if name.upper().startswith(PREFIX))
    return [
        f"the variable {name} has no effect{_advice(name[len(PREFIX) :].upper())}"
        for name in names
        if name[len(PREFIX) :].upper() not in (*SETTINGS, *INTERNAL)
    ]


def _advice(name: str) -> str:
    if name in OPTIONS:
        return f"; use {OPTIONS[name]}"
    match = closest(name, SETTINGS)
    return f"; did you mean {PREFIX}{match.name}?" if match else ": ablate has no setting of that name"
