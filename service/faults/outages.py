"""Parts of the surroundings that are away: the database, the disk, Ray, MLflow, a target of notices.

An absence is one line in the log at its begin and one at its end, however often it is noticed in between.
"""

from __future__ import annotations

import logging
import threading
import time

log = logging.getLogger(__name__)


class Outages:
    """The absences that this process knows; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[str, tuple[float, str]] = {}

    def begin(self, part: str, reason: str) -> None:
        """A part is away. Only the first call of an absence writes to the log; the last reason is kept."""
        with self._lock:
            is_news = part not in self._since
            since = time.monotonic() if is_news else self._since[part][0]
            self._since[part] = since, reason
        if is_news:
            log.warning("%s is away; the service waits for it: %s", part, reason)

    def end(self, part: str) -> None:
        """A part is there; writes to the log if it was away."""
        with self._lock:
            since, _ = self._since.pop(part, (None, ""))
        if since is not None:
            log.warning("%s is back after %.0f s", part, time.monotonic() - since)

    def find(self, part: str) -> str | None:
        """Why a part is away; None if it is there."""
        with self._lock:
            return self._since[part][1] if part in self._since else None

    def all(self) -> dict[str, str]:
        """The reason of each absence, by part."""
        with self._lock:
            return {part: reason for part, (_, reason) in self._since.items()}
