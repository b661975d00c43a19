"""`ablate run` on a screen: progress and a summary on stderr, the table on stdout. Imported when the command runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ablate.cli.errors import HOLES, show_error
from ablate.cli.output import show_json_text, show_text
from ablate.cli.progress import Board, show_warnings
from ablate.cli.terminal import Terminal
from ablate.errors import MachineError
from ablate.local import run as local
from ablate.local.folder import Folder
from ablate.local.prepare import Report, known_keys, prepared
from ablate.local.progress import Lines, trial_names
from ablate.local.results import Form, check_form, write_results
from ablate.study.plan import Plan
from ablate.trials.log import LOG

MAX_NAMED = 20
"""Most trials that were not run, and are named one by one."""


def run(
    plan: Plan,
    path: Path,
    form: Form,
    *,
    workers: int | None,
    fresh: bool,
    as_json: bool,
) -> int:
    """`ablate run`. Returns the exit status: 0, or 1 if the table has holes or the machine made the run stop."""
    console = Terminal(stderr=True)
    report: Report = console.say
    folder = Folder(path)
    show_warnings(console, plan)
    part = check_form(plan, form)
    is_prepared = False
    try:
        with prepared(plan, folder, report, fresh=fresh):
            is_prepared = True
            if len(part.trials) < len(plan.trials):
                report(_describe_part(plan, part, folder))
            with _end_of(report, part, folder):
                _train(console, report, part, folder, workers)
            table = write_results(plan, folder, form)
    except MachineError as error:
        if not is_prepared:
            raise
        _show_stop(error, part, folder, as_json=as_json)
        _holes(report, part, folder)
        return HOLES
    if as_json:
        show_json_text(form.render(table, "json"))
    else:
        show_text(form.render(table, "md") + "\n")
        report(f"all notes: --notes, or {path / 'table.md'}; table.tex, .csv, .html, .json and plots are there, too")
    return _holes(report, part, folder)


def _describe_part(plan: Plan, part: Plan, folder: Folder) -> str:
    """Which trials are left out, because `--rows` names other rows."""
    left = len(plan.trials) - len(part.trials)
    known = len(known_keys(plan, folder)) - len(known_keys(part, folder))
    if left == known:
        return f"--rows: all {len(plan.trials)} trials of the study are known"
    return (
        f"--rows: {len(part.trials)} of {len(plan.trials)} trials are of these rows and their baseline; nothing is "
        "decided before all are trained, by the same command without --rows"
    )


def _train(console: Terminal, report: Report, plan: Plan, folder: Folder, workers: int | None) -> None:
    """Train what is not known: with bars on a terminal, else with lines."""
    known = known_keys(plan, folder)
    board = Board(console, plan, known) if console.has_bars else Lines(report, plan, known)
    with board:
        for event in local.run_study(plan, folder, workers):
            if isinstance(event, local.Moved):
                board.show(event.trial, event.message)
            else:
                report(event.text)


@contextmanager
def _end_of(report: Report, plan: Plan, folder: Folder) -> Iterator[None]:
    """On Ctrl-C print what is kept and how to resume."""
    try:
        yield
    except KeyboardInterrupt:
        known = len(known_keys(plan, folder))
        report(f"{known} of {len(plan.trials)} known; run the same command again to resume")
        raise


def _show_stop(error: MachineError, plan: Plan, folder: Folder, *, as_json: bool) -> None:
    known = len(known_keys(plan, folder))
    text = f"{error}; {known} of {len(plan.trials)} trials are stored; correct this and run the same command to resume"
    show_error(MachineError(text), as_json=as_json)


def _holes(report: Report, plan: Plan, folder: Folder) -> int:
    records = folder.read()
    failed = [key for key in plan.trials if key not in records or not records[key].is_result]
    names = trial_names(plan)
    never = [key for key in failed if key not in records]
    if len(never) > MAX_NAMED:
        report(f"hole: {len(never)} trials were not run")
    for key in failed if len(never) <= MAX_NAMED else records.keys() & failed:
        reason = records[key].outcome.reason if key in records else "it was not run"
        report(f"hole: {names[key]}: {reason}")
        log = folder.workdir(key) / LOG
        if log.exists():
            report(f"      its log is {log}")
    return HOLES if failed else 0
