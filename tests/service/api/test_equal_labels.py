"""A study with labels that are equal in two groups, over REST: cells, events, comparisons, the page, extensions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

NAMES = ["R50 / ReLU", "R50 / FReLU", "R101 / ReLU", "R101 / FReLU", "Swish"]
GROUPS = {name: "R50" if name.startswith("R50") else "R101" for name in NAMES}


@pytest.fixture
def study() -> dict[str, Any]:
    rows = [
        {"group": GROUPS[name], "label": name.rpartition(" / ")[2], "set": {"row": index}}
        for index, name in enumerate(NAMES)
    ]
    return {"name": "two", "seeds": 2, "base": {"task": "null"}, "rows": rows}


def test_a_row_is_known_by_group_and_label(client: TestClient, done: dict[str, Any]) -> None:
    path = done["links"]["self"]
    table = client.get(f"{path}/table").json()
    assert [row.get("row", row["label"]) for row in table["rows"]] == NAMES
    cells = client.get(f"{path}/trials").json()["items"]
    assert {one["row"]: one["group"] for one in cells} == GROUPS
    key = next(one["key"] for one in cells if one["row"] == "R101 / FReLU")
    [place] = client.get(f"/api/v1/trials/{key}").json()["rows"]
    assert (place["row"], place["group"]) == ("R101 / FReLU", "R101")
    data = [json.loads(line[6:]) for line in client.get(f"{path}/events").text.splitlines() if line[:6] == "data: "]
    assert {one["row"]: one["group"] for one in data if "row" in one} == GROUPS

    pair = client.get(f"{path}/compare", params={"a": "R50 / ReLU", "b": "R101 / Swish"}).json()
    assert (pair["a"], pair["b"]) == ("R50 / ReLU", "Swish")
    values = [row["cells"]["error"]["values"] for row in table["rows"]]
    assert [one["a"] for one in pair["seeds"]] == list(values[0].values())
    assert [one["b"] for one in pair["seeds"]] == list(values[4].values())
    refused = client.get(f"{path}/compare", params={"a": "ReLU", "b": "Swish"})
    [error] = refused.json()["errors"]
    assert (refused.status_code, error["pointer"], error["code"]) == (422, "/a", "unknown_row")
    assert error["message"].endswith("so give the group too: 'R50 / ReLU', 'R101 / ReLU'")

    page = client.get(f"/studies/{done['id']}").text
    assert [name for name in NAMES if f"Seeds of {name}" in page] == NAMES
    assert all(f">{name}</option>" in page for name in NAMES)
    assert client.get(f"/trials/{key}").text.count("R101 / FReLU") > 1


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"group": "R50", "label": "ReLU"}, "the study already has a row 'R50 / ReLU'; give the new row another label"),
        ({"group": "R50", "label": "Swish"}, "its results are stored under the label alone"),
        ({"group": "R152", "label": "ReLU"}, ""),
    ],
)
def test_an_extension_gives_no_stored_row_another_name(
    client: TestClient, post: Callable[..., dict[str, Any]], row: dict[str, Any], text: str
) -> None:
    path = post()["links"]["self"]
    answer = client.post(f"{path}/extend", json={"rows": [{**row, "set": {"row": 9}}]})
    if text:
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["pointer"]) == (422, "/rows/0/label")
        assert text in error["message"]
    else:
        assert answer.status_code == 200, answer.text
        rows = {one["row"]: one["group"] for one in client.get(f"{path}/trials").json()["items"]}
        assert rows == {**GROUPS, "R152 / ReLU": "R152"}
