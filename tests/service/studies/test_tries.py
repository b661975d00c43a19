"""Trying again until it works is told: tries of the same rows, over the real store and scheduler."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ablate.local.folder import Folder
from ablate.local.tries import end_run, read_known, register_run
from ablate.remote.documents.paper import PaperSubmission
from ablate.remote.documents.studies import Extension
from ablate.study.plan import plan_document
from ablate.tables.formats.render import render
from ablate.tables.table import Table
from ablate.trials.trial import Outcome, TrialRecord
from service.context import open_context
from service.running.scheduler import Scheduler
from service.settings import Settings
from service.studies import extend, lifecycle, results
from service.studies import paper as paper_studies
from tests.service.conftest import Desk, ScriptedDispatcher, chain_study, toy_study

WORLDS = int(os.environ.get("WORLDS", "6"))
"""Null worlds for each way to try again; the judgement of the rule was made with 300."""


def noise_of(trial: Any) -> float:
    """The value of a trial: a level of its block that rows share, and noise of its own."""
    block = random.Random(f"block {trial.seed} {trial.replicate}").gauss(0, 0.5)
    return 20 + block + random.Random(trial.key).gauss(0, 1)


def train(desk: Desk, view: Any, most: int = 10_000) -> Any:
    """Let trials end until the study has ended, or so many have."""
    ended = 0
    while desk.study(view).state in ("queued", "running") and ended < most:
        desk.tick()
        for ticket in list(desk.dispatcher.running.values())[: most - ended]:
            desk.dispatcher.end(ticket, error=noise_of(ticket.trial))
            ended += 1
    desk.tick()
    return desk.study(view)


def table_of(desk: Desk, view: Any) -> Table:
    train(desk, view)
    return results.get_table(desk.context, view.id)


def tries_of(table: Table) -> list[int]:
    """Numbers of the tries of its tested rows; 1 without an entry."""
    cells = [row.cells["error"] for row in table.rows if not row.baseline]
    return [cell.tries.number if cell.tries else 1 for cell in cells]


def labelled(turn: int, offset: float) -> dict[str, Any]:
    return {"label": f"{turn}: {offset:g}", "set": {"offset": offset}}


Way = Callable[[int, tuple[float, float]], tuple[dict[str, Any], dict[str, Any]]]
WAYS: dict[str, Way] = {
    "fresh": lambda turn, rows: (toy_study(seeds=8, rows=rows), {"fresh": turn > 0}),
    "other seeds": lambda turn, rows: (toy_study(seeds=list(range(8 * turn, 8 * turn + 8)), rows=rows), {}),
    "more seeds": lambda turn, rows: (toy_study(seeds=8 + turn, rows=rows), {}),
    "other name": lambda turn, rows: (toy_study(f"n{turn}", seeds=8, rows=rows), {"fresh": turn > 0}),
    "other labels": lambda turn, rows: (
        toy_study(seeds=8) | {"rows": [labelled(turn, offset) for offset in rows]},
        {"fresh": turn > 0},
    ),
    "a scale that changes nothing": lambda turn, rows: (
        toy_study(seeds=8, rows=rows, scales={f"s{turn}": {"ending": "succeeded"}}),
        {"scale": f"s{turn}", "fresh": turn > 0},
    ),
    "other margin": lambda turn, rows: (
        toy_study(seeds=8, rows=rows, table={"margin": 1.0 + turn}),
        {"fresh": turn > 0},
    ),
    "another row": lambda turn, rows: (toy_study(rows=(*rows, rows[1] + 1 + turn), seeds=8), {"fresh": turn > 0}),
    "another spelling": lambda turn, rows: (
        toy_study(seeds=8, rows=(rows[0] + 1e-10 * turn, rows[1] + 1e-10 * turn)),
        {},
    ),
    "roles exchanged": lambda turn, rows: (
        toy_study(rows=rows[:: 1 if turn % 2 == 0 else -1], seeds=8),
        {"fresh": turn > 0},
    ),
}


@pytest.fixture
def quick(tmp_path: Path, toy: str) -> Any:
    """A desk with many places, over SQLite."""
    context = open_context(Settings(home=tmp_path / "home", database_url=SecretStr(f"sqlite:///{tmp_path}/tries.db")))
    dispatcher = ScriptedDispatcher(places=64)
    desk = Desk(context, dispatcher, Scheduler(context, lambda: dispatcher))
    desk.scheduler.start()
    yield desk
    context.close()


@pytest.mark.parametrize("is_after", [True, False], ids=["after results", "before results"])
@pytest.mark.parametrize("way", WAYS)
def test_each_later_try_is_told_with_its_number(quick: Desk, way: str, is_after: bool) -> None:
    posted = []
    for turn in range(3):
        document, options = WAYS[way](turn, (0.0, 1.0))
        posted.append(quick.submit(document, **options))
        if is_after:
            train(quick, posted[-1])
    tables = [table_of(quick, view) for view in posted]
    assert [table.exploratory for table in tables] == [False, True, True]
    assert [tries_of(table)[0] for table in tables] == [1, 2, 3]
    assert any(
        " (try 3) was compared with its baseline before, so the seeds of all tries decide" in line
        for line in tables[2].summary
    )
    tries = next(cell.tries for row in tables[2].rows if (cell := row.cells["error"]).tries)
    assert (tries.n, tries.lost) == ({"more seeds": 10, "another spelling": 8}.get(way, 24), 0)
    if way == "another row":
        assert tries_of(tables[2]) == [3, 1], "the row beside it is new"


def test_over_both_databases_a_later_try_is_decided_by_all_of_them(desk: Desk) -> None:
    for seeds in ([0, 1, 2], [3, 4, 5], [6, 7, 8]):
        view = desk.submit(toy_study(seeds=seeds))
        for _ in range(50):
            desk.tick()
            for ticket in list(desk.dispatcher.running.values()):
                desk.dispatcher.end(ticket, error=ticket.trial.recipe["offset"] + 0.1 * ticket.trial.seed)
        assert desk.study(view).state == "succeeded"
    table = results.get_table(desk.context, view.id)
    cell = table.row("offset 1").cells["error"]
    assert cell.tries is not None
    assert (cell.tries.number, cell.tries.n, cell.tries.mean, cell.decision) == (3, 9, 1.0, "worse")
    assert not any(note.startswith("p-values come from the") for note in table.notes), "none of these p is of that test"
    assert any("by all their seeds together" in note for note in table.notes)
    assert cell.p_adj == pytest.approx(1 / cell.tries.e)
    pair = results.compare(desk.context, view.id, "offset 0", "offset 1")
    assert (pair.decision, pair.exploratory, pair.test) == ("better", True, "anytime")
    assert pair.sentence.startswith("Try 3 of these two rows in this home: offset 0 minus offset 1, over all 9 seeds")


def test_what_is_tried_stays_in_the_form_without_measured_values_and_has_no_date(quick: Desk) -> None:
    documents = [toy_study(seeds=8), toy_study(seeds=8, table={"margin": 2.0}), toy_study(seeds=list(range(8, 16)))]
    views = [quick.submit(document) for document in documents]
    first, other, again = (table_of(quick, view) for view in views)
    text = render(again, "md", measured=False, notes=True)
    assert "'offset 1' (try 2) was compared with its baseline before" in text
    assert "UTC" not in text
    assert "1 other study tests these rows with a different choice of margin" in render(
        other, "md", measured=False, notes=True
    )
    before = render(first, "md", measured=False, notes=True)
    quick.submit(toy_study(seeds=list(range(16, 24))))
    later = results.get_table(quick.context, views[0].id)
    assert render(later, "md", measured=False, notes=True) == before
    assert "3 studies have tried rows of this table again since, as of" in render(later, "md", notes=True)


def test_a_pilot_decides_nothing_and_is_no_try(quick: Desk) -> None:
    pilot = table_of(quick, quick.submit(toy_study(seeds=list(range(20, 28)), pilot=True)))
    assert not pilot.families
    assert all(row.cells["error"].decision in (None, "baseline") for row in pilot.rows)
    assert any("the study is a pilot" in line for line in pilot.summary)
    table = table_of(quick, quick.submit(toy_study(seeds=8)))
    assert not table.exploratory
    again = table_of(quick, quick.submit(toy_study("same-seeds", seeds=list(range(20, 28)))))
    assert again.exploratory, "the seeds of a pilot are not used again"


def test_the_same_registration_again_is_no_new_try(quick: Desk) -> None:
    for name in ("one", "two"):
        table = table_of(quick, quick.submit(toy_study(name, seeds=8)))
        assert not table.exploratory
        assert tries_of(table) == [1]


def test_a_try_that_was_cancelled_counts_once_a_tested_row_was_begun(quick: Desk) -> None:
    unseen = quick.submit(toy_study(seeds=8))
    lifecycle.cancel(quick.context, unseen.id)
    seen = quick.submit(toy_study(seeds=8), fresh=True)
    train(quick, seen, most=5)
    lifecycle.cancel(quick.context, seen.id)
    table = table_of(quick, quick.submit(toy_study(seeds=8), fresh=True))
    tries = table.row("offset 1").cells["error"].tries
    assert tries is not None
    assert (table.exploratory, tries.number) == (True, 2)
    assert tries.n == 16
    assert tries.lost >= 5, "begun and never finished"
    lifecycle.retry(quick.context, unseen.id)
    late = table_of(quick, unseen)
    assert (late.exploratory, tries_of(late)) == (True, [3]), "its design counts from the retry on"


def test_a_cancelled_try_counts_once_the_weights_from_which_its_rows_start_were_begun(quick: Desk, chain: Path) -> None:
    seen = quick.submit(chain_study(seeds=8))
    quick.tick()
    assert {ticket.trial.task for ticket in quick.dispatcher.started} == {"base"}
    lifecycle.cancel(quick.context, seen.id)
    table = table_of(quick, quick.submit(chain_study(seeds=list(range(8, 16)))))
    tries = table.row("B").cells["error"].tries
    assert tries is not None
    assert (tries.number, tries.n, tries.lost) == (2, 16, 8), "begun is begun"


def test_weights_that_another_study_had_trained_are_no_look_at_a_cancelled_try(quick: Desk, chain: Path) -> None:
    rows = [{"label": f"level {level:g}", "set": {"level": level}} for level in (5.0, 6.0)]
    train(quick, quick.submit({"name": "bases", "seeds": 8, "base": {"task": "base"}, "rows": rows}))
    lifecycle.cancel(quick.context, quick.submit(chain_study(seeds=8)).id)
    assert tries_of(table_of(quick, quick.submit(chain_study(seeds=list(range(8, 16)))))) == [1]


def test_seeds_added_before_any_result_are_no_new_try_and_those_after_a_look_are_exploratory(quick: Desk) -> None:
    view = quick.submit(toy_study(seeds=6))
    extend.extend(quick.context, view.id, Extension(seeds=8))
    table = table_of(quick, view)
    assert (table.exploratory, tries_of(table)) == (False, [1])
    extend.extend(quick.context, view.id, Extension(seeds=12))
    assert table_of(quick, view).exploratory


def test_a_repeated_study_that_is_extended_is_a_try_of_its_own(quick: Desk) -> None:
    table_of(quick, quick.submit(toy_study(seeds=8)))
    again = quick.submit(toy_study("again", seeds=8))
    extend.extend(quick.context, again.id, Extension(seeds=12))
    assert tries_of(table_of(quick, again)) == [2]


def test_a_known_baseline_is_told_and_is_exploratory_except_on_its_first_seeds(quick: Desk) -> None:
    first = table_of(quick, quick.submit(toy_study(rows=(0.0, 1.0), seeds=12)))
    same, fewer, more = (
        table_of(quick, quick.submit(toy_study(f"s{seeds}", rows=(0.0, float(seeds)), seeds=seeds)))
        for seeds in (12, 9, 14)
    )
    assert [table.exploratory for table in (same, fewer, more)] == [False, True, True]
    told = (
        "Results of the baseline 'offset 0' were known before. If it was chosen because it did badly, rows look better"
    )
    assert [sum(line.startswith(told) for line in table.summary) for table in (first, same, fewer)] == [0, 1, 0]
    pairs = [results.compare(quick.context, quick.submit(toy_study(f"again{seeds}", rows=(0.0, float(seeds)),
                                                         seeds=seeds)).id, f"offset {seeds}", "offset 0")
             for seeds in (12, 9)]  # fmt: skip
    assert ["Results of the baseline 'offset 0' were known before" in pair.sentence for pair in pairs] == [True, False]
    assert [pair.exploratory for pair in pairs] == [False, True]
    chosen = table_of(quick, quick.submit(toy_study("worst", rows=(1.0, 50.0), seeds=12)))
    assert chosen.exploratory, "a row that did badly may have been picked as the baseline"


def test_seeds_that_a_baseline_got_before_any_result_belong_to_its_first_registration(quick: Desk) -> None:
    first = quick.submit(toy_study(seeds=6))
    extend.extend(quick.context, first.id, Extension(seeds=8))
    train(quick, first)
    extend.extend(quick.context, first.id, Extension(seeds=12))
    train(quick, first)
    later = [
        table_of(quick, quick.submit(toy_study(f"s{seeds}", rows=(0.0, float(seeds)), seeds=seeds)))
        for seeds in (6, 8, 12)
    ]
    assert [table.exploratory for table in later] == [True, False, True]


def test_two_rows_that_were_tried_elsewhere_are_told_when_they_are_compared(quick: Desk) -> None:
    table_of(quick, quick.submit(toy_study(rows=(1.0, 2.0), seeds=8)))
    view = quick.submit(toy_study("more", rows=(0.0, 1.0, 2.0), seeds=list(range(8, 16))))
    train(quick, view)
    pair = results.compare(quick.context, view.id, "offset 1", "offset 2")
    assert pair.is_post_hoc
    assert pair.tries is not None
    assert (pair.exploratory, pair.tries.number, pair.tries.n) == (True, 2, 16)
    turned = results.compare(quick.context, view.id, "offset 2", "offset 1")
    assert turned.tries is not None
    assert turned.tries.mean == pytest.approx(-(pair.tries.mean or math.nan))
    assert results.compare(quick.context, view.id, "offset 1", "offset 0").tries is None


def test_two_rows_are_tried_again_in_each_study_that_has_both_whatever_its_baseline(quick: Desk) -> None:
    """With another baseline in each study, no study registers the pair."""
    quick.submit(toy_study("pilot", rows=(0.0, 1.0, 2.0), seeds=[90, 91], pilot=True))
    views = []
    for turn, seeds in enumerate((range(8), range(8, 16), range(8), range(16, 24))):
        rows = (500.0 + turn, *((1.0, 2.0) if turn < 3 else (2.0, 1.0)))
        views.append(quick.submit(toy_study(f"s{turn}", rows=rows, seeds=list(seeds))))
        train(quick, views[-1])
    pairs = [results.compare(quick.context, view.id, "offset 1", "offset 2") for view in views]
    found = [(pair.tries.number, pair.tries.n) if pair.tries else None for pair in pairs]
    assert found == [None, (2, 16), None, (3, 24)], "the third study has the seeds of the first"
    assert [pair.exploratory for pair in pairs] == [False, True, True, True], "of the third, results were known"
    turned = results.compare(quick.context, views[3].id, "offset 2", "offset 1")
    assert turned.tries is not None
    assert (turned.tries.number, turned.tries.mean) == (3, pytest.approx(-(pairs[3].tries.mean or math.nan)))


def test_rows_that_another_study_tests_in_another_family_are_told(quick: Desk) -> None:
    """Each row alone needs no correction, so whoever posts the family and each row alone has a choice."""
    family = quick.submit(toy_study("family", rows=(0.0, 1.0, 2.0, 3.0), seeds=8))
    alone = [quick.submit(toy_study(f"alone{row}", rows=(0.0, float(row)), seeds=8)) for row in (1, 2)]
    quick.submit(toy_study("same", rows=(0.0, 3.0, 2.0, 1.0), seeds=8))
    quick.submit(toy_study("other-seeds", rows=(0.0, 3.0), seeds=[50, 51]))
    quick.submit(toy_study("other-baseline", rows=(7.0, 3.0), seeds=8))
    quick.submit(toy_study("pilot", rows=(0.0, 3.0), seeds=8, pilot=True))
    said = " on the same seeds among {}, and p is corrected for these there. State in advance which study counts."
    notes = table_of(quick, family).notes
    assert "2 other studies test 'offset 1', 'offset 2'" + said.format("1 row") in notes
    for row, view in enumerate(alone, start=1):
        assert f"2 other studies test 'offset {row}'" + said.format("3 rows") in table_of(quick, view).notes


def test_a_desk_and_a_service_of_one_home_see_each_others_tries(quick: Desk, tmp_path: Path) -> None:
    home = quick.context.settings.home
    view = quick.submit(toy_study(seeds=8))
    train(quick, view)
    plan = plan_document(toy_study("at-the-desk", seeds=list(range(8, 16))))
    folder = Folder(tmp_path / "out")
    with folder.locked():
        register_run(home, plan, folder)
        for trial in list(plan.trials.values())[:-1]:
            outcome = Outcome(status="succeeded", metrics={"error": noise_of(trial)})
            folder.append(TrialRecord(trial=trial, outcome=outcome, finished_at="2026-01-01T00:00:00+00:00"))
        end_run(home, plan, folder)
    found = read_known(home, plan, folder)
    (history,) = found.retried.values()
    assert (history.number, len(history.differences)) == (2, 16)
    assert sum(map(math.isnan, history.differences)) == 1
    table = table_of(quick, quick.submit(toy_study(seeds=8), fresh=True))
    tries = table.row("offset 1").cells["error"].tries
    assert tries is not None
    assert (tries.number, tries.n, tries.lost) == (3, 24, 1)
    elsewhere = Folder(tmp_path / "elsewhere")
    register_run(home, plan, elsewhere)
    (same,) = read_known(home, plan, elsewhere).retried.values()
    assert same.number == 2, "the same seeds in another folder give the same numbers"


@pytest.mark.parametrize("way", [*WAYS, "extend", "cancel after a look", "number of seeds of a known baseline"])
def test_no_way_to_try_again_shows_more_unmarked_decisions_than_one_study(quick: Desk, way: str) -> None:
    """Null worlds: whoever tries again until a row is decided is told of it, or was lucky at the first try."""
    unmarked = better = 0
    for world in range(WORLDS):
        rows = (1000.0 * world, 1000.0 * world + 1)
        found = [decision for table in _try_until_decided(quick, way, rows) for decision in _unmarked(table)]
        unmarked += bool(found)
        better += "better" in found
    assert unmarked / WORLDS <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / WORLDS)
    assert better / WORLDS <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / WORLDS)
    print(f"{way}: {unmarked} of {WORLDS} worlds have an unmarked decision, {better} an unmarked 'better'")


def _unmarked(table: Table) -> list[str]:
    if table.exploratory:
        return []
    decisions = [row.cells["error"].decision for row in table.rows]
    return [one for one in decisions if one in ("better", "worse")]


def _try_until_decided(desk: Desk, way: str, rows: tuple[float, float]) -> list[Table]:
    if way == "extend":
        view = desk.submit(toy_study(seeds=6, rows=rows))
        tables = [table_of(desk, view)]
        for seeds in (9, 12, 15):
            extend.extend(desk.context, view.id, Extension(seeds=seeds))
            tables.append(table_of(desk, view))
        return tables
    if way == "cancel after a look":
        return [_cancel_unless_promising(desk, rows, turn) for turn in range(4)]
    if way == "number of seeds of a known baseline":
        return [*_pick_seeds(desk, rows)]
    return [table_of(desk, desk.submit(document, **options))
            for document, options in (WAYS[way](turn, rows) for turn in range(4))]  # fmt: skip


def _cancel_unless_promising(desk: Desk, rows: tuple[float, float], turn: int) -> Table:
    view = desk.submit(toy_study(seeds=8, rows=rows), fresh=turn > 0)
    train(desk, view, most=8)
    values = {(cell.row, cell.seed): cell.metrics["error"] for cell in desk.cells(view) if cell.state == "succeeded"}
    first, second = (f"offset {offset:g}" for offset in rows)
    differences = [values[second, seed] - values[first, seed] for seed in range(8) if {(first, seed), (second, seed)}
                   <= values.keys()]  # fmt: skip
    if abs(sum(one > 0 for one in differences) - len(differences) / 2) < len(differences) / 2:
        lifecycle.cancel(desk.context, view.id)
    return table_of(desk, view)


def _pick_seeds(desk: Desk, rows: tuple[float, float]) -> list[Table]:
    known = desk.submit(toy_study("known", rows=(rows[0], rows[1] + 100), seeds=14))
    first = table_of(desk, known)
    values = first.row(f"offset {rows[0]:g}").cells["error"].values
    worst = max(range(6, 15), key=lambda n: sum(values[seed] for seed in range(n)) / n)
    return [table_of(desk, desk.submit(toy_study("picked", rows=rows, seeds=worst)))]


def test_honest_ways_are_not_marked(quick: Desk) -> None:
    for world in range(WORLDS):
        rows = (1000.0 * world, 1000.0 * world + 1)
        quick.submit(toy_study("pilot", rows=rows, seeds=[100, 101, 102], pilot=True))
        assert not table_of(quick, quick.submit(toy_study("after", rows=rows, seeds=8))).exploratory
        assert not table_of(quick, quick.submit(toy_study("beside", rows=(rows[0], rows[1] + 5), seeds=8))).exploratory


def test_what_a_pilot_trained_is_a_reason_for_a_choice(quick: Desk) -> None:
    table_of(quick, quick.submit(toy_study("pilot", rows=(0.0, 9.0), seeds=12, pilot=True)))
    assert table_of(quick, quick.submit(toy_study("picked", rows=(0.0, 1.0), seeds=7))).exploratory
    assert table_of(quick, quick.submit(toy_study("same", rows=(0.0, 2.0), seeds=7))).exploratory


def test_the_tables_of_the_paper_share_rows_and_none_is_marked(quick: Desk) -> None:
    submission = PaperSubmission(tables=["T1", "T10"], scale="mini", confirm=True)
    context = replace(quick.context, settings=quick.context.settings.model_copy(update={"ray_address": "elsewhere:1"}))
    view, _ = paper_studies.submit(context, submission)
    for study in view.items:
        for _ in range(1000):
            quick.tick()
            for ticket in list(quick.dispatcher.running.values()):
                quick.dispatcher.end(ticket, top1_error_pct=noise_of(ticket.trial))
            if quick.study(study).state not in ("queued", "running"):
                break
        table = results.get_table(quick.context, study.id)
        assert table.families
        assert not table.exploratory
