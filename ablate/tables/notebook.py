"""A table that shows itself in a notebook and exports itself, with the formats and plots of `ablate run`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import PrivateAttr

from ablate.errors import TableError, nearest, quote
from ablate.tables.columns import choose_columns
from ablate.tables.formats.latex_options import LatexOptions, Spread, Style
from ablate.tables.formats.render import render, render_embedded
from ablate.tables.plots.look import WIDTH_IN, PlotLook
from ablate.tables.plots.plot import PLOT_FORMATS, PLOTS, check_applies, plot_table
from ablate.tables.selection import Order, select_rows
from ablate.tables.table import Table
from ablate.trials.trial import TrialRecord

if TYPE_CHECKING:
    import pandas


class NotebookTable(Table):
    """The result table of a study: every number unrounded, and the sentences to be read with it.

    A notebook shows it as HTML. `row(label)` is one row, whose `cells[metric]` has the mean over seeds, the sample
    standard deviation, the value of each seed and the difference from the baseline, all in the metric's unit
    (`..._pct` is percent). `summary` has the sentences that everybody should read, and `notes` all others.

    The `columns` of the methods are names such as `label`, a metric, `diff`, `decision` or `params`; `["all"]` means
    every column, None the study's own choice. An unknown name is a TableError that lists the known ones.
    """

    _records: Mapping[str, TrialRecord] = PrivateAttr(default_factory=dict)

    @classmethod
    def of(cls, table: Table, records: Mapping[str, TrialRecord] | None = None) -> Self:
        """The same table with these methods.

        Args:
            table: as `ablate.tables.build.build_table` returns it.
            records: by trial key; only the plot of learning curves needs them.
        """
        made = cls.model_validate(dict(table))
        made._records = records or {}
        return made

    def select(
        self, *, rows: Sequence[str] = (), order: Order | None = None, rename: Mapping[str, str] | None = None
    ) -> Self:
        """The table with these rows, in this order and with these names; no number changes.

        Args:
            rows, order, rename: see `ablate.tables.selection.select_rows`.

        Raises:
            TableError: there is no row, name or order of that name.
        """
        return self.of(select_rows(self, rows=rows, order=order, rename=rename), self._records)

    def __repr__(self) -> str:
        return self.to_markdown()

    def __str__(self) -> str:
        return self.to_markdown()

    def to_markdown(
        self, *, columns: Iterable[str] | None = None, digits: int | None = None, notes: bool = False
    ) -> str:
        """The table as a Markdown pipe table with its summary.

        Args:
            columns: names, see the class.
            digits: decimals of metrics. None follows their spread over seeds.
            notes: whether to add all notes.
        """
        return render(self, "md", columns=columns, digits=digits, notes=notes)

    def to_latex(
        self,
        *,
        columns: Iterable[str] | None = None,
        digits: int | None = None,
        style: Style = "paper",
        caption: str | None = None,
        label: str | None = None,
        siunitx: bool = False,
        delta: bool | None = None,
        spread: Spread = "pm",
    ) -> str:
        """The table as LaTeX with booktabs, ready to be pasted.

        Args:
            columns: names, see the class. None means the results, as papers print them.
            digits: decimals of metrics. None follows their spread over seeds.
            style, caption, label, siunitx, delta, spread: see `ablate.tables.formats.latex_options.LatexOptions`.
        """
        latex = LatexOptions(style, caption, label, siunitx, delta, spread)
        return render(self, "tex", columns=columns, digits=digits, latex=latex)

    def to_csv(self, *, columns: Iterable[str] | None = None, digits: int | None = None) -> str:
        """The table as CSV, one plain number per cell.

        Args:
            columns: names, see the class. None takes all.
            digits: decimals of metrics. None leaves numbers unrounded.
        """
        return render(self, "csv", columns=columns, digits=digits)

    def to_html(self, *, columns: Iterable[str] | None = None, digits: int | None = None) -> str:
        """The table as a whole HTML document that loads nothing, with all notes folded; arguments as for `to_csv`."""
        return render(self, "html", columns=columns, digits=digits)

    def _repr_html_(self) -> str:
        """The table inside a notebook: styles apply to the table alone."""
        return render_embedded(self)

    def to_pandas(self, *, by_seed: bool = False) -> pandas.DataFrame:
        """The table as a pandas DataFrame, unrounded.

        Args:
            by_seed: False gives one line for each row of the table, indexed by `label`, with every column of the CSV
                (`METRIC_mean`, `METRIC_sd`, `METRIC_diff`, ...). True gives one line for each row and seed, indexed by
                `label` and `seed`, with a column for each metric. The index has `GROUP / LABEL` where several groups
                have the label.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            text = "this needs pandas: pip install '.[notebook]' (in a checkout of ablate)"
            raise ModuleNotFoundError(text, name="pandas") from error

        if by_seed:
            lines = [
                {"label": row.name, "seed": seed, **{name: cell.values.get(seed) for name, cell in row.cells.items()}}
                for row in self.rows
                for seed in self.seeds
            ]
            return pandas.DataFrame(lines).set_index(["label", "seed"])
        fields = {field.header: field for column in choose_columns(self, ["all"]) for field in column.fields}
        content: dict[str, list[Any]] = {
            name: [field.value(row) for row in self.rows] for name, field in fields.items()
        }
        head: dict[str, list[Any]] = {"label": [row.name for row in self.rows]}
        head |= {name: [getattr(row, name) for row in self.rows] for name in ("group", "baseline")}
        return pandas.DataFrame({**content, **head}, columns=list({**head, **content})).set_index("label")

    def plot(
        self, name: str = "forest", *, width_in: float = WIDTH_IN, font: str | None = None, title: bool = True
    ) -> Plot:
        """A plot that a notebook shows and `save` writes.

        Args:
            name: `forest` (differences from the baseline with their intervals), `seeds` (every seed's value),
                `curves` (learning curves; only of a table that `ablate.run` returned), `effects` (of a grid) or
                `specification` (of a grid of more than 12 cells).
            width_in: width in inches; 3.25 fits one column of a conference paper.
            font: name of an installed font, such as `Times New Roman`; another name is replaced by STIX.
            title: whether the title of the study is above the plot.

        Raises:
            TableError: an unknown plot, or one that this table has no data for.
            ModuleNotFoundError: matplotlib is not installed.
        """
        if name not in PLOTS:
            raise TableError(f"no plot {quote(name)}{nearest(name, PLOTS)}")
        if name == "curves" and not self._records:
            raise TableError("this table came without learning curves; use the table that ablate.run returns")
        check_applies(self, name)
        return Plot(self, self._records, name, PlotLook(width_in=width_in, font=font, has_title=title))


