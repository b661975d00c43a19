"""What a worker sends: anything else than messages of its trial ends this trial, and no other."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from starlette.testclient import TestClient

from ablate.trials.messages import MAX_STEP, Envelope, MessageCheck
from ablate.trials.trial import Outcome
from ablate.workers.pool import Ended, Job, Pool, Said, WorkerLost
from service.dispatch.interface import is_last, open_report
from tests.fuzz import jobs
from tests.fuzz.harness import Watch, ask, examples
from tests.fuzz.studies import numbers
from tests.service.conftest import Desk, toy_study

ANYTHING: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from([10**30, -1, MAX_STEP + 1, "succeeded", "x" * 5000, "\x1b[2J", "\ud800", 10**400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
FIELDS = ("kind", "step", "steps", "epoch", "metrics", "status", "reason", "train_s", "cost", "funnel_share", "more")
EVENTS = (
    b'["said",1]\n',
    b'["ended",null]\n',
    b'["lost","so"]\n',
    b"[]\n",
    b"{}\n",
    b"\n",
    b"\0\n",
    b"\xff",
    b'["said"',
)


@st.composite
def messages(draw: DrawFn) -> dict[str, Any]:
    """A message that is right, or wrong in some of its fields."""
    kind = draw(st.sampled_from(["heartbeat", "epoch", "outcome"]))
    message: dict[str, Any] = {
        "kind": kind,
        "metrics": draw(st.dictionaries(st.text(max_size=5), numbers(), max_size=3)),
    }
    if kind == "outcome":
        message |= {"status": draw(st.sampled_from(["succeeded", "diverged", "failed"])), "train_s": draw(numbers())}
    else:
        message |= {"step": draw(st.integers(0, 9)), "steps": draw(st.integers(0, MAX_STEP)), "epoch": draw(numbers())}
    return message | draw(st.just({}) | st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=2))


def envelopes() -> SearchStrategy[str]:
    """The text of an envelope, of something like it, or of anything."""
    envelope = st.fixed_dictionaries(
        {"message": messages()},
        optional={"provenance": ANYTHING, "fault": ANYTHING, "more": ANYTHING},
    )
    text = (envelope | envelope | ANYTHING).map(json.dumps)
    return text | text.map(lambda whole: whole[: len(whole) // 2]) | st.text(max_size=50)


def tidy(item: object) -> str:
    """As a well-behaved worker ends."""
    del item
    return Envelope(message=Outcome(status="succeeded", metrics={"error": 1.0})).model_dump_json()


@examples(40)
@given(st.lists(envelopes(), max_size=6), st.booleans())
def test_what_a_worker_sends_ends_at_most_its_own_trial(
    desk: Desk, client: TestClient, watch: Watch, texts: list[str], is_ending: bool
) -> None:
    with watch.example():
        view = desk.submit(toy_study(seeds=1), fresh=True)
        desk.tick()
        hostile, neighbour = desk.dispatcher.running.values()
        check = MessageCheck()
        for text in [*texts, *([tidy(None)] if is_ending else [])]:
            report = open_report(hostile, check, text)
            desk.dispatcher.reports.append(report)
            if is_last(report):
                del desk.dispatcher.running[hostile.name]
                break
        desk.tick()
        ask(client, "GET", f"/studies/{view.id}")
        ask(client, "GET", f"/api/v1/trials/{hostile.trial.key}")
        desk.dispatcher.end(neighbour, error=2.0)
        ended = desk.finish(view)
        by_key = {cell.key: cell for cell in desk.cells(view)}
        assert by_key[neighbour.trial.key].state == "succeeded"
        assert len(by_key[neighbour.trial.key].attempts) == 1
        assert ended.state in ("succeeded", "failed")
        ask(client, "GET", f"/studies/{view.id}")
        assert ask(client, "GET", f"/api/v1/studies/{view.id}/table").status_code == 200
        assert not desk.context.faults.counts


@examples(12)
@given(st.lists(st.binary(max_size=200) | st.sampled_from(EVENTS), max_size=5), ANYTHING)
def test_bytes_that_a_worker_writes_end_at_most_its_own_job(watch: Watch, chunks: list[bytes], item: object) -> None:
    hostile, neighbour = Job("hostile", jobs.write, (chunks, item)), Job("neighbour", jobs.count, (20,))
    with watch.example(), Pool([{}, {}]) as pool:
        pool.submit(hostile)
        pool.submit(neighbour)
        events = list(pool.events())
        assert [event.item for event in events if isinstance(event, Said) and event.job == neighbour] == [*range(20)]
        last = [event for event in events if event.job.name == "hostile"][-1]
        assert isinstance(last, (Ended, WorkerLost))
