"""The code that runs on a worker of any dispatcher: one trial from its document to its outcome, with its log.

A worker does not use the database, MLflow or Ray. It sends all messages to its dispatcher, and writes a log for people
to `log.txt` in the trial's folder. Its environment sets its threads and the GPU that it sees, and contains no secret
(`ablate.workers.environment`).
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from io import FileIO, TextIOWrapper
from pathlib import Path

from ablate.errors import MachineError
from ablate.settings import read_library_settings
from ablate.study.resources import Resources
from ablate.trials.gpus import PROMISED, VISIBLE
from ablate.trials.log import run_logged
from ablate.trials.machine import describe_os_error
from ablate.trials.messages import Envelope
from ablate.trials.provenance import describe_process
from ablate.trials.trial import Outcome, Trial
from ablate.workers.environment import hide_unlisted
from service.dispatch.machines import count_gpus

WARM = ("torch",) if find_spec("torch") else ()
"""Modules that a worker imports before its first trial."""

_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+")


class TrialWorker:
    """The actor of the Ray dispatcher: a warm process that carries out one trial at a time.

    Args:
        folder: working directory of its trials; None: the one that the cluster gives.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None:
            os.chdir(folder)
        for name, number in (("stdout", 1), ("stderr", 2)):  # as by `python -u`, so that no last words are lost
            raw = FileIO(number, "w", closefd=False)
            setattr(sys, name, TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True))

    def hello(self) -> int:
        """Import what trials need, and return the number of the process."""
        for module in WARM:
            with suppress(ImportError, OSError):  # the trial that needs it raises the error, and has it in its log
                __import__(module)
        describe_process()  # cached: the current code, even if another commit is checked out later
        return os.getpid()

    def run_ticket(self, trial: Trial, fence: int, workdir: Path, needs: Mapping[str, Path]) -> Iterator[str]:
        """See the function `run_ticket`."""
        yield from run_ticket(trial, fence, workdir, needs)


def run_ticket(trial: Trial, fence: int, workdir: Path, needs: Mapping[str, Path]) -> Iterator[str]:
    """Run a trial and write its log.

    Args:
        trial: what to run.
        fence: number of this attempt.
        workdir: the trial's own folder, the same for every attempt.
        needs: see `ablate.trials.run.run_trial`.

    Yields:
        An `Envelope` as JSON for each message; that of the outcome has the provenance of this process. The outcome is
        the last one. It comes when no code of the task runs any more, and its reason contains no path of this machine.
        If the machine is at fault, the last envelope says so instead.
    """
    try:
        for envelope in _run(trial, fence, workdir, needs):
            yield envelope.model_dump_json()
    except MachineError as error:
        yield Envelope(fault=str(error)).model_dump_json()
    except OSError as error:  # of the folder or the log: code of the task raises none here
        yield Envelope(fault=describe_os_error(error)).model_dump_json()


def _run(trial: Trial, fence: int, workdir: Path, needs: Mapping[str, Path]) -> Iterator[Envelope]:
    for message in run_logged(trial, workdir, needs, fence):
        if not isinstance(message, Outcome):
            yield Envelope(message=message)
            continue
        _release_gpu()
        reason = without_folders(message.reason) if message.reason else None
        yield Envelope(message=message.model_copy(update={"reason": reason}), provenance=describe_process())


def _release_gpu() -> None:
    """Release the GPU memory that PyTorch caches: another worker on the same GPU may need it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def without_folders(text: str) -> str:
    """The text with `.../name` for every absolute path, so that users see no path of the machine."""
    return _FOLDERS.sub(".../", text)


def worker_variables(resources: Resources, gpu: str | None) -> dict[str, str]:
    """Environment variables of a worker, in addition to `ablate.workers.pool.WORKER_ENVIRONMENT`.

    Args:
        resources: CPUs and GPUs of its trials.
        gpu: the GPU that it sees; None: the code that starts it decides.
    """
    threads = {"OMP_NUM_THREADS": str(resources.cpus)}
    if not resources.gpus:
        return threads | {VISIBLE: ""}
    promised = threads | {PROMISED: str(count_gpus(resources))}
    return promised if gpu is None else promised | {VISIBLE: gpu}


def hidden_variables() -> dict[str, str | None]:
    """The variables of this process that a worker of the service must not have: all that are not on a list."""
    return hide_unlisted(os.environ, read_library_settings().task_env)
