"""The commands `ablate task ...`; `ablate.cli.task` carries them out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.help import App
from ablate.cli.options import AsJson

task = App(no_args_is_help=True, help="Register scripts as tasks of the service.")

TaskName = Annotated[str, typer.Argument(metavar="NAME", help="Name of a registered task.", show_default=False)]


@task.command("add")
def task_add(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help='Name to use in `task = "NAME"`: a-z, 0-9, - and _.', show_default=False),
    ],
    study: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY",
            help="Study file with a [command]; or FILE.py:FUNCTION, which @ablate.task marks.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Register the [command] of a study file, or a function, as a task of the service.

    Run it on the machine of the service, with the same ABLATE_HOME. The code is copied into the state directory; later
    edits change nothing until `ablate task update`. Data next to the script is not copied: it must stay where it is.
    A running service knows the task at once. Studies then name it in [base], in place of a [command].

    \b
    ablate task add window window.toml
    ablate submit window.toml                  the file finds its task by its command and code
    ablate task show window --study            a study file that names the task, for other machines
    ablate task add mlp train.py:train         a function that @ablate.task marks
    """
    from ablate.cli.task import register_task

    register_task(name, study, replaces=False, as_json=as_json)


@task.command("update")
def task_update(
    name: TaskName,
    study: Annotated[
        Path | None,
        typer.Argument(
            metavar="STUDY", help="As for `ablate task add`. Default: the one of the last time.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give a task a new version: its command and its code as they are now.

    Prints what changed. New studies, and the next firings of schedules that name the task, use the new version. Studies
    that are stored keep theirs.
    """
    from ablate.cli.task import register_task

    register_task(name, study, replaces=True, as_json=as_json)


@task.command("list")
def task_list(as_json: AsJson = False) -> None:
    """List the registered tasks."""
    from ablate.cli.task import list_tasks

    list_tasks(as_json=as_json)


@task.command("show")
def task_show(
    name: TaskName,
    wants_study: Annotated[bool, typer.Option("--study", help="Print a study file that names the task.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a task: its metrics, fields, code and versions."""
    from ablate.cli.task import show_task

    show_task(name, wants_study=wants_study, as_json=as_json)


@task.command("remove")
def task_remove(name: TaskName, as_json: AsJson = False) -> None:
    """Remove a task: new studies cannot name it. Studies that are stored keep their version and go on."""
    from ablate.cli.task import remove_task

    remove_task(name, as_json=as_json)
