"""The runs in a sheet: each with its row, its seed and its values, and what happened to it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ablate.errors import TableError, quote
from ablate.limits import MAX_LABEL
from ablate.local.imported.roles import NOT_CHOSEN, Roles, bare, metric_column
from ablate.local.imported.sheet import EMPTY, Line, Sheet
from ablate.study.names import full_name
from ablate.tables.formats.csv import unguarded

ENDED = frozenset({"finished", "success", "succeeded", "completed", "ok", ""})
"""States of runs whose values count, in any case of letters."""
Place = tuple[str | None, str, int]
"""Group, label and seed."""


@dataclass(slots=True)
class Run:
    """A run of another program.

    Attributes:
        group, label: its row.
        seed: its seed; None before it has one.
        places: its lines in the file.
        values: metric -> value; absent where the file has none.
        status: as of `ablate.trials.trial.Outcome`.
        reason: why it diverged or failed.
    """

    group: str | None
    label: str
    seed: int | None
    places: list[Line]
    values: dict[str, float] = field(default_factory=dict)
    status: Literal["succeeded", "diverged", "failed"] = "succeeded"
    reason: str | None = None

    @property
    def place(self) -> Place:
        """Where it is in the table."""
        assert self.seed is not None
        return self.group, self.label, self.seed

    @property
    def name(self) -> str:
        """Its row in a sentence."""
        return quote(full_name(self.group, self.label) if self.group else self.label)


def read_runs(sheet: Sheet, roles: Roles, *, unpaired: bool) -> list[Run]:
    """The runs, each place once.

    Args:
        sheet: the file.
        roles: of its columns.
        unpaired: see `ablate.local.imported.roles.Asked`.

    Raises:
        TableError: a number, seed or label is wrong, seeds are missing, or two runs have the same place.
    """
    runs = list(_runs(sheet, roles))
    if roles.seed is None:
        _number(sheet, roles, runs, unpaired=unpaired)
    found: dict[Place, Run] = {}
    left_out = 0
    for run in runs:
        before = found.get(run.place)
        if before is None:
            found[run.place] = run
        elif roles.kind in ("long", "seeds"):
            _merge(sheet, before, run)
        elif "failed" in (before.status, run.status) and roles.status is not None:
            left_out += 1
            found[run.place] = before if run.status == "failed" else run
        else:
            raise _twice(sheet, roles, before, run)
    if left_out:
        what = "1 run that failed was" if left_out == 1 else f"{left_out} runs that failed were"
        roles.remarks.append(f"{what} left out, since its row and seed have another run")
    for run in found.values():
        _judge(sheet, run, next(iter(roles.metrics)))
    return list(found.values())


def _runs(sheet: Sheet, roles: Roles) -> Iterator[Run]:
    if roles.kind in ("wandb", "mlflow"):  # the newest run comes first there, and the first row should be the oldest
        at = next((column for column in sheet.columns if column in ("Created", "start_time")), None)
        sheet = replace(sheet, lines=tuple(sorted(sheet.lines, key=lambda line: line.cells[at]))) if at else sheet
    numbers = sheet.numbers(dict.fromkeys(roles.columns.values()))
    is_long = roles.kind in ("long", "seeds")
    names = [unguarded(text) for text in sheet.texts(metric_column(sheet))] if is_long else []
    for index, line in enumerate(sheet.lines):
        values = (
            {names[index]: numbers[index][next(iter(roles.columns.values()))]}
            if is_long
            else {name: numbers[index][column] for name, column in roles.columns.items()}
        )
        group = (line.cells[roles.group] or None) if roles.group else None
        run = Run(group, _label(sheet, roles, line, group), _seed(sheet, roles, line), [line])
        run.values = {name: value for name, value in values.items() if value is not None and name in roles.metrics}
        _set_status(roles, run, line)
        yield run


def _label(sheet: Sheet, roles: Roles, line: Line, group: str | None) -> str:
    texts = {column: line.cells[column] for column in roles.rows}
    if len(texts) == 1 and (roles.kind != "mlflow" or not roles.rows[0].startswith("params.")):
        column, label = next(iter(texts.items()))
        label = unguarded(label)
        if not label:
            raise TableError(f"{sheet.file}, {line.place}: column {quote(column)} is empty; each run needs a row")
        if roles.kind == "seeds" and group:
            label = label.removeprefix(full_name(unguarded(group), ""))
        if _is_number(label) or (roles.kind == "wandb" and bare(column) not in NOT_CHOSEN):
            label = f"{bare(column)}={label}"
    else:
        label = ", ".join(f"{bare(column)}={_setting(text)}" for column, text in texts.items())
    if len(label) > MAX_LABEL:
        raise TableError(
            f"{sheet.file}, {line.place}: the label of the row has {len(label)} characters, above the limit of "
            f"{MAX_LABEL}; name fewer columns with --row"
        )
    return label


def _setting(text: str) -> str:
    """A value of a setting, in which `1.0` and `1` are the same."""
    return re.sub(r"\.0+$", "", text) if text.lower() not in EMPTY else "none"


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", text, re.IGNORECASE))


def _seed(sheet: Sheet, roles: Roles, line: Line) -> int | None:
    if roles.seed is None:
        return None
    text = line.cells[roles.seed]
    match = re.fullmatch(r"(?:s|seed|run|rep|fold|trial)?[ _-]?(\d{1,18})(?:\.0+)?", text, re.IGNORECASE)
    if match is None:
        raise TableError(
            f"{sheet.file}, {line.place}: {quote(text)} in column {quote(roles.seed)} is not a seed; seeds are whole "
            "numbers from 0 on. --seed names another column, --unpaired numbers the runs of each row"
        )
    return int(match[1])


def _set_status(roles: Roles, run: Run, line: Line) -> None:
    state = line.cells[roles.status].lower() if roles.status else ""
    if roles.kind == "seeds":
        if state in ("diverged", "failed"):
            run.status, run.reason = ("diverged" if state == "diverged" else "failed"), f"{state} when it was trained"
    elif state not in ENDED:
        run.status, run.reason, run.values = "failed", f"its state was {state}", {}


def _number(sheet: Sheet, roles: Roles, runs: Sequence[Run], *, unpaired: bool) -> None:
    """Number the runs of each row in the order of the file; of a long file, those with the same metric."""
    counts: dict[tuple[object, ...], int] = {}
    for run in runs:
        key = (run.group, run.label, *(run.values if roles.kind == "long" else ()))
        run.seed = counts.get(key, 0)
        counts[key] = run.seed + 1
    if not unpaired and max(counts.values(), default=1) > 1:
        names = ", ".join(map(quote, sheet.columns[:24]))
        raise TableError(
            f"{sheet.file}: no column is called a seed, and rows have several runs; its columns are {names}. Name it "
            "with --seed COLUMN. Where runs have no seeds, --unpaired numbers those of each row"
        )


def _merge(sheet: Sheet, run: Run, other: Run) -> None:
    """Add a line of a long file to the run that it belongs to."""
    again = next((name for name in other.values if name in run.values), None)
    if again is not None:
        first = next((line for line in run.places if again in line.cells.values()), run.places[0])
        raise TableError(
            f"{sheet.file}: {first.place} and {other.places[0].place} both have {quote(again)} of row {run.name}, seed "
            f"{run.seed}; keep one of them. If rows differ in a further column, name all of them with --row"
        )
    run.values |= other.values
    run.places += other.places
    if other.status != "succeeded":
        run.status, run.reason = other.status, other.reason


def _twice(sheet: Sheet, roles: Roles, first: Run, second: Run) -> TableError:
    one, other = first.places[0], second.places[0]
    taken = {*roles.columns.values(), roles.seed, roles.group, *roles.rows}
    differing = [name for name in sheet.columns if name not in taken and one.cells[name] != other.cells[name]]
    named = [name for name in differing if bare(name) not in NOT_CHOSEN] or differing
    hint = f" They differ in {', '.join(map(quote, named[:6]))}: name a further column with --row." if named else ""
    return TableError(
        f"{sheet.file}: {one.place} and {other.place} are both row {first.name}, seed {first.seed}; each row has one "
        f"run for each seed.{hint} If runs have no seeds, --unpaired numbers them"
    )


def _judge(sheet: Sheet, run: Run, primary: str) -> None:
    """A run whose primary metric is not finite has diverged; other such values are left out."""
    bad = [name for name, value in run.values.items() if not math.isfinite(value)]
    if primary in bad and run.status == "succeeded":
        places = ", ".join(line.place for line in run.places)
        run.status, run.reason = "diverged", f"{primary} is {run.values[primary]} in {sheet.file}, {places}"
    run.values = {name: value for name, value in run.values.items() if name not in bad}
