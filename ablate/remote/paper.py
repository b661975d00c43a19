"""The tables of the paper at a service: `client.paper`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ablate.remote.answers import read_answer
from ablate.remote.choices import PlotFormat
from ablate.remote.documents.paper import PaperPlan, PaperView

if TYPE_CHECKING:
    from ablate.remote.connection import Connection


class Paper:
    """The tables of the paper; an attribute of `Client`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def plan(
        self,
        tables: Sequence[str] = (),
        *,
        scale: str = "mini",
        seeds: int | None = None,
        priority: int | None = None,
        resources: Mapping[str, float] | None = None,
    ) -> PaperPlan:
        """Plan tables of the paper; stores nothing.

        Args:
            tables: such as `["T5", "T7"]`; empty for every table that has the scale.
            scale: scale of the studies.
            seeds: number of seeds; None for each study's own seeds.
            priority: -100 to 100, higher runs first; None for each study's own priority.
            resources: of one trial (`cpus`, `gpus`); None for each study's own.

        Returns:
            Rows, trials, known trials and estimated GPU-hours, by table and in total.

        Raises:
            StudyError: with every problem of every table.
        """
        body = _body(tables, scale, seeds, priority, resources)
        return read_answer(PaperPlan, self._connection.post("/paper/plan", body))

    def submit(
        self,
        tables: Sequence[str] = (),
        *,
        scale: str = "mini",
        seeds: int | None = None,
        priority: int | None = None,
        resources: Mapping[str, float] | None = None,
        confirm: bool = False,
        key: str | None = None,
    ) -> PaperView:
        """Submit tables of the paper, one study for each table: all of them, or none if one is refused.

        Args:
            tables: as in `plan`, like `scale`, `seeds`, `priority` and `resources`.
            confirm: train even if the plan has `needs_confirmation`.
            key: idempotency key; the same key and request give the same studies. None for a new key.

        Returns:
            The studies, in the order of the tables.

        Raises:
            StudyError: with every problem of every table, or because `confirm` is required.

        Example:
            >>> studies = client.paper.submit(["T5"], seeds=3).items
        """
        body = {**_body(tables, scale, seeds, priority, resources), "confirm": confirm}
        answer = self._connection.post("/paper", body, key=key or secrets.token_hex(16))
        return read_answer(PaperView, answer)

    def gains(self, format: PlotFormat = "svg", *, scale: str = "mini") -> bytes:
        """The paper's Figure 1, drawn from the studies that have succeeded, as the bytes of an image file.

        Args:
            format: `svg` or `png`.
            scale: scale of the studies.
        """
        return self._connection.get_bytes(f"/paper/gains.{format}", scale=scale)


def _body(
    tables: Sequence[str],
    scale: str,
    seeds: int | None,
    priority: int | None,
    resources: Mapping[str, float] | None,
) -> dict[str, Any]:
    return {
        "tables": list(tables), "scale": scale, "seeds": seeds, "priority": priority,
        "resources": dict(resources) if resources else None,
    }  # fmt: skip
