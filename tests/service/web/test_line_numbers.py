from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.web.line_numbers import json_lines, line_of, toml_lines

TOML = """\
# a comment
name = "a [b]"
seeds = [
    0,  # [[rows]]
    1,
]

[base]
model = "resnet50"
text = \"\"\"
[scales]
\"\"\"
a.b = 3

[scales.mini]
lr = 0.1

[[rows]]
label = "one"
set = { window = "1x1" }

[[rows]]
label = "two"

[rows.set]
window = "3x3"

[table]
baseline = "one"
"""


@pytest.mark.parametrize(
    ("pointer", "line"),
    [
        ("/name", "name ="),
        ("/seeds", "seeds ="),
        ("/seeds/1", "seeds ="),
        ("/base", "[base]"),
        ("/base/model", "model ="),
        ("/base/text", "text ="),
        ("/base/a/b", "a.b ="),
        ("/base/nothing", "[base]"),
        ("/scales/mini/lr", "lr ="),
        ("/rows/0", "[[rows]]"),
        ("/rows/0/set/window", "set ="),
        ("/rows/1/label", 'label = "two"'),
        ("/rows/1/set/window", 'window = "3x3"'),
        ("/table/baseline", "baseline ="),
    ],
)
def test_a_pointer_into_toml_has_the_line_of_what_it_names(pointer: str, line: str) -> None:
    number = line_of(pointer, toml_lines(TOML))
    assert number is not None
    assert TOML.split("\n")[number - 1].startswith(line)


def test_the_second_row_begins_at_its_own_header() -> None:
    first, second = (line_of(f"/rows/{index}", toml_lines(TOML)) for index in (0, 1))
    assert (first, second) == (18, 22)


@pytest.mark.parametrize("pointer", ["", "/nothing", "/scale"])
def test_what_stands_nowhere_has_no_line(pointer: str) -> None:
    assert line_of(pointer, toml_lines(TOML)) is None


def test_a_list_of_many_lines_is_read_once() -> None:
    long = "a = [\n" + "1,\n" * 100_000 + "]\nb = 2\n"
    assert toml_lines(long) == {("a",): 1, ("b",): 100_003}


def test_only_what_is_wanted_is_kept() -> None:
    assert toml_lines(TOML, {("rows",), ("rows", "1"), ("rows", "1", "label")}) == {
        ("rows",): 18,
        ("rows", "1"): 22,
        ("rows", "1", "label"): 23,
    }
    assert json_lines('{"a": 1,\n"b": [2,\n3]}', {("b", "1")}) == {("b", "1"): 3}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), VALUES, min_size=1, max_size=4))
def test_every_value_of_a_json_text_is_found_at_its_line(document: dict[str, object]) -> None:
    """Written with an indent, each member begins its own line: the n-th value is on a later line."""
    text = json.dumps(document, indent=1)
    found, rows = json_lines(text), text.split("\n")
    for path, value in _walk(document):
        row = rows[found[path] - 1]
        last = path[-1] if path else ""
        assert json.dumps(value).split("\n")[0][:1] in row
        assert not last or last.isdecimal() or json.dumps(last) in row


def _walk(value: object, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inner = [pair for name, one in items for pair in _walk(one, (*path, str(name)))]
    return [(path, value), *inner] if path else inner
