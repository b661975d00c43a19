"""Content of the runs in MLflow: a study or a trial as the tags, params and points of one run.

Pure. Names, texts and numbers are changed to what MLflow accepts, always in the same way, so that writing a run again
changes nothing. Nothing here imports mlflow.
"""

from __future__ import annotations

import hashlib
import json
import math
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ablate.documents import canonical_json
from service.documents.runs import StudyRun, TrialRun

STUDY_STATUS = {"succeeded": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}
FINAL_STATUS = {"diverged": "FINISHED", **STUDY_STATUS}
_MAX_TAG, _MAX_PARAM, _MAX_NAME = 8000, 6000, 250


@dataclass(frozen=True, slots=True)
class Content:
    """Content of one run of MLflow. `key` is empty for a study's own run; times are in milliseconds."""

    experiment: str
    study_id: str
    key: str
    name: str
    status: str
    start: int
    end: int | None
    tags: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    metrics: tuple[tuple[str, float, int, int], ...] = ()  # name, value, time, step
    files: Mapping[str, str | bytes] = field(default_factory=dict)


def metric_name(row: str, metric: str) -> str:
    """Name of a row's mean: `row/metric` in the characters that MLflow allows; different pairs differ.

    `window=1x3+3x1, norm=bn` reads `window:1x3 plus 3x1 norm:bn`. A text that cannot be recovered from its plain form
    gets a digest, so that no two texts share a name.
    """
    return f"{_allowed(row, 180)}/{_allowed(metric, 60, slash='_')}"


def _allowed(text: str, limit: int = _MAX_NAME, slash: str = "/") -> str:
    """A text as a name of MLflow, which allows few characters and no path that has a shorter form."""
    plain = text.replace(", ", " ").replace("=", ":").replace("+", " plus ")
    plain = re.sub(r"[^\w .:/-]", "_", re.sub(r"[()]", "", plain)).replace("/", slash)
    again = re.sub(r" (?=[\w.-]+:)", ", ", plain).replace(" plus ", "+").replace(":", "=")
    is_path = posixpath.normpath(plain) == plain and not plain.startswith(("/", "..")) and plain != "."
    if again == text and is_path and len(plain) <= limit and not re.search(r"-[0-9a-f]{10}$", plain):
        return plain
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:10]
    return f"{plain.replace('/', '_').lstrip('.')[: limit - 11]}-{digest}"


def content_of_study(run: StudyRun) -> Content:
    """Content of a study's own run."""
    status = STUDY_STATUS.get(run.state, "RUNNING")
    start, end = _span(run.started_at, run.ended_at, is_final=status != "RUNNING")
    tags = {
        "ablate.study_id": run.study_id,
        "ablate.title": run.title,
        "ablate.scale": run.scale or "",
        "ablate.state": run.state,
        "mlflow.user": "ablate",
        "mlflow.note.content": _note(run.files.get("table.md", "")),
    }
    means = ((row, name, mean) for row, metrics in run.row_means.items() for name, mean in metrics.items())
    return Content(
        experiment=run.name,
        study_id=run.study_id,
        key="",
        name=" ".join(filter(None, (run.name, run.scale, run.study_id[-8:]))),
        status=status,
        start=start,
        end=end,
        tags={name: _text(value, _MAX_TAG) for name, value in tags.items()},
        metrics=tuple((metric_name(row, name), mean, end, 0) for row, name, mean in means if math.isfinite(mean))
        if end is not None
        else (),
        files=run.files,
    )


def content_of_trial(run: TrialRun, study_run_id: str) -> Content:
    """Content of a trial's run, a child of its study's run."""
    status = FINAL_STATUS.get(run.state, "SCHEDULED" if run.state == "queued" else "RUNNING")
    start, end = _span(run.started_at, run.ended_at, is_final=run.state in FINAL_STATUS)
    tags = {
        "mlflow.parentRunId": study_run_id,
        "mlflow.user": "ablate",
        "ablate.study_id": run.study_id,
        "ablate.trial_key": run.key,
        "ablate.row": run.row,
        **({} if run.group is None else {"ablate.group": run.group}),
        "ablate.seed": str(run.seed),
        "ablate.state": run.state,
        "ablate.reason": run.reason or "",
        "ablate.attempts": "\n".join(run.attempts),
        "ablate.shared": canonical_json(run.shared),
        **({"mlflow.note.content": run.note} if run.note else {}),
    }
    return Content(
        experiment=run.name,
        study_id=run.study_id,
        key=run.key,
        name=f"{_text(run.row, _MAX_NAME - 30)} · seed {run.seed}",
        status=status,
        start=start,
        end=end,
        tags={name: _text(value, _MAX_TAG) for name, value in tags.items()},
        params={_allowed(name): _text(_as_param(value), _MAX_PARAM) for name, value in run.recipe.items()},
        metrics=_points(run, start, end) if run.state in ("succeeded", "diverged") and end is not None else (),
        files=run.files,
    )


def _points(run: TrialRun, start: int, end: int) -> tuple[tuple[str, float, int, int], ...]:
    """The curve and, at the last step, the final metrics; one point a metric and step, where the final one wins."""
    last = max((point.step for point in run.curve), default=0)
    values = {(name, point.step): value for point in run.curve for name, value in point.metrics.items()}
    values |= {(name, last): value for name, value in run.metrics.items()}
    return tuple(
        (_allowed(name), value, start + (end - start) * step // last if last else end, step)
        for (name, step), value in values.items()
        if math.isfinite(value)
    )


def _span(started_at: datetime, ended_at: datetime | None, *, is_final: bool) -> tuple[int, int | None]:
    start = int(started_at.timestamp() * 1000)
    return start, max(start, int((ended_at or started_at).timestamp() * 1000)) if is_final else None


def _as_param(value: object) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _note(table: str | bytes) -> str:
    text = table if isinstance(table, str) else table.decode()
    if len(text) <= _MAX_TAG:
        return text
    return text[: _MAX_TAG - 80].rpartition("\n")[0] + "\n\n(cut here; the whole table is the artifact table.md)"


def _text(text: str, limit: int) -> str:
    """A text that every store accepts: no NUL, no lone surrogate, at most `limit` characters."""
    clean = text.encode("utf-8", "replace").decode().replace("\0", "�")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


TAG = "mlflow.sharedViewState."


def grouped_view(study_id: str) -> tuple[str, str]:
    """Name and value of the experiment's tag that contains MLflow's list of a study's runs, grouped by row.

    MLflow's page stores a shared view as a tag of its experiment, JSON under `mlflow.sharedViewState.KEY`, and opens it
    for `?viewStateShareKey=KEY`; the names in it are from the page of MLflow 3.17.
    """
    view = {
        "searchFilter": f"tags.`ablate.study_id` = '{study_id}'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "ablate.row"}]},
        "useGroupedValuesInCharts": True,
    }
    return TAG + study_id, json.dumps(view)


def grouped_link(study_link: str, study_id: str) -> str:
    """Address of the view, from that of the study's own run in the same experiment."""
    return f"{study_link.split('/runs/')[0]}/runs?viewStateShareKey={study_id}"
