"""Studies through a service over REST, from their submission to their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ablate.errors import quote
from ablate.remote.client import Client
from ablate.tables.table import Table
from service.errors import SelftestError


def run_studies(
    client: Client, studies: Sequence[Mapping[str, Any]], notify: Callable[[], None]
) -> Iterator[tuple[Mapping[str, Any], Table]]:
    """Submit all studies, and give each with its table when it has ended.

    Args:
        client: of the service.
        studies: their documents.
        notify: is called when a study was submitted, and when its table was read.

    Raises:
        SelftestError: a study did not succeed.
    """
    submitted = []
    for study in studies:
        submitted.append((study, client.submit(study)))
        notify()
    for study, view in submitted:
        ended = client.wait(view)
        if ended.state != "succeeded":
            raise SelftestError(f"study {quote(ended.name)} did not succeed, it is {ended.state}: {ended.reason}")
        table = client.table(view)
        notify()
        yield study, table
