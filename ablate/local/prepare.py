"""What a run needs before its first trial: the folder locked, the design registered, the data sets on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ablate.data import datasets, fetch
from ablate.errors import MachineError, TrialError
from ablate.local.folder import Folder
from ablate.local.packages import require_training
from ablate.local.tries import end_run, first_design, register_run
from ablate.settings import read_library_settings
from ablate.study.data_names import check_datasets
from ablate.study.imported import NOT_TRAINED
from ablate.study.overrides import name_overrides
from ablate.study.plan import Plan

Report = Callable[[str], None]


def default_folder(plan: Plan) -> Path:
    """The folder of a study's results unless another one is named: `ablate-out/NAME-SCALE`.

    A study with replaced fields has one of its own, such as `ablate-out/NAME-SCALE-lr=0.1`.
    """
    name = f"{plan.study.name}-{plan.scale or 'base'}"
    return Path("ablate-out") / "-".join([name, *name_overrides(plan.study)])


@contextmanager
def prepared(plan: Plan, folder: Folder, report: Report, *, fresh: bool = False) -> Iterator[None]:
    """Lock the folder for this process and make everything ready for `ablate.local.run.run_study`.

    The design is registered in the folder and in the home, which at the end also learns how the trials ended.

    Args:
        plan: the study, expanded.
        folder: of its results; made if it is missing.
        report: receives a line for each step that takes time or changes something.
        fresh: whether known results are set aside first, so that all trials are trained again.

    Raises:
        DataError: a data set is missing or damaged and cannot be downloaded.
        TrialError: another process uses the folder, it cannot be written, or the study was imported.
        MachineError: the disk is full, or the home cannot be written.
        ModuleNotFoundError: the study's task needs torch, which is not installed.
    """
    if plan.study.imported is not None:
        raise TrialError(NOT_TRAINED)
    if fresh or plan.outstanding(known_keys(plan, folder)):
        require_training(plan)
        check_datasets(plan.study, plan.scale)
        datasets.check_folders(plan.datasets)
    home = read_library_settings().home
    with folder.locked():
        with folder.writing():
            if fresh and (aside := folder.set_aside()):
                report(f"moved the known results to {aside}")
            folder.register(first_design(home, plan))
        register_run(home, plan, folder)
        if known := known_keys(plan, folder):
            report(f"{len(known)} of {len(plan.trials)} known")
        try:
            fetch_data(plan, report)
            yield
        except MachineError:
            with suppress(MachineError):  # the home is on the same disk; without a line its trials count as begun
                end_run(home, plan, folder)
            raise
        except BaseException:
            end_run(home, plan, folder)
            raise
        end_run(home, plan, folder)


def known_keys(plan: Plan, folder: Folder) -> set[str]:
    """Keys of the plan's trials whose results are in the folder."""
    return {key for key, record in folder.read().items() if record.is_result and key in plan.trials}


def fetch_data(plan: Plan, report: Report) -> None:
    """Download the data sets of built-in tasks that are not on this machine and can be downloaded."""
    for name in plan.datasets:
        if datasets.find(name) is None:
            fetch.fetch(name, report)
