"""What firings find, over both databases: references, repeats, new seeds, holes, alarms and their end."""

from __future__ import annotations

from typing import Any

import pytest

from service.schedules import launch
from service.schedules.settle import settle_firing
from service.store.schedules import firings
from service.store.tables import trials
from service.studies import lifecycle
from tests.service.nights import DAY, MINUTE, MORNING, Nights


def trained(desk: Any) -> list[tuple[float, int, int, int]]:
    return [
        (one.trial.recipe["offset"], one.trial.seed, one.trial.repeat, one.trial.replicate)
        for one in desk.dispatcher.started
    ]


def test_the_first_night_trains_the_reference_and_says_so_and_the_next_ones_repeat_it(nights: Nights) -> None:
    nights.add()
    first = nights.night(1)
    assert (first.kind, first.state, first.repeat, first.stands_for) == ("reference", "done", 0, 1)
    assert first.drift is not None
    assert first.drift.state == "reference"
    assert "trained the reference: 2 of 2 trials" in first.drift.sentence
    second, third = nights.night(2), nights.night(3)
    assert [(one.kind, one.state, one.repeat) for one in (second, third)] == [
        ("verify", "done", 1),
        ("verify", "done", 2),
    ]
    assert trained(nights.desk) == [(0.0, seed, repeat, 0) for repeat in (0, 1, 2) for seed in (0, 1)]
    assert [(one.row, one.seed, one.verdict) for one in third.comparisons] == [
        ("offset 0", 0, "equal"),
        ("offset 0", 1, "equal"),
    ]
    assert third.drift is not None
    assert third.drift.state == "steady"


def test_what_other_studies_stored_is_the_reference_and_a_firing_is_never_answered_from_it(nights: Nights) -> None:
    nights.desk.finish(nights.desk.submit(nights.study))
    nights.add()
    night = nights.night(1)
    assert (night.kind, night.repeat) == ("verify", 1)
    assert len(nights.desk.dispatcher.started) == 4 + 2
    assert nights.schedule().reference_at is None


def test_two_schedules_of_one_study_do_not_answer_each_other(nights: Nights) -> None:
    nights.desk.finish(nights.desk.submit(nights.study))
    nights.add("a")
    nights.add("b")
    nights.night(1, "a")
    assert sorted(trained(nights.desk)[4:]) == [(0.0, seed, repeat, 0) for seed in (0, 1) for repeat in (1, 2)]


def test_canary_rows_are_what_the_study_names(nights: Nights) -> None:
    nights.study = nights.study | {"canary": {"rows": ["offset 1"]}}
    nights.add()
    night = nights.night(1)
    assert [row.row for row in night.rows] == ["offset 1"]


def test_a_changed_number_is_an_alarm_at_the_first_firing_and_is_told_once(nights: Nights) -> None:
    nights.add()
    nights.night(1, error=1.0)
    good = nights.night(2, error=1.0)
    for day in (3, 4):
        changed = nights.night(day, error=1.5)
        assert changed.drift is not None
        assert changed.drift.state == "alarm"
        assert {one.verdict for one in changed.comparisons} == {"different"}
    (alarm,) = nights.schedule().alarms
    assert (alarm.row, alarm.direction, alarm.size) == ("offset 0", "up", 0.5)
    assert alarm.instant == alarm.changed_instant == good.instant + DAY
    assert (alarm.good_instant, alarm.good_study_id) == (good.instant, good.study_id)
    assert "no recorded property changed" in alarm.sentence
    assert nights.schedule().needs_person
    assert nights.told().count("drift") == 1


def test_numbers_too_far_apart_for_a_float_are_an_alarm_without_a_size(nights: Nights) -> None:
    nights.add()
    nights.night(1, error=1.7e308)
    changed = nights.night(2, error=-1.7e308)
    assert changed.drift is not None
    assert changed.drift.state == "alarm"
    (alarm,) = nights.schedule().alarms
    assert (alarm.size, alarm.direction) == (None, None)
    assert "does not reproduce its stored results" in alarm.sentence


