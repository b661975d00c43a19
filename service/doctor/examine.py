"""Asks all probes at the same time. One that hangs or fails is a finding, too: a doctor must not die of the disease."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ablate.errors import describe_error
from ablate.settings import SettingsError
from service.doctor import machine, parts, python
from service.doctor.findings import Finding, error, ok, warning
from service.settings import Settings, read_settings

LIMIT_S = 9.0
"""How long the slowest probe may take; on a busy machine the import of torch takes most of it."""

Probe = Callable[[], Sequence[Finding]]


def examine(limit_s: float = LIMIT_S) -> list[Finding]:
    """What every probe finds, in a fixed order.

    Args:
        limit_s: seconds after which a probe without an answer is reported as such.
    """
    try:
        settings = read_settings()
    except SettingsError as wrong:
        found = [error("settings", str(wrong), "correct the variable, and run `ablate doctor` again")]
        return [*found, *ask(_probes_of_machine(), limit_s)]
    return [
        ok("settings", f"state directory {settings.home}"),
        *ask({**_probes_of_machine(), **_probes_of_settings(settings)}, limit_s),
    ]


def _probes_of_machine() -> dict[str, Probe]:
    return {
        "python": python.find_python, "packages": python.compare_packages, "torch": python.find_torch,
        "cpus": machine.count_cpus, "memory": machine.count_memory, "limits": machine.read_limits,
        "/dev/shm": machine.find_shared_memory,
    }  # fmt: skip


def _probes_of_settings(settings: Settings) -> dict[str, Probe]:
    return {
        "home": partial(machine.write_to_home, settings.home), "disk": partial(machine.count_space, settings.home),
        "locks": partial(machine.lock_a_file, settings.home), "service": partial(parts.find_service, settings),
        "database": partial(parts.open_database, settings), "ray": partial(parts.find_ray, settings),
        "mlflow": partial(parts.find_mlflow, settings), "data": parts.find_data,
    }  # fmt: skip


def ask(probes: Mapping[str, Probe], limit_s: float) -> list[Finding]:
    """The findings of probes that run at the same time, in their order."""
    found: dict[str, Sequence[Finding]] = {}

    def answer(name: str, probe: Probe) -> None:
        try:
            found[name] = probe()
        except Exception as fault:
            found[name] = [error(name, f"cannot be examined: {describe_error(fault)}", "look at what the error names")]

    threads = [threading.Thread(target=answer, args=item, daemon=True) for item in probes.items()]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + limit_s
    for thread in threads:
        thread.join(max(deadline_s - time.monotonic(), 0))
    late = "it may be busy, or hang; try again"
    return [
        finding
        for name in probes
        for finding in found.get(name) or [warning(name, f"gave no answer within {limit_s:g} s", late)]
    ]
