"""Verify over a real network on real digits: equal bits every night, and a change of 1e-3 detected immediately."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ablate.remote.documents.firings import FiringView
from ablate.remote.documents.schedules import ScheduleSpec
from ablate.study.resources import Resources
from ablate.trials.provenance import describe_process
from ablate.trials.run import run_trial
from ablate.trials.trial import Outcome
from service.context import Context, open_context
from service.dispatch.interface import Report, Ticket, TrialMessage
from service.dispatch.machines import Machine
from service.running.scheduler import Scheduler
from service.schedules import fire, lifecycle
from service.settings import Settings

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
BASE = {
    "dataset": "digits", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "batch_size": 64, "steps": 8,
    "lr": 0.1, "momentum": 0.9,
}  # fmt: skip
STUDY = {"name": "digits", "seeds": 1, "base": BASE, "rows": [{"label": "ReLU", "set": {"activation": "relu"}}]}


class HereWithProvenance:
    """A dispatcher without workers: a trial runs when it is submitted, in this process, which says where that is."""

    kind = "inline"

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.provenance: dict[str, Any] = describe_process() | {"threads": 1}

    def start(self) -> None: ...

    def machines(self) -> Sequence[Machine]:
        return [Machine(1, 0.0)]

    def room(self, resources: Resources) -> int:
        return 1

    def submit(self, ticket: Ticket) -> None:
        for message in run_trial(ticket.trial, ticket.workdir):
            said = dict(self.provenance) if isinstance(message, Outcome) else {}
            self.reports.append(TrialMessage(ticket, message, said))

    def stop(self, ticket: Ticket) -> None: ...

    def poll(self, timeout_s: float) -> list[Report]:
        reports, self.reports = self.reports, []
        return reports

    def close(self) -> None: ...


class Lab:
    """A service whose trials run here, under a clock that is moved night by night."""

    def __init__(self, context: Context) -> None:
        self.context, self.at, self.dispatcher = context, START, HereWithProvenance()
        self.scheduler = Scheduler(context, lambda: self.dispatcher, clock=lambda: self.at)
        self.scheduler.start()
        spec = ScheduleSpec(name="nightly", cron="0 2 * * *", study=STUDY)
        lifecycle.add_schedule(context, spec, START)

    def night(self) -> FiringView:
        self.at += timedelta(days=1)
        fire.tick(self.context, self.at)
        for _ in range(20):
            self.context.changed.set()
            self.scheduler.tick()
            fire.tick(self.context, self.at)
            if self.last().state != "running":
                break
        return self.last()

    def last(self) -> FiringView:
        return lifecycle.list_history(self.context, "nightly", limit=1, cursor=None).items[0]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    (tmp_path / "home").mkdir()
    context = open_context(Settings(home=tmp_path / "home"))
    lab = Lab(context)
    yield lab
    lab.scheduler.close()
    context.close()


def state_of(found: FiringView) -> str:
    assert found.drift is not None
    return found.drift.state


@pytest.mark.slow
def test_a_network_gives_equal_bits_until_its_momentum_is_changed_by_a_thousandth(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ablate.training import optim

    assert state_of(lab.night()) == "reference"
    good = lab.night()
    assert [one.verdict for one in good.comparisons] == ["equal"]
    assert "same to the last bit" in good.comparisons[0].sentence
    assert state_of(good) == "steady"
    monkeypatch.setattr(optim, "SGD", partial(_with_other_momentum, optim.SGD))
    lab.dispatcher.provenance |= {"commit": "0123456789ab"}
    changed = lab.night()
    (pair,) = changed.comparisons
    assert (state_of(changed), pair.verdict) == ("alarm", "different")
    assert pair.first_difference_step is not None
    assert f"the curves differ from step {pair.first_difference_step} on" in pair.sentence
    (alarm,) = lifecycle.get_schedule(lab.context, "nightly", lab.at).alarms
    assert (alarm.row, alarm.changed_instant, alarm.good_instant) == ("ReLU", changed.instant, good.instant)
    assert [(one.what, one.now) for one in alarm.differences] == [("commit", "0123456789ab")]
    assert "these changed: commit" in alarm.sentence


def _with_other_momentum(build: Any, groups: Any, *, momentum: float, by: float = 1e-3, **options: Any) -> Any:
    return build(groups, momentum=momentum + by, **options)


@pytest.mark.slow
def test_what_rounding_does_is_steady_on_another_processor_and_an_alarm_on_the_same(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ablate.training import optim

    lab.night()
    monkeypatch.setattr(optim, "SGD", partial(_with_other_momentum, optim.SGD, by=1e-5))
    here = lab.dispatcher.provenance
    lab.dispatcher.provenance = here | {"processor": "another"}
    elsewhere = lab.night()
    assert (state_of(elsewhere), elsewhere.comparisons[0].verdict) == ("steady", "within tolerance")
    lab.dispatcher.provenance = here
    assert state_of(lab.night()) == "alarm"
