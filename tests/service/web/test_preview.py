from __future__ import annotations

import json
from typing import Any

import pytest
import tomli_w

from service.context import Context
from service.web.preview import Preview, preview


@pytest.fixture
def study(toy_study: Any) -> dict[str, Any]:
    document: dict[str, Any] = toy_study()
    return document


def found_in(context: Context, text: str, **options: Any) -> list[tuple[int | None, str]]:
    return [(error.line, error.message) for error in preview(context, text, options).errors]


def test_toml_json_and_a_whole_body_are_the_same_study(context: Context, study: dict[str, Any]) -> None:
    texts = [tomli_w.dumps(study), json.dumps(study, indent=2), json.dumps({"study": study})]
    found = [preview(context, text, {}) for text in texts]
    assert [one.errors for one in found] == [()] * 3
    assert len({one.plan.model_dump_json() for one in found if one.plan}) == 1
    assert [json.loads(one.body) for one in found] == [{"study": study}] * 3
    assert (found[0].plan.trials, found[0].outstanding) == (4, 4)


def test_options_go_before_those_in_the_text(context: Context, study: dict[str, Any]) -> None:
    found = preview(context, json.dumps({"study": study, "seeds": 3}), {"seeds": 5, "priority": 7})
    assert found.plan.trials == 10
    assert json.loads(found.body) == {"study": study, "seeds": 5, "priority": 7}


def test_nothing_is_stored(desk: Any, study: dict[str, Any]) -> None:
    preview(desk.context, json.dumps(study), {})
    desk.tick()
    assert desk.dispatcher.started == []


def test_every_error_has_its_line(context: Context) -> None:
    text = (
        'name = "x"\nseedz = 3\n\n[base]\ntask = "toy"\nofset = 1.0\n\n'
        '[[rows]]\nlabel = "a"\nset = { offset = "much" }\n\n[[rows]]\nlabel = "a"\n'
    )
    found = found_in(context, text)
    assert [line for line, _ in found] == [2, 6, 10, 13]
    assert "did you mean 'seeds'?" in found[0][1]


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("", None, "the form is empty"),
        ('name = "x"\n[base\n', 2, "not TOML"),
        ('{"name": "x",\n "seeds": 1,}', 2, "not strict JSON"),
        ('name = "x"\nseeds = 2020-01-01\n', 2, "quotation marks"),
        ('name = "x"\nseeds = nan\n', 2, "NaN"),
        ("seeds = " + "9" * 5000, None, "not TOML"),
        ("seeds = " + "9" * 400, None, "308 digits"),
        ("a = " + "[" * 40 + "]" * 40, None, "nested deeper"),
        ('{"name": "\\u0000"}', None, "NUL"),
        ("{} {}", 1, "not strict JSON"),
        ("3", None, "not TOML"),
        ("[[rows]]\nlabel = 3\n", None, "'name' is missing"),
    ],
)
def test_what_is_no_study_is_told_in_words(context: Context, text: str, line: int | None, word: str) -> None:
    found = found_in(context, text)
    assert (line, True) in [(where, word in message) for where, message in found]


def test_a_pasted_text_may_be_as_long_as_a_file_and_no_longer(context: Context, study: dict[str, Any]) -> None:
    text = tomli_w.dumps(study)
    assert preview(context, text.ljust(1 << 20), {}).errors == ()
    assert "at most 1,048,576 bytes" in found_in(context, text.ljust((1 << 20) + 1))[0][1]


def test_of_many_errors_a_hundred_have_their_line_and_the_others_are_counted(context: Context) -> None:
    text = 'name = "x"\n[[rows]]\nlabel = "a"\n[base]\n' + "".join(f"lr{name} = 1\n" for name in range(2_000))
    found = preview(context, text, {})
    assert [error.line for error in found.errors] == list(range(5, 105))
    assert found.more == 900


def test_a_text_that_no_parser_should_see_is_refused_at_once(context: Context) -> None:
    assert found_in(context, ".".join("a" * 100_000) + " = 1") == [
        (None, "not TOML that ablate reads: nested deeper than 32 levels")
    ]


def test_a_wrong_option_has_no_line_in_the_text(context: Context, study: dict[str, Any]) -> None:
    assert [line for line, _ in found_in(context, tomli_w.dumps(study), scale="huge", seeds=0)] == [None, None]


def test_what_cannot_run_here_is_a_warning_of_the_plan(context: Context) -> None:
    text = '[[rows]]\nlabel = "a"\n'
    found: Preview = preview(context, f'name = "x"\n[base]\ndataset = "cifar10"\nsteps = 9\n{text}', {})
    assert found.errors == ()
    assert any("ablate data fetch cifar10" in warning.message for warning in found.plan.warnings)