@dataclass(frozen=True, slots=True, repr=False)
class Plot:
    """A plot of a table, drawn when it is shown or saved.

    Attributes:
        table: what it shows.
        records: by trial key, for learning curves.
        name: see `NotebookTable.plot`.
        look: width, font and title.
    """

    table: Table
    records: Mapping[str, TrialRecord]
    name: str
    look: PlotLook

    def __repr__(self) -> str:
        return f"<{self.name} plot of {self.table.study}>"

    def draw(self, format: str = "svg") -> bytes:
        """The plot as an SVG, PNG or PDF file; the same table gives the same bytes."""
        return plot_table(self.table, self.name, format, records=self.records, look=self.look)

    def save(self, path: Path | str) -> Path:
        """Write the plot into a file.

        Args:
            path: its suffix, `.svg`, `.png` or `.pdf`, decides the format.

        Returns:
            The path.

        Raises:
            TableError: another suffix.
        """
        path = Path(path)
        format = path.suffix.removeprefix(".")
        if format not in PLOT_FORMATS:
            raise TableError(f"a plot cannot be saved as {quote(path.name)}; end the name with .svg, .png or .pdf")
        path.write_bytes(self.draw(format))
        return path

    def _repr_svg_(self) -> str:
        """The plot inside a notebook."""
        return self.draw("svg").decode()
