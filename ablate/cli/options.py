"""Options that several commands have, of the library and of the service alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ablate.cli.help import GroupedCommand
from ablate.study.names import DASH, other_spelling

if TYPE_CHECKING:
    from ablate.tables.selection import Selection

TABLE, LATEX = "Options of the table", "Options of LaTeX"


class RowsCommand(GroupedCommand):
    """A command with rows as arguments: `- funnel`, a label of earlier versions, is a row and no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read `- funnel` as `without funnel`, which is the same row; no option begins with a dash and a blank."""
        return super().parse_args(ctx, [other_spelling(arg) if arg.startswith(DASH) else arg for arg in args])


STUDY_HELP = "Study document, .toml or .json. A pipe is read too; '-' is the standard input."
StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help=STUDY_HELP, show_default=False)]
Scale = Annotated[
    str | None,
    typer.Option(help="Scale of the study. Default: mini if the study has it, else base.", show_default=False),
]
Seeds = Annotated[int | None, typer.Option(min=1, help="Number of seeds. Default: the study's.", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Replace a field of [base] and of the scale, such as lr=0.1 or backbone.lr=0.1; may be given several "
        "times. Rows and groups that set the field keep their value. The table names what was replaced.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the results. Default: ablate-out/NAME-SCALE, with what --set replaces.", show_default=False
    ),
]
Cpus = Annotated[
    int | None, typer.Option(min=1, max=1024, help="CPUs per trial. Default: the study's.", show_default=False)
]
Gpus = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=64,
        help="GPUs per trial; trials with fractions share a GPU. Default: the study's.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Columns = Annotated[
    str | None,
    typer.Option(
        help="Columns of the table, separated by commas. 'factors': one column for each factor. 'all': every column.",
        show_default=False,
        rich_help_panel=TABLE,
    ),
]
Notes = Annotated[
    bool, typer.Option("--notes", help="Print all notes below the table, not only its summary.", rich_help_panel=TABLE)
]
Robust = Annotated[
    bool,
    typer.Option(
        "--robust",
        help="Add notes on how far the decisions depend on the test, on lost runs and on single seeds.",
        rich_help_panel=TABLE,
    ),
]
Rows = Annotated[
    list[str] | None,
    typer.Option(
        "--rows",
        metavar="LABELS",
        help="Rows of the table, in this order: labels separated by commas, or the option several times. Give a label "
        "that contains a comma in an option of its own. A label of several groups means the rows of all of them, "
        "'GROUP / LABEL' one row. '!LABEL' leaves a row out. The baseline stays unless it is left out in this way. "
        "Statistics are those of all rows.",
        show_default=False,
        rich_help_panel=TABLE,
    ),
]
Order = Annotated[
    Literal["plan", "value", "name"] | None,
    typer.Option(
        help="Order of the rows in each group: that of the study, best first, or by name. Default: that of --rows, "
        "else plan.",
        show_default=False,
        rich_help_panel=TABLE,
    ),
]
Rename = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help='New names of rows, groups, factors and their levels, and columns: TOML ("old" = "new"), or CSV with two '
        "columns.",
        show_default=False,
        rich_help_panel=TABLE,
    ),
]
Style = Annotated[
    Literal["paper", "full"],
    typer.Option(
        help="'paper' has the results and a short caption, 'full' everything that Markdown has.", rich_help_panel=LATEX
    ),
]
Caption = Annotated[
    str | None,
    typer.Option(
        help="What the table shows, in place of the study's title. Seeds, marks and test follow it.",
        show_default=False,
        rich_help_panel=LATEX,
    ),
]
Label = Annotated[
    str | None,
    typer.Option(help="Label for \\ref. Default: tab:NAME of the study.", show_default=False, rich_help_panel=LATEX),
]
Siunitx = Annotated[
    bool, typer.Option("--siunitx", help="Align means with the package siunitx.", rich_help_panel=LATEX)
]
Delta = Annotated[
    bool | None,
    typer.Option(
        "--delta/--no-delta",
        help="A column of differences from the baseline.",
        show_default=False,
        rich_help_panel=LATEX,
    ),
]
Spread = Annotated[
    Literal["pm", "subscript"],
    typer.Option(help="Standard deviation behind ± or as a subscript.", rich_help_panel=LATEX),
]
Full = Annotated[bool, typer.Option("--full", help="Show every column, like --columns all.", rich_help_panel=TABLE)]
Digits = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=10,
        help="Number of decimals. Default: as many as the spread over seeds supports.",
        show_default=False,
        rich_help_panel=TABLE,
    ),
]
NoMeasured = Annotated[
    bool,
    typer.Option(
        "--no-measured",
        help="Leave out measured times and memory, so that the output is the same after every run.",
        rich_help_panel=TABLE,
    ),
]


def chosen_columns(columns: str | None, *, full: bool) -> list[str] | None:
    """The columns that `--columns` and `--full` ask for; None for the table's own choice."""
    if full and columns is not None:
        text = "--full shows every column and --columns some; use only one of them"
        raise typer.BadParameter(text)
    return ["all"] if full else columns.split(",") if columns else None


def chosen_rows(
    rows: list[str] | None, order: Literal["plan", "value", "name"] | None, rename: Path | None
) -> Selection:
    """What `--rows`, `--order` and `--rename` ask for.

    Raises:
        TableError: the file of the new names is wrong.
    """
    from ablate.tables.selection import Selection, read_names

    return Selection(tuple(rows or ()), order, read_names(rename) if rename else {})


def asked_resources(cpus: int | None, gpus: float | None) -> dict[str, float]:
    """The fields of a study's `[resources]` that the options replace. They are not in a trial's key."""
    return {name: value for name, value in (("cpus", cpus), ("gpus", gpus)) if value is not None}
