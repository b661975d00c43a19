from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ablate.bundle.verify import verify
from ablate.tables.table import Table
from service.api.results import negotiate
from service.settings import Settings

Post = Callable[..., dict[str, Any]]
Finish = Callable[[str], None]

MEDIA = {
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "tex": "application/x-tex",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
}


def test_a_table_is_provisional_until_the_study_is_done(client: TestClient, post: Post, finish: Finish) -> None:
    study = post()
    assert client.get(study["links"]["table"]).json()["provisional"] is True
    finish(study["id"])
    table = Table.from_json(client.get(study["links"]["table"]).json())
    assert table.provisional is False
    assert table.row("shifted").cells["error"].mean == pytest.approx(2.05)


def test_the_value_of_every_seed_is_a_csv_file(client: TestClient, post: Post, finish: Finish) -> None:
    study = post()
    path = f"{study['links']['self']}/seeds.csv"
    lines = list(csv.DictReader(client.get(path).text.splitlines()))
    assert {line["status"] for line in lines} == {"missing"}
    finish(study["id"])
    answer = client.get(path)
    assert answer.headers["content-type"] == MEDIA["csv"]
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{study['id']}-seeds.csv"
    table = Table.from_json(client.get(study["links"]["table"]).json())
    found = {(line["row"], int(line["seed"])): line for line in csv.DictReader(answer.text.splitlines())}
    for row in table.rows:
        for seed, key in zip(table.seeds, row.trials, strict=True):
            line = found[row.label, seed]
            assert (float(line["value"]), line["key"]) == (row.cells["error"].values[seed], key)


def test_a_study_is_a_bundle_that_its_wheel_verifies(
    client: TestClient, post: Post, finish: Finish, settings: Settings, tmp_path: Path
) -> None:
    study = post()
    path = f"{study['links']['self']}/bundle.zip"
    assert client.get(path).status_code == 409
    finish(study["id"])
    answer = client.get(path)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].endswith(f"{study['id']}.zip")
    file = tmp_path / "out.zip"
    file.write_bytes(answer.content)
    found = verify(file)
    assert found.is_equal, (found.problems, found.differences)
    with zipfile.ZipFile(file) as archive:
        assert archive.read("seeds.csv") == client.get(f"{study['links']['self']}/seeds.csv").content
        form = {"format": "md", "notes": "true"}
        assert archive.read("table.md") == client.get(study["links"]["table"], params=form).content
    plain = client.get(path, params={"measured": "false"})
    assert plain.content == client.get(path, params={"measured": "false"}).content
    refused = client.get(path, params={"weights": "true"})
    assert refused.status_code == 409
    assert "ask without weights" in refused.json()["detail"]
    key = found_keys(client, study)[0]
    folder = settings.workdir(key)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint.safetensors").write_bytes(b"weights")
    file.write_bytes(client.get(path, params={"weights": "true"}).content)
    with zipfile.ZipFile(file) as archive:
        assert archive.read(f"weights/{key}/checkpoint.safetensors") == b"weights"
    assert verify(file).is_equal


def found_keys(client: TestClient, study: dict[str, Any]) -> list[str]:
    return [cell["key"] for cell in client.get(study["links"]["trials"]).json()["items"]]


@pytest.mark.parametrize(("format", "media"), MEDIA.items())
def test_the_format_is_asked_for_by_name_or_by_accept(
    client: TestClient, done: dict[str, Any], format: str, media: str
) -> None:
    by_name = client.get(done["links"]["table"], params={"format": format}, headers={"accept": "image/png"})
    by_accept = client.get(done["links"]["table"], headers={"accept": media.split(";")[0]})
    assert by_name.status_code == by_accept.status_code == 200
    assert by_name.headers["content-type"] == by_accept.headers["content-type"] == media
    assert by_name.headers["vary"] == "Accept"
    assert by_name.text == by_accept.text
    assert "shifted" in by_name.text


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("*/*", "json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"),
        ("text/*", "md"),
        ("text/*;q=0.5, text/csv", "csv"),
        ("text/html;q=0, */*", "json"),
        ("application/json;q=0.1, TEXT/MARKDOWN ; Q=0.9", "md"),
        ("application/json; q=nonsense", "json"),
    ],
)
def test_the_best_liked_format_is_chosen(accept: str, format: str) -> None:
    assert negotiate(accept) == format


