"""`ablate serve`: one process with all components of the service, or some. They stop in reverse order.

The main thread runs uvicorn and handles SIGTERM, SIGINT and SIGHUP; the scheduler, the mirror and the notifier have a
thread each. Ray, MLflow, MLflow's UI and the probe run in child processes, so that none of them can end this one.
However the service ends, running trials are queued again with their checkpoints, and no process is left.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psutil

from ablate.text import log_to_stderr
from service.address import published
from service.app import create_app
from service.context import Context, open_context
from service.dispatch.interface import Dispatcher
from service.dispatch.leftovers import end, family, sweep
from service.errors import ServeError
from service.http.descriptors import raise_limit
from service.http.garbage import Garbage
from service.http.server import listening, serve_until, url_of
from service.running.scheduler import Scheduler
from service.running.threads import Threads
from service.schedules.notify import Notifier, refuse_missing_program
from service.settings import Role, Settings
from service.store.home import make_private
from service.store.lock import Held, held
from service.tracking.mirror_process import Where
from service.tracking.mirror_thread import Mirroring
from service.tracking.mlflow_file import embedded_store
from service.tracking.ui import choose_server

log = logging.getLogger(__name__)

LOOK_S = 0.1
"""How often the main thread checks whether it should end."""
HOME_S = 5.0
"""How often it checks whether the state directory is still there."""
END_S = 18.0
"""How long the service may take to end, whatever hangs; then it is killed."""


def serve(settings: Settings, *, host: str, port: int, role: Role, announce: Callable[[str], None]) -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP.

    Args:
        settings: of the service.
        host, port: address to listen on; port 0 takes a free one.
        role: `all`, or `api` or `scheduler` alone.
        announce: called with the address once the service answers.

    Returns:
        The exit status: 0; 70 if the state directory was taken away.

    Raises:
        ServeError: host, port or role cannot be used.
        UnavailableError: the database cannot be used, or another process holds it.
    """
    _refuse_unguarded(host)
    if role != "api":
        refuse_missing_program(settings.notify_command)
    raise_limit()
    make_private(settings.home)
    if role == "scheduler" and settings.is_embedded:
        raise ServeError("separate roles need PostgreSQL (ABLATE_DATABASE_URL); on SQLite use --role all")
    settings = settings.model_copy(update={"allowed_hosts": [*settings.allowed_hosts, host]})
    with ExitStack() as stack:
        lock = stack.enter_context(held(settings.database)) if settings.is_embedded or role != "api" else None
        if lock is not None:
            sweep(settings.home)
        context = open_context(settings)
        stack.callback(context.close)
        listener = stack.enter_context(listening(host, port)) if role != "scheduler" else None
        parts = _Parts(context)
        parts.watch_the_end()
        stack.enter_context(parts.stopped_at_the_end())
        if lock is not None and role != "api":
            parts.start_scheduler(lock)
            parts.start_mirror()
            parts.start_notifier()
        elif settings.is_embedded:  # no other process can use this database; for others, the beat reports it
            context.parts["scheduler"] = "none"
        if listener is None:
            asyncio.run(parts.until_ended())
        else:
            context.costs.start()
            url = url_of(listener)
            stack.enter_context(published(settings.home, url))
            announce(url)
            app = create_app(context, mlflow=parts.ui, is_stopping=parts.ended.is_set)
            log.info("listening; state in %s", settings.home)
            asyncio.run(serve_until(parts.until_ended(), app, listener))
    return 70 if parts.broken else 0


def _refuse_unguarded(host: str) -> None:
    """Without API keys, which are not built yet, only this machine may call."""
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback:
        raise ServeError(f"without API keys the service listens on loopback only; {host} is not a loopback address")


def ending_signals() -> list[signal.Signals]:
    """The signals that end the service; SIGHUP, when a terminal is closed, unless it is ignored as by `nohup`."""
    is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([] if is_ignored else [signal.SIGHUP])]


