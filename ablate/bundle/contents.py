"""Everything that goes into a bundle, as files: the study, the values, the table, and what checks them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from string import Template
from typing import Any

from ablate.bundle.archive import WEIGHTS, BundleError, Content
from ablate.bundle.code import snapshot
from ablate.bundle.crate import CRATE, About, render_crate
from ablate.bundle.own import VERSION
from ablate.bundle.privacy import Scrubber
from ablate.bundle.record import curve_lines, describe_trials, resolve
from ablate.bundle.scripts import CODE
from ablate.bundle.wheel import build_wheel
from ablate.study.plan import Plan, task_name
from ablate.study.written import render_document
from ablate.tables.formats.csv import guard_formula
from ablate.tables.formats.render import FORMATS, render
from ablate.tables.formats.seeds import SEEDS_FILE, render_seeds
from ablate.tables.inputs import RowCosts, StudyState
from ablate.tables.plots.plot import plot_table, plots_of
from ablate.tables.table import Table
from ablate.tasks.command.task import Command
from ablate.tasks.function.task import Function
from ablate.trials.provenance import list_packages
from ablate.trials.registry import get_task
from ablate.trials.trial import TrialRecord

CURVES_FILE = "curves.csv"
CURVES_HEADER = ("row", "seed", "key", "step", "epoch", "metric", "value")
MAX_PLOTTED = 300
"""Largest number of rows of a table whose plots are in a bundle."""

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a bundle is made of: a study with its results.

    Attributes:
        document: the study document; planned at `plan.scale` it gives `plan`.
        plan: the study, expanded.
        records: by trial key.
        table: its table.
        state, costs: what the table was made of besides the plan and the records.
        logs: trial key -> log.
        weights: trial key -> folder with its weights; empty unless they were asked for.
    """

    document: Mapping[str, Any]
    plan: Plan
    records: Mapping[str, TrialRecord]
    table: Table
    state: StudyState
    costs: RowCosts
    logs: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, Path] = field(default_factory=dict)


def bundle_files(results: Contents, report: Report, *, measured: bool = True, code: bool = True) -> dict[str, Content]:
    """The files of a bundle: name -> content.

    Args:
        results: the study with its results.
        report: receives a sentence for each part that is left out, and what is being done.
        measured: False leaves out times and memory, so that the same results give the same bytes.
        code: False leaves out the code of a task of the user's own.

    Raises:
        BundleError: no trial has ended.
    """
    if not set(results.plan.memberships.values()) & results.records.keys():
        raise BundleError(f"study '{results.plan.study.name}' has no result yet; export it when trials have ended")
    scrub = Scrubber()
    found: dict[str, Content] = {}
    report("writing the study, the values and the table")
    for name, text in _texts(results, scrub, measured=measured):
        found[name] = text.encode("utf-8", "backslashreplace")
    report("drawing the plots")
    found |= _plots(results, report)
    found |= snapshot(task_name(results.plan), code=code)
    found |= _tools(results, report)
    for key, folder in results.weights.items():
        found |= {f"{WEIGHTS}{key}/{one.name}": one for one in sorted(folder.glob("*.safetensors"))}
    sizes = {name: _size(content) for name, content in found.items()}
    return found | {CRATE: render_crate(_about(results), sizes).encode()}


