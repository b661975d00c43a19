"""Any text in the place of a study, of a body or of the page's form is read or refused in sentences, in time."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from starlette.testclient import TestClient

from ablate import read_study
from ablate.errors import StudyError
from ablate.limits import MAX_DEPTH, MAX_DIGITS, MAX_STRING
from tests.fuzz.harness import Watch, ask, examples, timed
from tests.fuzz.studies import documents
from tests.study.test_any_text import PIECES, mutated

HEADERS = {"content-type": "application/json"}
ROUTES = ("studies", "studies/plan", "schedules", "paper", "paper/plan")
COUNTS = (1, MAX_DEPTH, MAX_DEPTH + 1, MAX_DIGITS, MAX_DIGITS + 1, 1000, MAX_STRING, MAX_STRING + 1, 200_000)
REPEATED = (
    ("", "[", "]"), ("", '{"a":', "1}"), ("a = ", "[", "]"), ("a = ", "{a=", "}"), ("", "a.", "a = 1"),
    ("[", "a.", "a]"), ("a = ", "9", ""), ("a = 0x", "f", ""), ("a = 1e", "9", ""), ('{"a":', "9", "}"),
    ("", "a", " = 1"), ("a = '", "x", "'"), ("", "[[rows]]\n", ""), ("", "[[rows.a]]\n", ""), ("a = '''", "\n", "'''"),
    ("", "# x\n", ""), ('a = "', "\\u0000", '"'), ('{"study":', '{"study":', "}"), ("a = [", "1,", "]"),
    ("a = [", "[],", "]"), ("", "\r", ""), ("", "\u202e", ""),
)  # fmt: skip
"""Beginning, what is repeated, and end."""


@st.composite
def long_texts(draw: DrawFn) -> str:
    """One construct again and again: at limits, one above them, and far above."""
    opening, middle, closing = draw(st.sampled_from(REPEATED))
    count = draw(st.sampled_from(COUNTS))
    ends = draw(st.sampled_from([1, count]))
    return (opening + middle * count)[: 1 << 20] + closing * ends + draw(st.sampled_from(["\n", "", '\nname = "x"\n']))


@st.composite
def bodies(draw: DrawFn) -> str:
    """A body of a request, overwritten in places."""
    text = json.dumps({"study": draw(documents()), **draw(st.sampled_from(EXTRAS))})
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 20, len(text))))
        text = text[:start] + draw(st.sampled_from(PIECES) | st.just(text[start:end] * 2)) + text[end:]
    return text


def as_study(text: str) -> str:
    """A body with a study, where the text is JSON."""
    return f'{{"study": {text}}}'


EXTRAS: tuple[dict[str, Any], ...] = (
    {}, {"scale": "mini"}, {"seeds": 1}, {"resources": {"gpus": 0.5}}, {"name": "n", "cron": "* * * * *"},
    {"name": "n", "cron": "0 0 30 2 *", "tz": "Europe/Berlin"}, {"fresh": True, "priority": 101},
)  # fmt: skip


@examples(60)
@given(bodies() | bodies() | mutated().map(as_study) | long_texts() | st.text(), st.sampled_from(ROUTES))
def test_any_body_gets_an_answer(client: TestClient, watch: Watch, text: str, route: str) -> None:
    content = text.encode("utf-8", "surrogatepass")
    with watch.example():
        answer = ask(client, "POST", f"/api/v1/{route}", content=content, headers=HEADERS)
        assert answer.status_code in (200, 201, 400, 409, 413, 422), answer.text


@examples(60)
@given(mutated() | long_texts() | st.text() | documents().map(json.dumps))
def test_any_text_in_the_form_has_a_preview(client: TestClient, watch: Watch, text: str) -> None:
    with watch.example():
        answer = ask(client, "POST", "/preview", json={"text": text})
        assert answer.status_code in (200, 400, 413, 422), answer.text


@examples(60)
@given(mutated() | long_texts() | st.text())
def test_any_text_is_read_or_refused(watch: Watch, text: str) -> None:
    def read() -> None:
        with suppress(StudyError):
            read_study(text + "\n")

    with watch.example():
        timed("reading a study", read)
