"""Calls that read a study's cells, trials, table and plots: a part of `ablate.remote.client.Client`."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote as in_path

from ablate.errors import quote
from ablate.remote.answers import read_answer
from ablate.remote.choices import PlotFormat, TableFormat
from ablate.remote.documents.ledger import Ledger
from ablate.remote.documents.studies import StudyView
from ablate.remote.documents.trials import CellView, FilesView, ItemsView, TrialView
from ablate.remote.errors import RefusedError
from ablate.remote.follow import follow_log
from ablate.remote.names import STUDY_ID, check_key
from ablate.study.problems import NAME
from ablate.tables.plots.look import PlotLook

if TYPE_CHECKING:
    from ablate.remote.connection import Connection
    from ablate.tables.formats.latex_options import LatexOptions
    from ablate.tables.notebook import NotebookTable
    from ablate.tables.selection import Selection
    from ablate.tables.two_rows import RowComparison

StudyName = str | StudyView
"""A study at the service: its id, its name, the beginning of its id, or the document of an earlier answer."""


class Results:
    """Reading calls about studies and trials; `Client` inherits them."""

    _connection: Connection

    def find(self, study: StudyName) -> str:
        """The id of a study, given its id, its name, or the first 4 letters or more of its id, in this order.

        Of several studies with a name it is the newest one that no schedule fired.

        Raises:
            RefusedError: no study has this id or name, or several ids begin like this; the error lists them.
        """
        if isinstance(study, StudyView):
            return study.id
        return read_answer(StudyView, self._connection.get(self._path(study))).id

    def trials(self, study: StudyName) -> list[CellView]:
        """All cells of a study, each with its trial."""
        return [read_answer(CellView, one) for one in self._connection.get_all(f"{self._path(study)}/trials")]

    def trial(self, key: str) -> TrialView:
        """One trial with its recipe, attempts, outcome, learning curve and provenance.

        Args:
            key: the trial's key, or its first 8 digits or more.
        """
        return read_answer(TrialView, self._connection.get(f"/trials/{check_key(key)}"))

    def items(self, key: str) -> ItemsView:
        """Which test images a trial classified correctly, as bits in base64.

        Args:
            key: the trial's key, or its first 8 digits or more.

        Raises:
            RefusedError: the trial has not ended, or it kept no correctness by test image.

        Example:
            >>> found = client.items("3f9a2c71")
            >>> packed = np.frombuffer(base64.b64decode(found.bits), np.uint8)
            >>> is_correct = np.unpackbits(packed, count=found.n).astype(bool)
        """
        return read_answer(ItemsView, self._connection.get(f"/trials/{check_key(key)}/items"))

    def log(self, key: str) -> str:
        """The log of a trial, as text.

        Args:
            key: the trial's key, or its first 8 digits or more.
        """
        return self._connection.get_text(f"/trials/{check_key(key)}/log")

    def files(self, key: str) -> FilesView:
        """The files that the code of a trial wrote into its folder.

        Args:
            key: the trial's key, or its first 8 digits or more.

        Raises:
            RefusedError: the trial has not started, or the service does not have its folder.
        """
        return read_answer(FilesView, self._connection.get(f"/trials/{check_key(key)}/files"))

    def download_file(self, key: str, path: str, file: IO[bytes]) -> None:
        """Write one of these files into an open file.

        Args:
            key: the trial's key, or its first 8 digits or more.
            path: of the file, as `files` lists it.
            file: open for writing bytes.

        Raises:
            RefusedError: the trial wrote no such file.
        """
        self._connection.download(f"/trials/{check_key(key)}/files/{in_path(path)}", file)

    def follow_log(self, key: str, notify: Callable[[str], None] = lambda sentence: None) -> Iterator[str]:
        """The log of a trial, part by part, until the trial has ended; a lost connection is restored.

        Args:
            key: the trial's key, or its first 8 digits or more.
            notify: is called with a sentence when the connection is lost, and when it is restored.

        Raises:
            UnreachableError: the connection was lost for more than 60 s.
        """
        return follow_log(self._connection, check_key(key), notify)

    def table(self, study: StudyName, *, measured: bool = True) -> NotebookTable:
        """The result table of a study; while trials are outstanding, the provisional one.

        Args:
            study: its id, its name, or the document of an earlier answer.
            measured: False leaves out measured times and memory, so that a rerun gives the same bytes.

        Example:
            >>> client.table("table07").row("B 3x3").cells["top1_error_pct"].mean
        """
        from ablate.tables.notebook import NotebookTable

        answer = self._connection.get(f"{self._path(study)}/table", measured=None if measured else "false")
        return read_answer(NotebookTable, answer)

    def table_text(
        self,
        study: StudyName,
        format: TableFormat = "md",
        *,
        columns: Sequence[str] | None = None,
        digits: int | None = None,
        measured: bool = True,
        robust: bool = False,
        notes: bool = False,
        selection: Selection | None = None,
        latex: LatexOptions | None = None,
    ) -> str:
        """The result table of a study as text.

        Args:
            study: its id, its name, or the document of an earlier answer.
            format: `md`, `tex`, `csv`, `html` or `json`.
            columns: names of columns; `["all"]` for every column, None for those that the study shows.
            digits: decimals of the metrics; None to choose them by the spread of the values.
            measured: as in `table`.
            robust: whether to add notes on how far the decisions depend on the test, lost runs and single seeds.
            notes: whether Markdown has all notes and not only the summary.
            selection: rows, their order and new names; None for the table as it is.
            latex: style of `tex`; None for its default.
        """
        options = {"columns": ",".join(columns) if columns else None, "measured": None if measured else "false"}
        options |= {"robust": "true" if robust else None, "notes": "true" if notes else None}
        chosen = _changed(latex) | _changed(selection)
        if "rename" in chosen:
            chosen["rename"] = json.dumps(chosen["rename"])
        return self._connection.get_text(
            f"{self._path(study)}/table", format=format, digits=digits, **options, **chosen
        )

    def seeds(self, study: StudyName) -> str:
        """The value of every seed of a study's table, as the text of a CSV file.

        One line per row, seed and metric, unrounded; a seed without a value has a line with its `status`.
        A text that begins as a formula does (`=`, `+`, `-`, `@`) has a `'` before it, as in every CSV file of ablate.

        Args:
            study: its id, its name, or the document of an earlier answer.

        Example:
            >>> pd.read_csv(io.StringIO(client.seeds("table07")))
        """
        return self._connection.get_text(f"{self._path(study)}/seeds.csv")

    def plot(self, study: StudyName, name: str, format: PlotFormat = "svg", *, look: PlotLook = PlotLook()) -> bytes:
        """A plot of a study, as the bytes of an image file.

        Args:
            study: its id, its name, or the document of an earlier answer.
            name: `forest`, `seeds`, `curves`, `effects`, `specification`, or `panel` (PNG only).
            format: `svg`, `png` or `pdf`.
            look: width, font, title and theme.
        """
        return self.drawn(study, name, format, look=look)[0]

    def drawn(self, study: StudyName, name: str, format: PlotFormat, *, look: PlotLook) -> tuple[bytes, str | None]:
        """A plot as `plot` returns it, and what differs from the look that was asked for, such as another font."""
        path = f"{self._path(study)}/plots/{in_path(name, safe='')}.{format}"
        title = None if look.has_title else "false"
        answer = self._connection.get_file(path, width_in=look.width_in, font=look.font, title=title, theme=look.theme)
        return answer.content, answer.headers.get("Ablate-Notice")

    def download_bundle(
        self, study: StudyName, file: IO[bytes], *, measured: bool = True, weights: bool = False, code: bool = True
    ) -> None:
        """Write a study with all that a reviewer needs, as a zip file, into an open file.

        Args:
            study: its id, its name, or the document of an earlier answer.
            file: open for writing bytes.
            measured: False leaves out times and memory, so that the same results give the same bytes.
            weights: whether the trained weights that the service has are included.
            code: False leaves out the code of a task that is not built in.

        Raises:
            RefusedError: the study has no result yet, or weights were asked for and there are none.

        Example:
            >>> with open("table07.zip", "wb") as file:
            ...     client.download_bundle("table07", file)
        """
        options = {"measured": None if measured else "false", "weights": "true" if weights else None}
        options["code"] = None if code else "false"
        self._connection.download(f"{self._path(study)}/bundle.zip", file, **options)

    def ledger(self, *, alpha: float = 0.05) -> Ledger:
        """Everything that ended studies of the service tested, and what of it holds over all of it together.

        Args:
            alpha: false discovery rate over all pairs, in (0, 1).

        Example:
            >>> [pair.row for pair in client.ledger().pairs if pair.is_discovery]
        """
        return read_answer(Ledger, self._connection.get("/ledger", alpha=alpha))

    def compare(self, study: StudyName, a: str, b: str) -> RowComparison:
        """Two rows of a study, seed by seed.

        Args:
            study: its id, its name, or the document of an earlier answer.
            a: the row to judge: its label, or `GROUP / LABEL` where several groups have the label.
            b: the row to compare it with.

        Raises:
            StudyError: there is no such row.

        Example:
            >>> print(client.compare("table07", "C 5x5", "B 3x3").sentence)
        """
        from ablate.tables.two_rows import RowComparison

        return read_answer(RowComparison, self._connection.get(f"{self._path(study)}/compare", a=a, b=b))

    def _path(self, study: StudyName) -> str:
        if isinstance(study, StudyView):
            return f"/studies/{study.id}"
        if not re.fullmatch(NAME, study):
            raise RefusedError(f"no study has the id or the name {quote(study)}; `ablate list` lists the studies")
        return f"/studies/{study}"

    def _fixed(self, study: StudyName) -> str:
        """The id of a study on which several calls follow; what has the form of an id is not looked up."""
        return study if isinstance(study, str) and STUDY_ID.fullmatch(study) else self.find(study)


def _changed(options: LatexOptions | Selection | None) -> dict[str, Any]:
    """The options that are not as by default, as parameters."""
    fields = dataclasses.fields(options) if options is not None else ()
    given = {field.name: getattr(options, field.name) for field in fields if field.init}
    default = {} if options is None else {name: getattr(type(options)(), name) for name in given}
    return {name: value for name, value in given.items() if value != default[name]}
