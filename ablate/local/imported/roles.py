"""What the columns of a sheet stand for: rows, seeds, groups and metrics, as options, names and values tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ablate.errors import TableError, nearest, quote
from ablate.local.imported.goals import Goal, goal_of, rank_of
from ablate.local.imported.mlflow import STATUS
from ablate.local.imported.sheet import EMPTY, Sheet
from ablate.tables.formats.csv import unguarded
from ablate.tables.formats.seeds import HEADER

Kind = Literal["seeds", "wandb", "mlflow", "long", "wide"]
SEEDS = (
    "seed", "random_seed", "rng_seed", "manual_seed", "global_seed", "run_seed", "seed_id", "random_state", "replicate",
    "repetition", "repeat", "rep", "trial", "fold",
)  # fmt: skip
ROWS = (
    "row", "label", "method", "variant", "ablation", "configuration", "config", "setting", "condition", "algorithm",
    "approach", "system", "arm", "model", "experiment", "name",
)  # fmt: skip
METRICS, VALUES = ("metric", "metric_name", "measure", "key"), ("value", "metric_value", "score", "result", "val")
NOT_CHOSEN = frozenset(
    {
        "index", "id", "run_id", "run", "name", "state", "notes", "user", "tags", "created", "runtime", "sweep",
        "group", "job_type", "commit", "host", "hostname", "agent", "description", "updated", "start_time", "end_time",
        "heartbeat", "timestamp", "time", "date", "epoch", "step", "steps", "global_step", "iteration", "output_dir",
        "out", "workdir", "log_dir", "save_dir", "path", "device", "gpu",
    }
)  # fmt: skip
"""Names of columns that tell runs apart without being a row."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller names.

    Attributes:
        rows: columns whose values name a row.
        seed: column of the seeds.
        group: column of the groups.
        metrics: metric -> goal, None where its name should tell; the first one is tested.
        baseline: label of the baseline; None for the first row.
        unpaired: whether the runs of each row are numbered in their order instead of by seeds.
        experiment: experiment of MLflow.
    """

    rows: tuple[str, ...] = ()
    seed: str | None = None
    group: str | None = None
    metrics: tuple[tuple[str, Goal | None], ...] = ()
    baseline: str | None = None
    unpaired: bool = False
    experiment: str | None = None


@dataclass(slots=True)
class Roles:
    """What the columns stand for.

    Attributes:
        kind: whose file it is.
        rows, seed, group, status: columns.
        metrics: metric -> goal; the first one is tested.
        columns: metric -> its column; in a long file the column of values.
        remarks: sentences on what was guessed.
    """

    kind: Kind
    rows: tuple[str, ...] = ()
    seed: str | None = None
    group: str | None = None
    status: str | None = None
    metrics: dict[str, Goal] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def find_roles(sheet: Sheet, asked: Asked) -> Roles:
    """The roles of the columns.

    Raises:
        TableError: a column that was named is not there, or one that is needed is not clear.
    """
    kind = _kind_of(sheet.columns)
    status = {"wandb": "State", "mlflow": STATUS, "seeds": "status"}.get(kind)
    roles = Roles(kind, status=status if status in sheet.columns else None)
    roles.group = _named(sheet, asked.group, "--group") if asked.group else _group_of(sheet, kind)
    roles.rows = tuple(_named(sheet, name, "--row") for name in asked.rows)
    if not asked.unpaired:
        roles.seed = _named(sheet, asked.seed, "--seed") if asked.seed else _first(sheet, SEEDS, without=roles.rows)
    candidates = _metrics_of(sheet, roles)
    _choose_metrics(sheet, asked, roles, candidates)
    if not roles.rows:
        roles.rows = _guess_rows(sheet, roles, candidates)
    return roles


def bare(column: str) -> str:
    """The name of a column without what programs put before it: `params.lr`, `config/lr`."""
    return re.split(r"[./]", column)[-1].strip().lower().replace(" ", "_").replace("-", "_").lstrip("_")


def _kind_of(columns: Sequence[str]) -> Kind:
    if columns == HEADER:
        return "seeds"
    if {"Name", "State"} <= {*columns}:
        return "wandb"
    if any(column.startswith(("params.", "metrics.")) for column in columns):
        return "mlflow"
    names = {bare(column) for column in columns}
    return "long" if names & {*METRICS} and names & {*VALUES} else "wide"


def _first(sheet: Sheet, names: Sequence[str], without: Sequence[str] = ()) -> str | None:
    found = {bare(column): column for column in reversed(sheet.columns) if column not in without}
    return next((found[name] for name in names if name in found), None)


def _group_of(sheet: Sheet, kind: Kind) -> str | None:
    column = _first(sheet, ("group",)) if kind in ("seeds", "long", "wide") else None
    return column if column and any(sheet.texts(column)) else None


def _named(sheet: Sheet, name: str, option: str) -> str:
    """The column that an option names: as written, in other letters, or without `params.` before it."""
    for same in (lambda one: one == name, lambda one: one.lower() == name.lower(), lambda one: bare(one) == bare(name)):
        found = [column for column in sheet.columns if same(column)]
        if len(found) == 1:
            return found[0]
    raise TableError(f"{sheet.file} has no column {quote(name)}, which {option} names{nearest(name, sheet.columns)}")


def _metrics_of(sheet: Sheet, roles: Roles) -> dict[str, str]:
    """The metrics that the file may have: name -> column."""
    if roles.kind in ("long", "seeds"):
        names, value = metric_column(sheet), _first(sheet, VALUES)
        assert value is not None  # so the file is of this kind
        return dict.fromkeys(map(unguarded, sheet.texts(names)), value)
    taken = {*roles.rows, roles.seed, roles.group, roles.status}
    free = [column for column in sheet.columns if column not in taken]
    if roles.kind == "mlflow":
        found = [column for column in free if column.startswith("metrics.") and "system/" not in column]
        return {column.removeprefix("metrics."): column for column in found}
    return {one: one for one in free if bare(one) not in (*NOT_CHOSEN, *SEEDS, *ROWS) and _has_numbers(sheet, one)}


def metric_column(sheet: Sheet) -> str:
    """The column of a long file that names metrics."""
    found = _first(sheet, METRICS)
    assert found is not None
    return found


def _has_numbers(sheet: Sheet, column: str) -> bool:
    """Whether most texts of a column are numbers; one that is none is then an error."""
    texts = [text for text in sheet.texts(column) if text.lower() not in EMPTY]
    numbers = [text for text in texts if re.match(r"[-+]?[\d.,]*\d|[-+]?(nan|inf)", text, re.IGNORECASE)]
    return 2 * len(numbers) > len(texts)


def _choose_metrics(sheet: Sheet, asked: Asked, roles: Roles, candidates: dict[str, str]) -> None:
    if asked.metrics:
        for name, goal in asked.metrics:
            found = name if name in candidates else next((one for one in candidates if bare(one) == bare(name)), None)
            if found is None:
                raise TableError(f"{sheet.file} has no metric {quote(name)}{nearest(name, candidates)}")
            known = goal or goal_of(found)
            if known is None:
                raise TableError(
                    f"is a higher or a lower {quote(found)} better? Its name does not tell; give --metric {found}=max "
                    f"or --metric {found}=min"
                )
            roles.metrics[found], roles.columns[found] = known, candidates[found]
        return
    known_goals = {name: goal for name in candidates if (goal := goal_of(name)) is not None}
    if not known_goals:
        shown = ", ".join(map(quote, candidates)) or "none"
        raise TableError(
            f"{sheet.file}: which column is the metric, and is higher or lower better? The columns with "
            f"numbers are: {shown}. Give for example --metric {next(iter(candidates), 'accuracy')}=max"
        )
    is_in_order = roles.kind in ("long", "seeds")
    names = list(known_goals) if is_in_order else sorted(known_goals, key=rank_of)
    roles.metrics = {name: known_goals[name] for name in names}
    roles.columns = {name: candidates[name] for name in names}
    first = names[0]
    better = "higher" if roles.metrics[first] == "max" else "lower"
    roles.remarks.append(f"metric: {first}, {better} is better; --metric NAME=max or NAME=min chooses another")
    left = [name for name in candidates if name not in known_goals]
    if left and (is_in_order or roles.kind == "mlflow"):
        roles.remarks.append(f"left out, since nothing tells whether higher is better: {', '.join(left[:24])}")


def _guess_rows(sheet: Sheet, roles: Roles, candidates: dict[str, str]) -> tuple[str, ...]:
    if roles.kind == "seeds":
        return ("row",)
    taken = {roles.seed, roles.group, roles.status, *roles.columns.values()}
    if roles.kind == "long":
        taken |= {metric_column(sheet), *candidates.values()}
    plain = _first(sheet, ROWS, without=[name for name in taken if name]) if roles.kind in ("long", "wide") else None
    if plain is not None:
        return (plain,)
    free = [column for column in sheet.columns if column not in taken]
    free = [
        one for one in free if one.startswith("params.") or (roles.kind != "mlflow" and bare(one) not in NOT_CHOSEN)
    ]
    seeds = len({*sheet.texts(roles.seed)}) if roles.seed else 1
    found = _telling_apart(sheet, free, most=len(sheet.lines) // min(seeds, 2))
    if not found:
        names = ", ".join(map(quote, sheet.columns[:24]))
        raise TableError(
            f"{sheet.file}: which columns name the rows of the table? None of its settings varies. Its columns are "
            f"{names}; name one or several as --row COLUMN"
        )
    roles.remarks.append(f"rows: by {', '.join(map(bare, found))}, which vary; --row COLUMN chooses others")
    return tuple(found)


def _telling_apart(sheet: Sheet, columns: Sequence[str], *, most: int) -> list[str]:
    """The columns that vary, without those that follow from others, and those of more than `most` values.

    With several seeds, a setting has a value more than once; what differs from run to run is none.
    """
    chosen: list[str] = []
    parts: list[tuple[str, ...]] = [()] * len(sheet.lines)
    for column in columns:
        texts = sheet.texts(column)
        if not 1 < len({*texts}) <= most:
            continue
        finer = [(*part, text) for part, text in zip(parts, texts, strict=True)]
        if len({*finer}) > len({*parts}):
            chosen.append(column)
            parts = finer
    return chosen
