"""The library's commands. Heavy imports stay inside the commands: `ablate --help` answers at once.

Progress goes to stderr, results to stdout. Exit status: 0 done, 1 the study ended with holes, 2 the input is wrong,
70 an internal error, 130 Ctrl-C.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ablate.errors import AblateError, StudyError

HOLES, WRONG_INPUT, INTERNAL, INTERRUPTED = 1, 2, 70, 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ablation studies: a study file in, a result table fit for a paper out.",
)
data = typer.Typer(no_args_is_help=True, help="Data sets: where they are found, fetching them, folders of your own.")
app.add_typer(data, name="data")

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="Study document, .toml or .json.", show_default=False)]
Scale = Annotated[
    str | None, typer.Option(help="Scale of the study; default: mini where it has one, else base.", show_default=False)
]
Seeds = Annotated[
    int | None, typer.Option(min=1, help="Number of seeds, instead of the study's own.", show_default=False)
]
Out = Annotated[
    Path | None, typer.Option(help="Folder for results; default: ablate-out/NAME-SCALE.", show_default=False)
]
Cpus = Annotated[
    int | None, typer.Option(min=1, max=1024, help="CPUs of a trial; default: the study's.", show_default=False)
]
Gpus = Annotated[
    float | None,
    typer.Option(min=0, max=64, help="GPUs of a trial, fractions share one; default: the study's.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="The result as JSON.")]
Columns = Annotated[
    str | None,
    typer.Option(
        help="Columns of the table, by comma; 'factors' for one of each factor, 'all' for every one.",
        show_default=False,
    ),
]
Full = Annotated[bool, typer.Option("--full", help="Every column, as --columns all.")]


@app.command()
def run(
    study: StudyFile,
    scale: Scale = None,
    seeds: Seeds = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, envvar="ABLATE_WORKERS", help="Trials at once; default: what fits.", show_default=False),
    ] = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    out: Out = None,
    fresh: Annotated[bool, typer.Option(help="Set known results aside (nothing is deleted) and train anew.")] = False,
    columns: Columns = None,
    full: Full = False,
    digits: Annotated[
        int | None, typer.Option(min=0, max=10, help="Decimals; default: they follow the spread.", show_default=False)
    ] = None,
    no_measured: Annotated[
        bool, typer.Option("--no-measured", help="Leave measured times and memory out: the same bytes every time.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a study here and print its table.

    The same command goes on after an interruption and trains nothing twice. Results, checkpoints, tables in five
    formats and plots land in the folder.
    """
    from ablate.cli import run as screen
    from ablate.local.prepare import default_folder
    from ablate.local.results import Form

    chosen = chosen_columns(columns, full=full)
    plan = _plan(study, scale, seeds, asked_resources(cpus, gpus))
    status = screen.run(
        plan,
        out or default_folder(plan),
        Form(chosen, digits, measured=not no_measured),
        workers=workers,
        fresh=fresh,
        as_json=as_json,
    )
    raise typer.Exit(status)


