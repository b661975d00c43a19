"""Alarms: one open alarm per changed row until it is acknowledged, with everything else that changed at that time."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ablate.errors import quote
from ablate.remote.documents.firings import DriftView, RepeatView
from ablate.statistics.drift import watch as drift
from ablate.statistics.drift.losses import Loss
from ablate.trials.repeats import ProvenanceChange, differences
from service.store.schedules import alarms, firings, notices
from service.store.schedules.firings import Firing
from service.store.schedules.schedules import Schedule
from service.store.session import Connection

ASSUMES = "assumes tails like t3 (Student's t with 3 degrees of freedom)"
MAX_NAMED = 6
"""Number of differences in a sentence; the alarm has all of them."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The transaction that settles a firing, with the schedule, the firing with its results, and the current time."""

    connection: Connection
    schedule: Schedule
    firing: Firing
    at: datetime

    def document(self, rows: list[str], text: str) -> dict[str, Any]:
        """A notice about rows at the firing."""
        firing, name = self.firing, self.schedule.name
        return {
            "schedule": name, "instant": firing.instant.isoformat(), "study_id": firing.study_id, "rows": rows,
            "sentence": f"schedule {name}, firing of {firing.instant:%Y-%m-%d %H:%M} UTC: {text}",
        }  # fmt: skip


def raise_repeats(case: Settlement, changed: Sequence[RepeatView], before: Mapping[str, Any]) -> DriftView:
    """Raise alarms for repeated trials whose results changed.

    Args:
        case: the firing.
        changed: one changed trial of each row that has any.
        before: provenance of the reference, used if no earlier firing was good.
    """
    firing = case.firing
    good = _last_good(case)
    found = differences((good.provenance if good else None) or before, firing.provenance or {})
    for repeat in changed:
        size = None if repeat.then is None or repeat.now is None else repeat.now - repeat.then
        size = size if size is not None and math.isfinite(size) else None  # numbers may be too far apart for a float
        text = f"row {quote(repeat.row)}, seed {repeat.seed}, does not reproduce its stored results: {repeat.sentence}"
        values = {
            "row": repeat.row, "size": size, "direction": _direction(size), "changed_instant": firing.instant,
            "sentence": f"{text}; {explain(found, good)}",
        }  # fmt: skip
        _raise(case, values, good, found)
    rows = ", ".join(quote(repeat.row) for repeat in changed)
    return DriftView(state="alarm", sentence=f"results differ from the stored ones in {rows}: {changed[0].sentence}")


def judge_fresh(case: Settlement) -> DriftView:
    """Whether the means or the lost seeds of new seeds have changed, from all firings since the reference began."""
    firing, schedule = case.firing, case.schedule
    if firing.state == "cancelled":
        return DriftView(state="unknown", sentence="cancelled, so it is not judged")
    if not firing.rows:
        return DriftView(state="unknown", sentence="its table could not be built, so it is not judged")
    history = firings.list_measured(case.connection, schedule.seq, schedule.watched_from)
    history = [one for one in history if one.kind == "fresh"]
    watch = drift.watch(
        [_observe(one) for one in history],
        reference=schedule.reference_firings,
        mean_time_between_false_alarms=schedule.false_alarm_every,
    )
    seen = [alarm for row in watch.rows.values() for alarm in row.alarms]
    for alarm in seen:
        _raise_drift(case, history, alarm)
    place = next((index for index, one in enumerate(history) if one.id == firing.id), None)
    jumps = {label: jump for label, row in watch.rows.items() for jump in row.jumps if jump.index == place}
    found = _found(case, history, watch, seen)
    notes = [found.sentence, *_announce_rises(case, history, watch)]
    if jumps:
        notes.append(_announce_jumps(case, jumps))
    return DriftView(state=found.state, sentence="; ".join(notes))


def _observe(firing: Firing) -> drift.Observation:
    means = {row["row"]: row["mean"] for row in firing.rows if row["n"]}
    return drift.Observation(
        firing.instant, means, {row["row"]: (row["lost"], row["n"] + row["lost"]) for row in firing.rows}
    )


def _found(case: Settlement, history: Sequence[Firing], watch: drift.Watch, seen: Sequence[drift.Alarm]) -> DriftView:
    if seen:
        return DriftView(state="alarm", sentence="; ".join(_sentence(alarm, history) for alarm in seen))
    needed = case.schedule.reference_firings
    filling = {label: len(row.reference_indices) for label, row in watch.rows.items() if not row.series}
    if len(filling) == len(watch.rows):
        text = f"firing {len(history)} of {needed} in the reference window"
        return DriftView(state="reference", sentence=text)
    parts = [f"no alarm in {len(history)} firings"]
    parts += [f"row {quote(label)} has {n} of the {needed} firings of its reference" for label, n in filling.items()]
    if case.firing.state == "holes":
        return DriftView(state="unknown", sentence="; ".join([*parts, "not steady, since cells have no result"]))
    return DriftView(state="steady", sentence="; ".join(parts))


def _announce_jumps(case: Settlement, jumps: Mapping[str, drift.Jump]) -> str:
    """Queue a notice about rows far outside at a firing. Returns its sentence; it is no alarm."""
    text = f"notice, no alarm: {', '.join(_jump_text(label, one) for label, one in jumps.items())}"
    if any(one.distance is not None for one in jumps.values()):
        text += f"; that this is rare without a change {ASSUMES}"
    notices.queue_notice(case.connection, "jump", f"jump:{case.firing.id}", case.document(list(jumps), text), case.at)
    return text


