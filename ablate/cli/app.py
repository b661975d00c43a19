"""The library's commands. Heavy imports stay inside the commands, so that `ablate --help` answers immediately.

Exit status: 0 done, 1 the study has holes, 2 the input is wrong, 70 an internal error, 130 Ctrl-C.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ablate.cli.data_commands import data
from ablate.cli.errors import HOLES as HOLES
from ablate.cli.errors import show_error, show_internal, show_missing, show_os_error, show_usage_error
from ablate.cli.help import App, GroupedCommands
from ablate.cli.imported import import_results
from ablate.cli.options import (
    STUDY_HELP,
    AsJson,
    Caption,
    Columns,
    Cpus,
    Delta,
    Digits,
    Full,
    Gpus,
    Label,
    NoMeasured,
    Notes,
    Order,
    Out,
    Rename,
    Rows,
    RowsCommand,
    Scale,
    Seeds,
    Set,
    Siunitx,
    Spread,
    StudyFile,
    Style,
    asked_resources,
    chosen_columns,
    chosen_rows,
)
from ablate.cli.output import say, show_text
from ablate.cli.streams import drop_output, prepare_streams
from ablate.cli.task_commands import task
from ablate.cli.variables import describe_unknown
from ablate.errors import AblateError
from ablate.limits import MAX_WORKERS
from ablate.text import log_to_stderr

INTERRUPTED = 130

app = App(
    cls=GroupedCommands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data, name="data")
app.add_typer(task, name="task")
app.command("import")(import_results)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from ablate.cli.version import describe_version

        show_text(describe_version() + "\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print versions and commit, and exit."),
    ] = False,
) -> None:
    """Ablation studies: a study file in, a result table fit for a paper out."""
    del version  # its callback has ended the command


@app.command()
def run(
    study: StudyFile,
    scale: Scale = None,
    seeds: Seeds = None,
    replaced: Set = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_WORKERS,
            envvar="ABLATE_WORKERS",
            help="Number of trials that run at the same time. Default: as many as fit on this machine.",
            show_default=False,
        ),
    ] = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    out: Out = None,
    fresh: Annotated[
        bool, typer.Option(help="Move known results to another folder and train every trial again. Nothing is deleted.")
    ] = False,
    columns: Columns = None,
    full: Full = False,
    digits: Digits = None,
    no_measured: NoMeasured = False,
    rows: Rows = None,
    order: Order = None,
    rename: Rename = None,
    style: Style = "paper",
    caption: Caption = None,
    label: Label = None,
    siunitx: Siunitx = False,
    delta: Delta = None,
    spread: Spread = "pm",
    notes: Notes = False,
    as_json: AsJson = False,
) -> None:
    """Train a study on this machine and print its table.

    Below the table are the lines that everybody should read; --notes prints the other notes, too, and the file table.md
    has them. Run the same command again to resume after an interruption; no trial is trained twice. Results,
    checkpoints, tables in five formats and plots are written to the folder of the results.

    With --rows only these rows and their baseline are trained. The study keeps all of its rows, so nothing is decided
    before the same command without --rows has trained the others.

    Exit status: 0 done; 1 trials are missing, because they failed or because the disk became full or unwritable; 2 the
    study is wrong, or the folder of the results cannot be written at the start.
    """
    from ablate.cli import run as screen
    from ablate.cli.study import read_plan
    from ablate.local.results import Form
    from ablate.tables.formats.latex_options import LatexOptions

    chosen = chosen_columns(columns, full=full)
    latex = LatexOptions(style, caption, label, siunitx, delta, spread)
    folder, plan = read_plan(
        study, scale, seeds, out, resources=asked_resources(cpus, gpus), replaced=replaced, fresh=fresh
    )
    selection = chosen_rows(rows, order, rename)
    form = Form(chosen, digits, measured=not no_measured, notes=notes, selection=selection, latex=latex)
    status = screen.run(plan, folder, form, workers=workers, fresh=fresh, as_json=as_json)
    raise typer.Exit(status)


@app.command()
def check(
    study: Annotated[Path | None, typer.Argument(metavar="STUDY", help=STUDY_HELP, show_default=False)] = None,
    scale: Scale = None,
    seeds: Seeds = None,
    replaced: Set = None,
    out: Out = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Estimate the time from 20 training steps of every row.")
    ] = False,
    fields: Annotated[
        bool, typer.Option("--fields", help="List the fields of a recipe instead. With a study: those of its task.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Validate a study and list its rows and trials, without training."""
    from ablate.cli import check as screen
    from ablate.cli.study import read_plan

    if fields:
        screen.show_fields(study, as_json=as_json)
        return
    if study is None:
        raise typer.BadParameter("missing; give a study file, or --fields", param_hint="STUDY")
    folder, plan = read_plan(study, scale, seeds, out, replaced=replaced)
    screen.check(plan, folder, probe=probe, as_json=as_json)


