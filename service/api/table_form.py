"""Parameters of the route of the table: its rows, their order and names, and the style of LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query
from pydantic import TypeAdapter, ValidationError

from ablate.errors import Problem, StudyError, TableError
from ablate.tables.formats.latex_options import LatexOptions, Spread, Style
from ablate.tables.selection import Order, Selection, select_rows
from ablate.tables.table import Table

MAX_TEXT = 4096
NAMES = TypeAdapter(dict[str, str])


def read_selection(
    rows: Annotated[
        Sequence[Annotated[str, Query(max_length=MAX_TEXT)]],
        Query(
            description="labels of rows, separated by commas; repeat the parameter for a label that contains a comma. "
            "A label of several groups means the rows of all of them, `GROUP / LABEL` one row. "
            "`!LABEL` leaves a row out. The baseline stays unless it is left out in this way"
        ),
    ] = (),
    order: Annotated[
        Order | None, Query(description="order of the rows in each group; default: that of `rows`, else of the study")
    ] = None,
    rename: Annotated[
        str | None,
        Query(
            max_length=MAX_TEXT,
            description="new names of rows, groups, factors and their levels, and columns, as a JSON object",
        ),
    ] = None,
) -> Selection:
    """The rows of the table, their order and their names.

    Raises:
        StudyError: the names are not a JSON object of texts.
    """
    try:
        return Selection(tuple(rows), order, NAMES.validate_json(rename) if rename else {})
    except ValidationError as error:
        text = 'rename must be a JSON object of texts, such as {"old name": "new name"}'
        raise StudyError([Problem("/rename", "invalid", text)]) from error


def read_latex(
    style: Annotated[
        Style, Query(description="LaTeX: `paper` has results and a short caption, `full` what Markdown has")
    ] = "paper",
    caption: Annotated[
        str | None, Query(max_length=MAX_TEXT, description="LaTeX: what the table shows; plain text")
    ] = None,
    label: Annotated[str | None, Query(max_length=200, description="LaTeX: label for `\\ref`")] = None,
    siunitx: Annotated[bool, Query(description="LaTeX: `S` columns of siunitx")] = False,
    delta: Annotated[bool | None, Query(description="LaTeX: a column of differences from the baseline")] = None,
    spread: Annotated[Spread, Query(description="LaTeX: standard deviation behind ± or as a subscript")] = "pm",
) -> LatexOptions:
    """The style of LaTeX.

    Raises:
        StudyError: the label cannot be one, or two options exclude each other.
    """
    try:
        return LatexOptions(style, caption, label, siunitx, delta, spread)
    except TableError as error:
        pointer = "/siunitx" if siunitx and spread == "subscript" else "/label"
        raise StudyError([Problem(pointer, "invalid", str(error))]) from error


def select(table: Table, selection: Selection) -> Table:
    """The selected view of a table.

    Raises:
        StudyError: there is no row or name of that name.
    """
    try:
        select_rows(table, rename=selection.rename)
    except TableError as error:
        raise StudyError([Problem("/rename", "unknown", str(error))]) from error
    try:
        return selection.of(table)
    except TableError as error:
        raise StudyError([Problem("/rows", "unknown_row", str(error))]) from error