def _size(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def _texts(results: Contents, scrub: Scrubber, *, measured: bool) -> Iterator[tuple[str, str]]:
    plan, records, table = results.plan, results.records, scrubbed(results.table, scrub)
    name, text = render_document(results.document)
    if name != "study.json":
        yield name, text + "\n"
    yield "study.json", _json(results.document)
    yield "resolved.json", _json(resolve(plan, results.state, measured=measured).model_dump(mode="json"))
    facts = describe_trials(plan, records, results.costs, scrub, measured=measured)
    yield "provenance.json", _json(facts.model_dump(mode="json"))
    yield SEEDS_FILE, render_seeds(plan, records)
    yield CURVES_FILE, _curves(plan, records)
    for form in FORMATS:
        yield f"table.{form}", render(table, form, measured=measured, notes=form == "md")
    for key, log in sorted(results.logs.items()):
        yield f"logs/{key}.txt", scrub(log)
    yield "requirements.lock", "".join(f"{package}\n" for package in list_packages())


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _curves(plan: Plan, records: Mapping[str, TrialRecord]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(CURVES_HEADER)
    for row, seed, key, step, epoch, metric, value in curve_lines(plan, records):
        writer.writerow([guard_formula(str(row)), seed, key, step, epoch, guard_formula(str(metric)), value])
    return out.getvalue()


def scrubbed(table: Table, scrub: Scrubber) -> Table:
    """The table; the reasons of lost runs in its notes lose what must not leave the machine."""
    rows = [row.model_copy(update={"notes": [scrub(note) for note in row.notes]}) for row in table.rows]
    families = [
        family.model_copy(
            update={"audit": family.audit.model_copy(update={"lost": [scrub(note) for note in family.audit.lost]})}
        )
        if family.audit
        else family
        for family in table.families
    ]
    texts = {name: [scrub(text) for text in getattr(table, name)] for name in ("summary", "notes", "provenance")}
    return table.model_copy(update={"rows": rows, "families": families, **texts})


def _plots(results: Contents, report: Report) -> dict[str, bytes]:
    if find_spec("matplotlib") is None:
        report("left out the plots: matplotlib is not installed")
        return {}
    if len(results.table.rows) > MAX_PLOTTED:
        report(f"left out the plots: the table has more than {MAX_PLOTTED} rows")
        return {}
    names = plots_of(results.table)
    return {f"plots/{name}.svg": plot_table(results.table, name, records=results.records) for name in names}


def _tools(results: Contents, report: Report) -> dict[str, bytes]:
    """What checks the table: the script, the wheel, and the words that explain both."""
    reviewer = files("ablate.bundle") / "reviewer"
    wheel = build_wheel()
    if wheel is None:
        report("left out the wheel of ablate: it is not installed here, only found on the path; verify.py is there")
    readme = Template((reviewer / "README.md").read_text(encoding="utf-8")).substitute(
        study=results.plan.study.name,
        scale=results.plan.scale or "base",
        rows=len(results.table.rows),
        seeds=len(results.plan.seeds),
        version=VERSION,
        wheel=wheel[0] if wheel else "WHEEL (left out here)",
        again=_again(results.plan),
    )
    found = {"README.md": readme.encode(), "verify.py": (reviewer / "verify.py").read_bytes()}
    return found | ({wheel[0]: wheel[1]} if wheel else {})


def _again(plan: Plan) -> str:
    """How the study is trained again, as lines of the README."""
    task = get_task(task_name(plan)).task
    scale = f" --scale {plan.scale}" if plan.scale else ""
    if isinstance(task, Command):
        folder = PurePosixPath(CODE, task_name(plan), "files", task.stored.folder)
        return (
            f"    cp study.json '{folder}'\n    ablate run '{folder}/study.json'{scale}\n\n"
            "Data that lay beside the script are not in the bundle. They belong into the same folder."
        )
    if isinstance(task, Function):
        return f"\nThe study is of a function in `{CODE}{task_name(plan)}/files/`; call `ablate.run` with it."
    return f"    ablate run study.json{scale}"


def _about(results: Contents) -> About:
    plan = results.plan
    ends = sorted(record.finished_at for record in _used(results))
    return About(
        study=plan.study.name,
        title=plan.study.title,
        question=plan.study.question,
        scale=plan.scale or "base",
        version=VERSION,
        began=ends[0],
        ended=ends[-1],
        rows=len(plan.rows),
        seeds=len(plan.seeds),
    )


def _used(results: Contents) -> Iterable[TrialRecord]:
    keys = set(results.plan.memberships.values())
    return (record for key, record in results.records.items() if key in keys)
