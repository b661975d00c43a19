"""The context of every use case: settings, the database, the probe. One for each process."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from service.costs import Costs
from service.errors import UnavailableError
from service.faults.boundary import Faults
from service.faults.disk import Disk
from service.faults.outages import Outages
from service.settings import Settings
from service.store import schema
from service.store.session import Store


@dataclass(frozen=True, slots=True)
class Context:
    """See the module's text.

    Attributes:
        faults: where internal errors end.
        outages: parts of the surroundings that are away.
        disk: of the state directory.
        changed: event that wakes the scheduler.
        touched: ids of studies that may be done, for the scheduler of this process; thread-safe.
        parts: state of each component other than the API in this process (`scheduler`, `mlflow`), shown by health.
    """

    settings: Settings
    store: Store
    costs: Costs
    faults: Faults
    disk: Disk
    outages: Outages = field(default_factory=Outages)
    changed: threading.Event = field(default_factory=threading.Event)
    touched: deque[str] = field(default_factory=lambda: deque(maxlen=1000))
    parts: dict[str, str] = field(default_factory=dict)

    def free_bytes(self) -> int:
        """Free space on the disk of the state directory."""
        return self.disk.free_bytes()

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
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = Store(settings.database)
    store.check()
    schema.upgrade(store)
    return make_context(settings, store)


def make_context(settings: Settings, store: Store) -> Context:
    """The context of a process with an open database."""
    faults = Faults(store, settings.home)
    return Context(settings, store, Costs(store), faults, faults.disk)


def refuse_without_space(context: Context) -> None:
    """Raise UnavailableError if the state directory cannot be written, or its disk is nearly full."""
    fault = context.disk.find_fault()
    if fault is not None:
        raise UnavailableError(f"{fault}; mend that and submit again", part="disk")
