"""Workers for a study: how many fit on this machine, their environments, and questions to one about the rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from ablate.errors import TrialError, quote
from ablate.limits import MAX_WORKERS
from ablate.machine.resources import count_workers_by_memory, usable_cpus
from ablate.settings import read_library_settings
from ablate.study.resources import Resources
from ablate.trials.gpus import PROMISED, VISIBLE, visible_gpus
from ablate.workers.environment import hide_secrets
from ablate.workers.pool import Job, Pool, Said, WorkerLost


def check_cpus(resources: Resources) -> None:
    """Refuse trials that ask for more CPUs than this process may use.

    Raises:
        TrialError: they do.
    """
    there_are = usable_cpus()
    if resources.cpus > there_are:
        raise TrialError(
            f"the study asks for cpus = {resources.cpus} per trial, and this machine has {there_are}; set cpus under "
            "[resources], or --cpus, to at most that number"
        )


def slots(resources: Resources, workers: int | None) -> list[dict[str, str | None]]:
    """Environment of each worker: its threads, the GPUs that it sees, and no secret of this process.

    Args:
        resources: of one trial.
        workers: number of workers; None: as many as fit on this machine, by its CPUs (or GPUs) and its memory.

    Raises:
        TrialError: a trial needs more than this machine has.
    """
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise TrialError(f"workers is {str(workers)[:20]}; give a whole number from 1 on, or none for as many as fit")
    by_memory = count_workers_by_memory() or MAX_WORKERS
    threads = {**hidden_variables(), "OMP_NUM_THREADS": str(resources.cpus)}
    if resources.gpus == 0:
        count = workers or min(max(usable_cpus() // resources.cpus, 1), by_memory)
        return [{**threads, VISIBLE: ""} for _ in range(count)]
    gpus, each = visible_gpus(), max(int(resources.gpus), 1)
    groups = [",".join(gpus[first : first + each]) for first in range(0, len(gpus) - each + 1, each)]
    places = groups * int(1 / min(resources.gpus, 1) + 1e-9)
    if not places:
        raise TrialError(
            f"the study asks for {resources.gpus:g} GPU{'s' if resources.gpus > 1 else ''} per trial; this machine "
            f"shows {len(gpus)}{_shown_by()}; set gpus under [resources], or --gpus, to at most that number, 0 for none"
        )
    promised = {**threads, PROMISED: str(each)}
    return [{**promised, VISIBLE: gpu} for gpu in places[: workers or by_memory]]


def _shown_by() -> str:
    """The setting of `CUDA_VISIBLE_DEVICES`, which may hide GPUs."""
    chosen = os.environ.get(VISIBLE)
    return "" if chosen is None else f" ({VISIBLE} is {quote(chosen)})"


def hidden_variables() -> dict[str, str | None]:
    """The variables of this process that a worker on this machine must not have: what looks like a secret."""
    return hide_secrets(os.environ, read_library_settings().task_env)


def ask(
    pool: Pool, function: Callable[[str, Sequence[str]], Iterable[Any]], *, task: str, recipes: Iterable[BaseModel]
) -> list[Any]:
    """Everything that `function(name of the task, recipes as JSON)` yields in a worker of the pool.

    Raises:
        TrialError: the worker died, or the function raised.
    """
    pool.submit(Job(function.__name__, function, (task, [recipe.model_dump_json() for recipe in recipes])))
    answers = []
    for event in pool.events():
        if isinstance(event, WorkerLost):
            raise TrialError(event.reason)
        if isinstance(event, Said):
            answers.append(event.item)
    return answers