def _jump_text(label: str, jump: drift.Jump) -> str:
    errors = "" if jump.distance is None else f" ({abs(jump.distance):.3g} standard errors)"
    side = "above" if jump.size > 0 else "below"
    equal = ", which were equal to the last bit" if jump.distance is None else ""
    return f"the mean of row {quote(label)} is {abs(jump.size):.3g}{errors} {side} that of the firings before{equal}"


def _announce_rises(case: Settlement, history: Sequence[Firing], watch: drift.Watch) -> Iterator[str]:
    """The rows that lose more seeds than before, too few for an alarm; a notice once in a reference."""
    for label, row in watch.rows.items():
        if row.rise and history[row.rise.place].id == case.firing.id:
            text = f"notice, no alarm: {_loss_sentence(label, row.rise, history)}"
            digest = hashlib.sha256(label.encode()).hexdigest()  # a label may be longer than the key of a notice
            about = f"rise:{case.schedule.seq}:{case.schedule.watched_from.isoformat()}:{digest}"
            notices.queue_notice(case.connection, "lost", about, case.document([label], text), case.at)
            yield text


def _raise_drift(case: Settlement, history: Sequence[Firing], alarm: drift.Alarm) -> None:
    changed = history[alarm.changed_index]
    good = history[alarm.changed_index - 1] if alarm.changed_index else None
    found = differences(good.provenance or {}, changed.provenance or {}) if good else []
    values = {
        "row": alarm.row, "size": alarm.size, "direction": alarm.direction, "changed_instant": changed.instant,
        "sentence": f"{_sentence(alarm, history)}; {explain(found, good)}",
    }  # fmt: skip
    _raise(replace(case, firing=history[alarm.at_index]), values, good, found)


def _sentence(alarm: drift.Alarm, history: Sequence[Firing]) -> str:
    if alarm.loss:
        return _loss_sentence(alarm.row, replace(alarm.loss, changed=alarm.changed_index), history)
    since = _since(history[alarm.changed_index])
    assert alarm.size is not None, "a change of the mean has a size"
    text = f"row {quote(alarm.row)} went {alarm.direction} by about {abs(alarm.size):.3g} {since}"
    is_whole = not any(row["lost"] for one in history for row in one.rows if row["row"] == alarm.row)
    return text if is_whole else f"{text}, by the means over the seeds that ended"


def _loss_sentence(row: str, loss: Loss, history: Sequence[Firing]) -> str:
    before = f"{loss.lost_before} of {loss.seeds_before} before"
    since = _since(history[loss.changed])
    return f"row {quote(row)} lost {loss.lost_after} of {loss.seeds_after} seeds {since}, and {before}"


def _since(firing: Firing) -> str:
    return f"since the firing of {firing.instant:%Y-%m-%d %H:%M} UTC"


def explain(found: Sequence[ProvenanceChange], good: Firing | None) -> str:
    """Recorded differences between the last good firing and the first changed one, in words."""
    since = f"since the firing of {good.instant:%Y-%m-%d %H:%M} UTC" if good else "since the reference"
    if not found:
        return f"{since} no recorded property changed (commit, lock file, versions, device, processor, data)"
    named = [f"{one.what} {one.before} -> {one.after}" for one in found[:MAX_NAMED]]
    more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return f"{since} these changed: {', '.join(named)}{more}"


def _direction(size: float | None) -> str | None:
    return ("up" if size > 0 else "down") if size else None


def _last_good(case: Settlement) -> Firing | None:
    """The last firing before this one that reproduced the stored results, or that trained them."""
    before = firings.list_measured(case.connection, case.schedule.seq, case.schedule.watched_from)
    good = [
        one
        for one in before
        if one.instant < case.firing.instant
        and one.state == "done"
        and one.drift
        and one.drift["state"] in ("steady", "reference")
    ]
    return good[-1] if good else None


def _raise(case: Settlement, values: dict[str, Any], good: Firing | None, found: Sequence[ProvenanceChange]) -> None:
    """Store an alarm and queue its notice, unless the row has an open alarm.

    Args:
        case: the firing that detected the change.
        values: row, size, direction, changed instant and sentence.
        good: the last firing before the change.
        found: recorded differences since then.
    """
    connection, schedule, firing = case.connection, case.schedule, case.firing
    if any(one.row == values["row"] for one in alarms.list_open(connection, [schedule.seq])):
        return
    changes = [{"what": one.what, "then": one.before, "now": one.after} for one in found]
    alarm_id = alarms.add_alarm(
        connection,
        values
        | {
            "schedule_seq": schedule.seq, "firing_id": firing.id, "differences": changes, "raised_at": case.at,
            "good_instant": good and good.instant, "good_study_id": good and good.study_id,
        },
    )  # fmt: skip
    if alarm_id is not None:
        document = {
            "schedule": schedule.name, "row": values["row"], "instant": firing.instant.isoformat(),
            "changed_instant": values["changed_instant"].isoformat(), "study_id": firing.study_id,
            "differences": changes, "sentence": f"schedule {schedule.name}: {values['sentence']}",
        }  # fmt: skip
        notices.queue_notice(connection, "drift", f"alarm:{alarm_id}", document, case.at)
