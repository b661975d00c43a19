"""A study's picture: the truth once, a strip a row, gaps that are named."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablate.errors import TableError
from ablate.study.document import Study
from ablate.study.plan import Plan, plan
from ablate.tables.plots.panel import GAP_GROUND, GAP_HEIGHT_PX, draw_panel
from ablate.trials.panels import FILE, GAP_PX, MARGIN_PX, TILE_PX, render_panel

Colour = tuple[int, int, int]
TRUTH, RED, BLUE = (9, 9, 9), (255, 0, 0), (0, 0, 255)


def plan_of(task: str, *labels: str) -> Plan:
    rows = [{"label": label, "set": {"lr": 0.01 * (1 + place)}} for place, label in enumerate(labels)]
    return plan(Study.model_validate({"name": "pictures", "seeds": [3, 5], "base": {"task": task}, "rows": rows}))


def put(folder: Path, truth: Colour, found: Colour) -> None:
    folder.mkdir(parents=True)
    strips = {"truth": [Image.new("RGB", (100, TILE_PX), truth)], "found": [Image.new("RGB", (100, TILE_PX), found)]}
    (folder / FILE).write_bytes(render_panel(strips))


def strips_of(picture: bytes, heights: list[int]) -> list[Colour]:
    """The colour of each strip at its right end, after checking that the strips have these heights."""
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size == (MARGIN_PX + 100, sum(heights) + GAP_PX * (len(heights) - 1))
        tops = [sum(heights[:place]) + GAP_PX * place for place in range(len(heights))]
        return [image.getpixel((image.width - 1, top + 1)) for top in tops]  # type: ignore[misc]


@pytest.fixture
def shown(tmp_path: Path) -> Callable[[Mapping[str, tuple[Colour, Colour]], Plan], bytes]:
    """Writes panels of rows' first trials and draws the picture."""

    def draw(panels: Mapping[str, tuple[Colour, Colour]], planned: Plan) -> bytes:
        for label, colours in panels.items():
            put(tmp_path / planned.memberships[label, 3], *colours)
        return draw_panel(planned, lambda key: tmp_path / key)

    return draw


def test_the_truth_is_shown_once_and_each_row_below_it(shown: Callable[..., bytes]) -> None:
    picture = shown({"ReLU": (TRUTH, RED), "FReLU": (TRUTH, BLUE)}, plan_of("detect", "ReLU", "FReLU"))
    assert strips_of(picture, [TILE_PX] * 3) == [TRUTH, RED, BLUE]
    with Image.open(io.BytesIO(picture)) as image:
        names = np.asarray(image)[:, : MARGIN_PX - 4]
    assert all((names[(TILE_PX + GAP_PX) * place :][:TILE_PX] < 128).any() for place in range(3))


def test_a_row_whose_trial_has_left_no_panel_is_a_gap_in_its_place(shown: Callable[..., bytes]) -> None:
    picture = shown({"B": (TRUTH, RED), "C": (TRUTH, BLUE)}, plan_of("detect", "A", "B", "C"))
    assert strips_of(picture, [TILE_PX, GAP_HEIGHT_PX, TILE_PX, TILE_PX]) == [TRUTH, GAP_GROUND, RED, BLUE]


def test_a_damaged_panel_is_a_gap(shown: Callable[..., bytes], tmp_path: Path) -> None:
    planned = plan_of("detect", "A", "B")
    folder = tmp_path / planned.memberships["B", 3]
    folder.mkdir()
    (folder / FILE).write_bytes(b"\x89PNG torn")
    assert strips_of(shown({"A": (TRUTH, RED)}, planned), [TILE_PX, TILE_PX, GAP_HEIGHT_PX]) == [TRUTH, RED, GAP_GROUND]


def test_a_row_with_other_test_images_shows_its_own_truth(shown: Callable[..., bytes]) -> None:
    picture = shown({"A": (TRUTH, RED), "B": ((0, 99, 0), BLUE)}, plan_of("detect", "A", "B"))
    assert strips_of(picture, [TILE_PX] * 4) == [TRUTH, RED, (0, 99, 0), BLUE]


def test_the_same_panels_give_the_same_bytes(shown: Callable[..., bytes], tmp_path: Path) -> None:
    planned = plan_of("detect", "A")
    assert shown({"A": (TRUTH, RED)}, planned) == draw_panel(planned, lambda key: tmp_path / key)


def test_a_study_without_panels_says_why(shown: Callable[..., bytes]) -> None:
    with pytest.raises(TableError, match=re.escape("task 'classify' has no panel; tasks with panels: detect, segment")):
        shown({}, plan_of("classify", "A"))
    with pytest.raises(TableError, match="no panel: no trial of seed 3 has written one here"):
        shown({}, plan_of("detect", "A"))
