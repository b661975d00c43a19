"""What `ablate data list` and `ablate data add` print, on a terminal or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ablate.cli.output import say, show_json
from ablate.data import datasets
from ablate.data.add_folder import RegisteredFolder, register
from ablate.data.fetch import can_fetch, describe_way
from ablate.data.info import DatasetInfo
from ablate.data.regular_files import printable
from ablate.statistics.words import counted

MAX_PATHS = 5
"""Largest number of images of a kind that `ablate data add` names."""


def list_data(*, as_json: bool) -> None:
    """`ablate data list`."""
    items = [_describe(info) for info in datasets.list_datasets()]
    damaged = datasets.list_damaged()
    if as_json:
        show_json({"items": items, "damaged": damaged, "root": str(datasets.data_root())})
        return
    width = max(15, *(len(name) for name in (*(item["name"] for item in items), *damaged)))
    for item in items:
        sizes = (
            f"{item['kind']:<9}{item['classes']:>5,} classes, {item['train_images']:,} + {item['test_images']:,} images"
        )
        say(f"{item['name']:<{width}} {sizes:<52} {item['found'] or _missing(item)}")
    for name, reason in damaged.items():
        say(f"{name:<{width}} {reason}")


def _describe(info: DatasetInfo) -> dict[str, Any]:
    found = datasets.find(info.name)
    return {
        "name": info.name, "title": info.title, "kind": info.kind, "classes": info.classes,
        "train_images": info.train_images, "test_images": info.test_images, "resolution_px": info.resolution_px,
        "folder": info.is_folder, "found": str(found) if found else None,
        "registered": not datasets.is_in_catalog(info.name), "can_fetch": can_fetch(info.name),
    }  # fmt: skip


def _missing(item: Mapping[str, Any]) -> str:
    if item["registered"]:
        return f"its folder is missing; if you moved it: ablate data add {item['name']} NEWPLACE"
    return f"not on this machine; {describe_way(item['name'])}"


def add_data(name: str, folder: Path, *, skip_damaged: bool, replace: bool, as_json: bool) -> None:
    """`ablate data add`."""
    done = register(name, folder, skip_damaged=skip_damaged, replace=replace, progress=partial(say, err=True))
    found = done.registered
    if as_json:
        lists = {"others": done.others, "unused": done.unused, "flat": done.flat}
        lists |= {"turned": done.turned, "transparent": done.transparent, "animated": done.animated}
        answer = {"status": done.status, **found.model_dump(mode="json"), "pinned": found.pinned, **lists}
        show_json(answer)
        return
    for line in _sentences(done):
        say(line)


def _sentences(done: RegisteredFolder) -> Iterator[str]:
    found = done.registered
    same = "unchanged: this name already had the same content" if done.status == "unchanged" else done.status
    split = "by content" if found.test_folder is None else f"folder {found.test_folder}"
    yield f"{found.pinned}: {same}"
    yield f"  {found.folder}"
    yield (
        f"  {len(found.classes):,} classes, {found.train_images:,} images for training, {found.test_images:,} for "
        f"testing ({split}), {found.resolution_px} px"
    )
    numbers = (" ".join(f"{value:.4f}" for value in values) for values in (found.mean, found.std))
    yield "  mean {}, standard deviation {} (red, green, blue, from 0 to 1)".format(*numbers)
    if done.flat:
        yield f"  {', '.join(done.flat)}: its training pixels are nearly all the same; nothing can be learned from them"
    if done.unused:
        yield f"  {', '.join(done.unused)} is not used: the folders in use are train and {found.test_folder}"
    if found.duplicates:
        yield f"  {found.duplicates:,} test images are byte-identical to training images: errors will look too low"
    for paths, what in (
        (done.turned, "turned as the EXIF data say"),
        (done.transparent, "with transparent pixels; the colours stored below these are used"),
        (done.animated, "with more than one picture; the first is used"),
    ):
        if paths:
            yield f"  {counted(len(paths), 'image')} {what}: {_some(paths)}"
    if found.skipped:
        yield f"  left out: {counted(len(found.skipped), 'damaged file')}; the first: {found.skipped[0].reason}"
    if done.others:
        yield f"  left out: {counted(len(done.others), 'file')} without an image's suffix; the first: {done.others[0]}"


def _some(paths: Sequence[str]) -> str:
    """The first paths of a list, and how many more there are."""
    more = f" and {len(paths) - MAX_PATHS:,} more (--json lists them)" if len(paths) > MAX_PATHS else ""
    return ", ".join(map(printable, paths[:MAX_PATHS])) + more
