"""The panel of a study of scenes: its test images once, and below them the output of each row.

It is composed of the panels in the folders of the trials (`ablate.trials.panels`) of the first seed. A row whose trial
has no panel is a gap with the reason. This module imports Pillow, but not torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw

from ablate.errors import DataError, TableError, quote
from ablate.study.checks import get_named_task
from ablate.study.plan import Plan
from ablate.trials.panels import FILE, INK, label_strip, load_font, read_panel, stack_strips

NAME, FORMAT = "panel", "png"
TASKS = ("detect", "segment")
"""Tasks whose trials write panels."""
GAP_GROUND = (232, 232, 232)
GAP_HEIGHT_PX = 28

Strips = Mapping[str, Image.Image]


def has_panel(plan: Plan) -> bool:
    """Whether trials of the study's task write panels."""
    return _task_of(plan) in TASKS


def draw_panel(plan: Plan, workdir: Callable[[str], Path]) -> bytes:
    """The panel as PNG.

    Args:
        plan: plan of the study.
        workdir: key of a trial -> its folder.

    Raises:
        TableError: the study's task has no panels, or no trial of its rows has written one yet.
    """
    if not has_panel(plan):
        raise TableError(f"task {quote(_task_of(plan))} has no panel; tasks with panels: {', '.join(TASKS)}")
    seed = plan.seeds[0]
    found = {row.name: _find(workdir(plan.memberships[row.name, seed])) for row in plan.rows}
    panels = [strips for strips in found.values() if not isinstance(strips, str)]
    if not panels:
        raise TableError(f"no panel: no trial of seed {seed} has written one here, or the folders were deleted")
    strips = list(_strips(found, panels[0]))
    buffer = BytesIO()
    stack_strips(strips)[0].save(buffer, "PNG")
    return buffer.getvalue()


def _task_of(plan: Plan) -> str:
    return get_named_task(plan.study).name


def _find(folder: Path) -> Strips | str:
    """The strips of a trial's panel, or the reason why there is none."""
    try:
        return read_panel(folder / FILE)
    except DataError:
        return "the panel of this trial is damaged" if (folder / FILE).exists() else "this trial has no panel here"


def _strips(found: Mapping[str, Strips | str], first: Strips) -> Iterator[Image.Image]:
    """All strips except the last once, then the last of each row; a row with other test images shows its own."""
    width = next(iter(first.values())).width
    shown = _before_last(first)
    yield from (label_strip(name, strip) for name, strip in shown.items())
    for label, strips in found.items():
        if isinstance(strips, str):
            yield label_strip(label, _gap(strips, width))
            continue
        own = _before_last(strips)
        if not _are_equal(own, shown):
            yield from (label_strip(f"{name} of {label}", strip) for name, strip in own.items())
        yield label_strip(label, list(strips.values())[-1])


def _before_last(strips: Strips) -> Strips:
    return dict(list(strips.items())[:-1])


def _are_equal(one: Strips, other: Strips) -> bool:
    return {name: (strip.size, strip.tobytes()) for name, strip in one.items()} == {
        name: (strip.size, strip.tobytes()) for name, strip in other.items()
    }


def _gap(reason: str, width: int) -> Image.Image:
    gap = Image.new("RGB", (width, GAP_HEIGHT_PX), GAP_GROUND)
    ImageDraw.Draw(gap).text((6, 6), reason, fill=INK, font=load_font())
    return gap
