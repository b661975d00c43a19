"""The file of the embedded MLflow: its place and its creation. This module runs mlflow and never imports it."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from filelock import FileLock

from service.errors import ServiceError
from service.settings import sqlite_url

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Environment of each of our processes that imports mlflow: no telemetry, no hints, no banner, no call of git."""

ARTIFACTS = "mlartifacts"
"""Folder of the files of runs, below the state directory."""
RENAMED = " (ablate)"
"""Ends the name of the experiment of a study that is called as MLflow's own experiment; see `mlflow_writer`."""

SQLITE = re.compile(r"sqlite(?:\+pysqlite)?:///(.*)", re.DOTALL)


class MirrorError(ServiceError):
    """MLflow could not be reached, or it refused the request. The entry should stay in the outbox.

    Attributes:
        is_refused: whether MLflow answered and would refuse a repetition as well, so that a person has to look.
    """

    def __init__(self, message: str, *, is_refused: bool = False) -> None:
        super().__init__(message)
        self.is_refused = is_refused


def embedded_store(home: Path) -> tuple[str, str]:
    """Tracking URI and artifact location of the embedded MLflow below the state directory."""
    return _store_uri(home.absolute() / "mlflow.db"), (home.absolute() / ARTIFACTS).as_uri()


def _store_uri(path: Path) -> str:
    """The tracking URI of a file. Of a `sqlite:` one with an escape, MLflow would make a folder of the escaped name."""
    url = sqlite_url(path)
    return url.replace("sqlite:", "sqlite+pysqlite:", 1) if "%" in url else url


def create_store(tracking_uri: str) -> None:
    """Create the file of a SQLite store, whole or not at all, unless it exists. Nothing is done for other stores.

    MLflow cannot open a file whose creation was interrupted, nor one that two processes create at the same time.

    Raises:
        MirrorError: MLflow could not create it.
    """
    path = find_file(tracking_uri)
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock"), fallback_to_soft=False):
        if not path.exists():
            for cut_off in path.parent.glob(f"{path.name}.new-*"):
                cut_off.unlink()
            new = path.with_name(f"{path.name}.new-{os.getpid()}")
            _run_mlflow("db", "upgrade", _store_uri(new))
            new.replace(path)


def _run_mlflow(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mlflow", *arguments],  # -P: nothing is imported from the working directory
        env={**os.environ, **QUIET},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        raise MirrorError(f"`mlflow {arguments[0]}` ended with status {done.returncode}: {done.stderr[-500:].strip()}")


def find_file(tracking_uri: str) -> Path | None:
    """The file of a SQLite store; None for any other."""
    found = SQLITE.fullmatch(tracking_uri)
    return Path(unquote(found[1])) if found else None


def check_file(tracking_uri: str) -> None:
    """Raise sqlite3.Error for a damaged file, which MLflow would retry for minutes before it reports the damage."""
    path = find_file(tracking_uri)
    if path is not None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA schema_version")


def follow_move(tracking_uri: str, artifacts: str) -> None:
    """Make the files of our runs belong to this state directory, after it was moved or copied.

    MLflow stores absolute addresses of files. It would write those of new runs to the old place, and look for the old
    ones there.

    Args:
        tracking_uri: of the embedded store; its file exists.
        artifacts: artifact location of the embedded store.
    """
    path = find_file(tracking_uri)
    if path is None:
        return
    with closing(sqlite3.connect(path)) as connection, connection:
        found = connection.execute("SELECT experiment_id, name, artifact_location FROM experiments").fetchall()
        for experiment, name, old in found:
            place = f"/{name.removesuffix(RENAMED)}"
            new = artifacts + place
            if old is None or old == new or not old.endswith(f"/{ARTIFACTS}{place}"):
                continue
            connection.execute(
                "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, experiment)
            )
            connection.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
                "WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
                (new, len(old) + 1, experiment, len(old) + 1, f"{old}/"),
            )
