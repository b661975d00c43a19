"""A file of other programs as a sheet: named columns, and lines of text with their numbers in the file."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablate.errors import TableError, quote

MAX_BYTES = 64 << 20
SEPARATORS = (",", ";", "\t", "|")
OTHER_FORMATS = {
    b"PK\x03\x04": "a spreadsheet or an archive", b"PAR1": "Parquet", b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"\x1f\x8b": "compressed", b"\x89HDF": "HDF5",
}  # fmt: skip
"""First bytes of files that people give by mistake."""
EMPTY = frozenset({"", "na", "n/a", "none", "null", "-", "–", "missing"})
COMMA = re.compile(r"[-+]?\d*,\d+")
THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a sheet.

    Attributes:
        place: where it is, for sentences, such as `line 7`.
        cells: column -> text.
    """

    place: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file contains.

    Attributes:
        file: its name.
        columns: names of the columns, in order.
        lines: lines, in order.
    """

    file: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]

    def texts(self, column: str) -> list[str]:
        """All texts of a column."""
        return [line.cells[column] for line in self.lines]

    def numbers(self, columns: Iterable[str]) -> list[dict[str, float | None]]:
        """The numbers in some columns, line by line; None where a cell is empty.

        All of them write decimals alike: with a point, or with a comma.

        Raises:
            TableError: a text is not a number.
        """
        names = list(columns)
        has_commas = self._has_commas([text for name in names for text in self.texts(name)])
        return [{name: self._number(line, name, has_commas=has_commas) for name in names} for line in self.lines]

    def is_numeric(self, column: str) -> bool:
        """Whether a column has numbers, and only numbers."""
        texts = [text for text in self.texts(column) if text.lower() not in EMPTY]
        return bool(texts) and all(COMMA.fullmatch(text) or _float_of(text) is not None for text in texts)

    def _has_commas(self, texts: Sequence[str]) -> bool:
        with_comma = [text for text in texts if COMMA.fullmatch(text)]
        if not with_comma:
            return False
        points = next((text for text in texts if "." in text and _float_of(text) is not None), None)
        if points is not None:
            raise TableError(
                f"{self.file} writes decimals in two ways, {quote(points)} and {quote(with_comma[0])}; write all of "
                "them with a point, and no separators of thousands"
            )
        if all(THOUSANDS.fullmatch(text) for text in with_comma):
            raise TableError(
                f"{self.file}: {quote(with_comma[0])} may be a thousand or a decimal number; write numbers with a "
                "decimal point, and without separators of thousands"
            )
        return True

    def _number(self, line: Line, column: str, *, has_commas: bool) -> float | None:
        text = line.cells[column]
        if text.lower() in EMPTY:
            return None
        found = _float_of(text.replace(",", ".") if has_commas else text)
        if found is None:
            raise TableError(
                f"{self.file}, {line.place}: {quote(text)} in column {quote(column)} is not a number; allowed are "
                "numbers such as 0.93 or 1e-3, nan, inf, and nothing where a value is missing"
            )
        return found


def _float_of(text: str) -> float | None:
    if "_" in text:  # Python's own spelling of numbers
        return None
    try:
        return float(text)
    except ValueError:
        return None


def read_sheet(name: str, data: bytes) -> Sheet:
    """The sheet in a CSV file.

    The text may be UTF-8, UTF-16 or Latin-1, and its separator a comma, a semicolon, a tab or a bar.

    Args:
        name: of the file, for sentences.
        data: its content.

    Raises:
        TableError: it is not a CSV file with a line of names and lines of the same length.
    """
    text = _decoded(name, data)
    if not text.strip():
        raise TableError(f"{name} is empty; it should be a CSV file whose first line names the columns")
    first, _, rest = text.partition("\n")
    if re.fullmatch(r"sep=.", first.strip(), re.IGNORECASE):  # a line for spreadsheets
        text = rest
    separator = max(SEPARATORS, key=lambda one: len(next(csv.reader(io.StringIO(text), delimiter=one), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    records: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise TableError(f"{name}, line {reader.line_num}: {error}; it should be a CSV file") from error
    (_, columns), *lines = records
    _check_columns(name, columns)
    if not lines:
        raise TableError(f"{name} has names of columns, and no line of values")
    for number, cells in lines:
        if len(cells) != len(columns):
            raise TableError(
                f"{name}, line {number} has {len(cells)} cells, and the first line names {len(columns)} columns; put "
                "texts that contain the separator in quotation marks"
            )
    return Sheet(
        name,
        tuple(columns),
        tuple(Line(f"line {number}", dict(zip(columns, cells, strict=True))) for number, cells in lines),
    )


def _check_columns(name: str, columns: list[str]) -> None:
    if columns and not columns[0]:
        columns[0] = "index"  # of pandas
    for column in columns:
        if not column:
            raise TableError(f"{name}: column {columns.index(column) + 1} has no name in the first line; give it one")
        if columns.count(column) > 1:
            raise TableError(f"{name} has two columns {quote(column)}; give each its own name")
    if len(columns) == 1:
        raise TableError(
            f"{name} has only one column, {quote(columns[0])}; it should be a CSV file with columns such as row, seed "
            "and a metric"
        )


def _decoded(name: str, data: bytes) -> str:
    for start, what in OTHER_FORMATS.items():
        if data.startswith(start):
            raise TableError(f"{name} is {what}; save it as CSV, and import that")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:4096]:
        raise TableError(f"{name} is not a text file; save it as CSV in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        TableError: it cannot be read, or is larger than 64 MB.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TableError(f"{path.name} is larger than {MAX_BYTES >> 20} MB; keep the columns that the table needs")
        return path.read_bytes()
    except OSError as error:
        raise TableError(f"cannot read {quote(path)}: {error.strerror}") from error
