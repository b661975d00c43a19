"""The file of a stored study document: what the editor of the page and MLflow's artifacts contain."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from ablate.study.document import Study
from ablate.study.written import render_document
from ablate.text import visible

ROWS = [{"label": "A", "set": {}}]


def test_a_document_is_toml_without_its_unset_fields() -> None:
    document = {"name": "x", "seeds": 2, "metric": None, "rows": [{"label": "A", "set": {"lr": 0.1}, "group": None}]}
    name, text = render_document(document)
    assert name == "study.toml"
    assert tomllib.loads(text) == {"name": "x", "seeds": 2, "rows": [{"label": "A", "set": {"lr": 0.1}}]}


@pytest.mark.parametrize("title", ["\x1b\x7f\x9b\u202e\u2028 é漏 \n\t", "👩\u200d👩\u200d👧"])
def test_a_title_is_the_same_after_the_file_and_hides_nothing_in_it(title: str) -> None:
    for rows in (ROWS, [{"label": "A", "set": {"depth": None}}]):
        name, text = render_document({"name": "x", "title": title, "rows": rows})
        assert visible(text, lines=True) == text
        assert (tomllib if name == "study.toml" else json).loads(text)["title"] == title


@pytest.mark.parametrize(
    "fields",
    [
        {"factors": [{"name": "depth", "levels": [None, [1, 1]]}]},
        {"factors": [{"name": "depth", "levels": [{"label": "own", "set": {"depth": None}}, [1]]}]},
        {"factors": [{"name": "depth", "off": {"depth": None}}]},
        {"rows": [{"label": "A", "set": {"backbone": None}}]},
        {"rows": ROWS, "base": {"backbone": None}},
        {"rows": ROWS, "scales": {"mini": {"backbone": None}}},
        {"rows": ROWS, "groups": {"g": {"set": {"backbone": None}, "scales": {"mini": {"depth": None}}}}},
        {"factors": [{"name": "depth", "levels": [None, 1]}], "exclude": [{"depth": None}]},
    ],
)
def test_a_null_among_recipe_values_is_kept_and_makes_the_file_json(fields: dict[str, Any]) -> None:
    document = {"name": "x", **fields}
    assert Study.parse(document).name == "x"
    name, text = render_document({**document, "title": "a study", "metric": None})
    assert name == "study.json"
    assert json.loads(text) == {**document, "title": "a study"}