@app.command()
def init(
    script: Annotated[Path, typer.Argument(metavar="SCRIPT", help="Your training script.", show_default=False)],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMAND]", help="Command of the script, if it has several.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Study file to write; - prints it. Default: NAME.toml.", show_default=False)
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(help="Interpreter of the script. Default: that of the active environment.", show_default=False),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DEFAULT", help="A field by hand, instead of reading options.", show_default=False),
    ] = None,
    style: Annotated[
        Literal["options", "equals", "hydra", "env"],
        typer.Option(help="How --field is passed: --name value, --name=value, name=value, environment variable."),
    ] = "options",
) -> None:
    """Draft a study file for your own training script.

    The options of the script become the fields of the study: they are read from its parser (argparse, click, typer,
    fire), else from its --help. The script runs up to the point where it parses its options, and no further.
    """
    from ablate.cli.init import init as write

    write(script, command or [], out=out, python=python, fields=field or [], style=style)


@app.command(cls=RowsCommand)
def sites(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Network: resnet50, torchvision/NAME or timm/NAME.")],
    study: Annotated[Path | None, typer.Argument(metavar="STUDY", help="Study document.", show_default=False)] = None,
    row: Annotated[
        str | None,
        typer.Argument(metavar="ROW", help="Row of the study: LABEL or GROUP / LABEL.", show_default=False),
    ] = None,
    scale: Scale = None,
    resolution_px: Annotated[int, typer.Option(min=1, max=1024, help="Side of the input image in pixels.")] = 224,
    as_json: AsJson = False,
) -> None:
    """List the activation call sites of a network.

    With a study and one of its rows, MODEL must be the network of that row; the sites that the row replaces are marked.
    """
    from ablate.cli import check as screen
    from ablate.cli.study import read_plan

    if (study is None) != (row is None):
        raise typer.BadParameter("give a study together with one of its rows, or neither", param_hint="STUDY ROW")
    plan = read_plan(study, scale, None)[1] if study else None
    screen.show_sites(model, plan, row, resolution_px=resolution_px, as_json=as_json)


@app.command()
def verify(
    bundle: Annotated[
        Path,
        typer.Argument(
            metavar="BUNDLE", help="Bundle of `ablate export`: the .zip, or its unpacked folder.", show_default=False
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Recompute the table of a bundle from its values, and compare.

    Every mean, difference, interval, p and decision is computed again from seeds.csv. The printed tables, the trial
    keys and the manifest are checked too. It needs no service, no data and no training.

    Exit status: 0 equal; 1 something differs, which is listed; 2 the file is not a bundle, or damaged.
    """
    from ablate.cli.bundle import show_verdict

    raise typer.Exit(show_verdict(bundle, as_json=as_json))


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs the command and ends the process with its status."""
    prepare_streams()
    log_to_stderr(logging.ERROR)  # warnings of libraries, such as Pillow's of a strange file, are not for the user
    logging.captureWarnings(True)
    for sentence in describe_unknown(os.environ):
        say(f"warning: {sentence}", err=True)
    sys.exit(status_of(arguments))


def status_of(arguments: list[str] | None = None) -> int:
    """Run a command. Every ending becomes an exit status, and every error a sentence on stderr."""
    wants_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    try:
        result = app(arguments, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except typer.Exit as end:
        return int(end.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted", err=True)
        return INTERRUPTED
    except AblateError as error:
        return show_error(error, as_json=wants_json)
    except ModuleNotFoundError as error:
        return show_missing(error, as_json=wants_json)
    except (BrokenPipeError, SystemExit):  # the reader has closed the pipe (`ablate ... | head`): rich exits then
        drop_output()
        return 0
    except OSError as error:
        return show_os_error(error, as_json=wants_json)
    except Exception as error:
        if hasattr(error, "format_message"):  # click's own usage errors
            return show_usage_error(error)
        return show_internal()
