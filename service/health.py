"""Whether the service can accept and run studies, and its numbers for Prometheus."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from service.context import FREE_BYTES, Context
from service.store.health import count_states, server_version
from service.store.heartbeat import Beat, find_beat
from service.store.queue.outbox import count_entries
from service.store.sql import now

ALIVE = timedelta(seconds=20)
"""A scheduler whose last beat is older counts as gone."""


def describe_health(context: Context) -> dict[str, Any]:
    """`ready`: whether the service can accept studies and run them; and the state of each component."""
    with context.store.read() as connection:
        version, beat = server_version(connection), find_beat(connection)
        waiting = count_entries(connection)
    kind = context.store.url.get_backend_name()
    free = context.free_bytes()
    scheduler = _scheduler(context, beat)
    parts = {
        "database": {"state": "ok", "kind": kind, "version": version},
        "disk": {"state": "ok" if free >= FREE_BYTES else "full", "free_mib": free >> 20},
        "scheduler": scheduler,
        "mlflow": {"state": context.parts.get("mlflow", "none"), "to_mirror": waiting},
    }
    return {"ready": scheduler["state"] == "running" and free >= FREE_BYTES, "parts": parts}


def _scheduler(context: Context, beat: Beat | None) -> dict[str, Any]:
    """State of the scheduler of this process, else of the one that the database knows."""
    state = context.parts.get("scheduler")
    if state is None:
        state = "running" if beat is not None and now() - beat.beat_at < ALIVE else "none"
    if beat is None or state != "running":
        return {"state": state}
    machines = [{"cpus": machine.cpus, "gpus": machine.gpus} for machine in beat.machines]
    return {"state": state, "dispatcher": beat.dispatcher, "machines": machines}


def render_metrics(context: Context) -> str:
    """The numbers in the text format of Prometheus."""
    with context.store.read() as connection:
        studies, trials = count_states(connection)
        waiting, beat = count_entries(connection), find_beat(connection)
    registry = CollectorRegistry()
    for name, text, counts in (
        ("ablate_studies", "Studies by state", studies),
        ("ablate_trials", "Distinct trials by state", trials),
    ):
        gauge = Gauge(name, text, ["state"], registry=registry)
        for state, count in counts.items():
            gauge.labels(state).set(count)
    Gauge("ablate_mirror_backlog", "Entries still to be mirrored in MLflow", registry=registry).set(waiting)
    if beat is not None:
        age = Gauge("ablate_scheduler_beat_age_seconds", "Time since the scheduler's last sign", registry=registry)
        age.set((now() - beat.beat_at).total_seconds())
    return generate_latest(registry).decode()
