"""The closed choices of REST and of the command line. Without imports, so that `ablate --help` starts quickly."""

from __future__ import annotations

from typing import Literal

StudyState = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
TrialState = Literal["queued", "running", "succeeded", "diverged", "failed", "cancelled"]
TableFormat = Literal["md", "tex", "csv", "html", "json"]
PlotFormat = Literal["svg", "png", "pdf"]

Mode = Literal["verify", "fresh"]
Missed = Literal["coalesce", "skip", "all"]
Overlap = Literal["skip", "queue"]
Cause = Literal["cron", "manual"]
Kind = Literal["reference", "verify", "fresh"]
FiringState = Literal["queued", "running", "done", "holes", "cancelled", "skipped", "missed", "refused"]
LOG_END = "Ablate-Log-End"
"""Header of the answer with a log: number of bytes up to the end of what was sent."""
