"""Causes, kinds and states of firings for the store."""

from __future__ import annotations

from ablate.remote.choices import Cause, FiringState, Kind

CAUSES: tuple[Cause, ...] = ("cron", "manual")
KINDS: tuple[Kind, ...] = ("reference", "verify", "fresh")
FIRING_STATES: tuple[FiringState, ...] = (
    "queued", "running", "done", "holes", "cancelled", "skipped", "missed", "refused",
)  # fmt: skip
