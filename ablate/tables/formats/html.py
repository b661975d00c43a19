"""A table as HTML: semantic, self-contained, readable in light and dark and, by scrolling, on a narrow screen.

`render_html` gives a whole document that a browser opens from a file. `html_fragment` gives the figure only, for a page
with its own styles. All text is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from ablate.tables.captions import heading_of, title_of
from ablate.tables.columns import Column
from ablate.tables.table import Table, TableRow
from ablate.text import on_one_line

LONG_TEXT = 32
"""Number of characters of a cell above which a column of text is broken into lines."""

PAGE_STYLE = """\
:root { color-scheme: light dark; }
body { margin: 1rem; font: 16px/1.45 system-ui, sans-serif; background: Canvas; color: CanvasText; }
"""
TABLE_STYLE = """\
.ablate-table { margin: 0; max-width: 100%; }
.ablate-scroll { overflow-x: auto; }
.ablate-table table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.ablate-table caption { text-align: left; padding-bottom: .6rem; font-weight: 600; }
.ablate-table th, .ablate-table td { padding: .3rem .7rem; text-align: right; white-space: nowrap; }
.ablate-table th, .ablate-table td { vertical-align: top; background: var(--row, Canvas); }
.ablate-table tbody th, .ablate-table .text { text-align: left; }
.ablate-table tbody th[scope=row] { white-space: normal; min-width: 9rem; max-width: 24rem; overflow-wrap: anywhere; }
.ablate-table tbody th[scope=row] { font-weight: 400; }
.ablate-table th:first-child:not([colspan]) { position: sticky; left: 0; }
@media (max-width: 40rem) { .ablate-table tbody th[scope=row] { min-width: 8rem; max-width: 10rem; } }
.ablate-table tbody th[scope=rowgroup] { font-weight: 600; padding-top: .7rem; }
.ablate-table .long { white-space: normal; min-width: 16rem; overflow-wrap: anywhere; }
.ablate-table summary { cursor: pointer; }
.ablate-table td details[open] { white-space: normal; min-width: 14rem; max-width: 20rem; }
.ablate-table thead th { border-bottom: 1px solid; vertical-align: bottom; white-space: normal; text-wrap: balance; }
.ablate-table table { border-top: 2px solid; border-bottom: 2px solid; }
.ablate-table .baseline { --row: color-mix(in srgb, CanvasText 8%, Canvas); }
.ablate-table .notes summary { margin-top: .6rem; }
.ablate-table figcaption { font-size: .85rem; max-width: 60rem; overflow-wrap: anywhere; }
"""
STYLE = PAGE_STYLE + TABLE_STYLE
EMBEDDED_STYLE = ".ablate-table { color-scheme: light; background: Canvas; color: CanvasText; }\n" + TABLE_STYLE
"""Styles of the table alone, readable in any theme of the page around it."""


def escape(text: str) -> str:
    """Text that HTML shows unchanged, on one line."""
    return html.escape(on_one_line(text))


def render_html(table: Table, columns: Sequence[Column], notes: Sequence[str]) -> str:
    """A document with the table only; it loads no other files."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title_of(table))}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        f"{html_fragment(table, columns, notes)}</body>\n</html>\n"
    )


def html_embedded(table: Table, columns: Sequence[Column], notes: Sequence[str]) -> str:
    """The figure with its own styles, for a page that is not ours, such as a notebook."""
    return f"<div>\n<style>\n{EMBEDDED_STYLE}</style>\n{html_fragment(table, columns, notes)}</div>\n"


def html_fragment(table: Table, columns: Sequence[Column], notes: Sequence[str]) -> str:
    """The figure: caption, question, table, summary and folded notes. What is folded opens by mouse, key or touch."""
    kinds = [_kind(column, table) for column in columns]
    lines = [
        '<figure class="ablate-table">',
        f'<div class="ablate-scroll" role="region" aria-label="{escape(title_of(table))}" tabindex="0">',
        "<table>",
        f"<caption>{escape(title_of(table))}</caption>",
        "<thead>",
        f"<tr>{''.join(map(_heading, columns, kinds))}</tr>",
        "</thead>",
        *_bodies(table, columns, kinds),
        "</table>",
        "</div>",
        *_below(table, notes),
        "</figure>",
    ]
    return "\n".join(lines) + "\n"


def _kind(column: Column, table: Table) -> str:
    """The class attribute of a column's cells; labels have their own width."""
    if not column.is_text:
        return ""
    is_long = column.name != "label" and any(len(column.text(row)) > LONG_TEXT for row in table.rows)
    return f' class="text{" long" if is_long else ""}"'


def _heading(column: Column, kind: str) -> str:
    return f'<th scope="col"{kind}>{escape(heading_of(column))}</th>'


def _bodies(table: Table, columns: Sequence[Column], kinds: Sequence[str]) -> list[str]:
    """A tbody for each group, with a spanning line above it if groups have names."""
    lines = []
    for group, rows in table.grouped():
        lines.append("<tbody>")
        if group is not None:
            lines.append(f'<tr><th scope="rowgroup" colspan="{len(columns)}">{escape(group)}</th></tr>')
        lines += [_row(row, columns, kinds) for row in rows]
        lines.append("</tbody>")
    return lines or ["<tbody></tbody>"]


def _row(row: TableRow, columns: Sequence[Column], kinds: Sequence[str]) -> str:
    cells = [f'<th scope="row">{escape(columns[0].text(row))}</th>']
    cells += [f"<td{kind}>{_cell(column, row)}</td>" for column, kind in zip(columns[1:], kinds[1:], strict=True)]
    mark = ' class="baseline"' if row.baseline else ""
    return f"<tr{mark}>{''.join(cells)}</tr>"


def _cell(column: Column, row: TableRow) -> str:
    text, more = escape(column.text(row)), escape(column.more(row))
    if more:
        return f"<details><summary>{text}</summary>{more}</details>"
    return f"<strong>{text}</strong>" if column.is_strong(row) else text


def _below(table: Table, notes: Sequence[str]) -> list[str]:
    question = [f"<p>{escape(table.question)}</p>"] if table.question.strip() else []
    folded = [f'<details class="notes"><summary>Notes ({len(notes)})</summary>', *_list(notes), "</details>"]
    return ["<figcaption>", *question, *_list(table.summary), *(folded if notes else []), "</figcaption>"]


def _list(texts: Sequence[str]) -> list[str]:
    return ["<ul>", *(f"<li>{escape(text)}</li>" for text in texts), "</ul>"] if texts else []
