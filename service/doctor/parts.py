"""What the service consists of: its port, its database, Ray, MLflow; and the data sets."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlsplit

from ablate.data import datasets
from ablate.text import without_password
from service.address import find_address
from service.doctor.findings import Finding, error, ok, warning
from service.errors import UnavailableError
from service.settings import Settings

PORT = 8080
CONNECT_S = 3.0
INSTALL = "pip install '.[service]' (in a checkout of ablate)"


def find_service(settings: Settings) -> Sequence[Finding]:
    """The service of this state directory, else whether its port is free."""
    url = find_address(settings.home)
    if url is not None:
        where = urlsplit(url)
        if _answers(where.hostname or "", where.port or 80):
            return [ok("service", f"runs at {url}")]
        return [
            error("service", f"should run at {url}, and does not answer", "stop it, and start `ablate serve` again")
        ]
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError as wrong:
            text = f"does not run, and its port {PORT} cannot be used: {wrong.strerror}"
            return [warning("service", text, "choose another one: ablate serve --port 0")]
    return [ok("service", f"does not run; port {PORT} is free")]


def open_database(settings: Settings) -> Sequence[Finding]:
    """Whether the database can be read and written."""
    if settings.is_embedded:
        return _open_file(Path(settings.database.removeprefix("sqlite:///")))
    from service.store.heartbeat import server_version
    from service.store.session import Store

    shown = without_password(settings.database)
    try:
        with closing(Store(settings.database)) as store, store.read() as connection:
            found = server_version(connection)
        return [ok("database", f"PostgreSQL {found} at {shown}")]
    except UnavailableError as wrong:
        return [error("database", f"{shown}: {wrong}", "start it, or correct ABLATE_DATABASE_URL")]


def _open_file(file: Path) -> Sequence[Finding]:
    text = f"SQLite {sqlite3.sqlite_version}, {file}"
    if not file.exists():
        return [ok("database", f"{text}, which does not exist yet")]
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True, timeout=1)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as wrong:
        return [error("database", f"{text}: {wrong}", "replace the file by a backup, or set another ABLATE_HOME")]
    return [ok("database", text)]


def find_ray(settings: Settings) -> Sequence[Finding]:
    """Ray, if trials run in it."""
    if settings.dispatcher == "inline":
        return [ok("ray", "is not used: ABLATE_DISPATCHER is inline")]
    if find_spec("ray") is None:
        return [warning("ray", "is not installed", f"{INSTALL}, or ABLATE_DISPATCHER=inline")]
    text = f"Ray {version('ray')}"
    if settings.ray_address is None:
        return [ok("ray", f"{text}, started by the service")]
    address = urlsplit(f"http://{settings.ray_address.removeprefix('ray://')}")
    if _answers(address.hostname or "", address.port or 6379):
        return [ok("ray", f"{text}, the cluster answers")]
    return [error("ray", f"{text}, nothing answers at ABLATE_RAY_ADDRESS", "start the cluster, or correct the address")]


def find_mlflow(settings: Settings) -> Sequence[Finding]:
    """MLflow, if studies are shown in it."""
    uri = settings.tracking_uri
    if uri == "off":
        return [ok("mlflow", "is not used: ABLATE_TRACKING_URI is off")]
    if find_spec("mlflow") is None:
        return [warning("mlflow", "is not installed", f"{INSTALL}, or ABLATE_TRACKING_URI=off")]
    text = f"MLflow {version('mlflow')}"
    if uri is None:
        return [ok("mlflow", f"{text}, embedded in the service")]
    shown, address = without_password(uri), urlsplit(uri)
    if address.scheme not in ("http", "https"):
        return [ok("mlflow", f"{text}, writes to {shown}")]
    if _answers(address.hostname or "", address.port or (443 if address.scheme == "https" else 80)):
        return [ok("mlflow", f"{text}, the server at {shown} answers")]
    return [warning("mlflow", f"{text}, nothing answers at {shown}", "studies run without it, and are shown later")]


def find_data() -> Sequence[Finding]:
    """The data sets that are on this machine."""
    found = [one.name for one in datasets.list_datasets() if datasets.find(one.name)]
    findings = [ok("data", f"{', '.join(found) or 'no data set yet'} in {datasets.data_root()}")]
    return findings + [error("data", reason, f"`ablate data add {name}` again") for name, reason in
                       datasets.list_damaged().items()]  # fmt: skip


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=CONNECT_S):
            return True
    except OSError:
        return False
