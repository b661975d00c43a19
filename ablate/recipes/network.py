"""Fields of the network, its data set and the image size. This module never imports torch."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, Strict, field_validator, model_validator

from ablate.errors import nearest, quote
from ablate.recipes.identity import Recipe

SePosition = Literal["residual", "pre", "post", "identity"]

OWN_NETWORKS = ("resnet50", "resnet101", "mobilenet_v1_x0.75", "shufflenet_v2_x0.5", "shufflenet_v2_x1.5")
STAGES_OF_OWN = {"resnet": 4, "mobilenet": 5, "shufflenet": 3}
"""Family -> length of `depth`."""

DATASET = r"^[A-Za-z0-9][A-Za-z0-9._-]*(?:@[0-9a-f]{16})?$"
"""Name of a data set; in a plan, a registered folder's name includes the first 16 digits of its fingerprint."""


NETWORK = r"^(?:[a-z0-9_.]+|torchvision/[A-Za-z0-9_.]+|timm/[A-Za-z0-9_.]+)$"
"""Name of a network."""


class NetworkFields(Recipe):
    """Fields of the network, its data set and the image size."""

    model: str = Field(
        "resnet50",
        max_length=100,
        json_schema_extra={"pattern": NETWORK},
        description=f"network: {', '.join(OWN_NETWORKS)} (own networks), torchvision/NAME or timm/NAME",
    )
    dataset: str = Field(
        "imagenet", max_length=64, pattern=DATASET, description="data set; `ablate data list` lists the names"
    )
    resolution_px: int = Field(
        0, ge=0, le=1024, description="side of the resized images in pixels; 0 keeps the size in the data set"
    )
    width: float = Field(1.0, gt=0, le=8, description="factor on the number of channels (own networks)")
    depth: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Strict(False)] | None = Field(
        None,
        description="number of blocks in each stage (own networks: ResNet 4 stages, MobileNet 5, ShuffleNet 3); null: "
        "as published",
    )
    stem: Literal["imagenet", "small", "small_s2"] = Field(
        "imagenet",
        description="first layer (own networks): imagenet as published; small a 3x3 convolution of stride 1; small_s2 "
        "the same with stride 2; the small stems have no pooling layer",
    )
    se: bool = Field(False, description="squeeze-and-excitation in each block (own networks)")
    se_ratio: int = Field(16, ge=1, le=256, description="reduction ratio of squeeze-and-excitation, C -> C/ratio -> C")
    se_position: SePosition = Field(
        "residual",
        description="position of squeeze-and-excitation in a ResNet block: residual at the end of the residual branch, "
        "pre at its beginning, post after the block's last activation, identity on the shortcut",
    )
    stride_in: Literal["1x1", "3x3"] = Field(
        "1x1",
        description="convolution with the stride of a stage (own ResNets): the first 1x1 (v1) or the 3x3 (v1.5)",
    )
    conv_bias: bool = Field(False, description="bias in every convolution, before the normalisation (own networks)")

    @field_validator("model")
    @classmethod
    def _known_network(cls, name: str) -> str:
        known = (*OWN_NETWORKS, "torchvision/NAME", "timm/NAME")
        if not re.fullmatch(NETWORK, name) or ("/" not in name and name not in OWN_NETWORKS):
            raise ValueError(f"no network {quote(name)}{nearest(name, known)}")
        return name

    @model_validator(mode="after")
    def _depth_fits(self) -> NetworkFields:
        expected = STAGES_OF_OWN.get(self.model.split("_")[0].rstrip("0123456789"))
        if self.depth is not None and self.is_own and len(self.depth) != expected:
            raise ValueError(f"depth: {len(self.depth)} numbers are given, {self.model} has {expected} stages")
        return self

    @property
    def is_own(self) -> bool:
        """Whether the network is our own implementation: its activation is ReLU, and `FIELDS_OF_OWN` apply."""
        return "/" not in self.model

    def inapplicable(self) -> dict[str, str]:
        """See `Recipe.inapplicable`."""
        gone = super().inapplicable()
        if not self.is_own:
            reason = f"only our own networks have it ({', '.join(OWN_NETWORKS)}), {self.model} does not"
            return gone | dict.fromkeys(FIELDS_OF_OWN, reason)
        if not self.model.startswith("resnet"):
            gone["stride_in"] = f"only our own ResNets have it, {self.model} does not"
            gone["se_position"] = f"a block of {self.model} has only one position for squeeze-and-excitation"
        if not self.se:
            gone |= dict.fromkeys(("se_ratio", "se_position"), "se is false")
        return gone


FIELDS_OF_OWN = ("width", "depth", "stem", "se", "se_ratio", "se_position", "stride_in", "conv_bias")
"""Fields that apply only to our own networks."""
