"""One activation call site of a network, as a value that needs no torch to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["1x1", "3x3", "add", "stem", "other"]
Layout = Literal["nchw", "nhwc"]


@dataclass(frozen=True, slots=True)
class Site:
    """A call of an activation on a map.

    Attributes:
        index: position among the network's sites in the order of the forward, from 0.
        name: unique and stable: the path of the module that is called, or of the module in whose forward a function
            is called followed by the function's name; `#2` marks the second call of the same.
        native: the activation that the network has there (`relu`, `relu6`, `gelu`, ...).
        stage: the paper's number in our own networks, else 1 + halvings of the map since the stem's output.
        kind: what feeds it, normalisation and dropout skipped: `1x1` a pointwise convolution, `3x3` one with any
            larger kernel, `add` an addition, `stem` the first convolution on the image, `other` anything else.
        channels: C of the map.
        height: H of the map at the resolution that was asked for, in pixels.
        width: W likewise.
        layout: whether channels come second (`nchw`) or last (`nhwc`).
    """

    index: int
    name: str
    native: str
    stage: int
    kind: Kind
    channels: int
    height: int
    width: int
    layout: Layout = "nchw"
