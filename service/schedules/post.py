"""Posts one notice: a program of its own that imports nothing of ours, so that its end ends whatever hangs.

Resolving a name, a handshake and headers that drip have no common time limit in any library, but a process can be
killed; if the service has gone, by its own alarm. stdin is a JSON document with `url`, `key` and `body`; stdout is the
status of the answer, or the name of an error. Redirects are not followed: the operator configured one URL. The body of
the answer is not read. Proxies are those of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.
"""

from __future__ import annotations

import json
import signal
import sys

import httpx2

LIMIT_S = 10
DIRECT = dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]"))
"""This machine is reached without a proxy."""


def main() -> None:
    """Post the notice on stdin."""
    signal.alarm(LIMIT_S + 1)
    given = json.load(sys.stdin)
    headers = {"Idempotency-Key": given["key"], "User-Agent": "ablate"}
    try:
        with (
            httpx2.Client(timeout=LIMIT_S, mounts=DIRECT, follow_redirects=False) as client,
            client.stream("POST", given["url"], json=given["body"], headers=headers) as answer,
        ):
            sys.stdout.write(str(answer.status_code))
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, ImportError) as error:  # the last two of a wrong proxy
        sys.stdout.write(type(error).__name__)


if __name__ == "__main__":
    main()
