"""An activation call site of a network, as a value that does not need torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["1x1", "3x3", "add", "stem", "other"]
Layout = Literal["nchw", "nhwc"]


@dataclass(frozen=True, slots=True)
class Site:
    """A call of an activation on a map.

    Attributes:
        index: position among the network's sites in forward order, from 0.
        name: unique and stable name: the path of the called module, or the path of the module in whose forward a
            function is called followed by the function's name; `#2` marks a second call of the same.
        native: the network's own activation at the site (`relu`, `relu6`, `gelu`, ...).
        stage: stage number of the paper for our own networks, else 1 + halvings of the map since the stem's output.
        kind: the operation before it, apart from normalisation and dropout: `1x1` a pointwise convolution, `3x3` a
            convolution with a larger kernel, `add` an addition, `stem` the first convolution, `other` anything else.
        channels: C of the map.
        height: H of the map in pixels, at the requested resolution.
        width: W of the map in pixels, at the requested resolution.
        layout: position of the channels: second (`nchw`) or last (`nhwc`).
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
