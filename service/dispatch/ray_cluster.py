"""Ray itself: one of our own on this machine, or a running cluster. The only importer of ray.

Ray provides processes and transports their messages; it decides nothing. We choose the machine of each actor, so that
no actor waits for room, and Ray neither restarts nor retries. A Ray that lost one of its own processes is not repaired:
it is reported as broken and replaced before it ends this process, as it does a minute after its head has died.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import psutil

from ablate.study.resources import Resources
from ablate.workers.environment import WORKER_ENVIRONMENT, child_environment
from ablate.workers.own_code import ROOT
from service.dispatch import leftovers
from service.dispatch.interface import DispatcherError
from service.dispatch.machines import Machine
from service.dispatch.ray_home import ALWAYS, RayHome
from service.dispatch.this_machine import find_machine
from service.dispatch.trial_worker import TrialWorker, worker_variables

OBJECT_STORE_BYTES = 80 << 20
"""Near the minimum of Ray. Messages are small, and trials load their data themselves."""
LOOK_S = 5.0
"""How often a cluster's machines are listed."""
CONNECT_S = 2.0
KILL_S = 0.3
"""How long Ray may take to kill a worker before we do, which Ray would report as a crash."""


class RayCluster:
    """See the module's text. One at a time in a process, used by the thread that starts it.

    Attributes:
        ray: the module, once `start` was called.

    Args:
        home: state directory.
        address: `host:port` of a running cluster; None: a Ray of our own.
        workers: see `find_machine`; for a Ray of our own.
    """

    def __init__(self, home: Path, address: str | None, workers: int | None) -> None:
        self.ray: Any = None
        self._home, self._address, self._workers = home, address, workers
        self._folder = None if address else Path.cwd()
        self._own: RayHome | None = None
        self._head = ("", 0)
        self._actor_class: Any = None
        self._machines: dict[str, Machine] = {}
        self._looked_s = 0.0

    @property
    def is_ours(self) -> bool:
        """Whether we started it, so that all of it is on this machine."""
        return self._address is None

    def start(self) -> None:
        """Start Ray or connect to it.

        Raises:
            DispatcherError: that failed; no process is left.
        """
        if self._address is None:
            self._start_own()
        elif "://" in self._address:
            raise DispatcherError(
                f"{self._address} is not the address of a cluster; give host:port of its head (Ray Client is not used)"
            )
        else:
            mode = os.environ.get("RAY_AUTH_MODE", "token")
            self._init({**ALWAYS, "RAY_AUTH_MODE": mode}, address=self._address)
        host, port = self.ray.get_runtime_context().gcs_address.rsplit(":", 1)
        self._head = (host.strip("[]"), int(port))
        self._actor_class = self.ray.remote(TrialWorker)
        self._machines = self._list_machines()

    def look(self, *, is_due: bool = False) -> dict[str, Machine]:
        """The machines, by name, after a check of Ray.

        Args:
            is_due: whether to list the machines of a cluster now, not only every few seconds.

        Raises:
            DispatcherError: Ray is broken.
        """
        if self._own is not None:
            broken = self._own.find_broken()
            if broken is not None:
                raise DispatcherError(
                    f"Ray's {broken} has ended; session_latest/logs in Ray's folder may contain the reason"
                )
        elif is_due or time.monotonic() - self._looked_s > LOOK_S:
            self._knock()
            with self.reached():
                self._machines = self._list_machines()
        return self._machines

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Raise `DispatcherError` where Ray cannot reach its own processes."""
        errors = self.ray.exceptions
        try:
            yield
        except (errors.RaySystemError, errors.RpcError, ConnectionError) as error:
            raise DispatcherError(f"Ray cannot reach its own processes: {type(error).__name__}") from error

    def start_actor(self, machine: str, resources: Resources) -> Any:
        """Ray's handle of a new `TrialWorker` on a machine, made in the background."""
        wanted = WORKER_ENVIRONMENT | worker_variables(resources, None)
        given = self._own.given if self._own else {}
        missing = {name: value for name, value in wanted.items() if given.get(name) != value}
        strategy = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(machine, soft=False)
        return self._actor_class.options(
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
            max_restarts=0,
            max_task_retries=0,
            enable_task_events=False,  # they are not read, and Ray keeps a hundred thousand
            scheduling_strategy=strategy,
            runtime_env={"env_vars": missing} if missing else None,  # half a second: Ray has no process ready for it
        ).remote(self._folder)

    def find_process(self, pid: int) -> psutil.Process | None:
        """The process of an actor that has answered; None if it has ended or is not on this machine."""
        if self._own is None:
            return None
        self._own.note_processes()
        try:
            return psutil.Process(pid)
        except psutil.NoSuchProcess:
            return None

    def kill(self, handle: Any, process: psutil.Process | None) -> None:
        """End an actor and, where its process is given, everything that it started; then waits for it."""
        whole = leftovers.family(process) if process else []
        self.ray.kill(handle)
        if process:
            leftovers.wait_for_end(process, KILL_S)
        leftovers.end(whole)

    def close(self) -> None:
        """End Ray, or leave the cluster. Idempotent; takes seconds also where Ray is broken."""
        if self._own is not None:
            self._own.note_processes()
            if self._own.find_broken():
                self._own.end_processes()  # else the shutdown waits for answers that do not come
        if self.ray is not None:
            self.ray.shutdown()
        if self._own is not None:
            self._own.end_processes()
            self._own.clear()
        self.ray, self._own = None, None

    def _start_own(self) -> None:
        machine = find_machine(self._workers)
        self._own = RayHome(self._home, has_gpus=machine.gpus > 0)
        self._init(
            self._own.variables,
            address="local",
            num_cpus=machine.cpus,
            num_gpus=int(machine.gpus),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(self._own.folder),
            _node_ip_address="127.0.0.1",
        )
        self._own.make_private()
        self._own.note_processes()

    def _init(self, variables: Mapping[str, str | None], **options: Any) -> None:
        try:
            # Ray's workers import first from the folder in which Ray is started; `TrialWorker` goes back to ours.
            with child_environment(variables), chdir(ROOT):
                import ray

                self.ray = ray
                logging.getLogger("ray").setLevel(logging.ERROR)  # it warns that it does not change our signal handlers
                ray.init(log_to_driver=False, configure_logging=False, **options)
        except Exception as error:  # of any kind: Ray does not document what its start raises
            self.close()
            where = f"no Ray at {self._address}" if self._address else "Ray does not start"
            reason = " ".join(str(error).split())[:500] or "no reason given"
            raise DispatcherError(f"{where}: {type(error).__name__}: {reason}") from error

    def _knock(self) -> None:
        """Refuse a cluster whose head has ended. Ray would retry for a minute, and then end this process."""
        try:
            socket.create_connection(self._head, timeout=CONNECT_S).close()
        except OSError as error:
            raise DispatcherError(f"the head of the cluster at {self._address} does not answer: {error}") from error

    def _list_machines(self) -> dict[str, Machine]:
        self._looked_s = time.monotonic()
        offers = {node["NodeID"]: node["Resources"] for node in self.ray.nodes() if node["Alive"]}
        return {name: Machine(int(offer.get("CPU", 0)), float(offer.get("GPU", 0))) for name, offer in offers.items()}
