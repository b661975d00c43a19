"""The study that a command is given, as a plan, with the folder of its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ablate.local.folder import Folder
from ablate.local.prepare import default_folder
from ablate.settings import read_library_settings
from ablate.study.document import with_resources
from ablate.study.include import naming_files
from ablate.study.overrides import read_assignments, with_overrides
from ablate.study.plan import Plan, plan_document
from ablate.study.text import read_alone, read_document
from ablate.tasks.command.bind import with_command
from ablate.tasks.command.kept import with_kept


def read_plan(
    path: Path,
    scale: str | None,
    seeds: int | None,
    out: Path | None = None,
    *,
    resources: Mapping[str, float] | None = None,
    replaced: Sequence[str] | None = None,
    fresh: bool = False,
) -> tuple[Path, Plan]:
    """The folder of a study's results and its plan, from the options of a command.

    Args:
        path: file of the study.
        scale, seeds, out: the options of these names.
        resources: see `ablate.study.document.with_resources`.
        replaced: of `--set`.
        fresh: whether everything is trained again, so that no result of earlier code is kept.

    Raises:
        StudyError: with every problem of the study.
    """
    fields = read_assignments(replaced or ())
    document = read_document(path, is_strict=False)
    with naming_files(path, read_alone):
        document = with_overrides(with_resources(with_command(document, path.parent), resources or {}), fields)
        limit = read_library_settings().max_trials
        plan = plan_document(document, scale=scale, seeds=seeds, max_trials=limit)
    folder = out or default_folder(plan)
    return folder, plan if fresh else with_kept(plan, Folder(folder).read())