class _Parts:
    """The components other than the API, and what ends the service: a signal, or the loss of its state directory."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.broken = False
        self.ended = threading.Event()
        self.ui = choose_server(context.settings.home, context.settings.tracking_uri)
        self._threads = Threads(context)
        self._home = _identity(context.settings.home)
        for number in ending_signals():
            signal.signal(number, lambda *_: self.ended.set())

    def start_scheduler(self, lock: Held) -> None:
        """The scheduler's thread, which starts its dispatcher."""
        self.context.parts["scheduler"] = "starting"
        build = partial(Scheduler, self.context, self._build_dispatcher, self._scheduler_is_ready, keep_lock=lock.keep)
        self._threads.start("scheduler", lambda: build().run)

    def _scheduler_is_ready(self) -> None:
        self.context.parts["scheduler"] = "running"

    def _build_dispatcher(self) -> Dispatcher:
        settings = self.context.settings
        if settings.dispatcher == "inline":
            from service.dispatch.inline import InlineDispatcher

            return InlineDispatcher(settings.workers)
        from service.dispatch.own_process import Apart
        from service.dispatch.ray import RayDispatcher

        build = partial(RayDispatcher, settings.home, settings.ray_address, settings.workers)
        return Apart(RayDispatcher.kind, build, settings.home, self.ended.is_set)

    def start_mirror(self) -> None:
        """The mirror's thread, and MLflow's UI where MLflow is embedded."""
        settings = self.context.settings
        if settings.tracking_uri == "off":
            self.context.parts["mlflow"] = "off"
            return
        given = settings.tracking_uri
        where = Where(*embedded_store(settings.home)) if given is None else Where(given, None)
        self.ui.start()
        self.context.parts["mlflow"] = "starting"
        self._threads.start("mirror", lambda: Mirroring(self.context, where).run)

    def start_notifier(self) -> None:
        """The thread that sends notices to operators."""
        self._threads.start("notifier", lambda: Notifier(self.context).run)

    async def until_ended(self) -> None:
        """Wait for a signal, or the loss of the state directory. It runs in the main thread, which handles signals."""
        looked_s, garbage = time.monotonic(), Garbage()
        while not self.ended.is_set():
            await asyncio.sleep(LOOK_S)
            garbage.look()
            if time.monotonic() - looked_s >= HOME_S:
                looked_s = time.monotonic()
                self._check_home()

    def _check_home(self) -> None:
        if _identity(self.context.settings.home) not in (self._home, AWAY):
            log.critical("the state directory was removed or replaced, so the service ends; start it again")
            self.broken = True
            self.ended.set()

    @contextmanager
    def stopped_at_the_end(self) -> Iterator[None]:
        """Stop the scheduler first, so that MLflow shows how everything ended."""
        try:
            yield
        finally:
            self._threads.stop()
            self.ui.close()

    def watch_the_end(self) -> None:
        """Start a thread that ends this process and its children where it has not ended in time after a signal."""
        threading.Thread(target=self._end_in_time, name="end", daemon=True).start()

    def _end_in_time(self) -> None:
        self.ended.wait()
        time.sleep(END_S)
        log.critical("the service did not end within %g s, so it is killed with its processes", END_S)
        logging.shutdown()
        end(family(psutil.Process())[1:])
        os._exit(70 if self.broken else 0)


AWAY = (0, 0)


def _identity(home: Path) -> tuple[int, int] | None:
    """What distinguishes the state directory from another at its path; None if there is none, `AWAY` if unknown."""
    try:
        found = home.stat()
    except FileNotFoundError:
        return None
    except OSError:  # its disk is away: the service waits for it
        return AWAY
    return found.st_dev, found.st_ino


def set_up_logging() -> None:
    """Log to stderr, each record as one line with time and level."""
    log_to_stderr(logging.INFO)
    quieten_libraries()


def quieten_libraries() -> None:
    """Only warnings and errors of libraries; httpx2 would log whole addresses, and the one for notices is a secret."""
    for name in ("alembic", "httpx", "httpx2", "matplotlib"):
        logging.getLogger(name).setLevel(logging.WARNING)
