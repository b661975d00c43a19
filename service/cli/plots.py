"""`ablate plot`: a plot of a study of the service, or of a folder of `ablate run`, as a file for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ablate.cli.app import app
from ablate.cli.options import AsJson
from ablate.cli.output import say, writing_to
from ablate.errors import quote
from service.cli.connect import Url, connected, show

if TYPE_CHECKING:
    from ablate.tables.plots.look import PlotLook

PlotName = Literal["forest", "seeds", "curves", "effects", "specification"]


@app.command()
def plot(
    source: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Id or name of a study of the service, or the folder of a run (ablate-out/NAME-SCALE).",
            show_default=False,
        ),
    ],
    name: Annotated[PlotName, typer.Argument(metavar="NAME", help="Name of the plot.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; .pdf, .svg or .png. Default: ID-NAME.pdf.", show_default=False),
    ] = None,
    width: Annotated[str, typer.Option(help="Width, such as 3.25in, 8.5cm or 240pt.")] = "7in",
    font: Annotated[
        str | None,
        typer.Option(help="Font, such as Times. STIX is used if it is not installed.", show_default=False),
    ] = None,
    no_title: Annotated[bool, typer.Option("--no-title", help="Leave out the title; a paper has captions.")] = False,
    dark: Annotated[bool, typer.Option("--dark", help="Use colours for dark pages (SVG only).")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Draw a plot of a study into a file.

    forest: differences from the baseline with their intervals. seeds: the value of every seed. curves: learning curves.
    effects: means of the levels of a grid. specification: all cells of a large grid in the order of their results.

    \b
      ablate plot demo forest --width 3.25in --font Times --no-title
      ablate plot ablate-out/demo-base seeds --out seeds.svg
    """
    from ablate.tables.plots.look import PlotLook, inches_of

    look = PlotLook(inches_of(width), font, has_title=not no_title, theme="dark" if dark else "light")
    path = out or Path(f"{Path(source).name}-{name}.pdf")
    content, notice = _draw(source, name, _format_of(path), look, url)
    with writing_to(path, "--out"):
        path.write_bytes(content)
    if notice:
        say(f"warning: {notice}", err=True)
    show({"file": str(path.absolute()), "notice": notice}, as_json, f"{path}: {look.width_in:.3g} inches wide")


def _format_of(path: Path) -> Literal["svg", "png", "pdf"]:
    """The format that the end of a file's name asks for."""
    match path.suffix.lower():
        case ".svg":
            return "svg"
        case ".png":
            return "png"
        case ".pdf":
            return "pdf"
    raise typer.BadParameter(f"{quote(path.name)} should end in .pdf, .svg or .png", param_hint="--out")


def _draw(
    source: str, name: PlotName, format: Literal["svg", "png", "pdf"], look: PlotLook, url: str | None
) -> tuple[bytes, str | None]:
    """The plot, and a sentence on the font if it is not the one that was asked for."""
    if Path(source).is_dir():
        return _draw_folder(Path(source), name, format, look)
    with connected(url) as client:
        return client.drawn(source, name, format, look=look)


def _draw_folder(path: Path, name: PlotName, format: str, look: PlotLook) -> tuple[bytes, str | None]:
    from ablate.local.folder import Folder
    from ablate.local.results import read_written_table
    from ablate.tables.plots.fonts import substitution
    from ablate.tables.plots.plot import check_applies, plot_table

    table = read_written_table(path)
    check_applies(table, name)
    return plot_table(table, name, format, records=Folder(path).read(), look=look), substitution(look.font)
