"""A user's folders as data sets: what is recorded, what is refused, and what enters a key."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import struct
import zlib
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ablate.cli.app import status_of
from ablate.data.add_folder import register
from ablate.data.datasets import describe, find, get_path, list_datasets, list_files, pin
from ablate.data.images import read_image
from ablate.data.registered import images as registered_images
from ablate.data.registered.store import ImageEntry, read_entries, write_registered
from ablate.errors import DataError, StudyError
from ablate.recipes.classify import ClassifyRecipe
from ablate.study.plan import plan_document
from tests.image_folders import write_folder, write_image

COUNTS = {"cat": 12, "dog": 14}
SMALL: dict[str, Any] = {
    "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "resolution_px": 16, "steps": 2, "augment": "none",
}  # fmt: skip


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "pets", COUNTS)


def names(name: str, train: bool) -> set[str]:
    files = list_files(name, train)
    return {os.path.relpath(files.path(index), files.folder) for index in range(len(files))}


def test_a_registered_folder_is_a_data_set_like_any_other(folder: Path) -> None:
    done = register("pets", folder)
    info = describe("pets")
    assert done.status == "registered"
    assert (info.classes, info.channels, info.kind, info.is_folder) == (2, 3, "classify", True)
    assert info.train_images + info.test_images == 26
    assert info.test_images > 0
    assert find("pets") == get_path("pets") == folder
    assert [one.name for one in list_datasets()][-1] == "pets"
    train, test = (list_files("pets", part) for part in (True, False))
    assert (len(train), len(test)) == (info.train_images, info.test_images)
    assert not names("pets", True) & names("pets", False)
    for files in (train, test):
        for index in range(len(files)):
            assert Path(files.path(index)).parent.name == ["cat", "dog"][files.labels[index]]


def test_mean_deviation_and_resolution_are_those_of_the_pixels(folder: Path) -> None:
    info = describe(register("pets", folder).registered.name)
    train = list_files("pets", True)
    pixels = [np.asarray(read_image(train.path(index), folder)).reshape(-1, 3) / 255 for index in range(len(train))]
    mean = np.mean([one.mean(axis=0) for one in pixels], axis=0)
    deviation = np.sqrt(np.mean([(one**2).mean(axis=0) for one in pixels], axis=0) - mean**2)
    assert info.mean == pytest.approx(mean, abs=1e-5)
    assert info.std == pytest.approx(deviation, abs=1e-5)
    sides = sorted(min(read_image(path, folder).size) for path in folder.rglob("*.jpg"))
    assert info.resolution_px == sides[(len(sides) - 1) // 2]


def test_the_content_of_an_image_alone_decides_its_side_and_equal_files_are_on_one(
    folder: Path, tmp_path: Path
) -> None:
    register("pets", folder)
    before = names("pets", False)
    for index in range(6):
        shutil.copy(folder / "cat" / f"{index}.jpg", folder / "cat" / f"copy{index}.jpg")
    register("more", folder)
    after = names("more", False)
    assert after - {f"cat/copy{index}.jpg" for index in range(6)} == before
    assert all((f"cat/{index}.jpg" in after) == (f"cat/copy{index}.jpg" in after) for index in range(6))


def test_a_registration_in_the_state_directory_is_private_and_elsewhere_the_umask_decides(
    folder: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o022)
    try:
        register("pets", folder)
        monkeypatch.delenv("ABLATE_DATA")
        monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "home"))
        register("pets", folder)
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert (root / "registered" / "pets.jsonl").stat().st_mode & 0o777 == 0o644
    paths = [tmp_path / "home", *(tmp_path / "home").rglob("*")]
    assert len(paths) == 5
    assert [path for path in paths if path.stat().st_mode & 0o077] == []


def test_the_fingerprint_is_of_the_content_not_of_place_or_time(folder: Path, tmp_path: Path) -> None:
    first = register("pets", folder).registered
    moved = shutil.copytree(folder, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    done = register("pets", moved)
    assert done.status == "unchanged"
    assert done.registered.fingerprint == first.fingerprint
    assert find("pets") == moved
    shutil.rmtree(folder)
    assert get_path("pets") == moved


def test_other_content_under_a_name_is_refused_with_advice_until_it_may_replace(folder: Path) -> None:
    first = register("pets", folder).registered
    write_image(folder / "cat" / "new.png", 77)
    with pytest.raises(DataError, match=r"'pets' is registered with other content: .* --replace"):
        register("pets", folder)
    assert pin("pets") == first.pinned
    assert register("pets", folder, replace=True).status == "replaced"
    assert pin("pets") != first.pinned
    with pytest.raises(DataError, match=r"data set 'pets' has other content now .*Plan the study again"):
        describe(first.pinned)


@pytest.mark.parametrize("name", ["imagenet", "digits", "a/b", "", "-x", "x" * 41, "a@b"])
def test_names_that_are_taken_or_cannot_be_names_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"one of ablate's own data sets|cannot name a data set"):
        register(name, folder)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nothing.jpg")


def circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut, "is damaged: image file is truncated"),
        (lambda path: path.write_text("a photograph of a cat"), "is not an image, or its format is unknown"),
        (lambda path: path.write_bytes(b""), "is not an image"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40)), "is not an image|is damaged"),
        (dangle, "cannot be read: No such file"),
        (circle, "cannot be read: Too many levels"),
    ],
    ids=["truncated", "text", "empty", "broken png", "dangling link", "circle"],
)
def test_a_damaged_file_is_named_and_left_out_only_if_asked(folder: Path, damage: Any, reason: str) -> None:
    victim = folder / "dog" / "3.jpg"
    damage(victim)
    with pytest.raises(
        DataError, match=rf"1 file in {folder} cannot be used; .*--skip-damaged:\n  {victim} (?:{reason})"
    ):
        register("pets", folder)
    assert all(info.name != "pets" for info in list_datasets())
    found = register("pets", folder, skip_damaged=True).registered
    assert [one.path for one in found.skipped] == ["dog/3.jpg"]
    assert found.train_images + found.test_images == 25
    assert get_path("pets") == folder


def test_links_to_images_are_followed_unless_they_lead_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    (folder / ".kept").mkdir()
    (folder / "cat" / "0.jpg").rename(folder / ".kept" / "0.jpg")
    (folder / "cat" / "0.jpg").symlink_to("../.kept/0.jpg")
    (tmp_path / "alias").symlink_to(folder)
    assert register("pets", tmp_path / "alias").registered.train_images
    (folder / "dog").rename(tmp_path / "dog")
    (folder / "dog").symlink_to(tmp_path / "dog")
    with pytest.raises(DataError, match=r"14 files in .*\n  .*/dog/0.jpg leads out of .*; put a copy of"):
        register("pets", folder, replace=True)
    with pytest.raises(DataError, match=r"leads out of"):
        read_image(folder / "dog" / "0.jpg", folder)


def test_what_is_not_an_image_neither_hangs_nor_fills_the_memory(folder: Path) -> None:
    """A FIFO, devices, a socket, sizes that no machine has, programs in disguise, and names that mislead."""
    cats = folder / "cat"
    os.mkfifo(cats / "fifo.png")
    (cats / "zero.png").symlink_to("/dev/zero")
    with socket(AF_UNIX) as listener:
        listener.bind(str(cats / "socket.png"))
    with (cats / "sparse.bmp").open("wb") as sparse:
        sparse.truncate(40 << 30)
    (cats / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    (cats / "bomb.png").write_bytes(png_of(60_000, 60_000))
    (cats / "red\x1b[31m\n\u202e.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        register("pets", folder)
    lines = str(caught.value).replace(f"{cats}/", "").splitlines()[1:]
    assert [line.split(";")[0].strip() for line in lines] == [
        "bomb.png has too many pixels",
        "eps.png is not an image, or its format is unknown",
        "fifo.png is a FIFO",
        r"red\x1b[31m\n\u202e.png is not an image, or its format is unknown",
        "socket.png is a socket",
        "sparse.bmp has 42,949,672,960 bytes",
        "zero.png is a device",
    ]
    assert len(register("pets", folder, skip_damaged=True).registered.skipped) == 7
    assert get_path("pets") == folder


def png_of(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims this size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return start + struct.pack(">I", 9) + b"IDAT" + zlib.compress(b"") + bytes(5)


def test_a_split_of_its_own_is_kept_and_duplicates_across_it_are_counted(tmp_path: Path) -> None:
    split = tmp_path / "split"
    write_folder(split / "train", COUNTS)
    write_folder(split / "val", {"cat": 3, "dog": 2}, seed=1)
    shutil.copy(split / "train" / "cat" / "0.jpg", split / "val" / "cat" / "again.jpg")
    (split / "train" / "cat" / "notes.txt").write_text("no image")
    done = register("split", split)
    found = done.registered
    assert (found.train_images, found.test_images, found.test_folder, found.duplicates) == (26, 6, "val", 1)
    assert done.others == (str(split / "train" / "cat" / "notes.txt"),)
    assert all(name.startswith("val/") for name in names("split", False))


def test_folders_of_another_layout_are_refused_by_the_place_that_is_wrong(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=rf"^data set 'x': {tmp_path / 'nowhere'} cannot be listed: No such file or directory. "
        r"Expected: FOLDER/CLASS/IMAGE, .*: ablate data add x FOLDER$",
    ):
        register("x", tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"cat contains no folders; expected: one folder per class"):
        register("x", folder / "cat")
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=rf"{folder / 'empty'} contains no image; allowed: .jpg"):
        register("x", folder)
    write_image(folder / "empty" / "deeper" / "1.jpg", 1)
    with pytest.raises(DataError, match=rf"{folder / 'empty' / 'deeper'} is a folder; .* not nested"):
        register("x", folder)
    split = tmp_path / "split"
    write_folder(split / "train", COUNTS)
    write_folder(split / "test", {"cat": 2})
    with pytest.raises(DataError, match=rf"{split / 'test' / 'dog'} is missing"):
        register("x", split)


def test_training_images_without_test_images_beside_them_are_refused_with_what_to_do(tmp_path: Path) -> None:
    split = tmp_path / "split"
    write_folder(split / "train", COUNTS)
    write_folder(split / "valid", COUNTS, seed=1)
    with pytest.raises(DataError) as caught:
        register("x", split)
    assert str(caught.value) == (
        f"data set 'x': {split} has training images in train, but neither test nor val next to it (folders there: "
        "train, valid). Rename the folder of the test images to test or val, or register train alone; a fifth of its "
        f"images will then be test images: ablate data add x {split / 'train'}"
    )
    assert register("x", split / "train").registered.test_folder is None
    (split / "valid").rename(split / "test")
    assert register("y", split).registered.test_images == 26


def test_train_may_be_a_class(tmp_path: Path) -> None:
    found = register("traffic", write_folder(tmp_path / "traffic", {"bus": 12, "train": 12})).registered
    assert found.classes == ("bus", "train")


def test_one_class_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data set 'cats': .* contains one class, 'cat'; there must be two or more"):
        register("cats", write_folder(tmp_path / "cats", {"cat": 3}))


def test_a_home_folder_that_nobody_has_is_refused_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["data", "add", "nix", "~nosuchuser/x"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "error: data set 'nix': '~nosuchuser/x' begins with an unknown home folder; give the absolute path: "
        "ablate data add nix FOLDER\n"
    )


def test_a_class_whose_name_is_no_text_is_refused_and_nothing_is_left(folder: Path, root: Path) -> None:
    (folder / "cat").rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9"))
    with pytest.raises(DataError, match=r"the name of folder '.*caf\\xe9' is not UTF-8, .*rename it") as caught:
        register("pets", folder)
    assert str(caught.value).isprintable()
    assert not list(root.glob("registered/*"))


def test_images_whose_names_are_no_text_are_used_but_cannot_be_left_out(
    folder: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    odd = os.fsencode(folder) + b"/cat/caf\xe9"
    shutil.copy(os.fsencode(folder) + b"/cat/0.jpg", odd + b".jpg")
    Path(os.fsdecode(odd + b".txt")).write_text("no image")
    assert status_of(["data", "add", "pets", str(folder)]) == 0
    assert b"left out: 1 file without an image's suffix; the first: " in capsysbinary.readouterr().out
    assert get_path("pets") == folder
    cut(Path(os.fsdecode(odd + b".jpg")))
    with pytest.raises(
        DataError, match=r"repair or remove them, since a name that is not UTF-8 cannot be stored:\n.*xe9"
    ):
        register("pets", folder, skip_damaged=True, replace=True)


def test_what_cannot_be_written_leaves_no_part_behind(folder: Path, root: Path) -> None:
    found = register("pets", folder).registered
    entry = ImageEntry("cat/0.jpg", 0, False, object(), 0, "")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        write_registered(root, found, [entry])
    assert sorted(path.name for path in root.glob("registered/*.*")) == [".lock", "pets.jsonl"]


def test_pixels_that_are_all_the_same_and_folders_that_are_left_out_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = tmp_path / "split"
    for part in ("train", "test", "val"):
        for name in ("cat", "dog"):
            (split / part / name).mkdir(parents=True)
            Image.new("RGB", (8, 8), (9, 9, 9)).save(split / part / name / "1.png")
    assert status_of(["data", "add", "flat", str(split)]) == 0
    shown = capsys.readouterr().out
    assert (
        "\n  red, green, blue: its training pixels are nearly all the same; nothing can be learned from them\n" in shown
    )
    assert "\n  val is not used: the folders in use are train and test\n" in shown
    assert status_of(["data", "add", "flat", str(split), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["flat"], answer["unused"]) == (["red", "green", "blue"], ["val"])


def test_nothing_is_told_of_a_folder_in_order(folder: Path) -> None:
    done = register("pets", folder)
    assert (done.flat, done.unused, done.others) == ((), (), ())


def test_a_class_without_an_image_to_train_on_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "few", {"cat": 30, "dog": 30})
    register("cats", folder)
    only_test = sorted(names("cats", False))[0]
    (folder / "lone").mkdir()
    shutil.copy(folder / only_test, folder / "lone")
    with pytest.raises(DataError, match=r"class 'lone' in .* has no training image \(1 such classes\)"):
        register("few", folder)


def touch(folder: Path) -> Path:
    os.utime(folder / "cat" / "1.jpg", (1, 1))
    return folder / "cat" / "1.jpg"


def remove(folder: Path) -> Path:
    (folder / "cat" / "1.jpg").unlink()
    return folder / "cat" / "1.jpg"


def add(folder: Path) -> Path:
    write_image(folder / "cat" / "00.jpg", 9)
    return folder / "cat" / "00.jpg"


def add_class(folder: Path) -> Path:
    write_image(folder / "ant" / "1.jpg", 9)
    return folder / "ant" / "1.jpg"


@pytest.mark.parametrize(
    ("change", "what"), [(touch, "was changed"), (remove, "is missing"), (add, "is new"), (add_class, "is new")]
)
def test_a_folder_that_changed_since_is_not_used_and_the_file_is_named(folder: Path, change: Any, what: str) -> None:
    register("pets", folder)
    changed = change(folder)
    with pytest.raises(DataError, match=rf"{changed} {what} since the folder was registered; .*ablate data add pets"):
        get_path("pets")


def study(dataset: str, **base: Any) -> dict[str, Any]:
    return {
        "name": "s", "seeds": 1, "base": {"dataset": dataset, "steps": 3, **base},
        "rows": [{"label": "A"}, {"label": "B", "set": {"activation": "relu"}}],
    }  # fmt: skip


def test_the_content_enters_the_keys_of_registered_folders_and_of_nothing_else(folder: Path) -> None:
    digits = list(plan_document(study("digits")).trials)
    first = register("pets", folder).registered
    before = plan_document(study("pets"))
    assert all(trial.recipe["dataset"] == first.pinned for trial in before.trials.values())
    recipe = before.rows[0].recipe
    assert ClassifyRecipe.model_validate_json(json.dumps(recipe.model_dump(mode="json"))) == recipe
    write_image(folder / "cat" / "new.png", 77)
    register("pets", folder, replace=True)
    assert not set(plan_document(study("pets")).trials) & set(before.trials)
    assert list(plan_document(study(first.pinned)).trials) == list(before.trials)
    assert list(plan_document(study("digits")).trials) == digits


def cut_last_line(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def cut_lines(file: Path) -> None:
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-3]))


def change_line(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]) + b'["dog/1.jpg", "1", false, 1, 1, ""]\n')


def nest_line(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"[" * 100_000 + b"\n")


def break_line(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"{nonsense\n")


DAMAGED_FIRST = {
    "cut json": lambda file: file.write_text("{"),
    "empty": lambda file: file.write_bytes(b""),
    "bytes": lambda file: file.write_bytes(b"\xff\xfe\n"),
    "cut last line": cut_last_line,
}
DAMAGED_LATER = {
    "cut lines": cut_lines,
    "no json": break_line,
    "no utf-8": lambda file: file.write_bytes(file.read_bytes() + b"\xff\xfe\n"),
    "deep": nest_line,
    "other types": change_line,
    "no entry": lambda file: file.write_bytes(file.read_bytes() + b"5\n"),
}
MEND = r"registered/pets.jsonl in the data folder is damaged .*: ablate data add pets FOLDER --replace"


@pytest.mark.parametrize("damage", DAMAGED_FIRST.values(), ids=DAMAGED_FIRST)
def test_a_damaged_registration_is_an_error_of_its_studies_alone_and_listed(
    folder: Path, root: Path, damage: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    register("cats", folder)
    register("pets", folder)
    damage(root / "registered" / "pets.jsonl")
    with pytest.raises(StudyError, match=MEND):
        plan_document(study("pets"))
    assert plan_document(study("cats")).datasets == (pin("cats"),)
    with pytest.raises(DataError, match=r"no data set 'cat'; did you mean 'cats'"):
        describe("cat")
    assert [info.name for info in list_datasets()][-1] == "cats"
    assert status_of(["data", "list"]) == 0
    assert re.search(rf"\ncats +classify .* {folder}\npets .*{MEND}\n$", capsys.readouterr().out)
    assert status_of(["data", "list", "--json"]) == 0
    assert re.search(MEND, json.loads(capsys.readouterr().out)["damaged"]["pets"])


@pytest.mark.parametrize("damage", (DAMAGED_FIRST | DAMAGED_LATER).values(), ids=DAMAGED_FIRST | DAMAGED_LATER)
def test_a_damaged_registration_is_mended_by_the_command_that_its_error_names(
    folder: Path, root: Path, damage: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    register("pets", folder)
    damage(root / "registered" / "pets.jsonl")
    with pytest.raises(DataError, match=MEND):
        get_path("pets")
    assert status_of(["data", "add", "cats", str(folder)]) == 0
    assert status_of(["data", "add", "pets", str(folder), "--replace"]) == 0
    assert len(list_files("pets", True)) == describe("pets").train_images


def test_a_registration_that_cannot_be_read_is_replaced_only_if_asked(folder: Path, root: Path) -> None:
    register("pets", folder)
    (root / "registered" / "pets.jsonl").write_text("{")
    with pytest.raises(DataError, match=MEND):
        register("pets", folder)
    assert register("pets", folder, replace=True).status == "replaced"


def write_study(path: Path, dataset: str, **base: Any) -> str:
    recipe = SMALL | {"dataset": dataset} | base
    fields = "\n".join(f"{name} = {json.dumps(value)}" for name, value in recipe.items())
    path.write_text(f'name = "s"\nseeds = 1\n[base]\n{fields}\n[[rows]]\nlabel = "A"\n')
    return str(path)


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_folder_that_changed_or_is_gone_is_refused_once_before_anything_starts(
    folder: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    register("pets", folder)
    document, out = write_study(tmp_path / "s.toml", "pets"), tmp_path / "out"
    touch(folder)
    write_image(folder / "cat" / "00.jpg", 9)
    assert status_of([command, document, "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.count("error: ") == 1
    assert f"{folder / 'cat' / '00.jpg'} is new since the folder was registered (and 1 more); register it" in said
    shutil.move(folder, tmp_path / "moved")
    assert status_of([command, document, "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert f"error: data set 'pets': {folder} cannot be listed: No such file or directory; if it was moved: " in said
    assert "ablate data add pets NEWPLACE" in said
    assert not (out / "trials.jsonl").exists()


def test_the_commands_add_and_list(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["data", "add", "pets", str(folder), "--kind", "image-folder"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{pin('pets')}: registered\n  {folder}\n  2 classes, ")
    assert status_of(["data", "add", "pets", str(folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["status"], answer["pinned"], answer["classes"]) == ("unchanged", pin("pets"), ["cat", "dog"])
    assert status_of(["data", "list", "--json"]) == 0
    item = json.loads(capsys.readouterr().out)["items"][-1]
    assert (item["name"], item["found"], item["registered"]) == ("pets", str(folder), True)
    cut(folder / "cat" / "2.jpg")
    assert status_of(["data", "add", "pets", str(folder)]) == 2
    assert f"{folder / 'cat' / '2.jpg'} is damaged" in capsys.readouterr().err
    shutil.rmtree(folder)
    assert status_of(["data", "list"]) == 0
    assert "its folder is missing; if you moved it: ablate data add pets NEWPLACE" in capsys.readouterr().out


def test_images_that_are_not_read_as_they_are_stored_are_counted_and_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = register("pets", folder).registered.fingerprint
    tests = names("pets", False)
    paths = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))
    lines = (
        f"{path}\0{hashlib.sha256((folder / path).read_bytes()).hexdigest()}\0{'test' if path in tests else 'train'}\n"
        for path in paths
    )
    assert plain == hashlib.sha256("".join(lines).encode()).hexdigest()  # as in earlier versions
    image, exif = Image.open(folder / "cat" / "0.jpg").convert("RGBA"), Image.Exif()
    exif[0x0112] = 8
    image.save(folder / "cat" / "photo.png", exif=exif)
    image.save(folder / "cat" / "moving.png", save_all=True, append_images=[image.rotate(90)])
    image.putpixel((0, 0), (1, 2, 3, 0))
    image.save(folder / "dog" / "glass.png")
    done = register("others", folder)
    assert (done.turned, done.transparent) == (("cat/photo.png",), ("dog/glass.png",))
    assert done.animated == ("cat/moving.png",)
    assert status_of(["data", "add", "others", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "  1 image turned as the EXIF data say: cat/photo.png\n" in printed
    assert "  1 image with transparent pixels; the colours stored below these are used: dog/glass.png\n" in printed
    assert "  1 image with more than one picture; the first is used: cat/moving.png\n" in printed


@pytest.mark.parametrize(("orientation", "is_as_earlier"), [(1, True), (6, False)])
def test_an_image_that_is_turned_now_gives_another_fingerprint_than_in_earlier_versions(
    orientation: int, is_as_earlier: bool, folder: Path, root: Path
) -> None:
    image, exif = Image.open(folder / "cat" / "0.jpg"), Image.Exif()
    exif[0x0112] = orientation
    image.save(folder / "cat" / "photo.png", exif=exif)
    now = register("photos", folder).registered
    lines = [f"{e.path}\0{e.sha256}\0{'test' if e.is_test else 'train'}\n" for e in read_entries(root, now)]
    earlier = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert (now.fingerprint == earlier) is is_as_earlier
    assert registered_images.list_files(root, now, train=True).upright
    of_earlier_version = type(now).model_validate(now.model_dump(exclude={"upright"}))
    assert not registered_images.list_files(root, of_earlier_version, train=True).upright, (
        "its key stands for images as stored"
    )
