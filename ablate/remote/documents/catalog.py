"""What the catalog of a service says of a task."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class FieldEntry(BaseModel):
    """A field of a recipe. `type`: type and range in words; `fields`: the fields of a nested recipe."""

    name: str
    type: str
    default: Any
    text: str
    fields: list[FieldEntry]


class TaskEntry(BaseModel):
    """A task: its metrics (true: lower is better; the first one is primary) and the fields of its recipe."""

    name: str
    metrics: dict[str, bool]
    fields: list[FieldEntry]
    problem: str | None = Field(
        description="why an installed or registered task cannot be used; such a task has no metrics and no fields"
    )
    versions: list[str] = Field(
        default_factory=list,
        description="digests of a registered task, newest first; `NAME@DIGEST` names a version in a study",
    )
