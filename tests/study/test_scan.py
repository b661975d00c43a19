"""The limits of a text: each one at the limit and one above, the same for TOML, JSON, a file and a mapping."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import StudyError
from ablate.limits import MAX_BYTES, MAX_DEPTH, MAX_DIGITS, MAX_ENTRIES, MAX_KEYS, MAX_STRING, MAX_VALUES
from ablate.study.plan import plan_document
from ablate.study.scan import blank
from ablate.study.source import document_of, read_to_send
from ablate.study.text import parse_json, parse_toml, read_document


def brackets(depth: int) -> str:
    return '{"a": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


def keys(number: int) -> str:
    return json.dumps(dict.fromkeys(map(str, range(number)), 1))


def entries(number: int) -> str:
    return json.dumps(
        {
            "a": [dict.fromkeys(range(1_000), 1)] * ((number - 1) // 1_000),
            **dict.fromkeys(range((number - 1) % 1_000), 1),
        }
    )


JSON: dict[str, tuple[Callable[[int], str], int, str]] = {
    "depth": (brackets, MAX_DEPTH, "deeper than 32"),
    "keys": (keys, MAX_KEYS, "at most 10,000"),
    "entries": (entries, MAX_ENTRIES, "at most 50,000"),
    "values": (lambda size: json.dumps({"a": [0] * size}), MAX_VALUES, "more than 100,000"),
    "digits": (lambda size: '{"a": -' + "9" * size + "}", MAX_DIGITS, "308 digits"),
    "string": (lambda size: json.dumps({"a": "x" * size}), MAX_STRING, "at most 65,536"),
    "key as string": (lambda size: json.dumps({"x" * size: 1}), MAX_STRING, "at most 65,536"),
    "bytes of a string": (lambda size: json.dumps({"a": "ä" * (size // 2) + "x" * (size % 2)}), MAX_STRING, "65,536"),
}
TOML: dict[str, tuple[Callable[[int], str], int, str]] = {
    "brackets": (lambda size: "a = " + "[" * (size - 1) + "]" * (size - 1), MAX_DEPTH, "deeper than 32"),
    "inline tables": (lambda size: "a = " + "{a = " * (size - 1) + "1" + "}" * (size - 1), MAX_DEPTH, "deeper"),
    "dots": (lambda size: ".".join("a" * size) + " = 1", MAX_DEPTH, "deeper than 32"),
    "dots in quotes": (lambda size: " . ".join(["'a'"] * size) + " = 1", MAX_DEPTH, "deeper than 32"),
    "dots of a header": (lambda size: "[" + ".".join("a" * (size - 1)) + "]\na = 1", MAX_DEPTH, "deeper than 32"),
    "keys": (lambda size: "".join(f"k{key} = 1\n" for key in range(size)), MAX_KEYS, "at most 10,000"),
    "entries": (
        lambda size: "".join(f"[t{n}]\n" if n % 9_999 == 0 else f"k{n} = 1\n" for n in range(size)),
        MAX_ENTRIES, "50,000",
    ),
    "tables of dotted keys": (
        lambda size: "".join(f"{'a.' * 24}k{key} = 1\n" for key in range(size // 25)) + "b = 1\n" * (size % 25),
        MAX_ENTRIES, "50,000",
    ),
    "values": (lambda size: "a = [[" + "0," * (size - 2) + "], []]", MAX_VALUES, "more than 100,000"),
    "digits": (lambda size: "a = " + "9" * size, MAX_DIGITS, "308 digits"),
    "digits after the point": (lambda size: "a = 0." + "9" * size, MAX_DIGITS, "308 digits"),
    "hexadecimal digits": (lambda size: f"a = {10**MAX_DIGITS - 1 + size - MAX_DIGITS:#x}", MAX_DIGITS, "308 digits"),
    "string": (lambda size: f"a = '{'x' * size}'", MAX_STRING, "at most 65,536"),
    "string of lines": (lambda size: 'a = """' + "x\n" * (size // 2) + "x" * (size % 2) + '"""', MAX_STRING, "65,536"),
}  # fmt: skip
CASES = [
    pytest.param(parse, *case, id=f"{kind} {name}")
    for kind, parse, cases in (("JSON", parse_json, JSON), ("TOML", parse_toml, TOML))
    for name, case in cases.items()
]


@pytest.mark.parametrize(("parse", "text_of", "limit", "words"), CASES)
def test_a_text_at_a_limit_is_read_and_one_above_is_refused(
    parse: Callable[[str], Any], text_of: Callable[[int], str], limit: int, words: str
) -> None:
    assert parse(text_of(limit))
    with pytest.raises(StudyError, match=words):
        parse(text_of(limit + 1))


@pytest.mark.parametrize(("text_of", "limit", "words"), JSON.values(), ids=JSON.keys())
def test_a_mapping_from_python_has_the_same_limits(text_of: Callable[[int], str], limit: int, words: str) -> None:
    assert document_of(json.loads(text_of(limit)))
    with pytest.raises(StudyError, match=words):
        document_of(json.loads(text_of(limit + 1)))


def test_a_mapping_that_contains_itself_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["a"] = endless
    with pytest.raises(StudyError, match="deeper than 32"):
        document_of(endless)


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_file_at_the_limit_is_read_and_one_byte_more_is_refused(tmp_path: Path, suffix: str) -> None:
    text = '{"name": "a"}' if suffix == "json" else 'name = "a"\n'
    for beyond in (0, 1):
        path = tmp_path / f"{beyond}.{suffix}"
        path.write_text(text.ljust(MAX_BYTES + beyond))
        text_itself = path.read_text() + ""
        if beyond:
            with pytest.raises(StudyError, match="at most 1,048,576 bytes"):
                read_document(path)
            with pytest.raises(StudyError, match="at most 1,048,576 bytes"):
                document_of(text_itself)
        else:
            assert read_document(path) == document_of(text_itself) == {"name": "a"}


def test_only_regular_files_are_read_and_nothing_waits(tmp_path: Path) -> None:
    pipe, folder, link = tmp_path / "pipe.toml", tmp_path / "folder.toml", tmp_path / "link.toml"
    os.mkfifo(pipe)
    folder.mkdir()
    link.symlink_to("/dev/zero")
    for path in (pipe, link, Path("/dev/zero")):
        with pytest.raises(StudyError, match="not a regular file"):
            read_document(path)
    with pytest.raises(StudyError, match="Is a directory"):
        read_document(folder)
    with pytest.raises(StudyError, match="cannot read study file"):
        read_document(Path("a\0b.toml"))


HOSTILE = {
    "dots": ".".join("a" * 100_000) + " = 1",
    "dots in quotes": ".".join(['"a"'] * 100_000) + " = 1",
    "dots in a table": "a = {" + ".".join("a" * 100_000) + " = 1}",
    "brackets": "a = " + "[" * 500_000,
    "closing brackets": "]" * 1_000_000,
    "digits": "a = " + "9" * 1_000_000,
    "digits with underscores": "a = " + "9_" * 500_000 + "9",
    "hexadecimal digits": "a = 0x" + "f" * 1_000_000,
    "one word": "a" * 1_000_000,
    "spaces": "a" + " " * 1_000_000 + "b = 1",
    "quotes": '"' * 1_000_000,
    "apostrophes": "'" * 1_000_000,
    "backslashes": '"' + "\\" * 1_000_000,
    "triple quotes": '"""' + '""\\' * 300_000,
    "headers": "[[a]]\n" * 170_000,
    "tables of dots": f"{'.'.join('a' * 31)} = 1\n" * 15_000,
    "commas": "a = [" + "1," * 500_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("parse", [parse_toml, parse_json])
