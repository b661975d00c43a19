"""A study from its submission to its stored table, over the real store and scheduler."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ablate.remote.documents.studies import Extension
from service.context import open_context
from service.running.scheduler import Scheduler
from service.settings import Settings
from service.studies import extend, lifecycle, results
from tests.service.conftest import Desk, ScriptedDispatcher, toy_study

LEVELS = {0.0: 20.0, 1.0: 20.0, 2.0: 24.0}


def finish(desk: Any, view: Any) -> Any:
    """Every trial gets the level of its row, a shift of its seed, and noise that its key decides."""
    for _ in range(1000):
        desk.tick()
        for ticket in list(desk.dispatcher.running.values()):
            draws = random.Random(ticket.trial.key)
            shift = random.Random(f"seed {ticket.trial.seed}").gauss(0, 0.5)
            level = LEVELS.get(ticket.trial.recipe["offset"] % 10, 20.0)
            desk.dispatcher.end(ticket, error=level + shift + draws.gauss(0, 0.2))
        if desk.study(view).state not in ("queued", "running"):
            break
    return desk.study(view)


def decisions(table: Any) -> dict[str, Any]:
    return {row.label: row.cells["error"].decision for row in table.rows}


def test_a_study_is_decided_once_it_is_done_and_not_before(desk: Any) -> None:
    study = desk.submit(toy_study(rows=(0.0, 1.0, 2.0), seeds=8, table={"margin": 2.0}))
    desk.tick()
    desk.dispatcher.end(next(iter(desk.dispatcher.running.values())), error=20.0)
    desk.tick()
    assert set(decisions(results.get_table(desk.context, study.id)).values()) == {"baseline", None}
    assert finish(desk, study).state == "succeeded"
    table = results.get_table(desk.context, study.id)
    assert decisions(table) == {"offset 0": "baseline", "offset 1": "equivalent", "offset 2": "worse"}
    assert any("fixed on" in note and "before any result was known" in note for note in table.provenance)
    assert not table.exploratory


def test_an_audited_study_trains_a_copy_of_its_baseline_and_shows_it_below_the_table(desk: Any) -> None:
    study = desk.submit(toy_study(rows=(0.0, 2.0), seeds=8, audit=True))
    assert study.progress.trials == 3 * 8
    assert finish(desk, study).state == "succeeded"
    assert {cell.row for cell in desk.cells(study)} == {"offset 0", "offset 2", "(audit copy) offset 0"}
    table = results.get_table(desk.context, study.id)
    assert list(decisions(table)) == ["offset 0", "offset 2"]
    assert table.families[0].audit is not None
    assert table.families[0].audit.n == 8
    assert not table.families[0].audit.is_alarm


def test_seeds_that_were_added_after_a_look_make_a_study_exploratory(desk: Any) -> None:
    study = desk.submit(toy_study(rows=(0.0, 2.0), seeds=3))
    finish(desk, study)
    extend.extend(desk.context, study.id, Extension(seeds=8))
    finish(desk, study)
    table = results.get_table(desk.context, study.id)
    assert table.exploratory
    assert any("The seeds changed on" in note and "6 results were known" in note for note in table.provenance)


def test_a_study_that_is_submitted_anew_after_a_look_is_exploratory_too(desk: Any) -> None:
    finish(desk, desk.submit(toy_study(rows=(0.0, 1.0, 2.0), seeds=3)))
    again = desk.submit(toy_study("anew", rows=(0.0, 2.0), seeds=8))
    finish(desk, again)
    table = results.get_table(desk.context, again.id)
    assert table.exploratory
    assert any("3 of them belong to rows that are tested here" in note for note in table.provenance)


def test_the_same_study_once_more_was_fixed_when_the_first_was(desk: Any) -> None:
    first = desk.submit(toy_study(rows=(0.0, 2.0), seeds=8))
    finish(desk, first)
    again = desk.submit(toy_study("again", rows=(0.0, 2.0), seeds=8))
    finish(desk, again)
    one, other = (results.get_table(desk.context, view.id) for view in (first, again))
    assert not other.exploratory
    assert other.provenance[0] == one.provenance[0]
    assert "before any result was known" in other.provenance[0]


def test_a_design_that_was_cancelled_is_not_kept_for_later(desk: Any) -> None:
    kept = desk.submit(toy_study("kept", rows=(0.0, 2.0), seeds=8))
    lifecycle.cancel(desk.context, kept.id)
    finish(desk, desk.submit(toy_study(rows=(0.0, 2.0), seeds=12)))
    again = desk.submit(toy_study("kept", rows=(0.0, 2.0), seeds=8))
    finish(desk, again)
    assert results.get_table(desk.context, again.id).exploratory


def test_another_margin_for_the_same_trials_is_told(desk: Any) -> None:
    for margin in (1.0, 2.0):
        desk.submit(toy_study(f"margin-{margin:g}", rows=(0.0, 2.0), seeds=3, table={"margin": margin}))
    study = desk.submit(toy_study(rows=(0.0, 2.0), seeds=3))
    finish(desk, study)
    table = results.get_table(desk.context, study.id)
    sentence = "2 other studies test these rows with a different choice of margin"
    assert any(note.startswith(sentence) for note in table.notes)


def test_a_baseline_known_from_another_study_makes_nothing_exploratory(desk: Any) -> None:
    finish(desk, desk.submit(toy_study(rows=(0.0, 1.0), seeds=8)))
    other = desk.submit(toy_study("other", rows=(0.0, 2.0), seeds=8))
    finish(desk, other)
    table = results.get_table(desk.context, other.id)
    assert not table.exploratory
    assert any(
        "8 results were known. Those of this study are of baselines on the seeds" in note for note in table.provenance
    )


def test_a_design_that_cannot_decide_is_warned_of_at_submission(desk: Any) -> None:
    codes = [warning.code for warning in desk.submit(toy_study(seeds=3)).warnings]
    assert "power" in codes
    assert "power" not in [warning.code for warning in desk.submit(toy_study("more", seeds=6)).warnings]


@pytest.mark.slow
def test_the_service_as_a_whole_does_not_invent_findings(tmp_path: Path, toy: str) -> None:
    """200 studies without a difference, by t at 5 seeds and by sign flip at 9: at most 5 % + 3 se decide anything."""
    count, alpha = 200, 0.05
    (tmp_path / "home").mkdir()
    context = open_context(Settings(home=tmp_path / "home", database_url=SecretStr(f"sqlite:///{tmp_path}/null.db")))
    desk = Desk(context, (dispatcher := ScriptedDispatcher(places=64)), Scheduler(context, lambda: dispatcher))
    desk.scheduler.start()
    with_findings = 0
    for number in range(count):
        seeds, test = (5, "t") if number % 2 else (9, "flip")
        rows = tuple(1000.0 * (number + 1) + 10 * row for row in range(4))
        view = desk.submit(toy_study(f"null-{number}", rows=rows, seeds=seeds))
        assert finish(desk, view).state == "succeeded"
        table = results.get_table(context, view.id)
        assert table.families[0].test == test
        with_findings += any(decision in ("better", "worse") for decision in decisions(table).values())
    context.close()
    assert with_findings / count <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / count)
