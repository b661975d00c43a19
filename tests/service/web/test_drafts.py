from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from typing import Any, cast

import pytest

from service.store.studies import Stored
from service.web.drafts import document_text


@dataclass
class Kept:
    document: dict[str, Any]


def text_of(document: dict[str, Any]) -> str:
    return document_text(cast("Stored", Kept(document)))


def test_a_document_comes_back_as_toml_without_what_says_nothing() -> None:
    assert tomllib.loads(text_of({"name": "x", "seeds": 2, "title": None})) == {"name": "x", "seeds": 2}


@pytest.mark.parametrize("levels", [[None, [1, 1]], [{"label": "own", "set": {}}, [None]]])
def test_a_document_with_a_level_that_toml_cannot_say_comes_back_as_json(levels: list[Any]) -> None:
    document = {"name": "x", "factors": [{"name": "depth", "levels": levels}]}
    assert json.loads(text_of(document)) == document
