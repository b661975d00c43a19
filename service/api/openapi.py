"""The OpenAPI document: FastAPI's, plus the bodies that `service.api.body` parses and the problem document."""

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
from ablate.study.field_catalog import study_schema
from service.api.problems import ProblemDocument

COMPONENTS = "#/components/schemas/"

NAMES = {
    "Page_CellView_": "CellPage",
    "Page_StudyView_": "StudyPage",
    "Page_ScheduleView_": "SchedulePage",
    "Page_FiringView_": "FiringPage",
}
"""Names of components that FastAPI generates -> names for generated clients."""

DESCRIPTION = """\
Queues ablation studies, trains their trials and returns their result tables.

* **A study is a document** (a TOML file, or the same as JSON): a base recipe, rows or factors that change it, seeds.
  `GET /api/v1/catalog` lists every field with its range, default and meaning. `POST /api/v1/studies/plan` returns the
  plan of a study without storing or training anything.
* **A trial is one row with one seed.** Studies share trials: a trial that one study trained is not trained again for
  another. A trial that starts from the weights of another trial waits for it. The study also contains that other
  trial, as a cell `(backbone) ROW` outside its table, and `progress.trials` counts this cell, as it counts audit
  trials. If the other trial fails, the dependent trials fail with the same reason, and `retry` queues both; if it
  diverges, they count as diverged.
* **A schedule is a study and a cron expression.** It trains stored cells again and compares the results, or trains new
  seeds and watches their means and the seeds that are lost. It raises an alarm when results change.
* **Errors** are problem documents (RFC 9457, `application/problem+json`) that list all problems together.
* **Lists** are `{"items": [...], "next": cursor or null}`.
"""


def takes(model: str, examples: Mapping[str, Any]) -> dict[str, Any]:
    """`openapi_extra` of a route whose body is parsed by a dependency of `service.api.body`."""
    content = {"application/json": {"schema": {"$ref": COMPONENTS + model}, "examples": dict(examples)}}
    return {"requestBody": {"required": True, "content": content}}


def build_openapi(app: FastAPI) -> dict[str, Any]:
    """The document of an application; built once and stored where FastAPI stores its own."""
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
    """The components that FastAPI's routes do not declare, by name."""
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
    """One schema that refers to components by name; `Finding` is already a component, for the warnings of a study."""
    schema = model.model_json_schema(ref_template=COMPONENTS + "{model}")
    schema.pop("$defs", None)
    return schema


def _lift(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema and its definitions, as separate components."""
    moved: dict[str, Any] = json.loads(json.dumps(schema).replace("#/$defs/", COMPONENTS))
    return {**moved.pop("$defs", {}), moved["title"]: moved}
