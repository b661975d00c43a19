"""What the commands show: progress, tables and lists, for a terminal or as JSON. Imported when a command runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table as RichTable

from ablate import datasets, fetching, local, preview
from ablate.catalog import describe_fields
from ablate.errors import DataError, nearest, quote
from ablate.folder import Folder
from ablate.plan import Plan, plan_document
from ablate.pool import Pool
from ablate.progress import Board, Lines, duration_text, trial_names
from ablate.recipe import ClassifyRecipe, identity_of
from ablate.tables.build import build_table
from ablate.tables.plots import PLOTS, plot
from ablate.tables.published import load_published
from ablate.tables.render import FORMATS, render
from ablate.tables.table import Table
from ablate.trial import Cost, TrialRecord
from ablate.workers import slots


@dataclass(frozen=True, slots=True)
class Form:
    """How a table is rendered; see `ablate.tables.render.render`."""

    columns: list[str] | None = None
    digits: int | None = None
    measured: bool = True

    def render(self, table: Table, name: str) -> str:
        """The table in the format of that name."""
        return render(table, name, columns=self.columns, digits=self.digits, measured=self.measured)


def run(
    plan: Plan,
    path: Path,
    form: Form,
    *,
    workers: int | None,
    fresh: bool,
    as_json: bool,
) -> int:
    """`ablate run`. Returns the exit status: 0, or 1 where the table has holes."""
    console = Console(stderr=True)
    folder = Folder(path)
    _warn(console, plan)
    with folder.locked():
        if fresh and (aside := folder.set_aside()):
            console.print(f"set aside what was known, in {aside}", highlight=False)
        _say_what_is_known(console, plan, folder)
        fetch_data(plan, lambda line: console.print(line, highlight=False))
        with _end_of(console, plan, folder):
            for event in _shown(console, plan, folder, local.run_study(plan, folder, workers)):
                if isinstance(event, local.Note):
                    console.print(event.text, highlight=False)
        table = write_tables(plan, folder, form)
    typer.echo(form.render(table, "json" if as_json else "md"))
    if not as_json:
        console.print(f"table.md, .tex, .csv, .html, .json and plots are in {path}", highlight=False)
    return _holes(console, plan, folder)


def write_tables(plan: Plan, folder: Folder, form: Form) -> Table:
    """Write the table in every format and every plot into the folder. Returns the table."""
    records = folder.read()
    published = load_published().column(plan.study.table.published) if plan.study.table.published else None
    table = build_table(plan, records, published=published, measured=local.read_measured(plan, folder))
    for name in FORMATS:
        (folder.path / f"table.{name}").write_text(form.render(table, name), encoding="utf-8", newline="")
    for name in PLOTS:
        for kind in ("svg", "png"):
            (folder.path / f"{name}.{kind}").write_bytes(plot(table, records, plan, name, kind))
    return table


def fetch_data(plan: Plan, report: Any) -> None:
    """Make sure that the rows' data sets are there before anything starts; the small ones are fetched."""
    for name in dict.fromkeys(getattr(row.recipe, "dataset", None) for row in plan.rows):
        if name is None:
            continue
        info = datasets.describe(name)
        if not info.is_built:
            raise DataError(
                f"data set {quote(name)} cannot be trained on yet (this version reads "
                f"{', '.join(other.name for other in datasets.list_datasets() if other.is_built)}); "
                "`ablate check` works on it"
            )
        if datasets.find(name) is None:
            fetching.fetch(name, report)


