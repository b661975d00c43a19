"""The door for text of others: what it shows as escapes, what it leaves, and what a log makes of it."""

from __future__ import annotations

import json
import logging
import sys
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import quote
from ablate.text import LogFormatter, log_to_stderr, visible, visible_json, visible_name, without_password

HOSTILE = (
    *map(chr, [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]),
    "\u061c", "\u200b", "\u200e", "\u200f", "\u2028", "\u2029", "\u2060", "\ufeff", "\ud800", "\udcff",
)  # fmt: skip
PLAIN = (
    "Größe, naïve, Łódź, Việt", "漏斗激活函数 と ウィンドウ", "العربية و עברית", "हिन्दी क्\u200dष می\u200cخواهم",
    "👩\u200d👩\u200d👧 🏳️\u200d🌈 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f ❤️",
    "∑ᵢ x²ᵢ ≤ ½ → ∞, a\u00a0b, co\u00adop",
    r"C:\new\table, [red]bold[/red], <b>, 100 %", "",
)  # fmt: skip


@pytest.mark.parametrize("character", HOSTILE, ids=ascii)
def test_what_controls_a_terminal_or_hides_is_an_escape(character: str) -> None:
    assert visible(f"a{character}b") == f"a{ascii(character)[1:-1]}b"
    is_layout = character in "\n\t"
    assert (character in visible(f"a{character}b", lines=True)) is is_layout
    assert (character in visible_json(f"a{character}b")) is is_layout


@pytest.mark.parametrize("text", PLAIN)
def test_text_of_any_language_stays_as_it_is(text: str) -> None:
    assert visible(text) == visible(text, lines=True) == visible_json(text) == text


def test_lines_of_a_windows_file_stay_and_a_return_that_would_overwrite_a_line_does_not() -> None:
    assert visible("a\r\nb\rc", lines=True) == "a\r\nb\\rc"


@given(st.text())
def test_what_went_through_the_door_goes_through_it_unchanged(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert visible(visible(text, lines=True), lines=True) == visible(text, lines=True)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_and_toml_mean_the_same_after_the_door(text: str) -> None:
    shown = visible_json(json.dumps({"title": text}, ensure_ascii=False, indent=1))
    assert json.loads(shown) == {"title": text}
    assert visible(shown, lines=True) == shown
    if "\x7f" not in text:  # the one character that TOML refuses and JSON does not escape
        assert tomllib.loads(visible_json("title = " + json.dumps(text, ensure_ascii=False))) == {"title": text}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("FReLU", "'FReLU'"),
        ("[red] {a} $x ~ 'b' \"c\"", "'[red] {a} $x ~ 'b' \"c\"'"),
        ("it's", '"it\'s"'),
        ("漏斗", "'漏斗'"),
        ("a\x1b\u202e\nb", r"'a\x1b\u202e\nb'"),
        ("a" * 64, f"'{'a' * 64}'"),
        ("a" * 33 + "b" * 32, f"'{'a' * 30}...{'b' * 31}'"),
        ("\x1b" * 64, "'" + r"\x1b" * 64 + "'"),
        (3, "'3'"),
    ],
)
def test_a_name_is_quoted_as_written_with_escapes_and_without_its_middle_above_64(name: object, shown: str) -> None:
    assert quote(name) == shown


def test_a_long_name_keeps_64_characters() -> None:
    assert len(visible_name("ab" * 500)) == len(visible_name("ab" * 32)) == 64


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no answer from http://me:s3cret@host:80/x", "no answer from http://***@host:80/x"),
        (
            "postgresql+psycopg://me:p@ss@db/ablate and http://a/b@c",
            "postgresql+psycopg://***@db/ablate and http://a/b@c",
        ),
        ("nobody@example.com", "nobody@example.com"),
    ],
)
def test_a_password_of_an_address_is_left_out(text: str, shown: str) -> None:
    assert without_password(text) == shown


def test_what_is_logged_to_stderr_is_formatted_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.WARNING)
    log_to_stderr(logging.INFO)
    logging.getLogger("a").info("evil %s", "\x1b[2J\n2026 ERROR")
    assert capsys.readouterr().err.endswith("INFO a: evil \\x1b[2J\\n2026 ERROR\n")


def test_a_record_of_a_log_is_one_line_and_a_traceback_cannot_forge_one() -> None:
    forged = "\n2026-01-01 00:00:00,000 INFO service.serve: all is well"
    try:
        raise ValueError(f"\x1b]0;evil\x07{forged} http://me:s3cret@host")
    except ValueError:
        record = logging.getLogger("a").makeRecord("a", logging.ERROR, "", 0, "title %s", (forged,), sys.exc_info())
    first, *trace = LogFormatter().format(record).split("\n")
    assert first.endswith(r" ERROR a: title \n2026-01-01 00:00:00,000 INFO service.serve: all is well")
    assert trace[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") for line in trace)
    assert "\x1b" not in "".join(trace)
    assert "s3cret" not in "".join(trace)
