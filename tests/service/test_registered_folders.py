"""A registered folder in the service: a data set like any other, and a study stays with the content it was made for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablate.datasets import pin
from ablate.errors import StudyError
from ablate.registering import register
from service import extending, planning
from service.errors import ConflictError
from service.shapes import Extension
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
    with pytest.raises(ConflictError, match=r"row 'A', seed 0 is another trial now \(4 such cells\).*Submit it anew"):
        extending.extend(desk.context, study.id, Extension(seeds=3))
    assert {cell.key for cell in desk.cells(study)} == before
    assert not {cell.key for cell in desk.cells(desk.submit(STUDY))} & before


def test_a_folder_that_is_gone_or_too_small_is_said_at_submission(desk: Any, pets: Path) -> None:
    with pytest.raises(StudyError, match=r"row 'A': train_images is 100, and data set 'pets' has \d\d"):
        planning.prepare(desk.context, {**STUDY, "base": {**BASE, "train_images": 100}}, scale=None)
    pets.rename(pets.parent / "moved")
    with pytest.raises(StudyError, match=r"data set 'pets@[0-9a-f]{16}' is not on this machine"):
        planning.prepare(desk.context, STUDY, scale=None)
