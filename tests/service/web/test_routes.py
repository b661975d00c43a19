from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from ablate.remote.documents.schedules import ScheduleSpec
from ablate.text import visible
from service.app import create_app
from service.schedules import lifecycle
from service.store.sql import now
from service.web.render import POLICY

HOSTILE = """</script><img src=x onerror="alert(1)">'{{ 7*7 }}"""


class Outline(HTMLParser):
    """Every element's name and attributes, the text between, and the content of text fields by id."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.elements and self.elements[-1][0] == "textarea":
            self.fields.setdefault(str(self.elements[-1][1]["id"]), data)


def outline_of(client: TestClient, address: str, status: int = 200) -> Outline:
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    found = Outline()
    found.feed(answer.text)
    return found


@pytest.fixture
def finished(desk: Any, toy_study: Callable[..., Any]) -> Any:
    return desk.finish(desk.submit(toy_study(title=HOSTILE)))


@pytest.fixture
def addresses(desk: Any, finished: Any, toy_study: Callable[..., Any]) -> list[str]:
    """Every page there is, with something on it."""
    key = desk.cells(finished)[0].key
    lifecycle.add_schedule(desk.context, ScheduleSpec(name="nightly", cron="0 2 * * *", study=toy_study()), now())
    return [
        "/", "/?state=succeeded", "/?example=smoke", f"/?again={finished.id}", "/paper", "/paper?scale=lab", "/compare",
        "/tasks",
        f"/compare?a={finished.id}&b={finished.id}", f"/studies/{finished.id}",
        f"/studies/{finished.id}?a=offset+0&b=offset+1", f"/trials/{key}", "/schedules",
        "/schedules/nightly",
    ]  # fmt: skip


def test_pages_hold_no_script_and_no_style_of_their_own(client: TestClient, addresses: list[str]) -> None:
    for address in addresses:
        outline = outline_of(client, address)
        scripts = [attributes for tag, attributes in outline.elements if tag == "script"]
        assert [set(one) for one in scripts] == [{"type", "src"}], address
        assert "style" not in [tag for tag, _ in outline.elements], address
        named = {name for _, attributes in outline.elements for name in attributes}
        assert not [name for name in named if name == "style" or name.startswith("on")], address


def test_pages_load_nothing_from_elsewhere(client: TestClient, addresses: list[str]) -> None:
    for address in addresses:
        outline = outline_of(client, address)
        links = [one.get(name) or "" for _, one in outline.elements for name in ("src", "href", "action")]
        assert not [link for link in links if re.match(r"[a-z]+:|//", link)], address


def test_ids_are_unique_and_labels_lead_to_fields(client: TestClient, addresses: list[str]) -> None:
    for address in addresses:
        elements = outline_of(client, address).elements
        ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
        assert len(ids) == len(set(ids)), address
        wanted = {attributes["for"] for tag, attributes in elements if tag == "label" and "for" in attributes}
        assert wanted <= set(ids), address


def test_what_users_write_is_shown_and_never_read_as_html(client: TestClient, desk: Any, toy_study: Any) -> None:
    document = toy_study(title=HOSTILE, question=HOSTILE)
    document["rows"][1]["label"] = HOSTILE
    study = desk.finish(desk.submit(document))
    key = next(cell.key for cell in desk.cells(study) if cell.row == HOSTILE)
    for address in ("/", f"/studies/{study.id}", f"/trials/{key}", f"/compare?a={study.id}&b={study.id}"):
        outline = outline_of(client, address)
        assert HOSTILE in outline.text, address
        assert "img" not in [tag for tag, one in outline.elements if "onerror" in one], address


CONTROLS = "\x1b]0;evil\x07\x7f\x9b2J\u202etxt.exe\u2066\u2028"


def test_control_characters_and_overrides_are_escapes_on_every_page(
    client: TestClient, desk: Any, toy_study: Any
) -> None:
    study = desk.submit(toy_study(title=CONTROLS, question=CONTROLS))
    desk.tick()
    desk.dispatcher.end(desk.dispatcher.started[0], "failed", CONTROLS)
    desk.finish(study)
    [cell] = [cell for cell in desk.cells(study) if cell.state == "failed"]
    for address in ("/", f"/studies/{study.id}", f"/trials/{cell.key}", f"/compare?a={study.id}&b={study.id}"):
        text = client.get(address).text
        assert visible(text, lines=True) == text, address
        assert (visible(CONTROLS) in text) is not address.startswith("/compare"), address
    refused = client.get("/?example=" + quote(CONTROLS))
    assert refused.status_code == 404
    assert visible(CONTROLS) in refused.text


def test_what_a_page_sends_back_has_the_title_that_was_sent(client: TestClient, desk: Any, toy_study: Any) -> None:
    """JSON and TOML keep titles as they are: REST, the saved document, the editor, the bodies that the script sends."""
    study = desk.submit(toy_study(title=CONTROLS))
    assert client.get(f"/api/v1/studies/{study.id}").json()["title"] == CONTROLS
    saved = client.get(f"/studies/{study.id}/document").text
    assert visible(saved, lines=True) == saved
    assert tomllib.loads(saved)["title"] == CONTROLS
    assert tomllib.loads(outline_of(client, f"/?again={study.id}").fields["text"])["title"] == CONTROLS
    bodies = [one["data-body"] for _, one in outline_of(client, f"/studies/{study.id}").elements if "data-body" in one]
    assert [json.loads(body or "")["study"]["title"] for body in bodies] == [CONTROLS]
    shown = Outline()
    shown.feed(client.post("/preview", json={"text": saved}).text)
    bodies = [one["data-body"] for _, one in shown.elements if "data-body" in one]
    assert [json.loads(body or "")["study"]["title"] for body in bodies] == [CONTROLS]


def test_text_of_every_language_stays_as_it_is_on_a_page(client: TestClient, desk: Any, toy_study: Any) -> None:
    title = "Größe 漏斗 العربية עברית ∑ 👩\u200d👩\u200d👧"
    study = desk.submit(toy_study(title=title))
    assert title in outline_of(client, f"/studies/{study.id}").text


def test_a_hostile_label_is_text_in_the_preview_too(client: TestClient, toy_study: Any) -> None:
    document = toy_study()
    document["rows"][1]["label"] = HOSTILE
    for row in (document["rows"][1], {"label": HOSTILE, HOSTILE: 1}):
        document["rows"][1] = row
        answer = client.post("/preview", json={"text": json.dumps(document)})
        assert answer.status_code == 200
        assert "<img" not in answer.text


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/studies/nothing", 404, "no study has the id"),
        ("/trials/nothing", 404, "no trial with that key"),
        ("/nothing", 404, "unknown address"),
        ("/?state=done", 422, "'queued', 'running'"),
        ("/?cursor=zzz", 422, "unknown cursor"),
        ("/?example=table99", 404, "unknown example 'table99'"),
        ("/?again=nothing", 404, "no study has the id"),
        ("/paper?scale=huge", 422, "no table of the paper has the scale 'huge'"),
        ("/compare?a=%3Cscript%3E", 422, "/a"),
        ("/compare?a=nothing&b=nothing", 404, "no study has the id"),
    ],
)
def test_an_error_is_a_page_for_a_browser(client: TestClient, address: str, status: int, words: str) -> None:
    outline = outline_of(client, address, status)
    assert words in outline.text
    assert ("a", "/") in [(tag, one.get("href")) for tag, one in outline.elements]


def test_programs_get_problem_documents_from_the_same_addresses(client: TestClient) -> None:
    answer = client.get("/studies/nothing", headers={"accept": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    answer = client.get("/api/v1/studies/nothing")  # though a browser asks
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_an_empty_service_says_what_to_do(client: TestClient) -> None:
    assert "No study yet" in outline_of(client, "/").text
    assert "A comparison needs two studies" in outline_of(client, "/compare").text


def test_files_are_kept_under_the_address_that_pages_give_them(client: TestClient) -> None:
    links = [one.get("src") or one.get("href") or "" for _, one in outline_of(client, "/").elements]
    files = [link for link in links if link.startswith("/static/")]
    assert len(files) == 3
    for link in files:
        assert "immutable" in client.get(link).headers["cache-control"]
        assert client.get(link.partition("?")[0]).headers["cache-control"] == "no-cache"
    assert client.get("/static/../rendering.py").status_code == 404
    assert client.get("/static/nothing.js").headers["content-type"] == "application/problem+json"


def test_the_list_is_sent_again_only_when_something_was_stored(client: TestClient, desk: Any, toy_study: Any) -> None:
    tag = client.get("/").headers.get("etag")
    if not desk.context.settings.is_embedded:
        assert tag is None  # another process may have written
        return
    again = client.get("/", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    desk.submit(toy_study())
    assert client.get("/", headers={"if-none-match": tag}).status_code == 200


def count_statements(desk: Any, client: TestClient, address: str) -> int:
    statements: list[str] = []
    engine = desk.context.store._reader

    def note(*arguments: Any) -> None:
        statements.append(arguments[2])

    event.listen(engine, "before_cursor_execute", note)
    assert client.get(address).status_code == 200
    event.remove(engine, "before_cursor_execute", note)
    return len(statements)


def test_more_studies_and_more_rows_take_no_more_queries(client: TestClient, desk: Any, toy_study: Any) -> None:
    few = desk.submit(toy_study("few"))
    counts = [count_statements(desk, client, "/"), count_statements(desk, client, f"/studies/{few.id}")]
    many = [desk.submit(toy_study(f"s{n}", rows=[float(n + 0.01 * row) for row in range(12)])) for n in range(12)]
    assert counts == [count_statements(desk, client, "/"), count_statements(desk, client, f"/studies/{many[0].id}")]


def test_pages_of_the_list_follow_one_another(client: TestClient, desk: Any, toy_study: Any) -> None:
    for number in range(27):
        desk.submit(toy_study(f"s{number}", seeds=1))
    first = outline_of(client, "/")
    [older] = [one["href"] for tag, one in first.elements if tag == "a" and "cursor=" in (one.get("href") or "")]
    second = outline_of(client, older or "")
    assert "s0" in second.text
    assert "s26" in first.text
    assert not [one for _, one in second.elements if "cursor=" in (one.get("href") or "")]


def test_a_study_that_waits_says_for_whom(client: TestClient, desk: Any, toy_study: Any) -> None:
    desk.context.parts["scheduler"] = "running"
    desk.submit(toy_study("urgent", priority=9))
    desk.submit(toy_study("patient", rows=[5.0]))
    text = " ".join(outline_of(client, "/").text.split())
    assert "next in the queue" in text
    assert "waits for 4 trials of urgent" in text


def test_a_failed_trial_says_why_and_what_to_do(client: TestClient, desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study())
    desk.tick()
    desk.dispatcher.end(desk.dispatcher.started[0], "failed", "the loss was <b>odd</b>")
    desk.finish(study)
    [cell] = [cell for cell in desk.cells(study) if cell.state == "failed"]
    outline = outline_of(client, f"/trials/{cell.key}")
    assert "the loss was <b>odd</b>" in outline.text
    assert "A retry of its study queues it again" in outline.text
    assert f"/api/v1/studies/{study.id}/retry" in [one.get("data-post") for _, one in outline.elements]


def test_a_trial_is_told_as_a_difference_to_the_baseline(client: TestClient, desk: Any, finished: Any) -> None:
    shifted = next(cell for cell in desk.cells(finished) if cell.row == "offset 1")
    text = " ".join(outline_of(client, f"/trials/{shifted.key}").text.split())
    assert "offset 0.0 1.0" in text
    plain = next(cell for cell in desk.cells(finished) if cell.row == "offset 0")
    assert "This trial belongs to the baseline row" in outline_of(client, f"/trials/{plain.key}").text


def test_a_shared_trial_is_told_of_the_study_that_it_is_looked_at_from(
    client: TestClient, desk: Any, toy_study: Any
) -> None:
    document = toy_study("second", rows=[1.0, 0.0])
    first, second = desk.finish(desk.submit(toy_study("first"))), desk.finish(desk.submit(document))
    [key] = {cell.key for cell in desk.cells(second) if (cell.row, cell.seed) == ("offset 0", 0)}
    assert "This trial belongs to the baseline row" in outline_of(client, f"/trials/{key}").text
    text = " ".join(outline_of(client, f"/trials/{key}?study={second.id}").text.split())
    assert "baseline offset 1 this trial offset 1.0 0.0" in text
    assert f"/studies/{first.id}" in client.get(f"/trials/{key}?study={second.id}").text


def test_the_saved_document_is_the_study_again(client: TestClient, finished: Any) -> None:
    answer = client.get(f"/studies/{finished.id}/document")
    assert answer.headers["content-type"].startswith("application/toml")
    shown = client.post("/preview", json={"text": answer.text})
    assert "4 of 4 different trials have results" in " ".join(shown.text.split())


def test_a_comparison_says_which_of_the_two_studies_is_exploratory(
    client: TestClient, desk: Any, finished: Any, toy_study: Any
) -> None:
    more = desk.finish(desk.submit(toy_study(seeds=3)))
    shown = " ".join(outline_of(client, f"/compare?a={finished.id}&b={more.id}").text.split())
    assert shown.count("Exploratory.") == 1
    assert shown.index("succeeded") < shown.index("Exploratory.")
    again = " ".join(outline_of(client, f"/compare?a={more.id}&b={more.id}").text.split())
    assert again.count("Exploratory.") == 2


def test_two_rows_have_a_line_about_other_test_images(client: TestClient, finished: Any) -> None:
    shown = outline_of(client, f"/studies/{finished.id}?a=offset+0&b=offset+1").text
    assert "no interval over test images: 4 of 4 trials kept no correctness by image" in shown


def test_two_rows_that_cannot_be_compared_are_told_beside_the_form(client: TestClient, finished: Any) -> None:
    address = f"/studies/{finished.id}?a=offset+0&b=offset+0"
    assert "compared with itself" in outline_of(client, address).text


def test_studies_on_the_same_trials_are_known_to_be_the_same(client: TestClient, desk: Any, toy_study: Any) -> None:
    first, second = (desk.finish(desk.submit(toy_study(name))) for name in ("first", "second"))
    assert outline_of(client, f"/compare?a={first.id}&b={second.id}").text.count("same trials") == 2


def test_a_study_of_an_older_version_has_a_page_that_says_so(client: TestClient, desk: Any, finished: Any) -> None:
    from sqlalchemy import update

    from service.store.tables import studies

    with desk.context.store.write() as connection:
        connection.execute(update(studies).values(document={"name": "toys", "rows": "gone"}, result=None))
    assert "cannot plan the study" in outline_of(client, f"/studies/{finished.id}").text
    assert "cannot plan the study" in outline_of(client, f"/compare?a={finished.id}&b={finished.id}").text


def test_the_page_of_the_paper_names_what_is_missing(client: TestClient) -> None:
    buttons = [one for tag, one in outline_of(client, "/paper").elements if "data-paper" in one]
    assert [one["data-body"] for one in buttons] == [
        '{"tables": ["T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10"], "scale": "mini"}'
    ]


def test_a_draft_is_read_strictly(client: TestClient) -> None:
    answer = client.post("/preview", json={"text": 3, "scael": "mini"}, headers={"accept": "application/json"})
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/text", "/scael"}
    assert client.post("/preview", content="x", headers={"content-type": "text/plain"}).status_code == 415
    assert client.post("/preview", json={"text": "x"}, headers={"origin": "http://evil.example"}).status_code == 403


def test_the_page_is_no_part_of_the_documented_interface(desk: Any) -> None:
    paths = create_app(desk.context).openapi()["paths"]
    assert not [path for path in paths if not path.startswith(("/api/v1/", "/healthz", "/readyz", "/metrics"))]


def test_groups_side_by_side_keep_the_seeds_of_every_cell(client: TestClient, desk: Any) -> None:
    """One row for each method, one column for each data set, and a list of seeds behind every cell."""
    rows = [
        {"label": f"{name} on {group}", "group": group, "set": {"offset": offset + shift}}
        for group, shift in (("digits", 0.0), ("letters", 100.0))
        for name, offset in (("plain", 1.0), ("new", 2.0))
    ]
    document = {"name": "pivot", "seeds": 2, "base": {"task": "toy"}, "rows": rows, "table": {"pivot": "group"}}
    view = desk.finish(desk.submit(document))
    page = outline_of(client, f"/studies/{view.id}")
    assert re.search(r"row\s+digits ↓\s+letters ↓\s+mean rank ↓", page.text)
    ids = {attributes["id"] for _, attributes in page.elements if attributes.get("id")}
    opened = [attributes["popovertarget"] for _, attributes in page.elements if attributes.get("popovertarget")]
    assert len(opened) == len(set(opened)) == 4
    assert set(opened) <= ids
    lists = {str(attributes["aria-label"]) for _, attributes in page.elements if attributes.get("class") == "seeds"}
    assert lists == {f"Seeds of {row['label']}" for row in rows}
    links = {attributes["href"] for tag, attributes in page.elements if tag == "a"}
    assert {f"/trials/{cell.key}?study={view.id}" for cell in desk.cells(view)} <= links
    table = client.get(f"/api/v1/studies/{view.id}/table?format=json").json()
    assert [line["label"] for line in table["pivot"]["lines"]] == ["plain", "new"]
    assert [row["line"] for row in table["rows"]] == ["plain", "new"] * 2
    plan = client.post("/api/v1/studies/plan", json={"study": document}, headers={"accept": "*/*"}).json()
    assert plan["pivot"].startswith("pivot: 2 rows, a column for each of 2 groups (digits, letters); no test")


def test_a_picture_of_what_trials_find_is_for_tasks_that_leave_one(client: TestClient, finished: Any) -> None:
    pictures = [
        values["src"] for name, values in outline_of(client, f"/studies/{finished.id}").elements if name == "img"
    ]
    assert any("/plots/seeds.svg" in (one or "") for one in pictures)
    assert not any("/plots/panel.png" in (one or "") for one in pictures)
