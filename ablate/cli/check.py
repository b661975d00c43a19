"""What `ablate check`, `ablate check --fields` and `ablate sites` print, on a terminal or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ablate.cli.output import say, show_json
from ablate.cli.progress import show_warnings
from ablate.cli.terminal import Terminal
from ablate.data import datasets
from ablate.documents import canonical_json
from ablate.errors import DataError, quote
from ablate.local import preview
from ablate.local.folder import Folder
from ablate.local.packages import can_train, describe_package, require, require_training
from ablate.local.slots import slots
from ablate.recipes.classify import ClassifyRecipe
from ablate.study.data_names import check_datasets
from ablate.study.field_catalog import describe_fields
from ablate.study.names import clause_on_unknown, find_name
from ablate.study.plan import Plan, plan_document, task_name, task_of
from ablate.study.resources import within
from ablate.study.text import read_document
from ablate.tables.words import duration_text
from ablate.tasks.command.changes import MAX_LINES, Change, find_changes
from ablate.tasks.command.task import Command
from ablate.trials.registry import COMMAND, get_task
from ablate.trials.trial import Cost, TrialRecord
from ablate.workers.pool import Pool


def check(plan: Plan, path: Path, *, probe: bool, as_json: bool) -> None:
    """`ablate check`."""
    console = Terminal(stderr=True)
    records = Folder(path).read()
    if plan.outstanding({key for key, record in records.items() if record.is_result}):
        check_datasets(plan.study, plan.scale)
        datasets.check_folders(plan.datasets)
    costs, trial_s = _count(console, plan, probe=probe)
    found = preview.describe_plan(
        plan, records, costs, trial_s, within(plan.study.limits, len(slots(plan.study.resources, None)))
    )
    answer = found.model_dump(mode="json")
    if as_json:
        show_json(answer)
        return
    _show_check(answer, can_probe=task_of(plan).offers("time_steps"))
    if plan.study.command is not None:
        command = get_task(task_name(plan)).task
        assert isinstance(command, Command)
        say(f"python: {command.place().python}")
        show_changes(plan, records.values())
    show_warnings(console, plan)


def _count(console: Terminal, plan: Plan, *, probe: bool) -> tuple[Mapping[str, Cost], Mapping[str, float]]:
    """Costs and probed times by row. Without torch there are none, and a probe is an error."""
    if probe:
        require_training(plan)
    if not task_of(plan).offers("inspect"):
        return {}, {}
    if not can_train(plan):
        console.say("networks were not built, so costs are not counted: " + describe_package("torch"))
        return {}, {}
    with console.working(f"building {len(plan.rows)} networks"), Pool(slots(plan.study.resources, 1)) as pool:
        return preview.count_costs(plan, pool), preview.time_rows(plan, pool) if probe else {}


def show_changes(plan: Plan, records: Iterable[TrialRecord]) -> None:
    """What changed in a script since the results that are in the folder, with the difference of its files."""
    task = task_name(plan)
    trials = [record.trial for record in records if record.is_result]
    done = {
        (canonical_json(trial.recipe), trial.seed) for trial in trials if trial.task == task or trial.key in plan.trials
    }
    earlier = [trial.task for trial in trials if (canonical_json(trial.recipe), trial.seed) not in done]
    for change in find_changes(task, earlier):
        show_change(change, change.sentence)


def show_change(change: Change, sentence: str) -> None:
    """A sentence on a change, and the difference of the files."""
    say(sentence)
    for line in change.diff[:MAX_LINES]:
        say(f"    {line}")
    if len(change.diff) > MAX_LINES:
        say(f"    ... and {len(change.diff) - MAX_LINES} more lines")


COUNTS = {
    "params": "params", "params_without_norm": "without norm", "published_params": "printed",
    "multiply_adds": "multiply-adds", "published_multiply_adds": "printed",
}  # fmt: skip
"""The costs that `ablate check` shows for each row; a column without any value is left out."""

MAX_FILES = 12
"""Largest number of files of a task that `ablate check` names."""


def _show_check(answer: Mapping[str, Any], *, can_probe: bool) -> None:
    console = Terminal()
    _show_rows(console, answer)
    estimate_s = answer["estimate_s"]
    estimate = f"unknown{' (try --probe)' * can_probe}" if estimate_s is None else f"about {duration_text(estimate_s)}"
    scale = answer["scale"] or "base"
    needed = f" ({answer['needed']} of them train weights that others start from)" if answer["needed"] else ""
    for cut in answer["excluded"]:
        console.say(f"excluded: {cut}")
    if answer["overrides"]:
        console.say(f"with {', '.join(answer['overrides'])} (--set)")
    if answer["pivot"]:
        console.say(answer["pivot"])
    for task, files in answer["code"].items():
        rest = f" and {len(files) - MAX_FILES} more (--json lists them)" if len(files) > MAX_FILES else ""
        of_task = "your script" if task.startswith(COMMAND) else f"task {task}"
        console.say(f"a trial's key covers this code of {of_task}: {', '.join(files[:MAX_FILES])}{rest}")
    console.say(
        f"{answer['study']} at scale {scale}: {answer['trials']} trials, {answer['distinct']} distinct{needed}, "
        f"{answer['known']} known; time left: {estimate}"
    )


def _show_rows(console: Terminal, answer: Mapping[str, Any]) -> None:
    groups = ["group"] if any(row["group"] for row in answer["rows"]) else []
    counts = [name for name in COUNTS if any(row[name] for row in answer["rows"])]
    texts = ["row", *groups, "sets"]
    rows = []
    for row in answer["rows"]:
        sets = ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in row["set"].items())
        label = row["label"] + (" (baseline)" if row["baseline"] else "")
        group = [row["group"] or ""] if groups else []
        rows.append([label, *group, sets, *(_count_text(row[name]) for name in counts)])
    right = range(len(texts), len(texts) + len(counts))
    console.show_rows([*texts, *(COUNTS[name] for name in counts)], rows, right=right)


def _count_text(count: int | Mapping[str, Any] | None) -> str:
    """A counted number, or a printed one as it is printed."""
    return str(count["text"]) if isinstance(count, Mapping) else _engineering(count)


def _engineering(count: int | None) -> str:
    if count is None:
        return "-"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3f} {unit}"
    return str(count)


def show_fields(study: Path | None, *, as_json: bool) -> None:
    """`ablate check --fields`: the fields of a recipe. Only the study's `task` is read, so it may have other errors."""
    document = read_document(study) if study else {}
    base = document.get("base") if isinstance(document, dict) else None
    task = base.get("task", "classify") if isinstance(base, dict) else "classify"
    fields = describe_fields(get_task(str(task)).task.Recipe)
    if as_json:
        show_json(fields)
        return
    for line in field_lines(fields):
        say(line)


