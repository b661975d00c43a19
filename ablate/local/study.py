"""A study from Python: read it, plan it, train it on this machine, compare two of its rows.

The functions of `import ablate`. They take a study as a `Study`, a mapping, a file, or the text of one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ablate.errors import TrialError
from ablate.local.folder import Folder
from ablate.local.prepare import Report, default_folder, known_keys, prepared
from ablate.local.progress import Lines
from ablate.local.results import Form, plan_of, write_results
from ablate.local.run import Moved, run_study
from ablate.local.tries import read_known
from ablate.settings import read_library_settings
from ablate.study.document import Study
from ablate.study.include import naming_files
from ablate.study.overrides import with_overrides
from ablate.study.plan import Plan, plan_document
from ablate.study.plan import plan as plan_study
from ablate.study.source import StudySource, document_of
from ablate.study.text import read_alone
from ablate.tables.notebook import NotebookTable
from ablate.tables.two_rows import RowComparison, compare_rows, find_row_problems, names_of_two
from ablate.tasks.command.bind import with_command
from ablate.tasks.command.kept import with_kept
from ablate.tasks.function.study import study_of_function
from ablate.text import visible


def read_study(source: StudySource) -> Study:
    """Read a study document.

    Args:
        source: a mapping with the fields of a study document, the path of a `.toml` or `.json` file, or the text
            itself. A string is parsed as text if it has a line break or starts with `{` (JSON), else it is a path.

    Returns:
        The study. Its recipes are validated by `plan`, which knows the task and the scale.

    Raises:
        StudyError: with every problem of the document's shape, each with a pointer to its place.

    Example:
        >>> study = ablate.read_study("studies/table05.toml")
        >>> study = ablate.read_study({"name": "mine", "base": {"dataset": "digits"}, "rows": [{"label": "FReLU"}]})
    """
    if isinstance(source, Study):
        return source
    with _naming_files(source):
        return Study.parse(_bound(source), read_library_settings().max_trials)


def plan(
    study: StudySource,
    *,
    scale: str | None = None,
    seeds: int | None = None,
    set: Mapping[str, Any] | None = None,
) -> Plan:
    """Expand a study into rows and trials; nothing is trained.

    Args:
        study: see `read_study`.
        scale: name of one of the study's scales. None takes `mini` if the study has it, else `[base]` unchanged.
        seeds: number of seeds (0, 1, ... seeds - 1) instead of the study's own.
        set: recipe fields that replace those of base and scale, such as `{"lr": 0.1}`; rows keep what they set.

    Returns:
        The plan: `rows`, `seeds`, `trials` by key, and `warnings`.

    Raises:
        StudyError: with every problem of the document and of its recipes, each with a pointer to its place, or the
            study has more trials than `ABLATE_MAX_TRIALS` (10,000) allows.
    """
    limit = read_library_settings().max_trials
    if isinstance(study, Study) and not set:
        return plan_study(study, scale=scale, seeds=seeds, max_trials=limit)
    with _naming_files(study):
        document = document_of(study) if isinstance(study, Study) else _bound(study)
        return plan_document(with_overrides(document, set), scale=scale, seeds=seeds, max_trials=limit)


def run(
    study: StudySource | Callable[..., Any],
    *,
    scale: str | None = None,
    seeds: int | None = None,
    workers: int | None = None,
    out: Path | str | None = None,
    progress: bool | Callable[[str], None] = True,
    factors: Mapping[str, Sequence[Any]] | None = None,
    rows: Mapping[str, Mapping[str, Any]] | None = None,
    metrics: Mapping[str, Any] | None = None,
    set: Mapping[str, Any] | None = None,
) -> NotebookTable:
    """Train a study on this machine and return its table.

    Trials run in worker processes. Results, checkpoints, tables in five formats and plots are written into the folder
    `out`, as `ablate run` does. The same call, or the command, resumes after an interruption and trains nothing twice.

    Args:
        study: see `read_study`; or a training function in a file, see `ablate.task`.
        scale: see `plan`.
        seeds: see `plan`.
        workers: number of trials that run at the same time. None takes as many as this machine's CPUs or GPUs allow.
        out: folder of the results. None takes `ablate-out/NAME-SCALE` in the current directory.
        progress: True prints a line on stderr for each trial that ends, False prints nothing; a function receives each
            line.
        factors: for a function: parameter -> values; the table has a row for each combination.
        rows: for a function: label -> values of some parameters; the first row is the baseline.
        metrics: for a function: name -> `"max"` or `"min"`, where `@ablate.task` does not name them.
        set: see `plan`.

    Returns:
        The table of all results in the folder. A trial that failed is a hole, listed in the notes of its row.

    Raises:
        StudyError: the study is wrong, or the network of a row cannot be built. Nothing was trained.
        DataError: a data set is missing or damaged and cannot be downloaded.
        TrialError: another process uses the folder, the resources do not fit this machine, or the function cannot be
            a task.
        MachineError: the disk is full, or the like. What ended before is stored; the same call resumes.
        ModuleNotFoundError: torch is not installed; install with `pip install '.[run]'`.

    Example:
        >>> from train import train
        >>> table = ablate.run(train, factors={"width": [32, 64]}, seeds=5)
    """
    if callable(study):
        study = study_of_function(study, factors or {}, rows or {}, metrics)
    elif factors or rows or metrics:
        raise TrialError("factors, rows and metrics are for a function; a study has its own")
    planned = plan(study, scale=scale, seeds=seeds, set=set)
    folder, say = _folder_of(planned, out), _reporter(progress)
    planned = with_kept(planned, folder.read())
    with prepared(planned, folder, say):
        with Lines(say, planned, known_keys(planned, folder)) as lines:
            for event in run_study(planned, folder, workers):
                if isinstance(event, Moved):
                    lines.show(event.trial, event.message)
                else:
                    say(event.text)
        table = write_results(planned, folder, Form())
    return NotebookTable.of(table, folder.read())


def compare(
    study: StudySource,
    a: str,
    b: str,
    *,
    scale: str | None = None,
    seeds: int | None = None,
    out: Path | str | None = None,
    set: Mapping[str, Any] | None = None,
) -> RowComparison:
    """Compare two rows of a study, seed by seed, on its primary metric; nothing is trained.

    Args:
        study: as given to `run`, like `scale`, `seeds`, `out` and `set`.
        a: the row to judge: its label, or `GROUP / LABEL` where several groups have the label.
        b: the row that it is compared with.
        scale: see `plan`.
        seeds: see `plan`.
        out: folder of the results; see `run`.
        set: see `plan`.

    Returns:
        The comparison: `diff` is a - b with its 95 % interval, in the metric's unit; `decision` is `better`, `worse`,
        `equivalent` or `undecided`; `sentence` is the result in words. It is provisional while results are missing.

    Raises:
        StudyError: the study is wrong.
        TableError: a name is not a row of the study, or both are the same.
    """
    planned = plan(study, scale=scale, seeds=seeds, set=set)
    folder = _folder_of(planned, out)
    return _compare(with_kept(planned, folder.read()), folder, a, b)


def compare_folder(path: Path, a: str, b: str) -> RowComparison:
    """Compare two rows of the study that was last run in a folder; see `compare`.

    Raises:
        TrialError: the folder has no study. StudyError: it cannot be planned any more.
        TableError: a name is not a row of the study, or both are the same.
    """
    folder = Folder(path)
    return _compare(plan_of(folder), folder, a, b)


def _compare(planned: Plan, folder: Folder, a: str, b: str) -> RowComparison:
    pair = None if find_row_problems(planned, a, b) else names_of_two(planned, a, b)
    known = read_known(read_library_settings().home, planned, folder, pair)
    registrations = folder.registrations(planned.study.name, has_decisions=planned.has_decisions)
    return compare_rows(planned, folder.read(), a, b, registrations=registrations, seen=known.seen, history=known.pair)


def _bound(source: StudySource) -> Any:
    """The document of a study; its `[command]`, if it has one, is stored as its task."""
    path = _path_of(source)
    return with_command(document_of(source), path.parent if path else Path())


def _path_of(source: StudySource) -> Path | None:
    """The file of a study; None if it is none."""
    is_path = isinstance(source, Path) or (isinstance(source, str) and "\n" not in source)
    return Path(source) if is_path else None  # type: ignore[arg-type]


def _naming_files(source: StudySource) -> AbstractContextManager[None]:
    path = _path_of(source)
    return naming_files(path, read_alone) if path else nullcontext()


def _folder_of(planned: Plan, out: Path | str | None) -> Folder:
    path = default_folder(planned) if out is None else Path(out)
    if path.exists() and not path.is_dir():
        raise TrialError(f"{path} is not a folder; give the folder of the results as out")
    return Folder(path)


def _reporter(progress: bool | Callable[[str], None]) -> Report:
    if callable(progress):
        return progress
    return _print_line if progress else _ignore


def _print_line(line: str) -> None:
    print(visible(line), file=sys.stderr, flush=True)  # noqa: T201 - `ablate.run` in Python; commands use ablate.cli.output


def _ignore(line: str) -> None:
    del line
