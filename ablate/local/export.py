"""A folder of `ablate run` as a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ablate.bundle.archive import BundleError
from ablate.bundle.contents import Contents
from ablate.errors import TrialError
from ablate.local.folder import Folder
from ablate.local.results import plan_of, read_costs, read_state, read_table
from ablate.study.plan import Plan
from ablate.trials.log import LOG
from ablate.trials.run import TRACEBACK


def read_contents(path: Path, *, weights: bool = False) -> Contents:
    """The study that was last run in a folder, with its results.

    Args:
        path: folder of `ablate run`.
        weights: whether the trained weights are included.

    Raises:
        TrialError: the folder has no study, or one that keeps results of earlier code.
        BundleError: weights were asked for, and there are none.
        StudyError: the study cannot be planned any more, for example because its data set is not registered here.
    """
    folder = Folder(path)
    plan = plan_of(folder)
    if plan.study.command is not None and plan.study.command.keep_results_of is not None:
        text = "cells keep results of earlier code (keep_results_of), and a bundle has the code of one version only"
        raise TrialError(f"{text}; remove keep_results_of and run the study again")
    return Contents(
        document=folder.read_study().study,
        plan=plan,
        records=folder.read(),
        table=read_table(plan, folder),
        state=read_state(plan, folder),
        costs=read_costs(plan, folder),
        logs=dict(_logs(plan, folder)),
        weights=_weights(plan, folder) if weights else {},
    )


def _logs(plan: Plan, folder: Folder) -> Iterator[tuple[str, str]]:
    """The log of each trial; of one that an earlier version trained, its traceback."""
    for key in plan.trials:
        files = (folder.workdir(key) / name for name in (LOG, TRACEBACK))
        file = next((file for file in files if file.exists()), None)
        if file is not None:
            yield key, file.read_text(encoding="utf-8", errors="replace")


def _weights(plan: Plan, folder: Folder) -> dict[str, Path]:
    """The folders of the trials that have their weights here."""
    found = {key: folder.workdir(key) for key in plan.trials if any(folder.workdir(key).glob("*.safetensors"))}
    if not found:
        raise BundleError(f"no trial has its weights in {folder.path}; export it without --weights")
    return found
