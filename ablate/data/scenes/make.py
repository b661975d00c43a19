"""Makes a set of scenes on this machine: whole or not at all, and once, even if several processes ask for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ablate.data.lock import Progress, locked
from ablate.data.scenes import cityscapes_tree, coco_folder
from ablate.data.scenes.folder import Manifest, SceneFolder, check_files, find_manifest, write_manifest
from ablate.data.scenes.garments import Wardrobe, read_wardrobe
from ablate.data.scenes.recipes import MANIFEST, SceneRecipe
from ablate.errors import DataError

LIBRARIES = ("numpy", "pillow", "scipy")
SPLITS = ("train", "val")
REPORT_EVERY = 500


def make(folder: Path, recipe: SceneRecipe, garments: Path, progress: Progress = lambda line: None) -> Manifest:
    """Make a set of scenes, unless an intact one is there. Several processes may call this at the same time.

    Args:
        folder: the folder to make. A set of scenes of another recipe, or a damaged one, is replaced.
        recipe: what to make.
        garments: folder of an intact Fashion-MNIST.
        progress: called with one line of text at a time.

    Raises:
        DataError: the folder contains something else, or it cannot be written.
    """
    left = f".{folder.name}.*.part"  # by a killed process, which held the lock
    if not any(folder.parent.glob(left)):
        with suppress(DataError):  # it is made below
            return check(folder, recipe)  # perhaps in a folder that is shared and cannot be written
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / f".{folder.name}.lock", progress):
            for part in folder.parent.glob(left):
                shutil.rmtree(part)
            try:
                return check(folder, recipe)
            except DataError as fault:
                _refuse_foreign(folder, fault)
            progress(f"{folder.name}: composing {recipe.train_scenes + recipe.val_scenes:,} scenes")
            return _replace(folder, recipe, garments, progress)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error}; set ABLATE_DATA to another folder") from error


def check(folder: Path, recipe: SceneRecipe) -> Manifest:
    """The manifest of an intact set of scenes; every file is read.

    Raises:
        DataError: it is missing, damaged, or was made from another recipe; the file is named.
    """
    manifest = find_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder / MANIFEST} is missing or damaged")
    if manifest.recipe != recipe:
        raise DataError(f"{folder} contains scenes of another recipe ({manifest.recipe}), expected: {recipe}")
    check_files(folder, manifest)
    return manifest


def _refuse_foreign(folder: Path, fault: DataError) -> None:
    """Refuse to replace a folder that is not empty and was not made by ablate."""
    if find_manifest(folder) is None and folder.exists() and any(folder.iterdir()):
        advice = "move its content, or set ABLATE_DATA to another folder"
        raise DataError(f"{fault}, but {folder} is not empty; {advice}") from fault


def _replace(folder: Path, recipe: SceneRecipe, garments: Path, progress: Progress) -> Manifest:
    """Write next to the folder and rename."""
    part, old = (folder.parent / f".{folder.name}.{os.getpid()}{end}.part" for end in ("", ".old"))
    part.mkdir()
    manifest = _write(part, recipe, garments, progress)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return manifest


def _write(path: Path, recipe: SceneRecipe, garments: Path, progress: Progress) -> Manifest:
    folder = SceneFolder(path)
    add = _add_coco if recipe.format == "coco" else _add_cityscapes
    for split in SPLITS:
        wardrobe = read_wardrobe(garments, train=split == "train")
        for number in add(folder, recipe, split, wardrobe):
            if (number + 1) % REPORT_EVERY == 0:
                progress(f"{recipe.format}: {number + 1:,} scenes of {split}")
    versions = {name: version(name) for name in LIBRARIES}
    manifest = Manifest(recipe=recipe, fingerprint=folder.fingerprint, libraries=versions, files=folder.files)
    write_manifest(path, manifest)
    return manifest


def _add_coco(folder: SceneFolder, recipe: SceneRecipe, split: str, wardrobe: Wardrobe) -> Iterator[int]:
    document = coco_folder.begin_document(recipe, split)
    for number, rng in _streams(recipe, split):
        coco_folder.add_scene(folder, document, number, wardrobe, rng)
        yield number
    folder.add_json(f"annotations/instances_{split}2017.json", document)


def _add_cityscapes(folder: SceneFolder, recipe: SceneRecipe, split: str, wardrobe: Wardrobe) -> Iterator[int]:
    for number, rng in _streams(recipe, split):
        cityscapes_tree.add_scene(folder, recipe, split, number, wardrobe, rng)
        yield number


def _streams(recipe: SceneRecipe, split: str) -> Iterator[tuple[int, np.random.Generator]]:
    """For each scene of a split, its number and its own random stream."""
    for number in range(recipe.train_scenes if split == "train" else recipe.val_scenes):
        key = (SPLITS.index(split), number)
        yield number, np.random.default_rng(np.random.SeedSequence(entropy=recipe.seed, spawn_key=key))
