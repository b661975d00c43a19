"""Routes of what there is to choose from: recipe fields, data sets, networks, printed tables, call sites."""

from __future__ import annotations

import tomllib
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ValidationError

from ablate.data import datasets
from ablate.data.info import DatasetInfo
from ablate.errors import StudyError, TrialError
from ablate.paper.published import PublishedTable, load_published, studies_folder
from ablate.recipes.classify import ACTIVATIONS, OWN_NETWORKS, ClassifyRecipe
from ablate.study.catalog import describe_fields, study_schema
from ablate.trials.registry import get_task, list_tasks
from service.api.findings import findings_of
from service.api.parameters import InContext
from service.api.problems import INVALID, UNAVAILABLE, documented, publishable

router = APIRouter(tags=["catalog"])
FOREIGN_NETWORKS = ("torchvision/NAME", "timm/NAME")


class FieldEntry(BaseModel):
    """A field of a recipe; `type` is its type and range in words, `fields` those of a field that is itself a recipe."""

    name: str
    type: str
    default: Any
    text: str
    fields: list[FieldEntry]


class DatasetEntry(BaseModel):
    """A data set; `is_here`: on the service's machine."""

    name: str
    title: str
    kind: str
    text: str
    classes: int
    channels: int
    resolution_px: int
    train_images: int
    test_images: int
    is_here: bool


class TaskEntry(BaseModel):
    """A task: its metrics with whether lower is better, the first one primary, and the fields of its recipe.

    `problem` says why an installed task cannot be used; it has no metrics and fields then.
    """

    name: str
    metrics: dict[str, bool]
    fields: list[FieldEntry]
    problem: str | None


class PublishedEntry(BaseModel):
    """A printed table that a study can join with `table.published`, and the labels of its rows."""

    id: str
    title: str
    paper: str
    dataset: str
    rows: list[str]


class ScaleEntry(BaseModel):
    """A scale of the studies that come with ablate, and which of them have it."""

    name: str
    studies: list[str]


class Catalog(BaseModel):
    """What there is to choose from.

    Attributes:
        damaged_datasets: of folders whose registration cannot be read, name -> what is wrong and what to do.
        study_schema: JSON Schema of the study document, with the recipe fields of the task `classify` in it.
    """

    recipe: list[FieldEntry]
    activations: list[str]
    networks: list[str]
    datasets: list[DatasetEntry]
    damaged_datasets: dict[str, str]
    tasks: list[TaskEntry]
    scales: list[ScaleEntry]
    published: list[PublishedEntry]
    study_schema: dict[str, Any]


class SiteEntry(BaseModel):
    """A call site of an activation: where it is, what feeds it, the map that passes through, what stands there."""

    name: str
    stage: int
    kind: str
    channels: int
    height: int
    width: int
    native: str


class Sites(BaseModel):
    """Every activation call site of a network, in the order of its forward."""

    model: str
    sites: list[SiteEntry]


@router.get("/catalog", summary="What there is to choose from")
def get_catalog() -> Catalog:
    """Recipe fields with type, range, default and text; activations, networks, data sets, tasks, scales, tables.

    `study_schema` is the JSON Schema of the study document; editors and generators can use it as it stands.
    """
    return Catalog(
        recipe=_fields(ClassifyRecipe),
        activations=list(ACTIVATIONS),
        networks=[*OWN_NETWORKS, *FOREIGN_NETWORKS],
        datasets=[_dataset(info) for info in datasets.list_datasets()],
        damaged_datasets=datasets.list_damaged(),
        tasks=[_task(name) for name in list_tasks()],
        scales=_scales(),
        published=[_printed(table) for table in load_published().tables.values()],
        study_schema=study_schema(ClassifyRecipe),
    )


@router.get("/sites", responses=documented(INVALID, UNAVAILABLE), summary="Call sites of a network")
def list_sites(
    context: InContext,
    model: Annotated[
        str, Query(description="a network of the catalog, torchvision/NAME or timm/NAME", examples=["resnet50"])
    ],
    resolution_px: Annotated[
        int, Query(ge=0, le=1024, description="side of the images; 0: what the network is made for")
    ] = 0,
) -> Sites:
    """Every activation call site of a network: its stage, what feeds it, channels and map size, and what stands there.

    The first question about networks can take some seconds, since the process that answers has to load torch.
    """
    try:
        recipe = ClassifyRecipe(model=model, resolution_px=resolution_px, stages="all", layers="all")
    except ValidationError as error:
        raise StudyError(findings_of(ClassifyRecipe, error)) from error
    return Sites(model=model, sites=[SiteEntry.model_validate(site) for site in context.costs.sites(recipe)])


def _fields(recipe_class: type[BaseModel]) -> list[FieldEntry]:
    return [FieldEntry.model_validate(field) for field in describe_fields(recipe_class)]


def _dataset(info: DatasetInfo) -> DatasetEntry:
    return DatasetEntry(
        name=info.name,
        title=info.title,
        kind=info.kind,
        text=info.text,
        classes=info.classes,
        channels=info.channels,
        resolution_px=info.resolution_px,
        train_images=info.train_images,
        test_images=info.test_images,
        is_here=datasets.find(info.name) is not None,
    )


def _printed(table: PublishedTable) -> PublishedEntry:
    labels = list(table.cells)
    return PublishedEntry(id=table.id, title=table.title, paper=table.paper, dataset=table.dataset, rows=labels)


def _task(name: str) -> TaskEntry:
    try:
        task = get_task(name).task
    except TrialError as error:
        return TaskEntry(name=name, metrics={}, fields=[], problem=publishable(str(error)))
    return TaskEntry(name=name, metrics=dict(task.metrics), fields=_fields(task.Recipe), problem=None)


def _scales() -> list[ScaleEntry]:
    found: dict[str, list[str]] = {}
    for file in sorted(studies_folder().iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            document = tomllib.loads(file.read_text(encoding="utf-8"))
            for scale in document.get("scales", {}):
                found.setdefault(scale, []).append(document["name"])
    return [ScaleEntry(name=name, studies=studies) for name, studies in found.items()]
