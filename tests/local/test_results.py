"""What `ablate run` writes next to the table: the picture of a study of scenes, which never shows other trials."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ablate.local.folder import Folder
from ablate.local.results import write_panel
from ablate.study.plan import plan_document
from ablate.trials.panels import FILE, TILE_PX, render_panel


def test_the_picture_lands_in_the_folder_and_goes_with_the_trials_that_it_shows(tmp_path: Path) -> None:
    rows = [{"label": "ReLU", "set": {"activation": "relu"}}, {"label": "FReLU"}]
    plan = plan_document({"name": "scenes", "seeds": 1, "base": {"task": "detect", "dataset": "coco"}, "rows": rows})
    folder = Folder(tmp_path)
    write_panel(plan, folder)
    assert list(tmp_path.iterdir()) == []
    workdir = folder.workdir(plan.memberships["FReLU", 0])
    workdir.mkdir(parents=True)
    tile = [Image.new("RGB", (50, TILE_PX))]
    (workdir / FILE).write_bytes(render_panel({"truth": tile, "found": tile}))
    write_panel(plan, folder)
    with Image.open(tmp_path / "panel.png") as picture:
        assert picture.height > 2 * TILE_PX
    (workdir / FILE).unlink()
    write_panel(plan, folder)
    assert not (tmp_path / "panel.png").exists()
