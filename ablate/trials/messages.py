"""Messages of a trial as they cross a process: JSON text, checked by the sender and again by the receiver.

A task is foreign code, and so is a worker in which one has run. Documents of finished trials are read without these
limits, so that results of every version stay readable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from pydantic import Field, ValidationError

from ablate.documents import Document
from ablate.errors import TrialError, quote
from ablate.trials.trial import Cost, EpochMetrics, Heartbeat, Message, Outcome

MAX_STEP = 2**53
MAX_BYTES = 1 << 20
"""Longest message, as JSON."""
MAX_NAMES, MAX_NAME_CHARACTERS = 256, 128
"""Different metric names of a trial, and the length of one."""
MAX_POINTS, MAX_VALUES = 100_000, 1_000_000
"""Points of a trial's curve, and metrics in all of them together."""
MAX_REASON_CHARACTERS = 2000
MAX_TRAIN_S = 1e9
KINDS = (Heartbeat, EpochMetrics, Outcome)

_EXPLAINED = {
    "step": f"a step that is not a number between 0 and 2^{MAX_STEP.bit_length() - 1}",
    "steps": f"a number of steps that is not between 0 and 2^{MAX_STEP.bit_length() - 1}",
    "epoch": "an epoch that is not a finite number from 0 on",
    "train_s": f"a training time that is not between 0 and {MAX_TRAIN_S:g} s",
    "cost": f"a cost that is not made of numbers between 0 and 2^{MAX_STEP.bit_length() - 1}",
    "funnel_share": "funnel shares that are not finite numbers with names",
    "items": "items that are not one bit for each of at most 4,000,000 test images",
    "peak_memory_bytes": "a memory that is not a whole number of bytes from 0 on",
    "metrics": "metrics that are not finite numbers with names",
    "reason": "a reason that is not text",
    "status": "a status that is not succeeded, diverged or failed",
}
"""Field of a message -> what was reported, where its value is not allowed."""


class MessageError(TrialError):
    """A message that is not allowed. The text is the rest of a sentence that begins with who sent it."""


class Envelope(Document):
    """What a worker sends at a time.

    Attributes:
        message: a message of the trial; None: `fault` tells why the trial was broken off.
        provenance: of the worker's process, with the outcome.
        fault: what is wrong with the machine (`ablate.trials.machine`), which is not charged to the trial.
    """

    message: Message | None = None
    provenance: dict[str, Any] = Field(default_factory=dict)
    fault: str | None = None


class MessageCheck:
    """The messages of one attempt, in their order.

    The first one may be at any step, since a trial resumes. No message may lie before a point of the curve that was
    reported, and none comes after the outcome.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._points = self._values = self._step = 0
        self._is_over = False

    def check_sent(self, message: object) -> Message:
        """The message that a task has yielded, validated; a long reason is cut.

        Raises:
            TypeError: it is not a message.
            MessageError: it is not allowed.
        """
        kind = next((kind for kind in KINDS if isinstance(message, kind)), None)
        if kind is None:
            allowed = ", ".join(kind.__name__ for kind in KINDS)
            raise TypeError(f"the task yielded a {type(message).__name__}; allowed: {allowed}")
        try:
            checked: Message = kind.model_validate(vars(message))
        except ValidationError as error:
            raise MessageError(explain(error)) from error
        if isinstance(checked, Outcome) and checked.reason is not None:
            checked = checked.model_copy(update={"reason": cut(checked.reason)})
        self._check(checked)
        if len(checked.model_dump_json()) > MAX_BYTES:
            raise MessageError(f"reported a message of more than {MAX_BYTES:,} bytes")
        return checked

    def open_received(self, text: object) -> Envelope:
        """What a worker has sent, validated.

        Raises:
            MessageError: it is not an envelope, or its message is not allowed.
        """
        if not isinstance(text, str) or len(text) > 2 * MAX_BYTES:
            raise MessageError("sent something that is not a message, or is too long for one")
        try:
            envelope = Envelope.model_validate_json(text)
        except ValidationError as error:
            raise MessageError(explain(error)) from error
        if envelope.message is not None:
            self._check(envelope.message)
        elif envelope.fault is None:
            raise MessageError("sent an empty message")
        return envelope

    def _check(self, message: Message) -> None:
        if self._is_over:
            raise MessageError("sent a message after its outcome")
        for text in _faults(message):
            raise MessageError(f"reported {text}")
        self._names |= message.metrics.keys()
        if len(self._names) > MAX_NAMES:
            raise MessageError(f"reported more than {MAX_NAMES} different metrics; report fewer")
        if isinstance(message, Outcome):
            self._is_over = True
        elif message.step < self._step:
            raise MessageError(f"reported step {message.step} after the point of the curve at step {self._step}")
        elif isinstance(message, EpochMetrics):
            self._add_point(message)

    def _add_point(self, point: EpochMetrics) -> None:
        self._step = point.step
        self._points += 1
        self._values += len(point.metrics)
        if self._points > MAX_POINTS or self._values > MAX_VALUES:
            raise MessageError(
                f"reported a curve of more than {MAX_POINTS:,} points or {MAX_VALUES:,} metrics; report fewer points"
            )


def _faults(message: Message) -> Iterator[str]:
    """What is not allowed in a message on its own."""
    for name in message.metrics:
        if not is_metric_name(name):
            yield f"a metric name that is empty, not printable or longer than {MAX_NAME_CHARACTERS} characters"
    if isinstance(message, Outcome):
        if message.train_s is not None and not 0 <= message.train_s < MAX_TRAIN_S:
            yield _EXPLAINED["train_s"]
        if message.cost is not None and not _is_countable(message.cost):
            yield _EXPLAINED["cost"]
        if not all(name.isprintable() for name in message.funnel_share):
            yield _EXPLAINED["funnel_share"]
        return
    for field in ("step", "steps"):
        if not _is_number(getattr(message, field)):
            yield _EXPLAINED[field]
    if isinstance(message, EpochMetrics) and not 0 <= message.epoch < math.inf:
        yield _EXPLAINED["epoch"]


def is_metric_name(name: object) -> bool:
    """Whether a metric may have this name."""
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable()


def _is_countable(cost: Cost) -> bool:
    return all(map(_is_number, (cost.params, cost.params_without_norm, cost.multiply_adds)))


def _is_number(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= MAX_STEP


def explain(error: ValidationError) -> str:
    """What was reported, as the rest of a sentence, where a message is not valid."""
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        place = [error.title.lower() if error.title in ("Cost", "Items") else "", *map(str, one["loc"])]
        field = next((part for part in place if part in _EXPLAINED), None)
        if field == "metrics" and place[-1] != "metrics" and one["type"] != "finite_number":
            return f"reported a value of metric {quote(place[place.index('metrics') + 1])} that is not a number"
        if field is not None:
            return f"reported {_EXPLAINED[field]}"
    return "sent something that is not a message"


def cut(reason: str) -> str:
    """A reason of at most `MAX_REASON_CHARACTERS`, with a mark where it was cut."""
    if len(reason) <= MAX_REASON_CHARACTERS:
        return reason
    mark = " ... (cut)"
    return reason[: MAX_REASON_CHARACTERS - len(mark)] + mark
