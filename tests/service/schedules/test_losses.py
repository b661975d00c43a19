"""Seeds that diverge or fail in scheduled studies: rows without a number, alarms of lost seeds, and jumps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from ablate.remote.documents.firings import FiringView
from service.dispatch.interface import Ticket
from service.errors import ConflictError
from service.schedules.history import get_history
from service.schedules.today import get_today
from service.store.schedules import notices
from service.store.sql import now
from service.studies import lifecycle
from tests.service.nights import DAY, MORNING, Nights

WIGGLE = (0.0, 0.1, -0.05, 0.03, -0.08, 0.06, -0.02, 0.04, 0.09, -0.03, 0.05, -0.06, 0.02, 0.07, -0.01)
SOON = timedelta(minutes=1)


def losing(*offsets: float, status: str = "diverged", seeds: int = 99) -> Callable[[Ticket], str]:
    """How trials end where these rows lose so many of their seeds."""
    left = dict.fromkeys(offsets, seeds)

    def end(ticket: Ticket) -> str:
        offset = ticket.trial.recipe["offset"]
        if not left.get(offset):
            return "succeeded"
        left[offset] -= 1
        return status

    return end


def add_three(nights: Nights, toy_study: Any, good: int = 7) -> None:
    """A schedule of three rows and three fresh seeds, after so many good firings."""
    nights.study = toy_study(rows=(0.0, 1.0, 2.0), seeds=3)
    nights.add(mode="fresh")
    for day in range(1, good + 1):
        nights.night(day, error=1 + WIGGLE[day - 1])


def found(firing: FiringView) -> tuple[str, str]:
    assert firing.drift is not None
    return firing.drift.state, firing.drift.sentence


def attention(nights: Nights, since: datetime | None = None) -> list[tuple[str, str]]:
    today = get_today(nights.desk.context, since, nights.at + SOON)
    assert today.needs_person == bool(today.attention)
    return [(one.code, one.message) for one in today.attention]


def sentences(nights: Nights, kind: str) -> list[str]:
    with nights.desk.context.store.read() as connection:
        due = notices.list_due(connection, "url", nights.at + 400 * DAY, 1000)
    return [one.document["sentence"] for one in due if one.kind == kind]


def test_rows_that_diverge_on_all_seeds_are_unknown_at_once_and_then_an_alarm(nights: Nights, toy_study: Any) -> None:
    add_three(nights, toy_study)
    assert found(nights.history()[0])[0] == "steady"
    first = nights.night(8, ends=losing(1.0, 2.0), error=1.0)
    state, sentence = found(first)
    assert state == "unknown"
    assert "row 'offset 1' is unknown, since all 3 seeds diverged or failed" in sentence
    assert "row 'offset 2' is unknown" in sentence
    assert "offset 0" not in sentence
    assert nights.schedule().needs_person
    assert [code for code, _ in attention(nights)] == ["unknown"]
    assert [text.count(" is unknown") for text in sentences(nights, "unknown")] == [2]

    second = nights.night(9, ends=losing(1.0, 2.0), error=1.0)
    state, sentence = found(second)
    assert state == "alarm"
    since = f"{first.instant:%Y-%m-%d %H:%M} UTC"
    assert f"row 'offset 1' lost 6 of 6 seeds since the firing of {since}, and 0 of 21 before" in sentence
    alarms = nights.schedule().alarms
    assert {(one.row, one.direction, one.size, one.changed_instant, one.instant) for one in alarms} == {
        (f"offset {row}", "lost", None, first.instant, second.instant) for row in (1, 2)
    }
    assert {code for code, _ in attention(nights)} == {"drift", "unknown"}
    for day in (10, 11):
        assert found(nights.night(day, ends=losing(1.0, 2.0), error=1.0))[0] == "alarm"
    assert len(nights.schedule().alarms) == 2
    assert len(sentences(nights, "drift")) == 2
    assert len(sentences(nights, "unknown")) == 1, "an open alarm of the row says it already"

    row = get_history(nights.desk.context, "nightly").row("offset 1")
    assert [one.instant for one in reversed(nights.history()[:4])] == row.unknown
    assert [alarm.direction for alarm in row.alarms] == ["lost"]


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_row_that_loses_one_seed_each_night_is_named_each_time_and_found(
    nights: Nights, toy_study: Any, status: str
) -> None:
    add_three(nights, toy_study)
    for day in range(8, 15):
        state, sentence = found(nights.night(day, ends=losing(1.0, seeds=1, status=status), error=1 + WIGGLE[day - 1]))
        assert state == ("steady" if status == "diverged" else "unknown")
        assert "mean over the seeds that ended: 'offset 1' (2 of 3)" in sentence
    state, sentence = found(nights.night(15, ends=losing(1.0, seeds=1, status=status), error=1.0))
    assert state == "alarm"
    assert "row 'offset 1' lost 8 of 24 seeds since the firing of 2026-03-10 02:00 UTC, and 0 of 21 before" in sentence
    assert [point.lost for point in get_history(nights.desk.context, "nightly").row("offset 1").points] == [
        *[0] * 7,
        *[1] * 8,
    ]


def test_an_unknown_row_needs_a_person_until_its_schedule_has_a_number_again(nights: Nights, toy_study: Any) -> None:
    add_three(nights, toy_study, good=5)
    nights.night(6, ends=losing(1.0), error=1.0)
    later = now() + DAY
    assert [code for code, _ in attention(nights, later)] == ["unknown"], "the last firing, of any age"
    nights.night(9, error=1.0)
    assert not nights.schedule().needs_person
    assert [code for code, _ in attention(nights)] == ["unknown"], "it happened in the time of the report"
    assert attention(nights, later) == []


def test_a_row_that_diverges_in_the_reference_window_is_unknown_and_is_not_called_steady_later(
    nights: Nights, toy_study: Any
) -> None:
    nights.study = toy_study(seeds=1)
    nights.add(mode="fresh")
    for day in range(1, 5):
        assert found(nights.night(day, ends=losing(1.0), error=1 + WIGGLE[day - 1]))[0] == "unknown"
    state, sentence = found(nights.night(5, error=1.0))
    assert (state, "row 'offset 1' has 1 of the 4 firings of its reference" in sentence) == ("unknown", True)
    assert "'offset 1' is unknown, since 4 of its 4 seeds in the 4 firings of its reference window" in sentence


def losing_two_of_three(since: int, day: int) -> Callable[[Ticket], str]:
    return losing(1.0, seeds=2 if day >= since else 0)


@pytest.mark.parametrize(
    ("since", "lost"),
    [
        (1, "8 of its 12 seeds in the 4 firings of its reference window"),
        (4, "2 of its 3 seeds after its reference window"),
    ],
)
def test_a_row_that_loses_most_seeds_from_the_start_is_unknown_by_name_and_announced_once(
    nights: Nights, toy_study: Any, since: int, lost: str
) -> None:
    add_three(nights, toy_study, good=0)
    told = list[str]()
    for day in range(1, 11):
        firing = nights.night(day, ends=losing_two_of_three(since, day), error=1 + WIGGLE[day])
        told.append(found(firing)[0])
    assert "steady" not in told[4:]
    assert set(told[5:]) == {"unknown"}
    assert nights.schedule().needs_person
    assert {code for code, _ in attention(nights)} == {"unknown"}
    (sentence,) = sentences(nights, "unknown")
    assert sentence.endswith(f"row 'offset 1' is unknown, since {lost} diverged or failed")
    assert nights.schedule().alarms == [], "it is outside of the budget of false alarms"


def test_an_acknowledged_lossy_row_is_quiet_and_steady_again_once_it_ends(nights: Nights, toy_study: Any) -> None:
    add_three(nights, toy_study, good=0)
    for day in range(1, 6):
        nights.night(day, ends=losing_two_of_three(1, day), error=1 + WIGGLE[day])
    nights.at += SOON
    nights.acknowledge("a learning rate that is too high")
    assert not nights.schedule().needs_person
    state, sentence = found(nights.night(6, ends=losing_two_of_three(1, 6), error=1.0))
    assert (state, "2 of its 3 seeds after the acknowledged firing" in sentence) == ("unknown", True)
    assert "diverged or failed (acknowledged)" in sentence
    assert "no alarm in 6 firings" in sentence, "the reference of the others stays"
    assert (nights.schedule().needs_person, len(sentences(nights, "unknown"))) == (False, 1)
    for day in (7, 8):
        state, _ = found(nights.night(day, error=1.0))
    assert state == "steady"


def test_a_row_that_always_diverges_is_announced_once_and_quiet_after_its_acknowledgement(
    nights: Nights, toy_study: Any
) -> None:
    add_three(nights, toy_study, good=0)
    for day in (1, 2, 3):
        nights.night(day, ends=losing(1.0), error=1 + WIGGLE[day])
        assert nights.schedule().needs_person
    assert len(sentences(nights, "unknown")) == 1
    nights.at += SOON
    nights.acknowledge("it needs a lower learning rate")
    assert (nights.schedule().needs_person, attention(nights)) == (False, [])
    for day in range(4, 8):
        state, sentence = found(nights.night(day, ends=losing(1.0), error=1 + WIGGLE[day]))
        assert (state, "diverged or failed (acknowledged)" in sentence) == ("unknown", True)
        assert not nights.schedule().needs_person
        with pytest.raises(ConflictError, match="there is nothing to acknowledge"):
            nights.acknowledge("again")
    assert "no alarm in 7 firings" in sentence, "the other rows were watched all the time"
    nights.night(8, error=1.0)
    nights.night(9, ends=losing(1.0), error=1.0)
    assert nights.schedule().needs_person, "it had a number in between"
    assert "since 12 of its 12 seeds in the 4 firings of its reference window" in sentences(nights, "unknown")[1]
    (row,) = get_history(nights.desk.context, "nightly").row("offset 1").alarms
    assert (row.direction, row.acknowledged) == ("lost", "it needs a lower learning rate")


def test_a_row_whose_alarm_of_lost_seeds_is_acknowledged_is_quiet(nights: Nights, toy_study: Any) -> None:
    add_three(nights, toy_study)
    for day in (8, 9):
        nights.night(day, ends=losing(1.0), error=1.0)
    nights.at += SOON
    nights.acknowledge("known")
    for day in (10, 11):
        state, sentence = found(nights.night(day, ends=losing(1.0), error=1.0))
        assert (state, "(acknowledged)" in sentence, nights.schedule().needs_person) == ("unknown", True, False)
    assert len(sentences(nights, "unknown")) == 1


def test_an_acknowledgement_of_nothing_is_refused_and_keeps_the_reference(nights: Nights, toy_study: Any) -> None:
    add_three(nights, toy_study, good=5)
    nights.at += SOON
    with pytest.raises(ConflictError, match="no open alarm and no unknown row, so there is nothing to acknowledge"):
        nights.acknowledge("daily")
    assert found(nights.night(6, error=1.0))[1] == "no alarm in 6 firings"


def test_a_cancelled_firing_has_no_unknown_rows(nights: Nights, toy_study: Any) -> None:
    add_three(nights, toy_study, good=4)
    nights.tick(MORNING.replace(hour=2) + 5 * DAY)
    lifecycle.cancel(nights.desk.context, nights.history()[0].study_id or "")
    nights.train()
    assert found(nights.history()[0]) == ("unknown", "cancelled, so it is not judged")
    assert "unknown" not in [code for code, _ in attention(nights)]
    assert found(nights.night(6, error=1.0))[0] == "steady"


def test_a_canary_that_diverges_then_and_now_is_unknown_and_not_steady(nights: Nights) -> None:
    nights.add()
    for day in (1, 2):
        state, sentence = found(nights.night(day, ends=losing(0.0)))
        assert (state, nights.schedule().needs_person) == ("unknown", True)
        assert sentence.startswith("row 'offset 0' is unknown, since all 2 seeds diverged or failed; ")
    assert sentence.endswith("2 of 2 repeated trials are bit-identical")


def test_a_jump_is_a_notice_that_names_its_assumption_and_no_alarm(nights: Nights, toy_study: Any) -> None:
    add_three(nights, toy_study)
    state, sentence = found(nights.night(8, error=90.0))
    assert state == "steady"
    assert "notice, no alarm: the mean of row 'offset 0' is 89 (" in sentence
    assert "assumes tails like t3 (Student's t with 3 degrees of freedom)" in sentence
    assert [text.count("the mean of row") for text in sentences(nights, "jump")] == [3]
    assert (nights.schedule().needs_person, attention(nights)) == (False, [])
    assert "notice" not in found(nights.night(9, error=1.0))[1]


def test_a_seed_lost_at_every_second_firing_is_a_notice_once_and_no_alarm(nights: Nights, toy_study: Any) -> None:
    nights.study = toy_study(rows=(0.0,), seeds=3)
    nights.add(mode="fresh")
    for day in range(1, 43):
        lost = int(day > 20 and day % 2 == 0)
        firing = nights.night(day, ends=losing(0.0, seeds=lost), error=1 + WIGGLE[day % 15])
    text = "notice, no alarm: row 'offset 0' lost 11 of 63 seeds since the firing of 2026-03-24 02:00 UTC, and 0 of 63"
    state, sentence = found(firing)
    assert (state, text in sentence) == ("steady", True)
    assert len(sentences(nights, "lost")) == 1
    assert (nights.schedule().alarms, nights.schedule().needs_person) == ([], False)


def test_the_first_firing_that_differs_from_equal_ones_is_a_notice_without_an_assumption(nights: Nights) -> None:
    nights.add(mode="fresh")
    for day in range(1, 7):
        nights.night(day, error=1.0)
    state, sentence = found(nights.night(7, error=6.0))
    text = "the mean of row 'offset 0' is 5 above that of the firings before, which were equal to the last bit"
    assert state == "steady"
    assert f"notice, no alarm: {text}" in sentence
    assert "assumes" not in sentence
    assert len(sentences(nights, "jump")) == 1
