"""Where a service that runs on a state directory listens: written while it serves, read by the commands."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = "service.json"


@contextmanager
def told(home: Path, url: str) -> Iterator[None]:
    """Tell the commands of this machine the address, as long as the block runs."""
    path = home / FILE
    path.write_text(json.dumps({"url": url, "pid": os.getpid()}), encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_address(home: Path) -> str | None:
    """The address of the service that runs on a state directory; None where none does."""
    try:
        found = json.loads((home / FILE).read_text(encoding="utf-8"))
        os.kill(found["pid"], 0)
    except (OSError, ValueError, KeyError):  # not there, torn by a crash, or its process is gone
        return None
    return str(found["url"])
