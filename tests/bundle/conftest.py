"""Bundles of studies whose values are drawn, not trained: real plans, records and tables."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from numpy.random import default_rng

from ablate.bundle.archive import MANIFEST, new_file, write_zip
from ablate.bundle.contents import Contents, bundle_files
from ablate.paper.published import find_published
from ablate.study.plan import Plan, plan_document
from ablate.tables.build import build_table
from ablate.tables.inputs import RowCosts, StudyState
from ablate.trials.items import Items
from ablate.trials.trial import Cost, EpochMetrics, Measured, Outcome, TrialRecord

WINDOWS = ("1x1", "3x3", "5x5", "7x7")
STUDY: dict[str, Any] = {
    "name": "windows",
    "title": "Window size",
    "question": "Does a larger window help?",
    "seeds": 8,
    "base": {"dataset": "digits", "model": "resnet50"},
    "rows": [{"label": f"window {window}", "set": {"window": window}} for window in WINDOWS],
    "table": {"baseline": "window 3x3"},
}
Lost = Mapping[tuple[str, int], str]


def draw_records(
    plan: Plan, *, spread: float = 0.4, step: float = 0.5, lost: Lost | None = None, seed: int = 0
) -> dict[str, TrialRecord]:
    """A record for each trial. `lost`: (row, seed) -> how it ended, `missing` for a trial that has not."""
    draws, lost = default_rng(seed), lost or {}
    levels = {row.name: 20 + step * place for place, row in enumerate(plan.rows)}
    shared = {one: draws.normal() for one in plan.seeds}
    records = {}
    for (row, one), key in plan.memberships.items():
        value = levels.get(row, 20.0) + shared[one] + spread * draws.normal()
        status = lost.get((row, one), "succeeded")
        if status != "missing":
            records[key] = record_of(plan, key, value, status)
    return records


def record_of(plan: Plan, key: str, value: float, status: str = "succeeded") -> TrialRecord:
    names = {"train_loss": value / 40} if status == "unreported" else dict.fromkeys(plan.lower_is_better, value)
    ok = status in ("succeeded", "unreported")
    outcome = Outcome(
        status="succeeded" if ok else status,  # type: ignore[arg-type]
        metrics=names if ok else {},
        reason=None if ok else f"it {status} in /home/someone/work",
        train_s=12.5,
        cost=Cost(params=1000, params_without_norm=900, multiply_adds=5000),
        funnel_share={"layer1.0": 0.4},
        items=Items(test_set="0" * 64, n=16, bits="//8=") if ok else None,
    )
    curve = [EpochMetrics(step=k, steps=2, epoch=k / 2, metrics={"train_loss": 1 / k}) for k in (1, 2)]
    provenance = {"commit": "abc123", "versions": {"torch": "2.9.0"}, "device": "cpu", "processor": "A"}
    return TrialRecord(
        trial=plan.trials[key], outcome=outcome, curve=curve, provenance=provenance,
        finished_at=f"2026-05-04T10:{int(key[:4], 16) % 60:02d}:00.000000+00:00",
    )  # fmt: skip


def results_of(
    document: Mapping[str, Any],
    records: Callable[[Plan], dict[str, TrialRecord]] = draw_records,
    *,
    scale: str | None = None,
    state: StudyState = StudyState(),
    logs: Mapping[str, str] | None = None,
) -> Contents:
    plan = plan_document(document, scale=scale)
    made = records(plan)
    measured = Measured(
        inference_ms_1=1.5, inference_ms_32=20.0, rounds=50, is_folded=True, peak_memory_bytes=1 << 20, device="cpu"
    )
    costs = RowCosts(measured={row.label: measured for row in plan.rows})
    published = find_published(plan.study.table.published)
    table = build_table(plan, made, published=published, costs=costs, state=state)
    return Contents(document, plan, made, table, state, costs, logs or {})


def write(path: Path, results: Contents, *, measured: bool = True) -> Path:
    with new_file(path, force=True) as file:
        write_zip(file, bundle_files(results, lambda sentence: None, measured=measured))
    return path


def read_all(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_all(path: Path, files: Mapping[str, bytes], *, signed: bool) -> Path:
    """Write the files of a bundle as they are; `signed` makes a manifest that fits them, as a forger would."""
    rest = {name: content for name, content in files.items() if name != MANIFEST}
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(rest.items())]
    manifest = "".join(lines).encode() if signed else files[MANIFEST]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (*rest.items(), (MANIFEST, manifest)):
            archive.writestr(name, content)
    path.write_bytes(out.getvalue())
    return path


@pytest.fixture(scope="session")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a study of four rows and eight seeds, with two metrics."""
    return write(tmp_path_factory.mktemp("bundle") / "windows.zip", results_of({**STUDY, "metrics": ["train_loss"]}))
