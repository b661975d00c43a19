"""The context of every use case: settings, the database, the probe. One for each process."""

from __future__ import annotations

import shutil
import threading
from collections import deque
from dataclasses import dataclass, field

from service.costs import Costs
from service.errors import UnavailableError
from service.settings import Settings
from service.store import schema
from service.store.session import Store

FREE_BYTES = 256 << 20
"""With less free disk space no new study is accepted, so that running trials can finish."""


@dataclass(frozen=True, slots=True)
class Context:
    """See the module's text.

    Attributes:
        changed: event that wakes the scheduler.
        touched: ids of studies that may be done, for the scheduler of this process; thread-safe.
        parts: state of each component other than the API in this process (`scheduler`, `mlflow`), shown by health.
    """

    settings: Settings
    store: Store
    costs: Costs
    changed: threading.Event = field(default_factory=threading.Event)
    touched: deque[str] = field(default_factory=lambda: deque(maxlen=1000))
    parts: dict[str, str] = field(default_factory=dict)

    def free_bytes(self) -> int:
        """Free space on the disk of the state directory."""
        return shutil.disk_usage(self.settings.home).free

    def wake(self, study_id: str) -> None:
        """Notify the scheduler of this process that a study changed."""
        self.touched.append(study_id)
        self.changed.set()

    def close(self) -> None:
        """End the probe and close the database."""
        self.costs.close()
        self.store.close()


def open_context(settings: Settings) -> Context:
    """Open and check the database, and bring its schema up to date.

    Raises:
        UnavailableError: the database is damaged, of a newer version, or cannot be opened.
    """
    store = Store(settings.database)
    store.check()
    schema.upgrade(store)
    return Context(settings, store, Costs(store))


def refuse_without_space(context: Context) -> None:
    """Raise UnavailableError if the disk of the state directory is nearly full."""
    free = context.free_bytes()
    if free < FREE_BYTES:
        text = (
            f"only {free >> 20} MiB are free on the service's disk; {FREE_BYTES >> 20} are reserved for running trials"
        )
        raise UnavailableError(f"{text}; free some space and submit again")