def field_lines(fields: Iterable[Mapping[str, Any]], prefix: str = "") -> Iterator[str]:
    """The fields of a recipe as lines: name and default, then type and description."""
    for field in fields:
        yield f"{prefix}{field['name']} = {json.dumps(field['default'])}"
        yield from (f"    {text}" for text in (field["type"], field["text"]))
        yield from field_lines(field["fields"], f"{prefix}{field['name']}.")


def show_sites(model: str, plan: Plan | None, row: str | None, *, resolution_px: int, as_json: bool) -> None:
    """`ablate sites`."""
    require("torch")
    base = {"model": model, "resolution_px": resolution_px, "stages": "all", "layers": "all"}
    recipe = plan_document({"name": "sites", "seeds": 1, "base": base, "rows": [{"label": "-"}]}).rows[0].recipe
    if plan is not None:
        name = find_name(str(row), plan.rows)
        if name is None:
            raise DataError(f"no row {quote(row)}{clause_on_unknown(str(row), plan.rows)}")
        chosen = next(one.recipe for one in plan.rows if one.name == name)
        if not isinstance(chosen, ClassifyRecipe) or chosen.model != model:
            raise DataError(f"row {quote(row)} has model {quote(getattr(chosen, 'model', '?'))}, not {quote(model)}")
        recipe = chosen
    assert isinstance(recipe, ClassifyRecipe)
    found = preview.find_sites(recipe)
    items = [{**asdict(site), "replaced": site.name in found.replaced} for site in found.sites]
    if plan is None:
        items = [{name: value for name, value in item.items() if name != "replaced"} for item in items]
    if as_json:
        show_json({"model": model, "row": row, "sites": items})
        return
    _show_sites(
        items, f"{len(items)} call sites" + (f", {len(found.replaced)} get {recipe.activation}" if plan else "")
    )


def _show_sites(items: list[dict[str, Any]], summary: str) -> None:
    has_row = bool(items) and "replaced" in items[0]
    headings = ("site", "stage", "kind", "channels", "map", "native", *(["replaced"] if has_row else []))
    rows = []
    for item in items:
        cells = [item["name"], str(item["stage"]), item["kind"], str(item["channels"])]
        cells += [f"{item['height']}x{item['width']}", item["native"]]
        rows.append([*cells, *(["yes" if item["replaced"] else "-"] if has_row else [])])
    Terminal().show_rows(headings, rows)
    say(summary)
