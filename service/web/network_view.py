"""A trial's network as a drawing: its stages from top to bottom and their call sites; replaced sites are filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ablate.errors import quote
from ablate.models.call_site import Site
from service.context import Context
from service.errors import NotFoundError
from service.studies import trials

ACROSS = 16
"""Sites per line."""
STEP, LINE, HEAD, LEFT = 46, 50, 30, 12
"""Pixels: distance of sites, distance of lines, height of a stage's heading, left margin."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A site on the drawing.

    Attributes:
        share: fraction of pixels at which the funnel condition wins; None if it was not measured.
    """

    site: Site
    is_replaced: bool
    share: float | None
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage on the drawing."""

    number: int
    text: str
    y: int
    height: int
    spots: tuple[Spot, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """A drawing of `width` x `height` pixels."""

    model: str
    activation: str
    stages: tuple[Stage, ...]
    width: int
    height: int

    @property
    def spots(self) -> list[Spot]:
        """Every site, in the order of the forward pass."""
        return [spot for stage in self.stages for spot in stage.spots]

    @property
    def replaced(self) -> int:
        """Number of replaced sites."""
        return sum(spot.is_replaced for spot in self.spots)


def read_network(context: Context, key: str) -> Network:
    """The network of a trial.

    Raises:
        NotFoundError: there is no such trial, or its task has no network with call sites.
        SiteError: the network cannot be built or traced.
    """
    trial = trials.get_trial(context, key)
    if trial.task != "classify":
        raise NotFoundError(f"no network drawing for the task {quote(trial.task)}; only trials of 'classify' have one")
    probed = context.costs.survey(trial.recipe)
    shares: dict[str, float] = (trial.outcome or {}).get("funnel_share") or {}
    stages = _lay_out(probed.sites, probed.replaced, shares)
    height = stages[-1].y + stages[-1].height + 8 if stages else 0
    most = max((len(stage.spots) for stage in stages), default=0)
    width = 2 * LEFT + STEP * max(8, min(most, ACROSS))
    recipe: dict[str, Any] = trial.recipe
    return Network(str(recipe["model"]), str(recipe["activation"]), stages, width, height)


def _lay_out(sites: Sequence[Site], replaced: frozenset[str], shares: dict[str, float]) -> tuple[Stage, ...]:
    found, y = [], 6
    for number, inner in groupby(sorted(sites, key=lambda site: (site.stage, site.index)), lambda site: site.stage):
        members = list(inner)
        spots = [_spot(site, replaced, shares, at=index, top=y + HEAD) for index, site in enumerate(members)]
        height = HEAD + LINE * (1 + (len(members) - 1) // ACROSS) + 2
        found.append(Stage(number, _describe(members), y, height, tuple(spots)))
        y += height + 10
    return tuple(found)


def _spot(site: Site, replaced: frozenset[str], shares: dict[str, float], *, at: int, top: int) -> Spot:
    line, column = divmod(at, ACROSS)
    return Spot(site, site.name in replaced, _share_at(site, shares), LEFT + 6 + STEP * column, top + LINE * line)


def _share_at(site: Site, shares: dict[str, float]) -> float | None:
    """The share of a site's module, which surgery puts into `sites`, or into the module that contains the call."""
    own = f"sites.{site.name}"
    found = (share for path, share in shares.items() if f"{path}.".startswith(f"{own}.") or path == f"{site.name}.act")
    return next(found, None)


def _describe(sites: Sequence[Site]) -> str:
    last = sites[-1]
    channels = sorted({site.channels for site in sites})
    span = f"{channels[0]}" if len(channels) == 1 else f"{channels[0]} to {channels[-1]}"
    return f"map {last.height} × {last.width}, {span} channels"
