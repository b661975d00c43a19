"""The type of `seeds`, a count or a list, and of `folds`. Anything else is refused in one sentence.

Rows are paired by block. Without folds a block is a seed; with k folds, block b is fold b % k of seed b // k. A block's
number is the `seed` of its trials.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Strict, Tag

from ablate.errors import Problem, StudyError
from ablate.limits import MAX_ITEMS

MAX_SEED = 2**63 - 1
Seed = Annotated[int, Strict(), Field(ge=0, le=MAX_SEED)]
MAX_SEEDS = MAX_ITEMS
MAX_FOLDS = 1000
Folds = Annotated[int, Strict(), Field(ge=2, le=MAX_FOLDS)]
KINDS = {bool: "a boolean", float: "a number with a point", str: "text", dict: "a table", type(None): "null"}
"""Type -> its name in an error text, which does not repeat the value."""


def seeds_of_count(count: object) -> tuple[int, ...]:
    """The seeds 0 .. count - 1 of an option or argument.

    Raises:
        StudyError: it is not a whole number from 1 to `MAX_SEEDS`.
    """
    try:
        number = 0 if isinstance(count, bool) else operator.index(count)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if not 1 <= number <= MAX_SEEDS:
        text = f"seeds is {str(count)[:20]}; give a whole number from 1 to {MAX_SEEDS:,}"
        raise StudyError([Problem("/seeds", "invalid", text)])
    return tuple(range(number))


def blocks_of(seeds: Iterable[int], folds: int | None) -> tuple[int, ...]:
    """The blocks of some seeds, in order.

    Raises:
        StudyError: the number of a block would be too large.
    """
    if folds is None:
        return tuple(seeds)
    found = tuple(seed * folds + fold for seed in seeds for fold in range(folds))
    if max(found) > MAX_SEED:
        text = f"a seed times {folds} folds is above {MAX_SEED}; choose smaller seeds"
        raise StudyError([Problem("/seeds", "invalid", text)])
    return found


def seeds_of(blocks: Iterable[int], folds: int | None) -> tuple[int, ...]:
    """The seeds of some blocks, each once."""
    return tuple(dict.fromkeys(block // (folds or 1) for block in blocks))


def block_name(block: int, folds: int | None) -> str:
    """`seed 3`, or `seed 0, fold 3`."""
    return f"seed {block}" if folds is None else f"seed {block // folds}, fold {block % folds}"


def _count_or_list(seeds: object) -> object:
    """Refuse anything else in one sentence; pydantic would report every branch of the union."""
    if isinstance(seeds, list) and not seeds:
        raise ValueError("the list is empty; give a count or at least one seed")
    if isinstance(seeds, bool) or not isinstance(seeds, (int, list)):
        kind = KINDS.get(type(seeds), "the given value")
        raise ValueError(f"should be a count (1 to {MAX_SEEDS:,}) or a list of distinct seeds, not {kind}")
    return seeds


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("the list repeats a seed; each seed must be distinct, since rows are paired by seed")
    return seeds


SeedCount = Annotated[int, Strict(), Field(ge=1, le=MAX_SEEDS)]
SeedList = Annotated[list[Seed], Field(min_length=1, max_length=MAX_SEEDS), AfterValidator(_distinct)]
Seeds = Annotated[
    Annotated[SeedCount, Tag("int")] | Annotated[SeedList, Tag("list[int]")],
    Discriminator(lambda seeds: "list[int]" if isinstance(seeds, list) else "int"),
    BeforeValidator(_count_or_list),
]
"""A count n, which means 0 .. n-1, or a list. The tags are left out of JSON pointers."""