def test_an_acknowledged_change_begins_a_new_reference(nights: Nights) -> None:
    nights.add()
    nights.night(1, error=1.0)
    nights.night(2, error=1.5)
    nights.at += MINUTE
    assert nights.acknowledge("torch was upgraded").alarms == []
    renewed = nights.night(3, error=1.5)
    assert (renewed.kind, renewed.repeat) == ("reference", 2)
    assert nights.schedule().reference_at == renewed.instant
    night = nights.night(4, error=1.5)
    assert night.drift is not None
    assert (night.kind, night.repeat, night.drift.state) == ("verify", 3, "steady")


def test_an_acknowledgement_while_a_firing_is_planned_is_not_lost(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.add()
    nights.night(1, error=1.0)
    nights.night(2, error=1.5)
    prepare = launch.prepare

    def prepare_slowly(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(launch, "prepare", prepare)
        nights.acknowledge("while it was planned")
        return prepare(*arguments, **options)

    monkeypatch.setattr(launch, "prepare", prepare_slowly)
    assert nights.night(3, error=1.5).kind == "reference"


def test_a_mended_mistake_goes_on_with_the_old_reference(nights: Nights) -> None:
    nights.add()
    nights.night(1, error=1.0)
    nights.night(2, error=1.5)
    nights.at += MINUTE
    nights.acknowledge("the data were restored", keep_reference=True)
    mended = nights.night(3, error=1.0)
    assert mended.drift is not None
    assert (mended.kind, mended.drift.state) == ("verify", "steady")
    again = nights.night(4, error=1.5)
    assert again.drift is not None
    assert again.drift.state == "alarm"
    assert len(nights.schedule().alarms) == 1


def test_holes_are_no_drift_and_are_told_and_settled_again_when_they_are_filled(nights: Nights) -> None:
    nights.add()
    nights.night(1)
    nights.tick(MORNING.replace(hour=2) + 2 * DAY)
    nights.desk.tick()
    bad, good = list(nights.desk.dispatcher.running.values())
    nights.desk.dispatcher.end(bad, "failed", "RuntimeError: as told")
    nights.desk.dispatcher.end(good)
    nights.train()
    (night, _) = nights.history()
    assert night.drift is not None
    assert (night.state, night.drift.state) == ("holes", "unknown")
    assert "1 of 2 trials have no result this time, which does not count as drift" in night.drift.sentence
    assert "1 of 2 cells have no result" in (night.reason or "")
    assert nights.schedule().needs_person
    assert nights.told().count("holes") == 1
    lifecycle.retry(nights.desk.context, night.study_id or "")
    nights.train()
    (night, _) = nights.history()
    assert night.drift is not None
    assert (night.state, night.reason, night.drift.state) == ("done", None, "steady")


def test_a_study_that_is_queued_again_under_a_scheduler_is_settled_at_its_next_end(nights: Nights) -> None:
    nights.add()
    nights.tick(MORNING.replace(hour=2) + DAY)
    lifecycle.cancel(nights.desk.context, nights.history()[0].study_id or "")
    nights.desk.tick()
    with nights.desk.context.store.read() as connection:
        (ended,) = firings.list_firings(connection, 1, limit=1)
    lifecycle.retry(nights.desk.context, ended.study_id or "")
    settle_firing(nights.desk.context, ended, nights.at)
    nights.train()
    assert nights.states() == ["done"]


def test_a_firing_that_runs_while_its_change_is_acknowledged_does_not_tell_of_it_again(nights: Nights) -> None:
    nights.add()
    nights.night(1, error=1.0)
    nights.night(2, error=1.5)
    nights.tick(MORNING.replace(hour=2) + 3 * DAY)
    nights.at += MINUTE
    nights.acknowledge("torch was upgraded")
    nights.train(error=1.5)
    night = nights.history()[0]
    assert night.drift is not None
    assert (night.kind, night.drift.state, nights.schedule().alarms) == ("verify", "unknown", [])


def test_a_reference_with_holes_is_trained_to_its_end_by_the_next_firing(nights: Nights) -> None:
    nights.add()
    nights.tick(MORNING.replace(hour=2) + DAY)
    nights.desk.tick()
    bad, good = list(nights.desk.dispatcher.running.values())
    nights.desk.dispatcher.end(bad, "failed", "RuntimeError: as told")
    nights.desk.dispatcher.end(good)
    nights.train()
    assert nights.history()[0].state == "holes"
    second, third = nights.night(2), nights.night(3)
    assert [(one.kind, one.state, one.repeat) for one in (second, third)] == [
        ("reference", "done", 0),
        ("verify", "done", 1),
    ]


def test_a_cancelled_firing_is_no_drift(nights: Nights) -> None:
    nights.add()
    nights.night(1)
    nights.tick(MORNING.replace(hour=2) + 2 * DAY)
    lifecycle.cancel(nights.desk.context, nights.history()[0].study_id or "")
    nights.train()
    night = nights.history()[0]
    assert night.drift is not None
    assert (night.state, night.drift.state) == ("cancelled", "unknown")


def test_fresh_takes_blocks_of_seeds_that_nobody_has_trained(nights: Nights) -> None:
    nights.desk.finish(nights.desk.submit(nights.study | {"seeds": 3}))
    nights.add(mode="fresh")
    first = nights.night(1)
    nights.desk.finish(nights.desk.submit(nights.study | {"seeds": [7]}))
    second = nights.night(2)
    assert [one.seeds for one in (first, second)] == [[4, 5], [8, 9]]
    assert [row.row for row in second.rows] == ["offset 0", "offset 1"]
    assert {(one.trial.replicate, one.trial.repeat) for one in nights.desk.dispatcher.started} == {(0, 0)}


def test_fresh_seeds_that_move_are_an_alarm_with_the_first_changed_firing(nights: Nights) -> None:
    nights.add(mode="fresh", false_alarm_every=50, seeds=1)
    wiggle = (0.0, 0.1, -0.05, 0.03, -0.08, 0.06, -0.02, 0.04)
    for day in range(1, 9):
        steady = nights.night(day, error=1.0 + wiggle[day - 1])
        assert steady.drift is not None
        assert steady.drift.state == ("reference" if day <= 4 else "steady")
    nights_after = [nights.night(day, error=9.0 + wiggle[day - 9]) for day in range(9, 17)]
    moved = next(night for night in nights_after if night.drift and night.drift.state == "alarm")
    assert moved.drift is not None
    assert "row 'offset 1' went up by about 8" in moved.drift.sentence
    alarms = nights.schedule().alarms
    assert {one.row for one in alarms} == {"offset 0", "offset 1"}
    assert {(one.direction, one.changed_instant) for one in alarms} == {("up", nights_after[0].instant)}
    nights.at += MINUTE
    nights.acknowledge("a new optimiser")
    fresh = nights.night(17, error=9.0)
    assert fresh.drift is not None
    assert (fresh.drift.state, fresh.drift.sentence) == ("reference", "firing 1 of 4 in the reference window")


def test_what_another_machine_rounds_otherwise_is_steady_and_says_by_which_tolerance(nights: Nights) -> None:
    nights.add(tolerance=0.01)
    nights.night(1, error=1.0)
    night = nights.night(2, error=1.005)
    assert night.drift is not None
    assert night.drift.state == "steady"
    assert (
        "2 within the tolerance of 0.01, because processor, threads, device, driver or packages differ"
        in night.drift.sentence
    )
    changed = nights.night(3, error=1.02)
    assert changed.drift is not None
    assert changed.drift.state == "alarm"


def test_where_the_reference_is_gone_nothing_is_compared_and_the_next_firing_trains_it(nights: Nights) -> None:
    nights.add()
    nights.night(1)
    nights.tick(MORNING.replace(hour=2) + 2 * DAY)
    with nights.desk.context.store.write() as connection:
        connection.execute(trials.update().where(trials.c.repeat == 0).values(state="cancelled"))
    nights.train()
    night = nights.history()[0]
    assert night.drift is not None
    assert (night.kind, night.state, night.drift.state) == ("verify", "done", "unknown")
    assert night.drift.sentence == (
        "no trial could be compared; 2 of 2 stored results are missing; the next firing trains them again"
    )
    assert nights.night(3).kind == "reference"