@pytest.mark.parametrize("accept", ["image/png", "*/*;q=0", "application/pdf, image/*"])
def test_none_of_the_accepted_formats_is_406(client: TestClient, done: dict[str, Any], accept: str) -> None:
    answer = client.get(done["links"]["table"], headers={"accept": accept})
    assert answer.status_code == 406
    assert "text/markdown" in answer.json()["detail"]


def test_columns_and_digits_are_chosen(client: TestClient, done: dict[str, Any]) -> None:
    parameters = {"format": "csv", "columns": "error, n", "digits": "3"}
    [plain, _] = csv.DictReader(client.get(done["links"]["table"], params=parameters).text.splitlines())
    assert plain["error_mean"] == "1.050"
    assert plain["n_ok"] == "2"
    assert "train_s" not in plain


def test_an_unknown_column_is_told_with_the_nearest(client: TestClient, done: dict[str, Any]) -> None:
    answer = client.get(done["links"]["table"], params={"format": "md", "columns": "eror"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/columns"
    assert "did you mean 'error'?" in answer.json()["detail"]


def test_latex_has_the_style_caption_and_label_that_are_asked_for(client: TestClient, done: dict[str, Any]) -> None:
    asked = {"format": "tex", "caption": "Mine & yours", "label": "tab:mine", "delta": "true", "spread": "subscript"}
    text = client.get(done["links"]["table"], params=asked).text
    assert "\\caption{Mine \\& yours: mean $\\pm$ standard deviation over 2 seeds; " in text
    assert "\\label{tab:mine}" in text
    assert "$\\Delta$" in text
    full = client.get(done["links"]["table"], params={"format": "tex", "style": "full"}).text
    assert "plain (baseline)" in full
    assert "plain (baseline)" not in text


def test_rows_are_chosen_ordered_and_renamed_in_every_format(client: TestClient, done: dict[str, Any]) -> None:
    asked = {"rows": ["shifted", "!plain"], "rename": json.dumps({"shifted": "ours, at last"})}
    for format in MEDIA:
        text = client.get(done["links"]["table"], params={"format": format, **asked}).text
        assert "ours, at last" in text
    (row,) = client.get(done["links"]["table"], params=asked).json()["rows"]
    assert row["label"] == "ours, at last"
    named = client.get(done["links"]["table"], params={"order": "value"}).json()
    assert [row["label"] for row in named["rows"]] == ["plain", "shifted"]


@pytest.mark.parametrize(
    ("asked", "pointer", "text"),
    [
        ({"rows": "shiftd"}, "/rows", "did you mean 'shifted'?"),
        ({"rename": '{"shiftd": "x"}'}, "/rename", "did you mean 'shifted'?"),
        ({"rename": "shifted=x"}, "/rename", "JSON object"),
        ({"order": "best"}, "/order", "'plan', 'value' or 'name'"),
        ({"style": "papr"}, "/style", "'paper' or 'full'"),
        ({"label": "a b"}, "/label", "letters, digits"),
        ({"siunitx": "true", "spread": "subscript"}, "/siunitx", "use only one of them"),
        ({"format": ["md", "tex"]}, "/format", "give it once"),
    ],
)
def test_a_wrong_choice_of_rows_or_style_is_refused_at_its_place(
    client: TestClient, done: dict[str, Any], asked: dict[str, Any], pointer: str, text: str
) -> None:
    answer = client.get(done["links"]["table"], params=asked)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert text in answer.json()["detail"]


def test_csv_is_a_file_to_save(client: TestClient, done: dict[str, Any]) -> None:
    answer = client.get(done["links"]["table"], params={"format": "csv"})
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''toys.csv"
    rows = list(csv.DictReader(answer.text.splitlines()))
    assert [row["label"] for row in rows] == ["plain", "shifted"]


def test_an_html_table_may_use_its_own_style_and_nothing_else(client: TestClient, done: dict[str, Any]) -> None:
    answer = client.get(done["links"]["table"], params={"format": "html"})
    policy = answer.headers["content-security-policy"]
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.endswith(f"style-src 'sha256-{digest}'")
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert " style=" not in answer.text


def test_notes_on_robustness_are_asked_for(client: TestClient, done: dict[str, Any]) -> None:
    plain, robust = (client.get(done["links"]["table"], params={"robust": flag}).json() for flag in ("false", "true"))
    assert robust["notes"][: len(plain["notes"])] == plain["notes"]
    assert [note for note in robust["notes"][len(plain["notes"]) :] if note.startswith("'shifted' is undecided")]


def test_the_ledger_counts_what_was_decided(client: TestClient, done: dict[str, Any]) -> None:
    found = client.get("/api/v1/ledger", params={"alpha": 0.1}).json()
    assert (found["alpha"], found["families"], found["expected"]) == (0.1, 1, 0.05)
    (pair,) = found["pairs"]
    assert (pair["row"], pair["studies"], pair["is_discovery"]) == ("shifted", [done["id"]], False)
    assert client.get("/api/v1/ledger", params={"alpha": "nan"}).status_code == 422


def test_measured_values_can_be_left_out(client: TestClient, done: dict[str, Any]) -> None:
    whole, stable = (client.get(done["links"]["table"], params={"measured": flag}).json() for flag in ("true", "false"))
    assert whole["rows"][0]["train_s"] == 0.5
    assert "train_s" not in stable["rows"][0]
    assert "provenance" not in stable
    answer = client.get(done["links"]["table"], params={"measured": "false", "format": "md", "columns": "train_s"})
    assert answer.status_code == 422


@pytest.mark.parametrize("fresh", [False, True])
def test_a_table_says_that_its_cells_are_fresh_replicates_only_where_they_are(
    client: TestClient, post: Post, finish: Callable[[str], None], fresh: bool
) -> None:
    ended = post()
    finish(ended["id"])
    study = post(fresh=fresh)
    provisional = client.get(study["links"]["table"]).json()["notes"]
    finish(study["id"])
    for notes in (provisional, client.get(study["links"]["table"]).json()["notes"]):
        assert any("fresh replicates" in note for note in notes) == fresh


def test_two_rows_are_compared(client: TestClient, done: dict[str, Any]) -> None:
    url = f"{done['links']['self']}/compare"
    found = client.get(url, params={"a": "shifted", "b": "plain"}).json()
    assert found["diff"]["mean"] == pytest.approx(1.0)
    assert [one["seed"] for one in found["seeds"]] == list(range(len(found["seeds"])))
    assert (found["pairs"], found["is_post_hoc"], found["provisional"]) == (1, False, False), "with its baseline"
    assert found["sentence"].startswith("shifted is ")


@pytest.mark.parametrize(
    ("a", "b", "errors"),
    [
        ("shiftd", "plain", [("/a", "unknown_row", "no row 'shiftd'; did you mean 'shifted'?")]),
        ("plain", "x", [("/b", "unknown_row", "no row 'x'; the rows are 'plain', 'shifted'")]),
        ("plain", "plain", [("/b", "same_row", "row 'plain' cannot be compared with itself; name two rows")]),
        (
            'a: "b"',
            "plan",
            [
                ("/a", "unknown_row", "no row 'a: \"b\"'; the rows are 'plain', 'shifted'"),
                ("/b", "unknown_row", "no row 'plan'; did you mean 'plain'?"),
            ],
        ),
    ],
)
def test_rows_that_cannot_be_compared_are_refused_at_their_place(
    client: TestClient, done: dict[str, Any], a: str, b: str, errors: list[tuple[str, str, str]]
) -> None:
    answer = client.get(f"{done['links']['self']}/compare", params={"a": a, "b": b})
    assert answer.status_code == 422
    assert [tuple(error.values()) for error in answer.json()["errors"]] == errors
    assert client.get(f"{done['links']['self']}/compare", params={"a": a}).status_code == 422
