"""The queue under any sequence of submits, outcomes, losses, cancels, pauses and crashes: what must always hold."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from ablate.remote.documents.studies import Extension
from service.context import open_context
from service.documents.states import LIVE
from service.running.scheduler import Scheduler
from service.settings import Settings
from service.store.tables import attempts, needs, trials
from service.studies import extend, lifecycle
from tests.service.conftest import chain_study

RESULTS = ("succeeded", "diverged")
CHAINS: dict[str, dict[str, Any]] = {"A": {}, "B": {"offset": 1.0}, "C": {"backbone": {"level": 5.0}}}
"""Rows of the task `chain`: two that start from the same weights, one that starts from others."""


def build_machine(desk_class: Any, dispatcher_class: Any, toy_study: Callable[..., dict[str, Any]]) -> Any:
    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = tempfile.TemporaryDirectory()
            context = open_context(Settings(home=Path(self.folder.name)))
            dispatcher = dispatcher_class()
            scheduler = Scheduler(context, lambda: dispatcher)
            scheduler.start()
            self.desk = desk_class(context, dispatcher, scheduler)
            self.posted: list[str] = []
            self.results: dict[str, Any] = {}

        def teardown(self) -> None:
            self.desk.context.close()
            self.folder.cleanup()

        @rule(
            rows=st.sets(st.sampled_from([0.0, 1.0, 2.0]), min_size=1), priority=st.integers(-1, 1), fresh=st.booleans()
        )
        def submit(self, rows: set[float], priority: int, fresh: bool) -> None:
            document = toy_study(rows=sorted(rows))
            self.posted.append(self.desk.submit(document, priority=priority, fresh=fresh and len(self.posted) > 2).id)

        @rule(rows=st.sets(st.sampled_from(sorted(CHAINS)), min_size=1), priority=st.integers(-1, 1))
        def submit_what_needs_others(self, rows: set[str], priority: int) -> None:
            document = chain_study(rows={label: CHAINS[label] for label in sorted(rows)}, seeds=2)
            self.posted.append(self.desk.submit(document, priority=priority).id)

        @rule()
        def tick(self) -> None:
            self.desk.tick()

        @precondition(lambda self: self.desk.dispatcher.running)
        @rule(data=st.data(), how=st.sampled_from(["succeeded", "diverged", "failed", "worker", "oom"]))
        def end(self, data: st.DataObject, how: str) -> None:
            name = data.draw(st.sampled_from(sorted(self.desk.dispatcher.running)))
            ticket = self.desk.dispatcher.running[name]
            if how in ("worker", "oom"):
                self.desk.dispatcher.lose(ticket, how)
            else:
                self.desk.dispatcher.end(ticket, how, None if how == "succeeded" else "as told")
            self.desk.tick()

        @precondition(lambda self: self.desk.dispatcher.started)
        @rule(data=st.data())
        def answer_late(self, data: st.DataObject) -> None:
            """A worker that was given up says that it is done after all."""
            ticket = data.draw(st.sampled_from(self.desk.dispatcher.started))
            if ticket.name not in self.desk.dispatcher.running:
                self.desk.dispatcher.end(ticket, error=99.0)
                self.desk.tick()

        @precondition(lambda self: self.posted)
        @rule(data=st.data(), verb=st.sampled_from(["cancel", "retry", "pause", "resume", "extend"]))
        def act(self, data: st.DataObject, verb: str) -> None:
            study_id = data.draw(st.sampled_from(self.posted))
            if verb in ("pause", "resume", "extend") and self.state(study_id) == "cancelled":
                return
            if verb == "extend":
                extend.extend(self.desk.context, study_id, Extension(seeds=3))
            else:
                getattr(lifecycle, verb)(self.desk.context, study_id)

        @rule()
        def crash(self) -> None:
            self.desk.restart()

        def state(self, study_id: str) -> str:
            return lifecycle.get_study(self.desk.context, study_id).state

        @invariant()
        def every_cell_is_in_one_state(self) -> None:
            for study_id in self.posted:
                progress = lifecycle.get_study(self.desk.context, study_id).progress.model_dump()
                states = ("queued", "running", "succeeded", "diverged", "failed", "cancelled")
                assert sum(progress[state] for state in states) == progress["trials"]

        @invariant()
        def a_claim_is_an_attempt_and_at_most_one_is_open(self) -> None:
            with self.desk.context.store.read() as connection:
                fences = {row.key: (row.fence, row.state) for row in connection.execute(select(trials))}
                tried: dict[str, list[str]] = {key: [] for key in fences}
                for row in connection.execute(select(attempts)):
                    tried[row.trial_key].append(row.state)
            for key, (fence, state) in fences.items():
                assert len(tried[key]) == fence
                assert tried[key].count("running") == (state == "running")

        @invariant()
        def a_result_never_changes(self) -> None:
            with self.desk.context.store.read() as connection:
                rows = list(connection.execute(select(trials).where(trials.c.state.in_(RESULTS))))
            found = {row.key: (row.state, row.outcome, row.fence) for row in rows}
            assert {key: found.get(key) for key in self.results} == self.results
            assert all(outcome["metrics"].get("error") != 99.0 for _, outcome, _ in found.values())
            self.results = found

        @invariant()
        def what_waits_is_wanted_by_a_study_that_is_not_paused(self) -> None:
            wanted = set()
            for study_id in self.posted:
                if self.state(study_id) in ("queued", "running"):
                    wanted |= {cell.key for cell in self.cells(study_id) if cell.state == "queued"}
            with self.desk.context.store.read() as connection:
                waiting = select(trials.c.key).where(trials.c.state == "queued", trials.c.priority.is_not(None))
                assert set(connection.execute(waiting).scalars()) == wanted

        @invariant()
        def what_waits_for_another_may_hope(self) -> None:
            """What it waits for will run, at least as soon as it would itself; and nothing runs before its need did."""
            with self.desk.context.store.read() as connection:
                found = {row.key: row for row in connection.execute(select(trials))}
                needed: dict[str, list[str]] = {key: [] for key in found}
                for row in connection.execute(select(needs)):
                    needed[row.trial_key].append(row.needed_key)
            for key, parents in needed.items():
                open_ = [found[parent] for parent in parents if found[parent].state != "succeeded"]
                if found[key].state == "queued":
                    assert found[key].open_needs == len(open_)
                if found[key].state in ("running", "succeeded"):
                    assert open_ == []
                if found[key].state == "queued" and found[key].priority is not None:
                    assert all(parent.state in ("queued", "running") for parent in open_)
                    assert all(parent.priority >= found[key].priority for parent in open_)

        def cells(self, study_id: str) -> list[Any]:
            return list(self.desk.cells(lifecycle.get_study(self.desk.context, study_id)))

        @invariant()
        def a_study_that_ended_has_nothing_open(self) -> None:
            for study_id in self.posted:
                if self.state(study_id) not in LIVE:
                    assert not {cell.state for cell in self.cells(study_id)} & {"queued", "running"}

    return Machine


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_whatever_happens_the_promises_hold(
    toy: str, chain: Path, toy_study: Any, machine_parts: tuple[Any, Any]
) -> None:
    machine = build_machine(*machine_parts, toy_study)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            phases=[Phase.generate],  # a found sequence is short enough to read, and shrinking it takes many minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
