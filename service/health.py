"""Whether the service can accept and run studies, and its numbers for Prometheus."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from service.context import Context
from service.errors import UnavailableError
from service.store.faults import count_stuck
from service.store.heartbeat import Beat, count_states, find_beat, server_version
from service.store.queue.outbox import count_entries
from service.store.sql import now

ALIVE = timedelta(seconds=20)
"""A scheduler whose last beat is older counts as gone."""


def describe_health(context: Context) -> dict[str, Any]:
    """`ready`: whether the service can accept studies and run them; and the state of each component.

    A component that is away has a `reason`. MLflow and notices are not parts of readiness.
    """
    kind = context.store.url.get_backend_name()
    fault = context.disk.find_fault()
    try:
        with context.store.read() as connection:
            version, beat = server_version(connection), find_beat(connection)
            waiting: int | None = count_entries(connection)
            stuck = sum(count_stuck(connection).values())
            database = {"state": "ok", "kind": kind, "version": version}
        if (away := context.outages.find("the database")) is not None:  # it can be read, and not written
            database |= {"state": "away", "reason": away}
    except UnavailableError as error:
        beat, waiting, stuck = None, None, 0
        database = {"state": "away", "kind": kind, "reason": str(error)}
    parts: dict[str, dict[str, Any]] = {
        "database": database,
        "disk": {
            "state": "full" if fault else "ok",
            "free_mib": context.free_bytes() >> 20,
            **({"reason": fault} if fault else {}),
        },
        "scheduler": _scheduler(context, beat),
        "mlflow": {"state": context.parts.get("mlflow", "none"), "to_mirror": waiting},
        "faults": {"state": "stuck" if stuck else "ok", "stuck": stuck, "since_start": context.faults.counts.total()},
    }
    needed = {"database": "ok", "disk": "ok", "scheduler": "running"}
    return {"ready": all(parts[name]["state"] == state for name, state in needed.items()), "parts": parts}


def _scheduler(context: Context, beat: Beat | None) -> dict[str, Any]:
    """State of the scheduler of this process, else of the one that the database knows."""
    state = context.parts.get("scheduler")
    if state is None:
        state = "running" if beat is not None and now() - beat.beat_at < ALIVE else "none"
    if state == "running":
        broken, away = context.faults.broken_steps, context.outages.find("the dispatcher")
        if away is not None:
            return {"state": "waiting", "reason": f"the dispatcher is away: {away}"}
        if broken:
            return {"state": "impaired", "reason": "; ".join(f"{step}: {text}" for step, text in broken.items())}
    if beat is None or state != "running":
        return {"state": state}
    machines = [{"cpus": machine.cpus, "gpus": machine.gpus} for machine in beat.machines]
    return {"state": state, "dispatcher": beat.dispatcher, "machines": machines}


def render_metrics(context: Context) -> str:
    """The numbers in the text format of Prometheus."""
    with context.store.read() as connection:
        studies, trials = count_states(connection)
        waiting, beat = count_entries(connection), find_beat(connection)
        stuck = count_stuck(connection)
    registry = CollectorRegistry()
    for name, text, counts in (
        ("ablate_studies", "Studies by state", studies),
        ("ablate_trials", "Distinct trials by state", trials),
    ):
        gauge = Gauge(name, text, ["state"], registry=registry)
        for state, count in counts.items():
            gauge.labels(state).set(count)
    errors = Counter("ablate_faults", "Internal errors that ended one piece of work", ["kind"], registry=registry)
    for kind, count in context.faults.counts.items():
        errors.labels(kind).inc(count)
    gauge = Gauge("ablate_stuck", "Pieces of work that are set aside until a person retries them", registry=registry)
    gauge.set(sum(stuck.values()))
    Gauge("ablate_mirror_backlog", "Entries still to be mirrored in MLflow", registry=registry).set(waiting)
    if beat is not None:
        age = Gauge("ablate_scheduler_beat_age_seconds", "Time since the scheduler's last sign", registry=registry)
        age.set((now() - beat.beat_at).total_seconds())
    return generate_latest(registry).decode()
