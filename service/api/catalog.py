"""Routes of the catalog: recipe fields, data sets, networks, printed tables, call sites."""

from __future__ import annotations

import tomllib
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ValidationError

from ablate.data import datasets
from ablate.data.info import DatasetInfo
from ablate.errors import TrialError
from ablate.paper.published import PublishedTable, load_published, studies_folder
from ablate.recipes.classify import ACTIVATIONS, OWN_NETWORKS, ClassifyRecipe
from ablate.remote.documents.catalog import FieldEntry, TaskEntry
from ablate.study.field_catalog import describe_fields, study_schema
from ablate.tasks.command.registered import find_registered
from ablate.trials.registry import get_task, list_tasks
from service.api.findings import findings_of
from service.api.parameters import InContext
from service.api.problems import INVALID, UNAVAILABLE, documented, publishable

router = APIRouter(tags=["catalog"])
FOREIGN_NETWORKS = ("torchvision/NAME", "timm/NAME")


class DatasetEntry(BaseModel):
    """A data set; `is_here`: whether it is on the service's machine."""

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


class PublishedEntry(BaseModel):
    """A printed table that a study can join with `table.published`, and the labels of its rows."""

    id: str
    title: str
    paper: str
    dataset: str
    rows: list[str]


class ScaleEntry(BaseModel):
    """A scale of the studies that come with ablate, and the studies that have it."""

    name: str
    studies: list[str]


class Catalog(BaseModel):
    """Everything that a study document can choose from.

    Attributes:
        damaged_datasets: folders with an unreadable registration, name -> error and remedy.
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
    """A call site of an activation: its position, the operation that feeds it, its feature map, its activation."""

    name: str
    stage: int
    kind: str
    channels: int
    height: int
    width: int
    native: str


class Sites(BaseModel):
    """Every activation call site of a network, in the order of the forward pass."""

    model: str
    sites: list[SiteEntry]


@router.get("/catalog", summary="Get the catalog")
def get_catalog() -> Catalog:
    """Recipe fields with type, range, default and description; activations, networks, data sets, tasks, scales, tables.

    `study_schema` is the JSON Schema of the study document, for editors and code generators.
    """
    return Catalog(
        recipe=_fields(ClassifyRecipe),
        activations=list(ACTIVATIONS),
        networks=[*OWN_NETWORKS, *FOREIGN_NETWORKS],
        datasets=[_dataset(info) for info in datasets.list_datasets()],
        damaged_datasets=datasets.list_damaged(),
        tasks=describe_tasks(),
        scales=_scales(),
        published=[_printed(table) for table in load_published().tables.values()],
        study_schema=study_schema(ClassifyRecipe),
    )


@router.get("/sites", responses=documented(INVALID, UNAVAILABLE), summary="List the call sites of a network")
def list_sites(
    context: InContext,
    model: Annotated[
        str, Query(description="network of the catalog, torchvision/NAME or timm/NAME", examples=["resnet50"])
    ],
    resolution_px: Annotated[
        int, Query(ge=0, le=1024, description="side length of the images in pixels; 0: the network's default")
    ] = 0,
) -> Sites:
    """Every activation call site of a network: stage, operation that feeds it, channels, map size and activation.

    The first request can take some seconds, because the service loads torch.
    """
    values = {"model": model, "resolution_px": resolution_px, "stages": "all", "layers": "all"}
    try:
        recipe = ClassifyRecipe.model_validate(values)
    except ValidationError as error:
        raise findings_of(ClassifyRecipe, values, error).error() from error
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


def describe_tasks() -> list[TaskEntry]:
    """Every task that a study can name."""
    return [_task(name) for name in list_tasks()]


def _task(name: str) -> TaskEntry:
    try:
        task = get_task(name).task
        registered = find_registered(name)
        versions = [version.digest for version in reversed(registered.versions)] if registered else []
        fields = _fields(task.Recipe)
        return TaskEntry(name=name, metrics=dict(task.metrics), fields=fields, problem=None, versions=versions)
    except TrialError as error:
        return TaskEntry(name=name, metrics={}, fields=[], problem=publishable(str(error)))


def _scales() -> list[ScaleEntry]:
    found: dict[str, list[str]] = {}
    for file in sorted(studies_folder().iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            document = tomllib.loads(file.read_text(encoding="utf-8"))
            for scale in document.get("scales", {}):
                found.setdefault(scale, []).append(document["name"])
    return [ScaleEntry(name=name, studies=studies) for name, studies in found.items()]
