"""What a running trial may report: at each limit, and one above it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.trials.messages import (
    MAX_BYTES,
    MAX_NAME_CHARACTERS,
    MAX_NAMES,
    MAX_POINTS,
    MAX_REASON_CHARACTERS,
    MAX_STEP,
    MAX_TRAIN_S,
    MAX_VALUES,
    Envelope,
    MessageCheck,
    MessageError,
)
from ablate.trials.trial import Cost, EpochMetrics, Heartbeat, Message, Outcome, TrialRecord


def point(step: int = 1, **changes: Any) -> EpochMetrics:
    return EpochMetrics.model_construct(
        **{"kind": "epoch", "step": step, "steps": 9, "epoch": 1.0, "metrics": {}, **changes}
    )


def ended(**changes: Any) -> Outcome:
    fields = {"kind": "outcome", "status": "succeeded", "metrics": {"error": 1.0}, "reason": None, "train_s": None}
    return Outcome.model_construct(**{**fields, "cost": None, "funnel_share": {}, **changes})


def names(count: int) -> dict[str, float]:
    return {f"metric {number}": 1.0 for number in range(count)}


def cost(params: int) -> Cost:
    return Cost.model_construct(params=params, params_without_norm=0, multiply_adds=0)


@pytest.mark.parametrize(
    "message",
    [
        point(0), point(MAX_STEP), point(steps=0), point(steps=MAX_STEP), point(epoch=1e308),
        point(metrics={"a": 1e308, "b": -1e308, "c": -0.0, "d": 5e-324, "e": 10**300}),
        point(metrics={"x" * MAX_NAME_CHARACTERS: 1.0}), point(metrics=names(MAX_NAMES)),
        point(metrics={"Fehler in %, über alle": 1.0}),
        ended(train_s=0.0), ended(train_s=math.nextafter(MAX_TRAIN_S, 0)), ended(cost=cost(MAX_STEP)),
        ended(reason="x" * MAX_REASON_CHARACTERS), ended(funnel_share={"site": 0.5}),
    ],
)  # fmt: skip
def test_what_is_at_a_limit_passes_and_arrives_as_it_was_sent(message: Message) -> None:
    sent = MessageCheck().check_sent(message)
    received = MessageCheck().open_received(Envelope(message=sent).model_dump_json()).message
    assert received == sent
    assert repr(received) == repr(sent), "-0.0 is not 0.0"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (point(-1), "reported a step that is not a number between 0 and 2^53"),
        (point(MAX_STEP + 1), "reported a step that is not a number between 0 and 2^53"),
        (point(10**30), "reported a step that is not a number between 0 and 2^53"),
        (point(math.nan), "reported a step that is not a number between 0 and 2^53"),
        (point(True), "reported a step that is not a number between 0 and 2^53"),
        (point("many"), "reported a step that is not a number between 0 and 2^53"),
        (point(steps=MAX_STEP + 1), "reported a number of steps that is not between 0 and 2^53"),
        (point(epoch=-1.0), "reported an epoch that is not a finite number from 0 on"),
        (point(epoch=math.inf), "reported an epoch that is not a finite number from 0 on"),
        (point(metrics={"a": "b"}), "reported a value of metric 'a' that is not a number"),
        (point(metrics={"a": 10**400}), "reported a value of metric 'a' that is not a number"),
        (point(metrics=[1.0]), "reported metrics that are not finite numbers with names"),
        (point(metrics={"": 1.0}), "reported a metric name that is empty"),
        (point(metrics={"x" * (MAX_NAME_CHARACTERS + 1): 1.0}), "longer than 128 characters"),
        (point(metrics={"a\x1b[31m": 1.0}), "not printable"),
        (point(metrics={"a\u202eb": 1.0}), "not printable"),
        (point(metrics={"a\udc80": 1.0}), "not printable"),
        (point(metrics=names(MAX_NAMES + 1)), "reported more than 256 different metrics"),
        (ended(train_s=-1e308), "reported a training time that is not between 0 and 1e+09 s"),
        (ended(train_s=MAX_TRAIN_S), "reported a training time that is not between 0 and 1e+09 s"),
        (ended(cost=cost(MAX_STEP + 1)), "reported a cost that is not made of numbers between 0 and 2^53"),
        (ended(cost=cost("x")), "reported a cost that is not made of numbers between 0 and 2^53"),  # type: ignore[arg-type]
        (ended(funnel_share={"a": math.nan}), "reported funnel shares that are not finite numbers with names"),
        (ended(funnel_share={str(n): 0.5 for n in range(MAX_BYTES // 8)}), "reported a message of more than 1,048,576"),
        (ended(items={"test_set": "0" * 64, "n": 9, "bits": "/w=="}), "reported items that are not one bit for each"),
        (ended(status="won"), "reported a status that is not succeeded, diverged or failed"),
        (ended(reason=7), "reported a reason that is not text"),
    ],
)
def test_what_is_above_a_limit_is_refused_in_words(message: Message, reason: str) -> None:
    with pytest.raises(MessageError) as refused:
        MessageCheck().check_sent(message)
    assert reason in str(refused.value)


def test_a_longer_reason_is_cut_with_a_mark() -> None:
    sent = MessageCheck().check_sent(ended(status="failed", metrics={}, reason="x" * 10_000_000))
    assert isinstance(sent, Outcome)
    assert sent.reason == "x" * (MAX_REASON_CHARACTERS - 10) + " ... (cut)"


def test_the_names_of_metrics_do_not_change_without_end() -> None:
    check = MessageCheck()
    for step in range(MAX_NAMES):
        check.check_sent(point(step, metrics={f"metric {step}": 1.0}))
    check.check_sent(ended(metrics={"metric 0": 1.0}))
    check = MessageCheck()
    check.check_sent(point(metrics=names(MAX_NAMES)))
    with pytest.raises(MessageError, match="more than 256 different metrics"):
        check.check_sent(ended(metrics={"one more": 1.0}))


@pytest.mark.parametrize(
    ("metrics", "count"), [({}, MAX_POINTS), (names(MAX_NAMES), MAX_VALUES // MAX_NAMES)], ids=["points", "values"]
)
def test_a_curve_ends_at_its_limit(metrics: dict[str, float], count: int) -> None:
    check = MessageCheck()
    one = point(metrics=metrics)
    for _ in range(count):
        check._check(one)
    with pytest.raises(MessageError, match="a curve of more than 100,000 points or 1,000,000 metrics"):
        check._check(one)


def test_an_attempt_may_begin_at_any_step_and_never_goes_back_behind_its_curve() -> None:
    check = MessageCheck()
    for message in (
        Heartbeat(step=7, steps=9),
        Heartbeat(step=2, steps=9),
        point(5),
        point(5),
        Heartbeat(step=5, steps=9),
    ):
        check.check_sent(message)
    with pytest.raises(MessageError, match="reported step 4 after the point of the curve at step 5"):
        check.check_sent(Heartbeat(step=4, steps=9))


def test_nothing_comes_after_the_outcome() -> None:
    check = MessageCheck()
    check.check_sent(ended())
    with pytest.raises(MessageError, match="sent a message after its outcome"):
        check.check_sent(ended())


@pytest.mark.parametrize(
    "sent", [None, 7, b"{}", [], "", "{", "{}", "[]", '{"message":1}', "x" * 3_000_000, "[" * 9999]
)
def test_what_is_not_an_envelope_is_refused(sent: object) -> None:
    with pytest.raises(MessageError, match=r"sent (something that is not a|an empty) message"):
        MessageCheck().open_received(sent)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
fields = st.sampled_from(["kind", "step", "steps", "epoch", "metrics", "status", "reason", "train_s", "cost"])
kinds = st.sampled_from(["heartbeat", "epoch", "outcome"])


@given(st.dictionaries(fields, anything), kinds)
def test_a_task_reports_a_valid_message_or_is_refused_and_the_receiver_agrees(found: dict[str, Any], kind: str) -> None:
    maker = {"heartbeat": Heartbeat, "epoch": EpochMetrics, "outcome": Outcome}[kind]
    try:
        sent = MessageCheck().check_sent(maker.model_construct(**found))
    except MessageError:
        return
    assert MessageCheck().open_received(Envelope(message=sent).model_dump_json()).message == sent


@given(st.text() | anything.map(str))
def test_any_text_from_a_worker_is_an_envelope_or_refused(text: str) -> None:
    with pytest.raises(MessageError):
        MessageCheck().open_received(text)


def test_a_stored_record_is_read_without_the_limits_of_messages() -> None:
    """Records of other versions stay readable, whatever their tasks reported."""
    text = (
        '{"trial":{"key":"k","task":"t","recipe":{},"seed":0},"outcome":{"kind":"outcome","status":"succeeded",'
        '"metrics":{"%s":1.0},"train_s":-1.0},"curve":[{"kind":"epoch","step":-5,"steps":0,"epoch":-1.0,"metrics":{}}],'
        '"finished_at":"2026-01-01"}'
    )
    record = TrialRecord.model_validate_json(text % ("x" * 500))
    assert (record.outcome.train_s, record.curve[0].step) == (-1.0, -5)
