"""Two rows on the same test images: an interval for other images of the kind, and the images that flip.

A decision is over seeds, on the test images of the study. These images are a sample as well. Where trials keep their
correctness by image (`ablate.trials.items`), the difference of two rows has a second interval, over seeds and images.
It is not corrected for other comparisons, and it changes no decision.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ablate.data.class_folders import Files
from ablate.data.datasets import find_test_files, pin
from ablate.data.regular_files import printable
from ablate.documents import Document
from ablate.statistics.decisions.seeds_and_images import TwoWay, over_seeds_and_images
from ablate.statistics.words import counted, plain_number, with_unit
from ablate.tables.results import RowResults
from ablate.tables.table import Difference, Table
from ablate.tables.words import metric_unit, named
from ablate.trials.items import identify_test_set
from ablate.trials.registry import STORED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DECIDED = ("better", "worse")
MAX_FLIPS = 10
"""Images named on each side."""
ROUNDING = 1e-6
"""Largest difference, in per cent, between a trial's metric and the error of its bits that counts as rounding."""


class Flip(Document):
    """A test image that one row classifies correctly and the other one does not.

    Attributes:
        image: index in the test set, from 0; where only `test_images` of it are tested, the position among these.
        name: path of its file in the data set's folder; null if the data set has no files, is not on this machine, or
            only a part of it is tested.
        seeds: number of seeds in which it is so.
    """

    image: int
    name: str | None
    seeds: int


class OverImages(Document):
    """Row a minus row b over seeds and test images.

    Attributes:
        test_images: number of test images; null if the rows cannot be compared by image.
        diff: a - b with the 95 % interval over seeds and images; `n` counts seeds.
        a_only: images on which a is right and b is wrong in more than half of the seeds, the most frequent ones first,
            at most 10.
        b_only: the reverse.
        a_only_count, b_only_count: number of all such images.
        sentences: what the interval means and which images flip most; or why there is no interval.
    """

    test_images: int | None
    diff: Difference | None
    a_only: list[Flip]
    b_only: list[Flip]
    a_only_count: int
    b_only_count: int
    sentences: list[str]


def compare_by_image(a: RowResults, b: RowResults, metric: str, decision: str) -> OverImages:
    """Compare two rows on each test image.

    Args:
        a: row to judge.
        b: row for comparison.
        metric: primary metric of the study.
        decision: registered decision on a against b.
    """
    gains = _gains(a, b, metric)
    if isinstance(gains, str):
        is_own = any(
            record.trial.task.startswith(tuple(STORED)) for record in (*a.records.values(), *b.records.values())
        )
        return no_comparison("" if is_own else gains)  # a script of any kind has no test images
    seeds, images = gains.shape
    found, files = over_seeds_and_images(-100.0 * gains), _files_of(a)
    first, second = ((gains == sign).sum(0) for sign in (1, -1))  # seeds with a flip, (m,) each
    counts = [int((flips > seeds / 2).sum()) for flips in (first, second)]
    named_flips = [_flips(flips, seeds / 2, files) for flips in (first, second)]
    size = f"{counted(seeds, 'seed')} x {counted(images, 'image')}, 95 %"
    return OverImages(
        test_images=images,
        diff=Difference(mean=found.mean, low=found.low, high=found.high, n=seeds),
        a_only=named_flips[0],
        b_only=named_flips[1],
        a_only_count=counts[0],
        b_only_count=counts[1],
        sentences=[
            f"over seeds and test images ({size}): {_meaning(found, metric_unit(metric), decision)}",
            _describe(a.row.name, b.row.name, named_flips[0], counts[0]),
            _describe(b.row.name, a.row.name, named_flips[1], counts[1]),
        ],
    )


def no_comparison(reason: str) -> OverImages:
    """The document where two rows cannot be compared by image; with an empty reason it says nothing of images."""
    return OverImages(
        test_images=None, diff=None, a_only=[], b_only=[], a_only_count=0, b_only_count=0,
        sentences=[f"no interval over test images: {reason}"] if reason else [],
    )  # fmt: skip


