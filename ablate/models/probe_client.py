"""The client of the probe, a child process that imports torch, so that this process need not; and a cache of costs."""

from __future__ import annotations

import json
import os
import select
import subprocess
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import IO, Any, Self, cast

from ablate.errors import AblateError, SiteError
from ablate.models.call_site import Site
from ablate.trials.trial import Cost
from ablate.workers.child import Child
from ablate.workers.own_code import arguments_for

START = "from ablate.models.probe import main; main()"


@dataclass(frozen=True, slots=True)
class Probed:
    """The probe's answer about a recipe.

    Attributes:
        sites: every call site of the network, in the order of its forward pass.
        replaced: names of the sites that the recipe selects.
        cost: of the changed network; None if it was not requested.
    """

    sites: tuple[Site, ...]
    replaced: frozenset[str]
    cost: Cost | None


class Probe:
    """A warm probe process. It is started at the first request, and again after it died. Thread-safe.

    Use it as a context manager, or call `close`.

    Args:
        timeout_s: seconds that an answer may take, the import of torch included; then the process is killed.
        hidden: names of variables of this process that the probe must not have: it builds networks of foreign packages.
    """

    def __init__(self, timeout_s: float = 120.0, hidden: Collection[str] = ()) -> None:
        self.timeout_s = timeout_s
        self._hidden = hidden
        self._child: Child | None = None
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
            recipe: its fields as JSON values; absent fields have their defaults.

        Raises:
            SiteError: the network cannot be built from this recipe; the text gives the reason.
            AblateError: the probe cannot be started, died or took too long.
        """
        return self._ask("cost", recipe)

    def sites(self, recipe: Mapping[str, Any]) -> Probed:
        """As `cost`, without counting."""
        return self._ask("sites", recipe)

    def start(self) -> None:
        """Start the process now, so that it is warm at the first request; returns immediately."""
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
        child = self._start()
        stdin, stdout = cast(IO[bytes], child.process.stdin), cast(IO[bytes], child.process.stdout)
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
            answer = json.loads(_read_line(stdout.fileno(), self.timeout_s))
            if answer["id"] != request["id"]:
                raise AblateError(f"the probe answered request {answer['id']} instead of {request['id']}")
        except EOFError:
            self._child = None
            how = child.how_it_ended()
            raise AblateError(f"the probe, which counts costs and sites, {how}; its stderr may give a reason") from None
        except (OSError, ValueError, AblateError) as error:
            self._end()
            raise AblateError(f"the probe, which counts costs and sites, did not answer: {error}") from error
        return dict(answer)

    def _start(self) -> Child:
        if self._child is None or not self._child.is_alive:
            self._end()
            variables = {name: value for name, value in os.environ.items() if name not in self._hidden}
            self._child = Child(arguments_for(START), variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()  # it has nothing that could be lost


def _read_line(descriptor: int, timeout_s: float) -> bytes:
    """One line from a pipe that carries one answer at a time. Raises EOFError if the pipe is closed."""
    deadline, read = time.monotonic() + timeout_s, b""
    while not read.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise AblateError(f"no answer within {timeout_s:g} s; try again when the machine is less busy")
        part = os.read(descriptor, 65_536)
        if not part:
            raise EOFError
        read += part
    return read


@cache
def count_architecture(architecture: str) -> Cost:
    """Count the cost of a network once per process; rows that differ only in training share the result.

    Args:
        architecture: JSON text of the recipe reduced by `architecture_of`.

    Raises:
        SiteError: the network cannot be built.
    """
    from ablate.models.probe import answer

    found = answer({"what": "cost", "recipe": json.loads(architecture)})
    return Cost.model_validate(found["cost"])
