"""A set of scenes is made once, whole or not at all, and is the same on every machine."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from ablate.data.datasets import get_path
from ablate.data.lock import Progress
from ablate.data.scenes import make as scenes_make
from ablate.data.scenes.folder import Manifest, find_manifest
from ablate.data.scenes.make import check
from ablate.data.scenes.recipes import SceneRecipe
from ablate.errors import DataError
from tests.data.scenes.conftest import MINIATURES

pytestmark = pytest.mark.usefixtures("data_root")
NAMES = tuple(MINIATURES)
GOLDEN = {
    "scenes-coco": "174bfc661f8ceeee302544b381cef68fb355967c6dd2865321e7a63f9d8e5863",
    "scenes-cityscapes": "9762b592b5ac9a9e2ab37021d5e31b9b779a1f479f7373ad3f56cdd9b18c441d",
}
"""Fingerprints of 4 + 2 scenes. If one changes and no library did, `recipes.VERSION` has to be raised."""


def make(folder: Path, recipe: SceneRecipe, progress: Progress = lambda line: None) -> Manifest:
    return scenes_make.make(folder, recipe, get_path("fashion-mnist"), progress)


def tiny(name: str, **changes: int) -> SceneRecipe:
    return MINIATURES[name].model_copy(update={"train_scenes": 4, "val_scenes": 2, **changes})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_recipe_gives_the_same_bytes_and_another_seed_others(name: str, tmp_path: Path) -> None:
    one, same, other = (tmp_path / part for part in "abc")
    assert make(one, tiny(name)).fingerprint == make(same, tiny(name)).fingerprint == GOLDEN[name]
    assert contents(one) == contents(same)
    assert make(other, tiny(name, seed=1)).fingerprint != GOLDEN[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_larger_set_begins_with_the_scenes_of_a_smaller_one(name: str, tmp_path: Path) -> None:
    make(tmp_path / "small", tiny(name))
    make(tmp_path / "large", tiny(name, train_scenes=6, val_scenes=3))
    small, large = contents(tmp_path / "small"), contents(tmp_path / "large")
    images = [path for path in small if path.endswith(".png")]
    assert images
    assert all(large[path] == small[path] for path in images)


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    folder, lines = tmp_path / "set", []
    make(folder, tiny("scenes-coco"), lines.append)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    make(folder, tiny("scenes-coco"), lines.append)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert len(lines) == 1
    assert lines[0] == "set: composing 6 scenes"


def test_what_is_there_is_used_where_no_lock_can_be_made(tmp_path: Path) -> None:
    made = make(tmp_path / "set", tiny("scenes-coco"))
    (tmp_path / ".set.lock").unlink()
    (tmp_path / ".set.lock").mkdir()  # as in a folder that is shared and cannot be written
    assert make(tmp_path / "set", tiny("scenes-coco")) == made


def test_damage_is_named_and_mended(tmp_path: Path) -> None:
    folder, recipe = tmp_path / "set", tiny("scenes-coco")
    first = make(folder, recipe)
    image = next(iter(folder.glob("train2017/*.png")))
    Image.fromarray(np.zeros((192, 192, 3), dtype=np.uint8)).save(image)
    with pytest.raises(DataError, match=rf"{image.name} is damaged: SHA-256 .*, expected"):
        check(folder, recipe)
    assert make(folder, recipe) == first
    image.unlink()
    with pytest.raises(DataError, match=rf"{image.name} cannot be read: No such file"):
        check(folder, recipe)
    assert make(folder, recipe) == first == check(folder, recipe)


def test_a_set_of_another_recipe_is_replaced_and_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make(folder, tiny("scenes-coco", val_scenes=1))
    with pytest.raises(DataError, match=r"contains scenes of another recipe .*val_scenes=1 .*expected: .*val_scenes=2"):
        check(folder, tiny("scenes-coco"))
    make(folder, tiny("scenes-coco"))
    shutil.copytree(folder, tmp_path / ".set.99999999.part")
    make(folder, tiny("scenes-coco"))
    assert check(folder, tiny("scenes-coco")).recipe.val_scenes == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [".set.lock", "set"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match=r"set is not empty; move its content"):
        make(tmp_path / "set", tiny("scenes-coco"))
    assert contents(tmp_path / "set") == {"thesis.tex": b"years of work"}


def test_a_maker_that_is_killed_leaves_no_set(tmp_path: Path, data_root: Path) -> None:
    code = f"""
import os
from pathlib import Path
from ablate.data.datasets import get_path
from ablate.data.scenes import make
from ablate.data.scenes.recipes import SceneRecipe
recipe = SceneRecipe(format="coco", train_scenes=1000, val_scenes=4)
make.REPORT_EVERY = 3
die = lambda line: "scenes of" in line and os.kill(os.getpid(), 9)
make.make(Path({str(tmp_path / "set")!r}), recipe, get_path("fashion-mnist"), die)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert not (tmp_path / "set").exists()
    assert list(tmp_path.glob(".set.*.part/train2017/*.png"))
    make(tmp_path / "set", tiny("scenes-coco"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".set.lock", "set"]


def _make(folder: Path, sender: object) -> None:
    lines: list[str] = []
    make(folder, tiny("scenes-coco"), lines.append)
    sender.send(lines)  # type: ignore[attr-defined]


def test_makers_at_the_same_time_wait_for_each_other_and_one_of_them_makes_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    with FileLock(tmp_path / ".set.lock"):
        makers = [context.Process(target=_make, args=(tmp_path / "set", sender)) for _ in range(2)]
        for maker in makers:
            maker.start()
        assert not receiver.poll(0.2)
    said = [receiver.recv() for _ in makers]
    for maker in makers:
        maker.join()
        assert maker.exitcode == 0
    assert sum("set: composing 6 scenes" in lines for lines in said) == 1
    assert find_manifest(tmp_path / "set") is not None


def test_scenes_are_made_without_torch(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from ablate.data.datasets import get_path
from ablate.data.scenes.make import make
from ablate.data.scenes.recipes import SceneRecipe
recipe = SceneRecipe(format="cityscapes", train_scenes=1, val_scenes=1)
make(Path({str(tmp_path / "set")!r}), recipe, get_path("fashion-mnist"))
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
