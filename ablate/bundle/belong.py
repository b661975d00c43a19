"""Whether the documents of a bundle belong together: the same study, rows, seeds and trials in each of them.

A trial's key is the digest of what decides its result. So a recipe, a seed or a task that was changed afterwards no
longer gives its key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ablate.bundle.archive import Archive
from ablate.bundle.code import digest_of_snapshot
from ablate.bundle.documents import ResolvedNeed, ResolvedRow
from ablate.bundle.rebuild import Parts, SeedLine, read_recipe, rebuild_plan
from ablate.bundle.scripts import CODE, RecordedRecipe, check_script, has_code
from ablate.documents import canonical_json
from ablate.errors import AblateError, quote
from ablate.recipes.identity import applicable_values, identity_of
from ablate.study.names import DASH
from ablate.study.plan import Plan, Row, plan_document
from ablate.trials.registry import BUILT_IN, lending
from ablate.trials.trial import trial_key


@dataclass(slots=True)
class Belonging:
    """What was found.

    Attributes:
        problems: what does not belong together, as sentences.
        unchecked: what could not be checked here, with the reason.
        keys: number of keys that were recomputed.
    """

    problems: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    keys: int = 0


def check_belonging(archive: Archive, parts: Parts, found: Belonging) -> None:
    """Compare the documents of a bundle with each other, and add to what was found.

    Raises:
        BundleError: they contradict each other so much that nothing can be recomputed.
    """
    found.problems += [*_names(parts), *_seed_lines(parts)]
    for row in (*parts.resolved.rows, *parts.resolved.audits):
        _check_keys(parts, row, found)
    _check_study(parts, found)
    _check_code(archive, parts, found)


def _names(parts: Parts) -> Iterator[str]:
    resolved, table = parts.resolved, parts.table
    pairs = {
        "study": (parts.study.name, resolved.study, table.study),
        "scale": (resolved.scale, resolved.scale, table.scale),
        "metric": (resolved.metric, resolved.metric, table.metric),
        "seeds": (resolved.seeds, resolved.seeds, table.seeds),
        "rows": ([row.name for row in resolved.rows],) * 2 + ([row.name for row in table.rows],),
    }
    for name, (in_study, in_resolved, in_table) in pairs.items():
        if not in_study == in_resolved == in_table:
            yield f"the {name} of study.json, resolved.json and table.json differ"


def _seed_lines(parts: Parts) -> Iterator[str]:
    """Whether `seeds.csv` has exactly the lines that the plan asks for, each with its key and a status that fits."""
    resolved = parts.resolved
    expected = {
        (row.name, seed, metric): (row.group or "", row.keys.get(seed, ""))
        for row in resolved.rows
        for seed in resolved.seeds
        for metric in (resolved.metric, *resolved.metrics)
    }
    lines = {(line.row, line.seed, line.metric): line for line in parts.lines}
    for place in sorted(expected.keys() - lines.keys()):
        yield f"seeds.csv lacks {_named(place)}"
    for place in sorted(lines.keys() - expected.keys()):
        yield f"seeds.csv has {_named(place)}, which is not in resolved.json"
    if len(lines) < len(parts.lines):
        yield "seeds.csv has two lines of the same row, seed and metric"
    values: dict[tuple[str, str], str] = {}
    for place, line in lines.items():
        if place in expected and (line.group, line.key) != expected[place]:
            yield f"seeds.csv has another group or key for {_named(place)} than resolved.json"
        if values.setdefault((line.key, line.metric), line.value) != line.value:
            yield f"seeds.csv has two values of trial {line.key[:12]} for {line.metric}"
        yield from _status(parts, line)


def _status(parts: Parts, line: SeedLine) -> Iterator[str]:
    facts = parts.provenance.trials.get(line.key)
    ended = "missing" if facts is None else facts.status
    expected = {"ok": "succeeded", "unreported": "succeeded", "unusable": "succeeded"}.get(line.status, line.status)
    has_value = line.status in ("ok", "unusable")
    if ended != expected or bool(line.value) != has_value:
        yield (
            f"seeds.csv has status {quote(line.status)} and the value {quote(line.value)} for "
            f"{_named((line.row, line.seed, line.metric))}; provenance.json says {ended}"
        )
    elif has_value and line.value != _plain(line.value):
        yield f"seeds.csv has a value for {_named((line.row, line.seed, line.metric))} that is not a plain number"


def _plain(text: str) -> str:
    try:
        return repr(float(text))
    except ValueError:
        return ""


def _named(place: tuple[str, int, str]) -> str:
    row, seed, metric = place
    return f"row {quote(row)}, seed {seed}, {quote(metric)}"


def _check_keys(parts: Parts, row: ResolvedRow, found: Belonging) -> None:
    resolved = parts.resolved
    replicate = resolved.replicate + row.replicate
    for name, need in row.needs.items():
        _check_identity(parts, f"{name} of row {quote(row.name)}", need.task, need, found)
        for seed, key in need.keys.items():
            found.keys += 1
            if trial_key(need.task_identity, need.identity, seed, replicate, repeat=resolved.repeat) != key:
                found.problems.append(
                    f"the key of the {name} of row {quote(row.name)}, seed {seed}, is not its recipe's"
                )
    _check_identity(parts, f"row {quote(row.name)}", resolved.task, row, found)
    for seed, key in row.keys.items():
        needs = {name: need.keys.get(seed, "") for name, need in row.needs.items()}
        found.keys += 1
        made = trial_key(resolved.task_identity, row.identity, seed, replicate, repeat=resolved.repeat, needs=needs)
        if made != key:
            found.problems.append(f"the key of row {quote(row.name)}, seed {seed}, is not that of its recipe and seed")


def _check_identity(parts: Parts, what: str, task: str, row: ResolvedRow | ResolvedNeed, found: Belonging) -> None:
    """Whether the fields that enter the key are those of the recipe; of an installed task the bundle does not say."""
    named = parts.named(task, "")
    if named.task.Recipe is RecordedRecipe:
        return
    needs = row.needs if isinstance(row, ResolvedRow) else {}
    identity = identity_of(read_recipe(named, row.recipe))
    if {name: value for name, value in identity.items() if name not in needs} != row.identity:
        found.problems.append(f"the recipe of {what} is not the one that enters its key")


def _check_study(parts: Parts, found: Belonging) -> None:
    """Whether the study document expands to these rows and trials."""
    resolved, plan = parts.resolved, rebuild_plan(parts)
    try:
        with lending(parts.script.named if parts.script else None):
            planned = plan_document(_as_it_was(parts), scale=resolved.scale, repetition=plan.repetition)
    except AblateError as error:
        first = str(error).splitlines()[0]
        found.unchecked.append(f"whether study.json expands to these rows; it cannot be planned here: {first}")
        return
    if resolved.task not in BUILT_IN and parts.script is None:
        found.unchecked.append("whether study.json expands to these keys; its task is not a built-in one")
        return
    found.problems += list(_differing(planned, plan))
    folders = [name for name in plan.datasets if "@" in name and name not in planned.datasets]
    if folders:
        found.unchecked.append(f"whether study.json expands to these keys; {', '.join(folders)} is not registered here")
    elif dict(planned.memberships) != dict(plan.memberships):
        found.problems.append("study.json expands to other trials than those of resolved.json")


def _as_it_was(parts: Parts) -> dict[str, Any]:
    """The study document, which expands to the labels of the version that wrote the bundle."""
    is_older = parts.study.design == "leave_one_out" and any(row.label.startswith(DASH) for row in parts.resolved.rows)
    return {**parts.document, "minus_labels": True} if is_older else dict(parts.document)


def _recipe_of(row: Row) -> str:
    """The recipe of a row without the fingerprints of registered folders, which another machine may not know."""
    return re.sub(r"@[0-9a-f]{16}", "", canonical_json(applicable_values(row.recipe)))


def _differing(planned: Plan, plan: Plan) -> Iterator[str]:
    if planned.seeds != plan.seeds:
        yield "study.json has other seeds than resolved.json"
    ours, theirs = (
        {
            row.name: (row.group, dict(row.set), row.is_baseline, row.line, dict(row.levels), _recipe_of(row))
            for row in one.rows
        }
        for one in (planned, plan)
    )
    if list(ours) != list(theirs):
        yield "study.json expands to other rows than those of resolved.json"
    yield from (f"study.json has another row {quote(name)} than resolved.json" for name in ours.keys() & theirs.keys()
                if ours[name] != theirs[name])  # fmt: skip
    if any(planned.lower_is_better.get(name) != lower for name, lower in plan.lower_is_better.items()):
        yield "resolved.json has another direction of a metric than the task"
    names = ("metric", "metrics", "excluded", "scale")
    yield from (f"study.json gives another {name} than resolved.json" for name in names
                if getattr(planned, name) != getattr(plan, name))  # fmt: skip


def _check_code(archive: Archive, parts: Parts, found: Belonging) -> None:
    """Whether the snapshot of the task's code is the one whose digest is in the keys."""
    task, identity = parts.resolved.task, parts.resolved.task_identity
    if task in BUILT_IN:
        return
    names = [name for name in archive.entries if name.startswith(CODE)]
    script, digest = parts.script, identity.rpartition("@")[2]
    if script is not None:
        found.problems += check_script(archive, script, identity, parts.study.command)
        names, digest = names if has_code(archive, script) else [], script.digest
    elif names and identity != f"{task}@{digest_of_snapshot(task, {name: archive.read(name) for name in names})}":
        found.problems.append(f"the code in {CODE} is not the code of task {quote(task)} whose digest is in the keys")
    if not names:
        found.unchecked.append(f"the code, which was left out; it can only be compared by its digest, {digest}")
