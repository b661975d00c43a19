"""The address of the service that runs on a state directory: written while it serves, read by the commands."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from ablate.data.datasets import data_root

log = logging.getLogger(__name__)

FILE = "service.json"


@contextmanager
def published(home: Path, url: str) -> Iterator[None]:
    """Publish the address and the data folder to the commands of this machine while the block runs.

    On a disk that cannot be written, the commands need `--url`.
    """
    path = home / FILE
    found = {"url": url, "pid": os.getpid(), "data": str(data_root().absolute())}
    try:
        path.write_text(json.dumps(found), encoding="utf-8")
    except OSError as error:
        log.warning("the address of the service cannot be published to the commands: %s", error.strerror)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_address(home: Path) -> str | None:
    """The address of the service that runs on a state directory; None if none runs."""
    found = _read(home)
    return found["url"] if found else None


def shares_data(home: Path, url: str) -> bool:
    """Whether the service of a state directory is at an address, and uses the same data folder as this process."""
    found = _read(home)
    return found is not None and _place(found["url"]) == _place(url) and found["data"] == str(data_root().absolute())


def _place(url: str) -> tuple[str | None, int | None]:
    address = urlsplit(url)
    return "127.0.0.1" if address.hostname == "localhost" else address.hostname, address.port


def _read(home: Path) -> dict[str, str] | None:
    try:
        found = json.loads((home / FILE).read_text(encoding="utf-8"))
        os.kill(found["pid"], 0)
        return {"url": str(found["url"]), "data": str(found["data"])}
    except (OSError, ValueError, KeyError, TypeError, OverflowError):  # no such file or process, or a damaged file
        return None
