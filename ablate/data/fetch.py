"""Fetching data sets by name. What each one does is its `DataSet.fetch`; this module imports no torch."""

from __future__ import annotations

from pathlib import Path

from ablate.data.datasets import find_in_catalog, get_dataset, writing_data
from ablate.data.lock import Progress


def can_fetch(name: str) -> bool:
    """Whether `fetch` can get a data set; others are distributed by their makers, or are a user's own."""
    own = find_in_catalog(name)
    return own is not None and own.can_fetch


def describe_way(name: str) -> str:
    """How to get a data set that is missing: the end of a sentence."""
    if can_fetch(name):
        return f"fetch it with: ablate data fetch {name}"
    return f"ablate cannot fetch it: `ablate data fetch {name}` prints where to put it and what is expected"


def fetch(name: str, progress: Progress = lambda line: None) -> Path:
    """Get a data set, unless an intact copy is there. Several processes may call this at the same time.

    Args:
        name: see `ablate.data.datasets.get_dataset`.
        progress: called with one line of text at a time.

    Returns:
        The folder or file.

    Raises:
        DataError: unknown, or every source failed, each listed with its reason; or it cannot be fetched at all.
    """
    with writing_data() as root:
        return get_dataset(name).fetch(root, progress)
