"""MLflow's own UI: `mlflow server` as a supervised child process on a free loopback port. Knows no web framework.

The child runs this module (`main`, with the arguments STORE server ...): MLflow's command line, in a process that
ends with the service (`ablate.workers.child`), together with MLflow's own child, the uvicorn process. Only that process
imports mlflow.
"""

from __future__ import annotations

import http.client
import logging
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal
from urllib.parse import urlsplit

from ablate.workers.child import Child, end_with_parent
from ablate.workers.own_code import arguments_for
from service.tracking.mlflow_file import QUIET, create_store, embedded_store

State = Literal["starting", "ready", "failed", "stopped"]
PREFIX = "/mlflow"
_KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT"),
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
)
_READY_WITHIN_S = 180.0
_GRACE_S = 5.0
_LONGEST_PAUSE_S = 60.0
_MAX_LOG_BYTES = 1 << 20

log = logging.getLogger(__name__)


class MlflowServer:
    """The server of the embedded MLflow, kept running from `start` to `close`. None of its processes outlives this one.

    Args:
        home: state directory; the server's output goes to `logs/mlflow-ui.log` there.
        tracking_uri: of the embedded store (`service.tracking.mlflow_file.embedded_store`).
        artifact_location: for the files of a run without its own location.
    """

    def __init__(self, home: Path, tracking_uri: str, artifact_location: str) -> None:
        self._home = home
        self._tracking_uri = tracking_uri
        self._artifact_location = artifact_location
        self._changed = threading.Condition()
        self._state: State = "stopped"
        self._url: str | None = None
        self._stop = threading.Event()
        self._starting = threading.Lock()  # of _child: `close` must not miss one that is just being started
        self._child: Child | None = None
        self._thread = threading.Thread(target=self._supervise, name="mlflow-ui", daemon=True)

    @property
    def state(self) -> State:
        """`starting`; `ready`: it answers at `url`; `failed`: it ended, and restarts after a pause; `stopped`: before
        `start` and after `close`."""
        return self._state

    @property
    def url(self) -> str | None:
        """Its address, below which `/mlflow/` answers; None unless `ready`. Each start has another port."""
        return self._url

    @property
    def pid(self) -> int | None:
        """Number of the child process; None while there is none."""
        child = self._child
        return child.pid if child else None

    def start(self) -> None:
        """Start it in the background; returns immediately."""
        self._set("starting")
        self._thread.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until it answers; whether it does."""
        with self._changed:
            return self._changed.wait_for(lambda: self._state == "ready", timeout_s)

    def close(self) -> None:
        """End the server and wait for it. Idempotent; it cannot be started again."""
        self._stop.set()
        self._signal(signal.SIGTERM)
        if self._thread.ident is not None:
            self._thread.join(_GRACE_S)
            self._signal(signal.SIGKILL)
            self._thread.join()

    def _signal(self, number: int) -> None:
        with self._starting:
            if self._child is not None:
                self._child.signal(number)

    def _set(self, state: State, url: str | None = None) -> None:
        with self._changed:
            self._state, self._url = state, url
            self._changed.notify_all()

    def _supervise(self) -> None:
        delay_s = 1.0
        while not self._stop.is_set():
            was_ready = self._serve()
            if not self._stop.is_set():
                self._set("failed")
                delay_s = 1.0 if was_ready else min(2 * delay_s, _LONGEST_PAUSE_S)
                log.warning("MLflow's server ended and restarts in %.0f s; see logs/mlflow-ui.log", delay_s)
                self._stop.wait(delay_s)
        self._set("stopped")

    def _serve(self) -> bool:
        """Run the server once, to its end. Returns whether it was ready at any time."""
        port = _free_port()
        self._set("starting")
        try:
            with self._running(port) as child:
                if child is None or not self._await_ready(child, port):
                    return False
                self._set("ready", f"http://127.0.0.1:{port}")
                child.wait()
                self._set("failed")
                return True
        except OSError as error:
            log.error("MLflow's server cannot be started: %s", error)
            return False

    @contextmanager
    def _running(self, port: int) -> Iterator[Child | None]:
        """The server's process, killed with its own children at the end; None where `close` came first."""
        with self._starting:
            if not self._stop.is_set():
                with _open_log(self._home / "logs" / "mlflow-ui.log") as output:
                    self._child = Child(
                        self._command(port), _environment(), stdout=output, stderr=subprocess.STDOUT, cwd=self._home
                    )
        try:
            yield self._child
        finally:
            with self._starting:
                if self._child is not None:
                    self._child.kill()
                self._child = None

    def _command(self, port: int) -> list[str]:
        return [
            *arguments_for("from service.tracking.ui import main; main()"),
            *(self._tracking_uri, "server"),
            *("--workers", "1", "--host", "127.0.0.1", "--port", str(port), "--static-prefix", PREFIX),
            *("--allowed-hosts", f"127.0.0.1:{port},localhost:{port}"),
            *("--backend-store-uri", self._tracking_uri, "--default-artifact-root", self._artifact_location),
            *("--no-serve-artifacts", "--uvicorn-opts", "--no-access-log --timeout-graceful-shutdown 3"),
        ]

    def _await_ready(self, child: Child, port: int) -> bool:
        deadline = time.monotonic() + _READY_WITHIN_S
        while child.is_alive and not self._stop.is_set() and time.monotonic() < deadline:
            if _is_healthy(port):
                return True
            self._stop.wait(0.1)
        return False


@dataclass(frozen=True, slots=True)
class NoServer:
    """The placeholder of an `MlflowServer`: MLflow runs elsewhere, or there is no mirror.

    Attributes:
        url: address of MLflow, without credentials; None if there is none that a browser could open.
    """

    url: str | None
    state: Literal["absent"] = "absent"

    def start(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


def choose_server(home: Path, tracking_uri: str | None) -> MlflowServer | NoServer:
    """The UI for `ABLATE_TRACKING_URI`: a server of our own for the embedded store (None), else a placeholder."""
    if tracking_uri is None:
        return MlflowServer(home, *embedded_store(home))
    return NoServer(_public_address(tracking_uri))


def _public_address(tracking_uri: str) -> str | None:
    parts = urlsplit(tracking_uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _environment() -> dict[str, str]:
    """Variables from an allow-list: no secret, and no MLFLOW_ variable that would change what the server may do."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}
    return kept | {
        **QUIET,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PYTHONSAFEPATH": "1",  # nothing is imported from its working directory
    }


def _open_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"{PREFIX}/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    """MLflow's command line, in a process that ends with the service."""
    end_with_parent(_GRACE_S)  # MLflow's own process waits for its child; both have usually ended before SIGKILL
    create_store(sys.argv.pop(1))
    sys.argv[0] = "mlflow"
    runpy.run_module("mlflow", run_name="__main__", alter_sys=True)
