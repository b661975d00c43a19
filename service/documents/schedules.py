"""Modes and policies of schedules for the store."""

from __future__ import annotations

from ablate.remote.choices import Missed, Mode, Overlap

MODES: tuple[Mode, ...] = ("verify", "fresh")
WHEN_MISSED: tuple[Missed, ...] = ("coalesce", "skip", "all")
WHEN_BUSY: tuple[Overlap, ...] = ("skip", "queue")
