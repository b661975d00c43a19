from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from ablate.study.written import render_document
from service.store.studies import Stored
from service.web.drafts import document_text


@dataclass
class Kept:
    document: dict[str, Any]


def test_the_form_gets_the_text_of_the_studys_file() -> None:
    document = {"name": "x", "seeds": 2, "metric": None}
    assert document_text(cast("Stored", Kept(document))) == render_document(document)[1] == 'name = "x"\nseeds = 2\n'
