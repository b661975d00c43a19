"""What runs on a worker, whoever started it: one trial from its document to its outcome, with a log beside it.

A worker knows no database, no MLflow and no Ray. It says everything to its dispatcher, and what a person would want to
read to `log.txt` in the trial's folder. Its environment says how many threads it has and which GPU it sees, and holds
no secret of the service.
"""

from __future__ import annotations

import gc
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from ablate.study.document import Resources
from ablate.trials.provenance import describe_process
from ablate.trials.run import TRACEBACK, run_trial
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome, Trial

LOG = "log.txt"
WARM = ("torch",) if find_spec("torch") else ()
"""Imported by a worker before its first trial. A task may need none of it."""

_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|API_?KEY|CREDENTIAL|DATABASE_URL", re.IGNORECASE)
_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+")

Message = Heartbeat | EpochMetrics | Outcome


class TrialWorker:
    """The actor of the Ray dispatcher: a warm process that carries out one trial at a time."""

    def hello(self) -> int:
        """Import what trials need, and answer with the process' number."""
        for module in WARM:
            __import__(module)
        describe_process()  # remembered: the code of now, whatever is checked out while this process lives
        return os.getpid()

    def carry_out(
        self, trial: Trial, fence: int, workdir: Path, needs: Mapping[str, Path]
    ) -> Iterator[tuple[Message, dict[str, Any]]]:
        """See the function of that name."""
        yield from carry_out(trial, fence, workdir, needs)


def carry_out(
    trial: Trial, fence: int, workdir: Path, needs: Mapping[str, Path]
) -> Iterator[tuple[Message, dict[str, Any]]]:
    """Run a trial, and write its log.

    Args:
        trial: what to run.
        fence: number of this attempt.
        workdir: the trial's own folder, the same for every attempt.
        needs: see `ablate.trials.run.run_trial`.

    Yields:
        Its messages, each with the provenance of this process where it is the outcome, else with none. The outcome is
        the last, comes when nothing of the task runs any more, and its reason names no folder of this machine.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / TRACEBACK).unlink(missing_ok=True)  # of an earlier attempt
    with (workdir / LOG).open("a", encoding="utf-8", errors="backslashreplace", buffering=1) as log:
        _write(log, f"attempt {fence}, seed {trial.seed}, on {socket.gethostname()}, process {os.getpid()}")
        try:
            for message in _speak(run_trial(trial, workdir, needs), log):
                if isinstance(message, EpochMetrics):
                    _write(log, f"step {message.step} of {message.steps}: {_list(message.metrics)}")
                if not isinstance(message, Outcome):
                    yield message, {}
                    continue
                _write_end(log, message, workdir)
                _release_gpu()
                reason = without_folders(message.reason) if message.reason else None
                yield message.model_copy(update={"reason": reason}), describe_process()
        except (GeneratorExit, KeyboardInterrupt, SystemExit) as end:
            _write(log, "stopped" if isinstance(end, GeneratorExit) else f"broken off by {type(end).__name__}")
            raise


def _speak(messages: Iterator[Message], log: TextIO) -> Iterator[Message]:
    """The same messages, while what the task prints goes to the log; the outcome once the task is over."""
    message, last = None, None
    while True:
        with redirect_stdout(log), redirect_stderr(log):  # not while others are at work, between two messages
            message = next(messages, None)
        if message is None:
            break
        if isinstance(message, Outcome):
            last = message
        else:
            yield message
    if last is not None:
        yield last


def _write(log: TextIO, text: str) -> None:
    log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {text}\n")


def _write_end(log: TextIO, outcome: Outcome, workdir: Path) -> None:
    _write(log, f"{outcome.status}: {outcome.reason or _list(outcome.metrics)}")
    if (workdir / TRACEBACK).exists():
        log.write((workdir / TRACEBACK).read_text(encoding="utf-8"))


def _list(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())


def _release_gpu() -> None:
    """Give back the GPU's memory that PyTorch keeps for the next time: a neighbour on the same GPU may need it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def without_folders(text: str) -> str:
    """A sentence with `.../name` for every absolute path in it: what a user reads tells nothing of the machine."""
    return _FOLDERS.sub(".../", text)


def worker_variables(resources: Resources, gpu: str | None) -> dict[str, str]:
    """Environment variables of a worker, beside `ablate.workers.pool.WORKER_ENVIRONMENT`.

    Args:
        resources: what its trials may use.
        gpu: which GPU it sees; None leaves that to whoever starts it.
    """
    threads = {"OMP_NUM_THREADS": str(resources.cpus)}
    if not resources.gpus:
        return threads | {"CUDA_VISIBLE_DEVICES": ""}
    return threads if gpu is None else threads | {"CUDA_VISIBLE_DEVICES": gpu}


def hidden_variables() -> dict[str, str | None]:
    """The variables of this process that a worker must not have: whatever looks like a secret."""
    return {name: None for name in os.environ if _SECRET.search(name)}
