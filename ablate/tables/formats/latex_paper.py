"""The style `paper` of a table in LaTeX: results only, as papers print them. Everything else is a comment at the end.

Factors replace the labels of generated rows, as check marks or as levels. The number of seeds is in the caption alone.
Bold and daggers mark rows that are decided. If the default columns do not fit both columns of a page, the further
metrics are left out, then the factors.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from ablate.tables.columns import FACTOR, HEADINGS, Column
from ablate.tables.formats.latex_caption import EQUIVALENT, WORSE, capital, paper_caption
from ablate.tables.formats.latex_layout import blocks_of, choose_paper_layout
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.latex_sheet import LatexSheet, kind_of, numbers_in, print_sheet
from ablate.tables.formats.latex_text import escape_latex
from ablate.tables.pivot import PivotedTable, default_names
from ablate.tables.table import Table, TableRow
from ablate.tables.words import CHECK, MISSING

LEFT_TO_THE_TEXT = ("diff", "decision", "published_diff", "agreement")
"""Default columns of the other formats that the style leaves out: bold and daggers show the decision."""
PLAIN_CHECK = "\\providecommand{\\checkmark}{\\ensuremath{\\surd}} % amssymb has a better one"
ALIGNED = "\\sisetup{separate-uncertainty,detect-weight,mode=text}"
MARKS = {"worse": WORSE, "equivalent": EQUIVALENT}
SWITCHES = {"on": CHECK, "off": MISSING, "true": CHECK, "false": MISSING}
"""Levels of a factor that is only on or off."""
NUMBER = re.compile(r"-?(\d+)(?:\.(\d+))?")

Choose = Callable[[Sequence[str]], list[Column]]
"""From the names of columns to columns, of which the label is the first."""


def render_paper(
    table: Table, names: Sequence[str] | None, choose: Choose, notes: Sequence[str], options: LatexOptions
) -> str:
    """The table in the style `paper`.

    Args:
        table: table to render.
        names: names of its columns; None, or `factors` alone, means the default of the style.
        choose: makes columns from names.
        notes: its notes.
        options: options of the style.
    """
    columns, left_out = _fitting(table, names, choose, options)
    caption = paper_caption(table, columns, options)
    layout = choose_paper_layout(table, columns, caption)
    has_checks = any(CHECK in column.text(row) for column in columns for row in table.printed_rows)
    widths = {column: _format_of(column, table) for column in columns} if options.siunitx else {}
    sheet = LatexSheet(
        table,
        columns,
        layout,
        caption=caption,
        label=options.label or f"tab:{table.study}",
        packages=["siunitx"] if any(widths.values()) else [],
        before=[PLAIN_CHECK] if has_checks else [],
        setup=[ALIGNED] if any(widths.values()) else [],
        comments=[*_about(table, left_out), *table.summary, *notes],
        cell=partial(_cell, options=options, formats=widths),
        heading=partial(_heading, formats=widths),
        kind=partial(_kind, formats=widths),
        last="@{\\hspace{4pt}}" if _is_marked(columns[-1], table) and not widths.get(columns[-1]) else "@{}",
    )
    return print_sheet(sheet)


def _fitting(
    table: Table, names: Sequence[str] | None, choose: Choose, options: LatexOptions
) -> tuple[list[Column], list[str]]:
    """The columns, and the names of those that are left out because they do not fit."""
    is_default = names is None or list(names) == ["factors"]
    if names is not None:
        choose(names)  # refuses unknown names, and `factors` where the study has no factors
    candidates = _defaults(table, options) if is_default else [_with_delta(table, names or (), options)]
    wanted: list[str] = []
    for each in candidates:
        columns = [_on_paper(column, table) for column in _without_label(choose(each), each)]
        wanted = wanted or [column.name for column in columns]
        if _is_one_block(table, columns):
            break
    shown = {column.name for column in columns}
    return columns, [name for name in wanted if name not in shown]


def _defaults(table: Table, options: LatexOptions) -> Iterator[list[str]]:
    """Names of columns in order of preference."""
    factors = [f"{FACTOR}{name}" for name in table.factors]
    own = [name for name in default_names(table) if name not in ("label", *LEFT_TO_THE_TEXT)]
    reported = {name for name in table.metrics if any(row.cells[name].values for row in table.rows)}
    own = [name for name in own if name not in table.metrics or name in reported]
    own = _with_delta(table, own, options)
    short = [name for name in own if name not in table.metrics]
    is_generated = all(row.levels for row in table.rows)
    for rest in (own, short):
        if factors:
            yield [*factors, *rest] if is_generated else ["label", *factors, *rest]
    if not isinstance(table, PivotedTable):
        yield from (["label", *own], ["label", *short], ["label", table.metric])
    elif not is_generated:  # too many groups are printed in blocks, with their ranks
        yield ["label", *own]


def _with_delta(table: Table, names: Sequence[str], options: LatexOptions) -> list[str]:
    """The names with or without the difference of the primary metric, which follows its mean."""
    if options.delta is None:
        return list(names)
    others = [name for name in names if name != "diff"]
    place = others.index(table.metric) + 1 if table.metric in others else len(others)
    return [*others[:place], "diff", *others[place:]] if options.delta else others


def _without_label(columns: list[Column], names: Sequence[str]) -> list[Column]:
    """The label only if it was chosen, or if no factor tells the rows apart."""
    has_factors = any(column.name.startswith(FACTOR) for column in columns)
    return columns[1:] if has_factors and "label" not in names else columns


def _is_one_block(table: Table, columns: list[Column]) -> bool:
    return len(blocks_of(choose_paper_layout(table, columns, ""), table, columns)) == 1


def _on_paper(column: Column, table: Table) -> Column:
    """A column with the heading and the texts of the style; each text is made once, for all layouts that are tried."""
    found = _styled(column, table)
    texts = {row.name: found.text(row) for row in table.printed_rows}
    return dataclasses.replace(found, text=lambda row: texts[row.name])


def _styled(column: Column, table: Table) -> Column:
    is_renamed = column.name in table.headings or column.name.startswith(FACTOR)
    if column.name.startswith(FACTOR) and set(table.factors[column.name.removeprefix(FACTOR)]) <= SWITCHES.keys():
        words = column.text
        return dataclasses.replace(column, text=lambda row: SWITCHES.get(words(row), words(row)))
    is_name = is_renamed or column.group is not None or column.heading[1:2].isupper()
    heading = column.heading if is_name else capital(column.heading)
    if column.name == "label":
        heading = column.heading if is_renamed else ""
        return dataclasses.replace(column, heading=heading, text=lambda row: row.label)
    if column.name in table.directions:
        return dataclasses.replace(column, heading=heading, text=partial(_mean_text, column))
    if column.name.rpartition(":")[2] == "diff" and not is_renamed:
        heading = column.heading.replace(HEADINGS["diff"], "Δ (95 % CI)")
    return dataclasses.replace(column, heading=heading)


def _mean_text(column: Column, row: TableRow) -> str:
    """The cell as plain text, from which widths are estimated."""
    parts = _parts(column, row)
    return " ± ".join(parts) + "†" * bool(_mark(column, row)) if parts else column.text(row)


def _parts(column: Column, row: TableRow) -> list[str]:
    return list(filter(None, column.mean(row))) if column.mean else []


def _mark(column: Column, row: TableRow) -> str:
    """The dagger of a decided row, at its mean of the primary metric."""
    source = column.source(row)
    cell = source.cells.get(column.name) if source else None
    return MARKS.get(cell.decision or "", "") if cell else ""


def _is_marked(column: Column, table: Table) -> bool:
    return any(_mark(column, row) for row in table.printed_rows)


def _cell(column: Column, row: TableRow, *, options: LatexOptions, formats: dict[Column, str]) -> str:
    text = column.text(row)
    if formats.get(column):
        return _aligned(column, row)
    if _parts(column, row):
        return _mean(column, row, options)
    if column.name.startswith(FACTOR) and text == CHECK:
        return "\\checkmark"
    return escape_latex(text) if column.is_text else numbers_in(escape_latex(text))


def _mean(column: Column, row: TableRow, options: LatexOptions) -> str:
    """Mean and spread, with the mean bold or a dagger behind."""
    mean, *spread = (numbers_in(escape_latex(part)) for part in _parts(column, row))
    if column.is_strong(row):
        mean = f"{{\\boldmath\\textbf{{{mean}}}}}" if "$" in mean else f"\\textbf{{{mean}}}"
    if spread and options.spread == "subscript":
        mean += f"$_{{\\pm {spread[0].replace('$', '')}}}$"
    elif spread:
        mean += f" $\\pm$ {spread[0]}"
    mark = _mark(column, row)
    return f"{mean}\\rlap{{{_raised(mark)}}}" if mark else mean


def _raised(mark: str) -> str:
    """A mark that does not push its line away from the one above."""
    return f"\\smash{{$^{mark.strip('$')}$}}"


def _aligned(column: Column, row: TableRow) -> str:
    """A cell of siunitx."""
    parts = [part.replace("\u2212", "-") for part in _parts(column, row)]
    if not parts:
        return f"{{{escape_latex(column.text(row))}}}"
    mark = _mark(column, row)
    text = " \\pm ".join(parts) + (f" {{{_raised(mark)}}}" if mark else "")
    return f"\\bfseries {text}" if column.is_strong(row) else text


def _format_of(column: Column, table: Table) -> str:
    """The options of an `S` column; empty for a column that is none."""
    cells = [_parts(column, row) for row in table.printed_rows]
    numbers = [[NUMBER.fullmatch(part.replace("\u2212", "-")) for part in parts] for parts in cells]
    found = [match for parts in numbers for match in parts]
    means = [parts[0] for parts in numbers if parts]
    if not found or not all(found):
        return ""
    whole, places = (max(len(match[group] or "") for match in means if match) for group in (1, 2))
    spreads = [parts[1] for parts in numbers if len(parts) > 1]
    digits = max((len(f"{match[1]}{match[2] or ''}".lstrip("0")) for match in spreads if match), default=0)
    spread = f"({digits})" if digits else ""
    marks = ",table-space-text-post={$^\\dagger$}" if _is_marked(column, table) else ""
    return f"table-format={whole}.{places}{spread}{marks}"


def _heading(column: Column, line: str, *, formats: dict[Column, str]) -> str:
    text = escape_latex(line)
    return f"{{{text}}}" if formats.get(column) else text


def _kind(column: Column, *, formats: dict[Column, str]) -> str:
    if formats.get(column):
        return f"S[{formats[column]}]"
    return "c" if column.name.startswith(FACTOR) else kind_of(column)


def _about(table: Table, left_out: Sequence[str]) -> Iterator[str]:
    """Comments on what a reader of the file may want to add."""
    if left_out:
        yield f"left out, since they do not fit: {', '.join(left_out)}; choose columns with --columns"
    if table.published is not None:
        yield f"cite for printed numbers: {table.published.paper}"
