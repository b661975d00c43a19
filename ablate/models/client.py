"""Asks the probe, a subprocess that has torch, about recipes; this process never imports torch for it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self, cast

from ablate.errors import AblateError, SiteError
from ablate.models.call_site import Site
from ablate.trials.trial import Cost


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probe says of a recipe.

    Attributes:
        sites: every call site of the network, in the order of its forward.
        replaced: names of those that the recipe selects.
        cost: of the operated network; None if it was not asked for.
    """

    sites: tuple[Site, ...]
    replaced: frozenset[str]
    cost: Cost | None


class Probe:
    """A warm probe process, started at the first question and again after it died. Safe for several threads.

    Use it as a context manager, or call `close`.

    Args:
        timeout_s: wall seconds that an answer may take (the first includes the import of torch); then the process is
            ended.
    """

    def __init__(self, timeout_s: float = 120.0) -> None:
        self.timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def cost(self, recipe: Mapping[str, Any]) -> Probed:
        """Sites and cost of a recipe of the task `classify`.

        Args:
            recipe: its fields as JSON values; those that are absent have their default.

        Raises:
            SiteError: the network cannot be built as asked; the text says why.
            AblateError: the probe cannot be started, died or took too long.
        """
        return self._ask("cost", recipe)

    def sites(self, recipe: Mapping[str, Any]) -> Probed:
        """As `cost`, without counting."""
        return self._ask("sites", recipe)

    def start(self) -> None:
        """Start the process now, so that the first question finds it warm; returns at once."""
        with self._lock:
            self._start()

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()

    def _ask(self, what: str, recipe: Mapping[str, Any]) -> Probed:
        with self._lock:
            self._asked += 1
            request = {"id": self._asked, "what": what, "recipe": dict(recipe)}
            answer = self._exchange(request)
        if "error" in answer:
            raise SiteError(str(answer["error"]))
        sites = tuple(Site(**site) for site in answer["sites"])
        cost = Cost.model_validate(answer["cost"]) if "cost" in answer else None
        return Probed(sites, frozenset(answer["replaced"]), cost)

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._start()
        stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
            answer = json.loads(_read_line(stdout.fileno(), self.timeout_s))
            if answer["id"] != request["id"]:
                raise AblateError(f"the probe answered question {answer['id']} instead of {request['id']}")
        except (OSError, ValueError, AblateError) as error:
            self._end()
            raise AblateError(f"the probe, which counts costs and sites, gave no answer: {error}") from error
        return dict(answer)

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            command = [sys.executable, "-m", "ablate.models.probe"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # it holds nothing that could be lost
            process.communicate()


def _read_line(descriptor: int, timeout_s: float) -> bytes:
    """One line from a pipe on which nothing else is under way."""
    deadline, read = time.monotonic() + timeout_s, b""
    while not read.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise AblateError(f"no answer within {timeout_s:g} s; try again when the machine is less busy")
        part = os.read(descriptor, 65_536)
        if not part:
            raise AblateError("it ended; its stderr may say why")
        read += part
    return read