def _gains(a: RowResults, b: RowResults, metric: str) -> NDArray[np.int8] | str:
    """1 where only a is right, -1 where only b is, else 0, (n, m) for n seeds and m images; or why this is unknown."""
    ours, theirs = a.values(metric), b.values(metric)
    seeds = [seed for seed in ours if seed in theirs]
    trials = [row.records[seed].outcome for row in (a, b) for seed in seeds]
    items = [one.items for one in trials if one.items]
    if len(seeds) < 2:
        return "it needs at least 2 seeds that both rows have"
    if len(items) < len(trials):
        return (
            f"{len(trials) - len(items)} of {len(trials)} trials kept no correctness by image; trials of classify that "
            "were trained by an earlier version and those of other tasks have none"
        )
    if any(abs(one.metrics[metric] - kept.error_pct) > ROUNDING for one, kept in zip(trials, items, strict=True)):
        return f"{metric} is not the share of wrong images in per cent"
    if count := len({(one.test_set, one.n) for one in items}) - 1:
        return f"the trials were tested on {count + 1} different test sets, and images are paired within one only"
    if items[0].n < 2:
        return "it needs at least 2 test images"
    import numpy as np

    right = np.stack([one.is_correct() for one in items]).astype(np.int8)  # (2n, m)
    return right[: len(seeds)] - right[len(seeds) :]


def _files_of(row: RowResults) -> Files | None:
    """The files of the test images, if the row was tested on all of them."""
    record = next(iter(row.succeeded.values()))
    name, items = str(record.trial.recipe.get("dataset", "")), record.outcome.items
    files = find_test_files(name)
    same = files and items and identify_test_set(pin(name), files.labels) == items.test_set
    return files if same else None


def _flips(seeds: NDArray[np.int64], majority: float, files: Files | None) -> list[Flip]:
    """The images that flip in most seeds; `seeds` has the number of seeds for each image, (m,)."""
    return [
        Flip(image=image, name=printable(os.fsdecode(files.names[image])) if files else None, seeds=int(seeds[image]))
        for image in (-seeds).argsort(kind="stable")[:MAX_FLIPS].tolist()
        if seeds[image] > majority
    ]


def _describe(right: str, wrong: str, flips: Sequence[Flip], count: int) -> str:
    """How many images one row gets right and the other one wrong, and which of them flip most."""
    which = ", ".join(f"{one.name or f'number {one.image}'} ({counted(one.seeds, 'seed')})" for one in flips)
    rest = f" and {count - len(flips):,} more" if count > len(flips) else ""
    found = f"{right} is right and {wrong} is wrong in most seeds on {counted(count, 'test image')}"
    return f"{found}: {which}{rest}" if flips else found


def _meaning(found: TwoWay, unit: str, decision: str) -> str:
    """The interval, and what it means for other images."""
    half = (found.high - found.low) / 2
    ends = with_unit(f"{plain_number(found.low, half)} to {plain_number(found.high, half)}", unit)
    meanings = {
        (True, True): "so on other images of this kind the order may change",
        (True, False): "so the order should hold on other images of this kind",
        (False, True): "so on other images of this kind either row may be the better one",
        (False, False): "which leaves out 0, but is not corrected for other comparisons: the decision stays",
    }
    return f"{ends}, {meanings[decision in DECIDED, found.low <= 0 <= found.high]}"


def image_notes(table: Table, results: Sequence[RowResults]) -> Iterator[str]:
    """The note on rows that are decided over seeds, although the interval over seeds and images includes 0."""
    baselines = {result.row.group: result for result in results if result.row.is_baseline}
    rows = []
    for row, result in zip(table.rows, results, strict=True):
        if row.cells[table.metric].decision in DECIDED:
            gains = _gains(result, baselines[result.row.group], table.metric)
            if not isinstance(gains, str):
                found = over_seeds_and_images(gains)
                rows += [row.name] if found.low <= 0 <= found.high else []
    if rows:
        yield (
            f"{named(rows)} {'is' if len(rows) == 1 else 'are'} decided for these test images. On other images of this "
            "kind the order may change, because the 95 % interval over seeds and test images includes 0."
        )
