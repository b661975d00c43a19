"""The limit of open files of this process, and what is allowed below it."""

from __future__ import annotations

import resource

MOST_FILES = 65_536
"""More are not needed, and some programs try to close every possible descriptor when they start."""
MOST_CONNECTIONS, MOST_WAITING, MOST_STREAMS = 4_096, 512, 1_000


def raise_limit() -> None:
    """Allow this process, and those it starts, as many open files as the system permits, at most `MOST_FILES`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """Open connections of clients: at most half of the descriptors, so that files can always be opened."""
    return min(MOST_CONNECTIONS, _open_files() // 2)


def most_waiting() -> int:
    """Connections that wait in the listener's queue. asyncio accepts all of them before it can close an idle one."""
    return min(MOST_WAITING, _open_files() // 8)


def most_streams() -> int:
    """Event streams, which stay open: at most half of the connections, so that other requests are always answered."""
    return min(MOST_STREAMS, _open_files() // 4)


def _open_files() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_FILES if soft == resource.RLIM_INFINITY else soft
