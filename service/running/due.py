"""What a tick of the scheduler has to do: a value computed once per tick. Uses no database and no dispatcher."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

IDLE_S = 1.0
"""How often the queue is read without a reason, and progress is written. Changes in this process wake the scheduler."""
BEAT_S = 5.0
"""How often the scheduler writes that it is alive, and looks for studies that another process has finished."""
FIRE_S = 2.0
"""How often schedules are checked."""


@dataclass(frozen=True, slots=True)
class TickWork:
    """The work of one tick.

    Attributes:
        queue: to claim trials, and to stop those that were cancelled.
        progress: to write the progress of running trials.
        beat: to write that this scheduler is alive.
        finished: to look for studies that another process has finished.
        schedules: to fire schedules.
    """

    queue: bool
    progress: bool
    beat: bool
    finished: bool
    schedules: bool


@dataclass(slots=True)
class Timer:
    """Work that is due once a period, at first immediately."""

    period_s: float
    last_s: float = -math.inf

    def is_due(self, now_s: float) -> bool:
        """Whether a period has passed since this was last true."""
        if now_s - self.last_s < self.period_s:
            return False
        self.last_s = now_s
        return True


@dataclass(slots=True)
class Timers:
    """The timer of each kind of work."""

    queue: Timer = field(default_factory=lambda: Timer(IDLE_S))
    progress: Timer = field(default_factory=lambda: Timer(IDLE_S))
    beat: Timer = field(default_factory=lambda: Timer(BEAT_S))
    finished: Timer = field(default_factory=lambda: Timer(BEAT_S))
    schedules: Timer = field(default_factory=lambda: Timer(FIRE_S))

    def find_due(self, now_s: float, *, is_woken: bool, has_ends: bool, has_begun: bool) -> TickWork:
        """What is due now.

        Args:
            now_s: monotonic time.
            is_woken: whether this process changed the queue.
            has_ends: whether trials ended: their places are free.
            has_begun: whether a trial sent its first message, which readers wait for.
        """
        is_queue_due, is_progress_due = self.queue.is_due(now_s), self.progress.is_due(now_s)
        return TickWork(
            queue=is_woken or has_ends or is_queue_due,
            progress=has_ends or has_begun or is_progress_due,
            beat=self.beat.is_due(now_s),
            finished=self.finished.is_due(now_s),
            schedules=self.schedules.is_due(now_s),
        )
