"""A registered folder in the service: a data set like any other, and a study stays with the content it was made for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ablate.data.add_folder import register
from ablate.data.datasets import pin
from ablate.errors import Problem, StudyError
from ablate.remote.documents.studies import Extension
from service.errors import ConflictError
from service.studies import extend, prepare
from tests.image_folders import write_folder, write_image

BASE = {"dataset": "pets", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "resolution_px": 32, "steps": 4}
STUDY = {"name": "pets", "seeds": 2, "base": BASE, "rows": [{"label": "A"}, {"label": "B", "set": {"norm": "none"}}]}


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    folder = write_folder(tmp_path / "pets", {"cat": 12, "dog": 14})
    register("pets", folder)
    return folder


def test_trials_carry_the_content_and_the_study_is_not_extended_with_another(desk: Any, pets: Path) -> None:
    study = desk.submit(STUDY)
    before = {cell.key for cell in desk.cells(study)}
    desk.tick()
    assert {ticket.trial.recipe["dataset"] for ticket in desk.dispatcher.started} == {pin("pets")}
    write_image(pets / "cat" / "new.png", 77)
    register("pets", pets, replace=True)
    with pytest.raises(
        ConflictError, match=r"row 'A', seed 0 is now another trial \(4 such cells\).*submit the study again"
    ):
        extend.extend(desk.context, study.id, Extension(seeds=3))
    assert {cell.key for cell in desk.cells(study)} == before
    assert not {cell.key for cell in desk.cells(desk.submit(STUDY))} & before


def test_a_folder_that_is_gone_or_too_small_is_said_at_submission(desk: Any, pets: Path) -> None:
    with pytest.raises(StudyError, match=r"row 'A': train_images is 100, and data set 'pets' has \d\d"):
        prepare.prepare(desk.context, {**STUDY, "base": {**BASE, "train_images": 100}}, scale=None)
    pets.rename(pets.parent / "moved")
    assert refusal_of(desk) == Problem(
        "/base/dataset",
        "no_data",
        "data set 'pets': its folder cannot be listed; if it was moved: ablate data add pets NEWPLACE",
    )


def refusal_of(desk: Any) -> Problem:
    with pytest.raises(StudyError) as caught:
        prepare.prepare(desk.context, STUDY, scale=None)
    (found,) = caught.value.problems
    return found


def test_a_folder_that_changed_is_refused_at_submission_without_a_path(desk: Any, pets: Path) -> None:
    os.utime(pets / "cat" / "1.jpg", (1, 1))
    write_image(pets / "cat" / "new.png", 77)
    (pets / "dog" / "2.jpg").unlink()
    (pets / "dog" / "3.jpg").unlink()
    assert refusal_of(desk) == Problem(
        "/base/dataset",
        "data_changed",
        "data set 'pets': its folder has changed since it was registered (images: 1 changed, 2 missing, 1 new); "
        "register it again: ablate data add pets FOLDER --replace",
    )
    prepared = prepare.prepare(desk.context, STUDY, scale=None, strict=False)
    assert "data_changed" in [warning.code for warning in prepared.warnings]


@pytest.mark.parametrize("line", [b"\xff\xfe", b"\xff\xfe\n"], ids=["cut", "of no text"])
def test_a_damaged_registration_is_refused_at_submission(desk: Any, pets: Path, line: bytes) -> None:
    file = pets.parent / "data" / "registered" / "pets.jsonl"
    file.write_bytes(file.read_bytes() + line)
    found = refusal_of(desk)
    assert (found.pointer, found.code) == ("/base/dataset", "data_damaged")
    assert "registered/pets.jsonl in the data folder is damaged" in found.message


def test_what_cannot_be_fetched_is_not_said_to_be_fetched(desk: Any, pets: Path) -> None:
    base = {**BASE, "dataset": "imagenet", "augment": "resized_crop_flip_jitter"}
    with pytest.raises(StudyError) as caught:
        prepare.prepare(desk.context, {**STUDY, "base": base}, scale=None)
    assert [problem.message for problem in caught.value.problems] == [
        "data set 'imagenet' is not on this machine; ablate cannot fetch it: `ablate data fetch imagenet` prints where "
        "to put it and what is expected"
    ]
