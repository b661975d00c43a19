"""The tables of the paper that can be trained: the study files of ablate that name a printed table.

A study file names its table in `[table] published`. This module does not import torch.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable
from typing import Any

from ablate.errors import Problem, StudyError, TableError, nearest, quote
from ablate.paper.published import load_published, studies_folder

TABLE_ID = re.compile(r"T(\d+)")


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper with the study that trains it.

    Attributes:
        id: id of the printed table, such as `T5`.
        file: name of the study file.
        document: the parsed study document, not validated.
    """

    id: str
    file: str
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the study."""
        return str(self.document["name"])

    @property
    def question(self) -> str:
        """The study's question; empty if it has none."""
        return str(self.document.get("question", ""))

    @property
    def scales(self) -> tuple[str, ...]:
        """Names of the study's scales."""
        return tuple(self.document.get("scales", {}))

    @cached_property
    def rows(self) -> int:
        """Number of rows in its table."""
        from ablate.study.plan import plan_document

        return len(plan_document(dict(self.document)).rows)


def list_tables(folder: Traversable | None = None) -> tuple[PaperTable, ...]:
    """List every table that has a study file, in the order of the paper.

    Args:
        folder: folder of study files; None takes the one of ablate.

    Raises:
        TableError: a file is not TOML, or two files name the same table.
    """
    found: dict[str, PaperTable] = {}
    for file in (folder or studies_folder()).iterdir():
        table = _table_of(file) if file.name.endswith(".toml") else None
        if table is None:
            continue
        if table.id in found:
            names = " and ".join(sorted((found[table.id].file, table.file)))
            raise TableError(f"two study files name the printed table {table.id}: {names}; remove one of them")
        found[table.id] = table
    return tuple(sorted(found.values(), key=lambda table: int(table.id.removeprefix("T"))))


def _table_of(file: Traversable) -> PaperTable | None:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"study file {quote(file.name)} is not TOML: {error}") from error
    table_id = str(document.get("table", {}).get("published", ""))
    return PaperTable(table_id, file.name, document) if TABLE_ID.fullmatch(table_id) else None


def choose_tables(names: Sequence[str], tables: Sequence[PaperTable], *, scale: str | None = None) -> list[PaperTable]:
    """Choose tables by id.

    Args:
        names: ids, such as `T5`; empty for every table that has the scale.
        tables: result of `list_tables`.
        scale: name of a scale. If no table has it, all tables are chosen, and each study reports its own scales.

    Returns:
        The tables, in the given order.

    Raises:
        StudyError: with every id that is unknown, has no study file yet, or is repeated; pointers are `/tables/N`.
    """
    by_id = {table.id: table for table in tables}
    problems = []
    for index, name in enumerate(names):
        pointer = f"/tables/{index}"
        if name in names[:index]:
            problems.append(Problem(pointer, "duplicate", f"table {quote(name)} is repeated; name it once"))
        elif name not in by_id:
            problems.append(_unknown(pointer, name, list(by_id)))
    if problems:
        raise StudyError(problems)
    if names:
        return [by_id[name] for name in names]
    return [table for table in tables if scale in table.scales] or list(tables)


def _unknown(pointer: str, name: str, known: Sequence[str]) -> Problem:
    if TABLE_ID.fullmatch(name) and name in load_published().tables:
        text = f"table {quote(name)} has no study file yet; tables with one: {', '.join(known)}"
        return Problem(pointer, "not_yet_supported", text)
    return Problem(pointer, "unknown_table", f"the paper has no table {quote(name)}{nearest(name, known)}")
