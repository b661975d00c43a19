"""A Ray of our own, from outside: its folder, token, variables and processes. Does not import ray.

Ray executes the commands of anyone who reaches its ports. So it listens on loopback only, requires a token, and has a
folder that no other user may enter.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

from ablate.study.resources import Resources
from ablate.workers.environment import WORKER_ENVIRONMENT, is_secret
from service.dispatch import leftovers
from service.dispatch.interface import DispatcherError
from service.dispatch.trial_worker import hidden_variables, worker_variables

TOKEN = "ray_token"
ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_task_oom_retries": "0",  # the queue retries, and counts
}
LOCAL = {
    **ALWAYS,
    "RAY_AUTH_MODE": "token",
    # Despite its name it applies to Linux too: without it Ray listens on every interface, and even replaces
    # `_node_ip_address="127.0.0.1"` by the address of the network card.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # These two would change variables that we set ourselves.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
_PROXY = re.compile(r"(HTTPS?|ALL|FTP|GRPC|NO)_PROXY", re.IGNORECASE)
_VITAL = ("gcs_server", "raylet")
_LONGEST_SOCKET = "/session_2026-11-24_11-18-13_419814_4194304/sockets/plasma_store"
_MOST_SOCKET_BYTES = 107


class RayHome:
    """See the module's text. It is made before Ray starts, and removes the files of an earlier Ray.

    Attributes:
        folder: for `_temp_dir`.
        given: variables that every worker inherits.
        variables: differences between the environment of Ray's processes and ours; None: the variable is absent.

    Args:
        home: state directory.
        has_gpus: whether Ray assigns GPUs to workers.
    """

    def __init__(self, home: Path, *, has_gpus: bool) -> None:
        self._home = home.resolve()
        self.folder = _find_folder(self._home)
        _make_private(self.folder)
        _remove_sessions(self.folder)
        _write_token(self._home / TOKEN)
        self.given = WORKER_ENVIRONMENT | worker_variables(Resources(), None)
        if has_gpus:
            del self.given["CUDA_VISIBLE_DEVICES"]
        self.variables: dict[str, str | None] = {
            **{
                name: None for name in os.environ if _PROXY.fullmatch(name)
            },  # a proxy would be used between its own processes
            **{name: None for name in hidden_variables() if not name.startswith("RAY_") or is_secret(name, "")},
            **LOCAL,
            **self.given,
            "RAY_AUTH_TOKEN_PATH": str(self._home / TOKEN),
        }
        self._processes: set[psutil.Process] = set()
        self._vital: dict[str, psutil.Process] = {}

    def make_private(self) -> None:
        """Take Ray's folders from other users: whatever the umask is, Ray opens them to all when it starts."""
        self.folder.chmod(0o700)
        for folder, folders, files in os.walk(self.folder):
            for path in (Path(folder, name) for name in (*folders, *files)):
                with suppress(FileNotFoundError):  # Ray removed it
                    if not path.is_symlink():
                        path.chmod(path.stat().st_mode & ~0o077)

    def note_processes(self) -> None:
        """Remember every process that Ray has now, and record them for the next service."""
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                command = child.cmdline()
                if any(str(self.folder) in word for word in command):
                    self._processes.update(leftovers.family(child))
                    name = Path(command[0]).name
                    if name in _VITAL:
                        self._vital[name] = child
        leftovers.record(self._home)

    def find_broken(self) -> str | None:
        """Name of a vital process of Ray that has ended, if there is one."""
        return next((name for name, process in self._vital.items() if not leftovers.is_alive(process)), None)

    def end_processes(self) -> None:
        """Kill every process that was noted and still runs."""
        leftovers.end(self._processes)

    def clear(self) -> None:
        """After the end of Ray: remove the token, and the folder if it is outside our home.

        A folder in our home stays, with Ray's logs, until the next start.
        """
        leftovers.record(self._home)
        (self._home / TOKEN).unlink(missing_ok=True)
        if not self.folder.is_relative_to(self._home):
            shutil.rmtree(self.folder, ignore_errors=True)


def _find_folder(home: Path) -> Path:
    """A folder in home; if that path is too long for sockets, or Ray cannot write it, one for temporary files.

    Ray encodes the path of its folder in ASCII.
    """
    folder = home / "ray"
    if str(folder).isascii() and len(os.fsencode(folder)) + len(_LONGEST_SOCKET) <= _MOST_SOCKET_BYTES:
        return folder
    return Path(tempfile.gettempdir()) / f"ablate-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"


def _make_private(folder: Path) -> None:
    """Create a folder that only this user may enter; one that belongs to another user is refused."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise DispatcherError(f"Ray's folder {folder} belongs to another user; remove it, or set TMPDIR")
    folder.chmod(0o700)


def _remove_sessions(folder: Path) -> None:
    for session in folder.glob("session_*"):
        if session.is_symlink():
            session.unlink()
        else:
            shutil.rmtree(session, ignore_errors=True)


@cache
def _token() -> str:
    """One token for all Rays that this process starts: Ray reads it once."""
    return secrets.token_hex(32)


def _write_token(path: Path) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(_token())