def test_a_hostile_text_is_refused_in_time(parse: Callable[[str], Any], text: str) -> None:
    began = time.process_time()
    with pytest.raises(StudyError):
        parse(text)
    assert time.process_time() - began < 2, "it takes 0.2 s; without a limit, minutes"


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ('a = "[.#" # [', "a = sssss    "),
        ("a = '[\"' . b", "a = ssss . b"),
        ('a = """[ "" \\""" ]""""\nb', "a = ssssssssssssssssss\nb"),
        ("a = '''['' ]''''\nb", "a = ssssssssssss\nb"),
        ('a = "[\n[', "a = ss\n["),
    ],
)
def test_brackets_in_strings_and_comments_of_toml_do_not_count(text: str, bare: str) -> None:
    assert blank(text, "TOML") == bare


@given(
    st.recursive(
        st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=9
    )
)
def test_what_is_left_of_json_has_the_brackets_of_its_lists_and_objects(value: object) -> None:
    bare = blank(json.dumps(value), "JSON")
    assert len(bare) == len(json.dumps(value))
    assert bare.count("[") + bare.count("{") == _count(value)
    assert '"' not in bare


def _count(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, dict | list) + sum(map(_count, inner))


@pytest.mark.parametrize("text", ['name = "a"\n', '\n {"name": "a"}'])
def test_the_standard_input_and_pipes_of_the_shell_are_read(text: str, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from ablate.study.text import read_document as read; "
    for path in ("-", "/dev/stdin"):
        shown = subprocess.run(
            [sys.executable, "-c", f"{code}print(read(Path({path!r})))"], input=text, text=True, capture_output=True
        )
        assert shown.stdout == "{'name': 'a'}\n", shown.stderr


def test_endings_are_read_in_any_case_and_yaml_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.JSON"
    path.write_text('{"name": "a"}')
    assert read_document(path) == {"name": "a"}
    for name, text in (("a.yaml", ""), ("a.YML", ""), ("a.txt", "# a\n---\nname: a\nseeds: 3\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(StudyError, match=r"ablate does not read YAML; write the study as TOML"):
            read_document(tmp_path / name)


def test_an_empty_text_is_no_study(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("\n")
    with pytest.raises(StudyError, match="it is empty; a study has at least a name and rows"):
        read_document(tmp_path / "a.toml")


def test_dates_nan_and_infinity_are_reported_at_their_places_with_everything_else(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        'name = "a"\nsett = 1\n[base]\nlr = nan\nepochs = 2026-01-01\nactivation = "rely"\n[table]\nbaseline = "A"\n'
        '[[rows]]\nlabel = "A"\nset = { lr = -inf, weight_decay = 07:00:00 }\n'
        '[[factors]]\nname = "x"\noff = { lr = inf }\n'
    )
    with pytest.raises(StudyError) as caught:
        read_to_send(path)
    places = {problem.pointer for problem in caught.value.problems}
    nan = {"/base/lr", "/base/epochs", "/rows/0/set/lr", "/rows/0/set/weight_decay", "/factors/0/off/lr"}
    assert places == {*nan, "/sett", "/base/activation"}


def test_a_wrong_row_does_not_make_its_label_unknown() -> None:
    rows = [{"label": "A", "sett": {}}, 3, {"label": "B", "set": {"lr": float("nan")}}]
    with pytest.raises(StudyError) as caught:
        plan_document({"name": "a", "rows": rows, "table": {"baseline": "A"}})
    assert {problem.pointer for problem in caught.value.problems} == {"/rows/0/sett", "/rows/1", "/rows/2/set/lr"}
