"""The names of data sets in a study: an unknown one is reported together with the study's other problems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ablate.data import datasets
from ablate.errors import Findings, Problem, quote
from ablate.recipes.classify import DATASET
from ablate.study.checks import meant_task
from ablate.study.document import Study
from ablate.study.problems import pointer_of
from ablate.trials.registry import list_tasks

TASKS = ("classify", "detect", "segment")
"""The tasks that read data sets by name."""
FIELD = "dataset"
PRETRAINING = "backbone"
"""Field of a recipe that is itself a recipe of the task `classify`, with a data set of its own."""


def check_datasets(study: Study, scale: str | None) -> None:
    """Every name of a data set must be one of the study's task. Its files are not looked at.

    Args:
        study: the document. That of an installed task may name data sets of its own, which are not looked up.
        scale: see `ablate.study.plan.plan`.

    Raises:
        StudyError: with every wrong name, at the place where it is written.
    """
    task = study.base.get("task", "classify")
    if task not in list_tasks():
        task = meant_task(study)
    if task is None or task not in TASKS:
        return
    kinds = {info.name: info.kind for info in datasets.list_datasets()}
    damaged = datasets.list_damaged()  # not a mistake of the study
    found = Findings()
    for pointer, name, kind in _places(study, "mini" if scale is None and "mini" in study.scales else scale, task):
        if found.is_full or not isinstance(name, str) or not re.fullmatch(DATASET, name) or "@" in name:
            continue  # the recipe's own check reports what is no name
        fitting = [one for one, of in kinds.items() if of == kind]
        if name in kinds and kinds[name] != kind:
            allowed = f"not {kind}; allowed for {kind}: {', '.join(fitting)}"
            found.add(Problem(pointer, "unknown_dataset", f"data set {quote(name)} is for {kinds[name]}, {allowed}"))
        elif name not in kinds and name not in damaged:
            near = found.nearest(name, fitting)
            found.add(Problem(pointer, "unknown_dataset", f"no data set {quote(name)}{near}"))
    found.refuse()


def _places(study: Study, scale: str | None, task: str) -> Iterator[tuple[str, object, str]]:
    """Pointer and value of each name, and the task that its data set is for."""
    for pointer, patch in _patches(study, scale):
        inner = patch.get(PRETRAINING)
        yield f"{pointer}/{FIELD}", patch.get(FIELD), task
        if isinstance(inner, Mapping):
            yield f"{pointer}/{PRETRAINING}/{FIELD}", inner.get(FIELD), "classify"
    for index, factor in enumerate(study.factors):
        for number, level in enumerate(factor.levels or () if factor.name == FIELD else ()):
            yield f"/factors/{index}/levels/{number}", level, task


def _patches(study: Study, scale: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Pointer and value of each patch that counts at a scale; of base, what the scale leaves."""
    of_scale = study.scales.get(scale, {}) if scale is not None else {}
    yield "/base", {name: value for name, value in study.base.items() if name not in of_scale}
    yield pointer_of(("scales", str(scale))), of_scale
    for name, group in study.groups.items():
        yield pointer_of(("groups", name, "set")), group.set
        yield pointer_of(("groups", name, "scales", str(scale))), group.scales.get(str(scale), {})
    yield from ((f"/rows/{index}/set", row.set) for index, row in enumerate(study.rows))
    for index, factor in enumerate(study.factors):
        yield f"/factors/{index}/off", factor.off or {}
        yield from _patches_of_levels(index, factor.levels or ())


def _patches_of_levels(index: int, levels: Sequence[object]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, level in enumerate(levels):
        patch = level.get("set") if isinstance(level, Mapping) else None
        if isinstance(patch, Mapping):
            yield f"/factors/{index}/levels/{number}/set", patch
