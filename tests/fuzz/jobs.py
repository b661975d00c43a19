"""Jobs of worker processes: this module imports nothing else, so that a worker starts fast."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence


def write(chunks: Sequence[bytes], item: object) -> Iterator[object]:
    """Write to the connection of the worker, past its code, as a task could; then yield an item."""
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(int(sys.argv[1]), rest) :]
    yield item


def count(number: int) -> Iterator[int]:
    yield from range(number)
