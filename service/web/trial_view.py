"""A trial's page: its differences from the baseline, its attempts, its log, and the command that trains it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.recipes.classify import applicable_values
from ablate.remote.documents.trials import CellOfStudy, TrialView
from ablate.study.plan import Plan, Row
from service.context import Context
from service.errors import ConflictError, NotFoundError
from service.store import studies
from service.store.studies import Stored
from service.studies import trials
from service.studies.prepare import plan_stored
from service.web.draw import Chart, draw_curves

LOG_LINES = 200
MAX_PLACES = 20
"""Largest number of a trial's cells that the page names; a baseline may be in hundreds of studies."""


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A recipe field in which a trial differs from the baseline; None if the field does not apply."""

    name: str
    baseline: Any
    here: Any


@dataclass(frozen=True, slots=True)
class InStudy:
    """A cell that contains the trial."""

    study_id: str
    study: str
    row: str
    seed: int


@dataclass(frozen=True, slots=True)
class TrialPage:
    """Content of a trial's page.

    Attributes:
        places: its cells; the page describes the first one.
        baseline: name of the baseline row in that study; None if it is unknown.
        is_baseline: whether the trial belongs to the baseline row.
        changes: differences from that baseline.
        log: its last lines; `log_note`: a remark on lines that are missing.
        charts: one for each metric of its curve.
    """

    trial: TrialView
    places: Sequence[InStudy]
    baseline: str | None
    is_baseline: bool
    changes: Sequence[FieldDifference]
    log: str
    log_note: str
    charts: Sequence[Chart]

    @property
    def title(self) -> str:
        """The first cell's row and the seed."""
        return f"{self.places[0].row}, seed {self.trial.seed}" if self.places else f"Seed {self.trial.seed}"

    @property
    def is_live(self) -> bool:
        """Whether its state may still change."""
        return self.trial.state in ("queued", "running")

    @property
    def has_network(self) -> bool:
        """Whether its network can be drawn."""
        return self.trial.task == "classify"

    @property
    def announcement(self) -> str:
        """Its state in a few words, for screen readers."""
        return f"The trial is {self.trial.state}"

    @property
    def next_step(self) -> str:
        """Next step for a trial without a usable result."""
        if self.trial.state == "failed":
            return "A retry of its study queues it again, with new attempts. The end of the log shows the error."
        if self.trial.state == "diverged":
            return "This is a result: the table counts it next to the mean. A lower learning rate is another recipe."
        if self.trial.state == "cancelled":
            return "No live study needs it. Retry its study, or submit the study again, to queue it."
        return ""


def read_trial_page(context: Context, key: str, study_id: str | None = None) -> TrialPage:
    """Everything that a trial's page shows.

    Args:
        context: see there.
        key: of the trial, or its first digits.
        study_id: the study to describe, where the trial is in several; None: the oldest.

    Raises:
        NotFoundError: there is no such trial, or several keys begin with these digits.
    """
    trial = trials.get_trial(context, key)
    named = sorted(trial.rows, key=lambda place: place.study_id != study_id)[:MAX_PLACES]
    stored = _studies_of(context, named)
    places = [InStudy(one.study_id, stored[one.study_id].name, one.row, one.seed) for one in named]
    row, baseline = _rows_of(context, stored, places)
    log, note = _log_of(context, trial)
    return TrialPage(
        trial=trial,
        places=places,
        baseline=baseline.name if baseline else None,
        is_baseline=row is not None and row.is_baseline,
        changes=changes_of(applicable_values(baseline.recipe), trial.recipe) if baseline else [],
        log=log,
        log_note=note,
        charts=_charts_of(trial),
    )


def changes_of(baseline: Mapping[str, Any], here: Mapping[str, Any]) -> list[FieldDifference]:
    """Fields that differ between two resolved recipes, in their order."""
    names = dict.fromkeys([*baseline, *here])
    return [
        FieldDifference(name, baseline.get(name), here.get(name))
        for name in names
        if baseline.get(name) != here.get(name)
    ]


def _studies_of(context: Context, places: Sequence[CellOfStudy]) -> dict[str, Stored]:
    with context.store.read() as connection:
        ids = dict.fromkeys(place.study_id for place in places)
        return {study_id: studies.get_study(connection, study_id) for study_id in ids}


def _rows_of(
    context: Context, stored: Mapping[str, Stored], places: Sequence[InStudy]
) -> tuple[Row | None, Row | None]:
    """The trial's row in the study that the page describes, and the baseline of this row."""
    if not places:
        return None, None
    try:
        plan = plan_stored(context, stored[places[0].study_id])
    except ConflictError:  # an older document; the page then has no baseline
        return None, None
    row = next((row for row in _all_rows(plan) if row.name == places[0].row), None)
    baseline = next((each for each in plan.rows if row and each.is_baseline and each.group == row.group), None)
    return row, baseline


def _all_rows(plan: Plan) -> Sequence[Row]:
    return (*plan.rows, *plan.audits)


def _log_of(context: Context, trial: TrialView) -> tuple[str, str]:
    try:
        lines = trials.read_log(context, trial.key)[0].splitlines()
    except NotFoundError as error:
        return "", str(error)
    left_out = len(lines) - LOG_LINES
    note = f"The last {LOG_LINES} of {len(lines):,} lines." if left_out > 0 else ""
    return "\n".join(lines[-LOG_LINES:]), note


def _charts_of(trial: TrialView) -> list[Chart]:
    metrics = dict.fromkeys(name for point in trial.curve for name in point["metrics"])
    found = [draw_curves(["trial"], [("trial", trial.seed, trial.curve)], name) for name in metrics]
    return [chart for chart in found if chart is not None]
