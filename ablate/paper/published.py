"""Printed numbers of published tables: `studies/published.json`, read under this package's metric names.

The file is in the top-level folder `studies` of a checkout and in `ablate/studies` of an installed package. Numbers
keep their printed digits, and differences between them are decimal, not binary.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ablate.errors import TableError, nearest, quote

METRIC_OF = {
    "top1_err": "top1_error_pct",
    "mAP": "map_pct",
    "AP50": "ap50_pct",
    "AP75": "ap75_pct",
    "APs": "aps_pct",
    "APm": "apm_pct",
    "APl": "apl_pct",
    "mean_IU": "mean_iu_pct",
    "flops": "multiply_adds",
    "params": "params",
}
"""Name in the file -> our name. Other names are classes in a segmentation table and are kept in other tables."""

UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


@dataclass(frozen=True, slots=True)
class Printed:
    """A number as printed.

    Attributes:
        text: printed text, `24.0` or `25.5M`.
        value: numeric value, 24.0 or 25_500_000.0.
    """

    text: str
    value: float

    @property
    def last_digit(self) -> float:
        """The value of one unit in the last printed digit: 0.1 million in `25.5M`."""
        number, unit = _parts_of(self.text)
        return 10.0 ** int(number.as_tuple().exponent) * unit

    def minus(self, other: Printed) -> Printed:
        """The difference of two printed numbers in their own digits, with its sign: 22.4 - 24.0 is `-1.6`."""
        difference = Decimal(self.text) - Decimal(other.text)
        return Printed(f"{difference:+f}" if difference else f"{abs(difference):f}", float(difference))


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One published table.

    Attributes:
        id: id such as `T7`.
        title: shortened caption.
        paper: authors, title and venue of the paper in one line.
        dataset: data set.
        note: remark for comparisons; may be empty.
        factors: row label -> recipe fields of the printed row: network, activation and where it is.
        row_notes: row label -> what is assumed of the row, or where else its number is from.
        cells: row label -> metric -> printed number.
        sources: row label -> keys of the sources of its numbers.
        source_texts: key -> description of the source.
    """

    id: str
    title: str
    paper: str
    dataset: str
    note: str
    factors: Mapping[str, Mapping[str, Any]]
    row_notes: Mapping[str, str]
    cells: Mapping[str, Mapping[str, Printed]]
    sources: Mapping[str, tuple[str, ...]]
    source_texts: Mapping[str, str]

    def unmatched(self, labels: Iterable[str]) -> list[str]:
        """The labels without a printed row, in order."""
        return [label for label in labels if label not in self.cells]

    def suggest(self, label: str) -> str:
        """The clause that suggests the printed row nearest to a label, or lists all rows."""
        return nearest(label, self.cells)


@dataclass(frozen=True, slots=True)
class Published:
    """All published tables, by id."""

    tables: Mapping[str, PublishedTable]

    def column(self, table_id: str) -> PublishedTable:
        """The table with this id.

        Raises:
            TableError: there is no such table.
        """
        if table_id not in self.tables:
            raise TableError(f"no published table {quote(table_id)}{nearest(table_id, self.tables)}")
        return self.tables[table_id]


def studies_folder() -> Traversable:
    """The folder of study files: inside the installed package, else next to the package in a checkout."""
    package = resources.files("ablate")
    inside = package / "studies"
    return inside if inside.is_dir() else Path(str(package)).parent / "studies"


def find_published(name: str | None) -> PublishedTable | None:
    """The printed table with this id; None for None.

    Raises:
        TableError: there is no such table.
    """
    return None if name is None else load_published().column(name)


def load_published(path: Path | None = None) -> Published:
    """The published tables.

    Args:
        path: another file of the same form; None means the file of ablate.

    Raises:
        TableError: the file cannot be read or has another form.
    """
    source = path or studies_folder() / "published.json"
    try:
        document = json.loads(source.read_text(encoding="utf-8"), parse_float=Decimal)
        return Published({item["id"]: _table_of(item, document) for item in document["tables"]})
    except OSError as error:
        raise TableError(f"cannot read the published tables in {quote(source.name)}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        text = f"{quote(source.name)} is not a file of published tables: {error}"
        raise TableError(f"{text}; see studies/published.json for the form") from error


def _table_of(item: Mapping[str, Any], document: Mapping[str, Any]) -> PublishedTable:
    rows = item["rows"]
    sources = {row["label"]: tuple(row["provenance"]["sources"]) for row in rows}
    keys = dict.fromkeys(key for row in sources.values() for key in row)
    return PublishedTable(
        id=item["id"],
        title=item["title"],
        paper=_paper_line(document["paper"]),
        dataset=item["dataset"],
        note=item.get("note", ""),
        factors={row["label"]: _factors_of(row["factors"]) for row in rows},
        row_notes={row["label"]: row["note"] for row in rows if "note" in row},
        cells={row["label"]: _cells_of(row["values"], item["metric"]["name"]) for row in rows},
        sources=sources,
        source_texts={key: document["sources"][key] for key in keys},
    )


def _factors_of(factors: Mapping[str, Any]) -> dict[str, Any]:
    """The factors that are stated and apply; the task is stated by the data set."""
    return {name: value for name, value in factors.items() if value is not None and name != "task"}


def _paper_line(paper: Mapping[str, Any]) -> str:
    authors = ", ".join(name.split()[-1] for name in paper["authors"])
    return f"{authors}: {paper['title']}, {paper['venue']}, arXiv {paper['arxiv'].split()[0]}"


def _cells_of(values: Mapping[str, Any], primary: str) -> dict[str, Printed]:
    return {_metric_name(name, primary): parse_printed(value) for name, value in values.items() if value is not None}


def _metric_name(name: str, primary: str) -> str:
    fallback = f"iu_{name}_pct" if primary == "mean_IU" else name
    return METRIC_OF.get(name, fallback)


def parse_printed(value: object) -> Printed:
    """A printed number, with or without `k`, `M` or `G` after it.

    Raises:
        ValueError: the text is not such a number.
    """
    number, unit = _parts_of(str(value))
    return Printed(str(value), float(number) * unit)


def _parts_of(text: str) -> tuple[Decimal, float]:
    match = re.fullmatch(r"([-+]?\d+(?:\.\d+)?) ?([kMG]?)", text)
    if match is None:
        raise ValueError(f"{quote(text)} is not a printed number such as 24.0 or 25.5M")
    return Decimal(match[1]), UNITS[match[2]]
