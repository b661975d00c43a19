"""What was known before a design was fixed: a look without a decision hands on no date, the same design again does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ablate.local.folder import Folder
from ablate.local.prepare import prepared
from ablate.local.results import read_table
from ablate.study.plan import plan_document
from ablate.tables.table import Table
from ablate.trials.trial import Outcome, TrialRecord
from service.store.sql import now
from service.studies.prepare import prepare
from service.studies.submit import add_prepared
from tests.service.conftest import Desk, toy_study
from tests.service.studies.test_tries import noise_of, table_of, train

LOOKS: dict[str, dict[str, Any]] = {"pilot": {"pilot": True}, "firing": {}}


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_that_decides_nothing_does_not_hand_on_its_date(desk: Desk, look: str) -> None:
    document = toy_study("look", seeds=6, **LOOKS[look])
    with desk.context.store.write() as connection:
        found = prepare(desk.context, document, scale=None)
        schedule = "nightly" if look == "firing" else None
        _, study_id = add_prepared(connection, found, desk.context.settings.home, schedule=schedule)
    assert not table_of(desk, SimpleNamespace(id=study_id)).families
    table = table_of(desk, desk.submit(toy_study("look", seeds=6)))
    assert table.exploratory
    assert any("12 results were known. 6 of them belong to rows" in one for one in table.provenance)
    assert not any("other study tests these rows" in note for note in table.notes), "only decisions can be chosen from"


def run_at_the_desk(home: Path, document: dict[str, Any], out: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    """What `ablate run` does in a folder, with the values of the service for its trials."""
    monkeypatch.setenv("ABLATE_HOME", str(home))
    plan, folder = plan_document(document), Folder(out)
    with prepared(plan, folder, lambda _: None):
        for trial in plan.outstanding(folder.read()):
            outcome = Outcome(status="succeeded", metrics={"error": noise_of(trial)})
            folder.append(TrialRecord(trial=trial, outcome=outcome, finished_at=now().isoformat()))
    return read_table(plan, folder)


@pytest.mark.parametrize("where", ["in the service", "at the desk"])
@pytest.mark.parametrize(
    "claim",
    [{"seeds": [2, 5, 7, 8, 9, 11]}, {"seeds": 12, "table": {"margin": 0.9}}, {"seeds": 12, "table": {"alpha": 0.2}}],
    ids=["seeds", "margin", "level"],
)
def test_what_is_chosen_after_a_look_elsewhere_is_exploratory_in_a_new_folder(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, claim: dict[str, Any]
) -> None:
    home = desk.context.settings.home
    look = toy_study("look", seeds=12, pilot=claim["seeds"] != 12)
    if where == "in the service":
        table_of(desk, desk.submit(look))
    else:
        run_at_the_desk(home, look, tmp_path / "look", monkeypatch)
    assert run_at_the_desk(home, toy_study("claim", **claim), tmp_path / "claim", monkeypatch).exploratory


def test_results_that_a_service_shows_while_its_study_runs_are_known_at_the_desk(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = desk.submit(toy_study("look", seeds=12))
    train(desk, view, most=10)
    assert desk.study(view).state == "running"
    claim = toy_study("claim", seeds=6)
    assert run_at_the_desk(desk.context.settings.home, claim, tmp_path / "claim", monkeypatch).exploratory


def test_a_later_run_of_the_same_trials_does_not_hide_when_the_service_knew_them(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = toy_study("look", seeds=12, pilot=True)
    table_of(desk, desk.submit(look))
    view = desk.submit(toy_study("claim", seeds=[2, 5, 7, 8, 9, 11]))
    run_at_the_desk(desk.context.settings.home, look, tmp_path / "look", monkeypatch)
    assert table_of(desk, view).exploratory


def test_the_same_design_at_the_desk_and_in_the_service_was_fixed_once(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, document = desk.context.settings.home, toy_study("digits", seeds=6)
    first = run_at_the_desk(home, document, tmp_path / "first", monkeypatch)
    again = run_at_the_desk(home, document, tmp_path / "again", monkeypatch)
    submitted = table_of(desk, desk.submit(document))
    last = run_at_the_desk(home, document | {"title": "Digits"}, tmp_path / "last", monkeypatch)
    for table in (first, again, submitted, last):
        assert not table.exploratory
        assert any("before any result was known" in sentence for sentence in table.provenance)


def test_a_design_that_was_registered_beside_others_does_not_keep_its_date(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = desk.context.settings.home
    designs = [toy_study(f"margin-{margin}", seeds=6, table={"margin": margin}) for margin in (0.5, 1.0, 2.0)]
    monkeypatch.setenv("ABLATE_HOME", str(home))
    for design in designs:
        plan = plan_document(design)
        with prepared(plan, Folder(tmp_path / plan.study.name), lambda _: None):
            pass
    run_at_the_desk(home, designs[0], tmp_path / "margin-0.5", monkeypatch)
    assert table_of(desk, desk.submit(designs[2])).exploratory


def test_a_pilot_in_the_same_folder_leaves_other_seeds_to_decide_on(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, out = desk.context.settings.home, tmp_path / "out"
    run_at_the_desk(home, toy_study(seeds=[100, 101, 102], pilot=True), out, monkeypatch)
    assert not run_at_the_desk(home, toy_study(seeds=6), out, monkeypatch).exploratory
    assert run_at_the_desk(home, toy_study(seeds=[*range(6), 100]), out, monkeypatch).exploratory
