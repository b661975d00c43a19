"""Any text is a study or a StudyError: nothing else leaves the reader and the planner."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.errors import Problem, StudyError
from ablate.limits import MAX_FINDINGS
from ablate.study.plan import plan_document
from ablate.study.source import document_of

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))
PIECES = [
    *"[]{}=.,:#-+_1\"'\\ \n", "[[", "]]", '"""', "'''", "\\u0000", "\\ud800", "0x", "1e999", "nan", "inf", "true",
    "2020-02-30", "2020-01-01", "9" * 309, "\u202e", "\x1b", "[[rows]]\n", "[base]\n", "[[factors]]\n", "[table]\n",
    "[[exclude]]\n", "[groups.a]\n", "[scales.mini]\n", "label", "set", "name", "seeds", "levels", "design", "factors",
    "rows", "task", "lr", "baseline", "headline", "a.b.c", "'grid'", "null",
]  # fmt: skip
NAMES = st.sampled_from(
    ["name", "seeds", "base", "rows", "factors", "exclude", "table", "groups", "scales", "canary", "audit", "design",
     "metric", "metrics", "label", "set", "group", "levels", "off", "baseline", "headline", "task", "lr", "window",
     "depth", "steps", "epochs", "dataset", "model", "mini", "a", "b", "", "/", "~", "resources", "gpus", "backbone"]
) | st.text(max_size=4)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.dates()
    | st.sampled_from(["grid", "leave_one_out", "one_at_a_time", "rows", "a", "b", "digits", "classify", "detect"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def problems_in(source: Any) -> Sequence[Problem]:
    """Read and plan."""
    try:
        plan_document(document_of(source))
    except StudyError as error:
        return error.problems
    return ()


def read(source: Any) -> None:
    """Whatever is wrong is a StudyError of at most 100 sentences."""
    found = problems_in(source)
    assert len(found) <= MAX_FINDINGS
    assert all(problem.message for problem in found)


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.sampled_from(["", "{", "\n"]))
def test_any_text_is_a_study_or_a_study_error(text: str, opening: str) -> None:
    read(opening + text + "\n")


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A study of ours as TOML or JSON, cut, repeated or overwritten in some places."""
    text = draw(st.sampled_from(STUDIES)).read_text()
    if draw(st.booleans()):
        text = json.dumps(document_of(text))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 40, len(text))))
        piece = draw(st.sampled_from(PIECES) | st.just(text[start:end] * 2) | st.text(max_size=3))
        text = text[:start] + piece + text[end:]
    return text + "\n"


@settings(deadline=None)
@given(mutated())
def test_a_study_that_was_overwritten_in_places_is_one_or_a_study_error(text: str) -> None:
    read(text)


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=8), st.booleans())
def test_any_document_is_a_study_or_a_study_error(document: dict[str, Any], is_whole: bool) -> None:
    whole = {"name": "x", "seeds": 1, "base": {"dataset": "digits"}, "rows": [{"label": "a"}]} if is_whole else {}
    read({**whole, **document})
    with contextlib.suppress(TypeError, ValueError):  # what one of the formats cannot express
        read(tomli_w.dumps({**whole, **document}) + "\n")
    with contextlib.suppress(TypeError):
        read(json.dumps({**whole, **document}))
