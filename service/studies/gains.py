"""The paper's Figure 1 from this service's results: the newest successful study of each table at one scale."""

from __future__ import annotations

from collections.abc import Iterator

from ablate.errors import Problem, StudyError, nearest, quote
from ablate.paper.published import load_published
from ablate.study.paper_tables import list_tables
from ablate.tables.gains import TASKS, collect_gains
from ablate.tables.plots.look import PlotLook
from service.context import Context
from service.store import studies
from service.store.studies import Stored, Wanted
from service.studies.results import get_table

PAGE = 200


def draw_gains(context: Context, scale: str, format: str, look: PlotLook = PlotLook()) -> bytes:
    """The figure; tables without a successful study are shown as not trained.

    Raises:
        StudyError: no table of the paper has the scale.
        TableError: the format is unknown, or does not have the theme.
    """
    from ablate.tables.plots.plot import plot_gains  # matplotlib is loaded when the first plot is drawn

    scales = dict.fromkeys(name for table in list_tables() for name in table.scales)
    if scale not in scales:
        text = f"no table of the paper has the scale {quote(scale)}{nearest(scale, scales)}"
        raise StudyError([Problem("/scale", "unknown_scale", text)])
    newest: dict[str, Stored] = {}
    for stored in _finished(context):
        table_id = stored.document.get("table", {}).get("published")
        if stored.scale == scale and table_id in {table_id for table_id, _ in TASKS.values()}:
            newest.setdefault(table_id, stored)
    tables = {table_id: get_table(context, stored.id) for table_id, stored in newest.items()}
    return plot_gains(collect_gains(tables, load_published()), scale, format, look=look)


def _finished(context: Context) -> Iterator[Stored]:
    """Studies that succeeded, newest first, page by page."""
    before = None
    while True:
        with context.store.read() as connection:
            page = studies.list_studies(connection, Wanted(state="succeeded"), limit=PAGE, before=before)
        yield from (stored for stored in page if not stored.canary_only)
        if len(page) < PAGE:
            return
        before = page[-1].seq
