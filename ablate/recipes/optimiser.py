"""Fields of the optimiser that every training has. This module never imports torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, Strict, field_validator, model_validator

from ablate.errors import nearest, quote
from ablate.recipes.identity import Recipe

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
OPTIMIZER = r"^(?:[a-z0-9]+|timm/[A-Za-z0-9_]+)$"
ADAMS = ("adam", "adamw")
TIMM = "timm/"

Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimiserFields(Recipe):
    """Fields of the optimiser and of what is done with its gradients and weights."""

    optimizer: str = Field(
        "sgd",
        max_length=64,
        json_schema_extra={"pattern": OPTIMIZER},
        description="optimiser: sgd, adam, adamw, rmsprop, or timm/NAME for one of timm (extra `zoo`)",
    )
    betas: Annotated[tuple[Beta, Beta], Strict(False)] = Field(
        (0.9, 0.999), description="decay of the running means of the gradient and of its square (adam, adamw)"
    )
    clip_norm: float = Field(
        0.0,
        ge=0,
        le=1e6,
        description="largest norm of all gradients together, which are scaled down to it; 0: no limit",
    )
    accumulate: int = Field(
        1,
        ge=1,
        le=65_536,
        description="parts of a batch that are computed one after the other, with less memory; their gradients are "
        "averaged; batch norm sees one part",
    )
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the moving average of weights and buffers over the steps, which is what is tested; "
        "0: the weights themselves",
    )

    @field_validator("optimizer")
    @classmethod
    def _known_optimizer(cls, name: str) -> str:
        if not re.fullmatch(OPTIMIZER, name) or (not name.startswith(TIMM) and name not in OPTIMIZERS):
            raise ValueError(f"no optimizer {quote(name)}{nearest(name, (*OPTIMIZERS, 'timm/NAME'))}")
        return name

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_optimizer(cls, data: Any) -> Any:
        return {**defaults_of(str(data.get("optimizer", ""))), **data} if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _parts_fit(self) -> OptimiserFields:
        size, part = getattr(self, "batch_size", self.accumulate), getattr(self, "norm_batch", 0)
        if size % self.accumulate:
            raise ValueError(f"accumulate: {self.accumulate} does not divide batch_size {size}")
        if part and self.accumulate > 1 and (size // self.accumulate) % part:
            text = f"norm_batch: {part} does not divide a part of {size // self.accumulate} images"
            raise ValueError(f"{text} (batch_size / accumulate)")
        return self

    def conditional_defaults(self) -> dict[str, Any]:
        """See `Recipe.conditional_defaults`."""
        return super().conditional_defaults() | defaults_of(self.optimizer)

    def inapplicable(self) -> dict[str, str]:
        """See `Recipe.inapplicable`."""
        gone = super().inapplicable()
        if self.optimizer not in ADAMS:
            gone["betas"] = f"optimizer is {self.optimizer}, not adam or adamw"
        if self.optimizer != "sgd":
            gone["nesterov"] = f"optimizer is {self.optimizer}, not sgd"
        if self.optimizer in ADAMS:
            gone["momentum"] = f"optimizer is {self.optimizer}, which has betas"
        return {name: reason for name, reason in gone.items() if name in type(self).model_fields}


def defaults_of(optimizer: str) -> dict[str, Any]:
    """Field -> default where it depends on the optimiser: those of torch for Adam."""
    if optimizer not in ADAMS:
        return {}
    return {"lr": 1e-3} | ({"weight_decay": 0.01} if optimizer == "adamw" else {})