@contextmanager
def _end_of(console: Console, plan: Plan, folder: Folder) -> Iterator[None]:
    """On Ctrl-C say what is kept and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        known = sum(record.is_result for key, record in folder.read().items() if key in plan.trials)
        console.print(f"{known} of {len(plan.trials)} known; the same command goes on from here", highlight=False)
        raise


def _say_what_is_known(console: Console, plan: Plan, folder: Folder) -> None:
    known = sum(record.is_result for key, record in folder.read().items() if key in plan.trials)
    if known:
        console.print(f"{known} of {len(plan.trials)} known", highlight=False)


def _warn(console: Console, plan: Plan) -> None:
    for problem in plan.warnings:
        console.print(f"warning: {problem.message}", highlight=False, markup=False)


def _holes(console: Console, plan: Plan, folder: Folder) -> int:
    records = folder.read()
    failed = [key for key in plan.trials if key not in records or not records[key].is_result]
    names = trial_names(plan)
    for key in failed:
        reason = records[key].outcome.reason if key in records else "it was not run"
        console.print(f"hole: {names[key]}: {reason}", highlight=False, markup=False)
        console.print(f"      its folder is {folder.workdir(key)}", highlight=False, markup=False)
    return 1 if failed else 0


def _shown(
    console: Console, plan: Plan, folder: Folder, events: Iterator[local.Moved | local.Note]
) -> Iterator[local.Moved | local.Note]:
    """Pass the events on and draw them: bars on a terminal, else a line for each trial that ends."""
    known = {key: record for key, record in folder.read().items() if record.is_result and key in plan.trials}
    board = Board(console, plan, known) if console.is_terminal else Lines(console, plan, known)
    with board:
        for event in events:
            if isinstance(event, local.Moved):
                board.show(event.trial, event.message)
            yield event


def check(plan: Plan, path: Path, *, probe: bool, as_json: bool) -> None:
    """`ablate check`."""
    console = Console(stderr=True)
    records = Folder(path).read()
    with Pool(slots(plan.study.resources, 1)) as pool:
        costs = preview.count_costs(plan, pool)
        trial_s = preview.time_rows(plan, pool) if probe else {}
    answer = checked(plan, records, costs, trial_s)
    if as_json:
        typer.echo(json.dumps(answer, indent=1))
        return
    _show_check(answer)
    _warn(console, plan)


def checked(
    plan: Plan,
    records: Mapping[str, TrialRecord],
    costs: Mapping[str, Cost],
    trial_s: Mapping[str, float],
) -> dict[str, Any]:
    """The answer of `ablate check --json`, as the contract has it."""
    known = {key for key, record in records.items() if record.is_result and key in plan.trials}
    rows = []
    for row in plan.rows:
        cost = costs.get(row.label)
        counted = cost.model_dump() if cost else dict.fromkeys(Cost.model_fields)
        rows.append(
            {
                "label": row.label,
                "group": row.group,
                "set": dict(row.set),
                "key_fields": identity_of(row.recipe),
                "baseline": row.is_baseline,
                **counted,
            }
        )
    return {
        "study": plan.study.name,
        "scale": plan.scale,
        "rows": rows,
        "trials": len(plan.memberships),
        "distinct": len(plan.trials),
        "known": len(known),
        "estimate_s": preview.estimate_s(plan, records, trial_s),
        "excluded": list(plan.excluded),
        "warnings": [{"pointer": p.pointer, "code": p.code, "message": p.message} for p in plan.warnings],
    }


def _show_check(answer: Mapping[str, Any]) -> None:
    table = RichTable(box=None, pad_edge=False)
    groups = ["group"] if any(row["group"] for row in answer["rows"]) else []
    for heading in ("row", *groups, "sets", "params", "without norm", "multiply-adds"):
        table.add_column(heading, overflow="fold", justify="right" if heading[0] in "pwm" else "left")
    for row in answer["rows"]:
        sets = ", ".join(f"{name} = {json.dumps(value)}" for name, value in row["set"].items())
        mark = " (baseline)" if row["baseline"] else ""
        counts = [_engineering(row[name]) for name in ("params", "params_without_norm", "multiply_adds")]
        table.add_row(
            _plain(row["label"] + mark), *([_plain(row["group"] or "")] if groups else []), _plain(sets), *counts
        )
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    estimate = (
        "unknown (try --probe)" if answer["estimate_s"] is None else f"about {duration_text(answer['estimate_s'])}"
    )
    scale = answer["scale"] or "base"
    for cut in answer["excluded"]:
        console.print(f"excluded: {cut}", highlight=False, markup=False)
    console.print(
        f"{answer['study']} at scale {scale}: {answer['trials']} trials, {answer['distinct']} distinct, "
        f"{answer['known']} known; time left: {estimate}",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _engineering(count: int | None) -> str:
    if count is None:
        return "-"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3f} {unit}"
    return str(count)


def show_fields(*, as_json: bool) -> None:
    """`ablate check --fields`."""
    fields = describe_fields(ClassifyRecipe)
    if as_json:
        typer.echo(json.dumps(fields, indent=1))
        return
    for field in fields:
        typer.echo(f"{field['name']} = {json.dumps(field['default'])}\n    {field['type']}\n    {field['text']}")


def show_sites(model: str, plan: Plan | None, row: str | None, *, resolution_px: int, as_json: bool) -> None:
    """`ablate sites`."""
    base = {"model": model, "resolution_px": resolution_px, "stages": "all", "layers": "all"}
    recipe = plan_document({"name": "sites", "seeds": 1, "base": base, "rows": [{"label": "-"}]}).rows[0].recipe
    if plan is not None:
        labels = [one.label for one in plan.rows]
        if row not in labels:
            raise DataError(f"no row {quote(row)}{nearest(str(row), labels)}")
        chosen = plan.rows[labels.index(row)].recipe
        if not isinstance(chosen, ClassifyRecipe) or chosen.model != model:
            raise DataError(f"row {quote(row)} is about {quote(getattr(chosen, 'model', '?'))}, not {quote(model)}")
        recipe = chosen
    assert isinstance(recipe, ClassifyRecipe)
    found = preview.find_sites(recipe)
    items = [{**asdict(site), "replaced": site.name in found.replaced} for site in found.sites]
    if plan is None:
        items = [{name: value for name, value in item.items() if name != "replaced"} for item in items]
    if as_json:
        typer.echo(json.dumps({"model": model, "row": row, "sites": items}, indent=1))
        return
    _show_sites(
        items, f"{len(items)} call sites" + (f", {len(found.replaced)} get {recipe.activation}" if plan else "")
    )


def _show_sites(items: list[dict[str, Any]], summary: str) -> None:
    table = RichTable(box=None, pad_edge=False)
    has_row = bool(items) and "replaced" in items[0]
    for heading in ("site", "stage", "kind", "channels", "map", "native", *(["replaced"] if has_row else [])):
        table.add_column(heading)
    for item in items:
        cells = [item["name"], str(item["stage"]), item["kind"], str(item["channels"])]
        cells += [f"{item['height']}x{item['width']}", item["native"]]
        table.add_row(*map(_plain, cells), *(["yes" if item["replaced"] else "-"] if has_row else []))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    typer.echo(summary)


def list_data(*, as_json: bool) -> None:
    """`ablate data list`."""
    items = []
    for info in datasets.list_datasets():
        found = datasets.find(info.name)
        items.append(
            {
                "name": info.name, "title": info.title, "classes": info.classes, "train_images": info.train_images,
                "test_images": info.test_images, "found": str(found) if found else None, "trainable": info.is_built,
            }
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps({"items": items, "root": str(datasets.data_root())}, indent=1))
        return
    for item in items:
        missing = f"fetch with: ablate data fetch {item['name']}" if item["trainable"] else "not yet supported"
        sizes = f"{item['classes']} classes, {item['train_images']:,} + {item['test_images']:,} images"
        typer.echo(f"{item['name']:<15} {sizes:<42} {item['found'] or missing}")