@app.command()
def check(
    study: Annotated[Path | None, typer.Argument(metavar="STUDY", help="Study document.", show_default=False)] = None,
    scale: Scale = None,
    seeds: Seeds = None,
    out: Out = None,
    probe: Annotated[bool, typer.Option("--probe", help="Time 20 steps of every row for the estimate.")] = False,
    fields: Annotated[
        bool, typer.Option("--fields", help="List the recipe's fields instead; with a study, those of its task.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Validate and expand a study; train nothing."""
    from ablate.cli import lists
    from ablate.local.prepare import default_folder

    if fields:
        lists.show_fields(study, as_json=as_json)
        return
    if study is None:
        raise typer.BadParameter("missing; give a study file, or --fields", param_hint="STUDY")
    plan = _plan(study, scale, seeds)
    lists.check(plan, out or default_folder(plan), probe=probe, as_json=as_json)


@app.command()
def sites(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A network: resnet50, torchvision/NAME, timm/NAME.")],
    study: Annotated[Path | None, typer.Argument(metavar="STUDY", help="A study ...", show_default=False)] = None,
    row: Annotated[
        str | None, typer.Argument(metavar="ROW", help="... and one of its rows.", show_default=False)
    ] = None,
    scale: Scale = None,
    resolution_px: Annotated[int, typer.Option(min=1, max=1024, help="Side of the image.")] = 224,
    as_json: AsJson = False,
) -> None:
    """List a network's activation call sites, and which of them a row replaces.

    With a study and a row the row's own network is shown, and must be MODEL.
    """
    from ablate.cli import lists

    if (study is None) != (row is None):
        raise typer.BadParameter("a study and a row go together", param_hint="STUDY ROW")
    plan = _plan(study, scale, None) if study else None
    lists.show_sites(model, plan, row, resolution_px=resolution_px, as_json=as_json)


@data.command("list")
def data_list(as_json: AsJson = False) -> None:
    """List the known data sets, and where each is found on this machine."""
    from ablate.cli import lists

    lists.list_data(as_json=as_json)


@data.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `ablate data list`.")]) -> None:
    """Fetch a data set into the data folder; its files are checked."""
    from ablate.data import fetch

    path = fetch.fetch(name, lambda line: typer.echo(line, err=True))
    typer.echo(path)


def chosen_columns(columns: str | None, *, full: bool) -> list[str] | None:
    """The columns that `--columns` and `--full` ask for; None for the table's own choice."""
    if full and columns is not None:
        text = "--full is every column and --columns names some; give one of the two"
        raise typer.BadParameter(text)
    return ["all"] if full else columns.split(",") if columns else None


def asked_resources(cpus: int | None, gpus: float | None) -> dict[str, float]:
    """What of a study's `[resources]` is asked for otherwise; no part of a trial's identity."""
    return {name: value for name, value in (("cpus", cpus), ("gpus", gpus)) if value is not None}


@data.command("add")
def data_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What a recipe's dataset shall call it.")],
    folder: Annotated[Path, typer.Argument(metavar="PATH", help="The folder; it stays where it is.")],
    kind: Annotated[Literal["image-folder"], typer.Option(help="What it is.")] = "image-folder",
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave damaged files out instead of refusing the folder.")
    ] = False,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Let the name stand for this content where it stood for another, or its record is damaged.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Register a folder of images as a data set.

    It holds a folder for each class, or train and test (or val) that do; jpg, jpeg, png, webp and bmp of 8 bits a
    channel count as images. Every image is opened once. Without a split of its own, a fifth is for testing, chosen by
    the content of each file.
    """
    from ablate.cli import lists

    del kind  # there is one so far
    lists.add_data(name, folder, skip_damaged=skip_damaged, replace=replace, as_json=as_json)


def _plan(path: Path, scale: str | None, seeds: int | None, resources: Mapping[str, float] | None = None) -> Any:
    from ablate.study.document import with_resources
    from ablate.study.plan import MAX_TRIALS, plan_document
    from ablate.study.text import read_document

    limit = os.environ.get("ABLATE_MAX_TRIALS", str(MAX_TRIALS))
    if not limit.isdecimal() or int(limit) == 0:
        raise AblateError(f"ABLATE_MAX_TRIALS is '{limit}'; it must be a whole number above 0")
    document = with_resources(read_document(path), resources or {})
    return plan_document(document, scale=scale, seeds=seeds, max_trials=int(limit))


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs the command and ends the process with its status."""
    sys.exit(status_of(arguments))


def status_of(arguments: list[str] | None = None) -> int:
    """Run a command; every way to end becomes an exit status and, on stderr, a sentence."""
    wants_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    try:
        result = app(arguments, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except typer.Exit as end:
        return int(end.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted", err=True)
        return INTERRUPTED
    except AblateError as error:
        _show(error, wants_json)
        return error.exit_status
    except (BrokenPipeError, SystemExit):  # the reader is gone, as in `ablate ... | head`; rich turns that into an exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if hasattr(error, "format_message"):  # click's own usage errors
            error.show(sys.stderr)  # type: ignore[attr-defined]
            return WRONG_INPUT
        traceback.print_exc()  # the one place for the unforeseen: all of it is shown, nothing is hidden
        typer.echo("internal error; please report the lines above", err=True)
        return INTERNAL


def _show(error: AblateError, wants_json: bool) -> None:
    problems = error.problems if isinstance(error, StudyError) else ()
    if wants_json:
        items = [{"pointer": p.pointer, "code": p.code, "message": p.message} for p in problems]
        typer.echo(json.dumps({"error": str(error), "errors": items}))
        return
    lines = [str(problem) for problem in problems] or [str(error)]
    for line in lines[:100]:
        typer.echo(f"error: {line}", err=True)
    if len(lines) > 100:
        typer.echo(f"error: and {len(lines) - 100} more", err=True)
