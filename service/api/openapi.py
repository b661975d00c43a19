"""The OpenAPI document: FastAPI's own, with the bodies that we read ourselves and the problem document put in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from ablate.recipes.classify import ClassifyRecipe
from ablate.remote.documents.paper import PaperSubmission
from ablate.remote.documents.schedules import Acknowledgement, ScheduleChange, ScheduleSpec
from ablate.remote.documents.studies import Extension, Submission
from ablate.study.catalog import study_schema
from service.api.problems import ProblemDocument

COMPONENTS = "#/components/schemas/"

NAMES = {
    "Page_CellView_": "CellPage",
    "Page_StudyView_": "StudyPage",
    "Page_ScheduleView_": "SchedulePage",
    "Page_FiringView_": "FiringPage",
}
"""Names of components that FastAPI makes up -> names that a generated client can show."""

DESCRIPTION = """\
Queues ablation studies, trains their trials, and gives their result tables.

* **A study is a document** (a TOML file, or the same as JSON): a base recipe, rows or factors that change it, seeds.
  `GET /api/v1/catalog` has every field with its range, default and meaning. `POST /api/v1/studies/plan` says what a
  study would be before it costs anything.
* **A trial is one row for one seed.** Trials belong to nobody: what one study trained, another one gets for nothing.
  Those that start from the weights of another trial wait for it: a study holds it too, as a cell `(backbone) ROW`
  beside its table, and `progress.trials` counts that cell as it counts audit copies. Where it fails, so do they, with
  the reason, and `retry` queues both; where it diverges, they have diverged.
* **A schedule is a study and a cron text.** It trains stored cells again to see whether they still give the same
  numbers, or new seeds to see whether means move, and raises an alarm where something has changed.
* **Errors** are problem documents (RFC 9457, `application/problem+json`), all findings at once.
* **Lists** are `{"items": [...], "next": cursor or null}`.
"""


def takes(model: str, examples: Mapping[str, Any]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body by a dependency of `service.api.body`."""
    content = {"application/json": {"schema": {"$ref": COMPONENTS + model}, "examples": dict(examples)}}
    return {"requestBody": {"required": True, "content": content}}


def build_openapi(app: FastAPI) -> dict[str, Any]:
    """The document of an app; made once and kept where FastAPI keeps its own."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        document["components"]["schemas"] |= _schemas()
        app.openapi_schema = _renamed(document)
    return app.openapi_schema


def _schemas() -> dict[str, Any]:
    """The components that no route of FastAPI's knows of, by name."""
    submission = _lift(Submission.model_json_schema())
    study = _lift(study_schema(ClassifyRecipe))
    submission["Submission"]["properties"]["study"] = {"$ref": f"{COMPONENTS}Study"}
    others: dict[str, Any] = {}
    for model in (Extension, PaperSubmission, ScheduleSpec, ScheduleChange, Acknowledgement):
        others |= _lift(model.model_json_schema())
    for name in ("ScheduleSpec", "ScheduleChange"):
        others[name]["properties"]["study"] = {"$ref": f"{COMPONENTS}Study"}
    return submission | study | others | {"Problem": _schema_of(ProblemDocument)}


def _renamed(document: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(document)
    for theirs, ours in NAMES.items():
        text = text.replace(f'"{theirs}"', f'"{ours}"').replace(f'"{COMPONENTS}{theirs}"', f'"{COMPONENTS}{ours}"')
    renamed: dict[str, Any] = json.loads(text)
    return renamed


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """One schema that refers to components by name; `Finding` is there already, for the warnings of a study."""
    schema = model.model_json_schema(ref_template=COMPONENTS + "{model}")
    schema.pop("$defs", None)
    return schema


def _lift(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema and what it defines, as components side by side."""
    moved: dict[str, Any] = json.loads(json.dumps(schema).replace("#/$defs/", COMPONENTS))
    return {**moved.pop("$defs", {}), moved["title"]: moved}
