from __future__ import annotations

import re
from html.parser import HTMLParser

from starlette.testclient import TestClient

from service.web.help.files import present_files
from service.web.render import POLICY


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, tag: str, name: str) -> list[str]:
        return [attributes[name] or "" for one, attributes in self.found if one == tag and name in attributes]


def open_page(client: TestClient, address: str, status: int = 200) -> Elements:
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-security-policy"] == POLICY
    elements = Elements()
    elements.feed(answer.text)
    return elements


ADDRESSES = [file.address for file in present_files().values()]


def test_every_readme_is_a_page_that_the_policy_allows(client: TestClient) -> None:
    for address in [*ADDRESSES, "/help?q=seed", "/help?q=nothingofthekind"]:
        page = open_page(client, address)
        assert [name for _, one in page.found for name in one if name == "style" or name.startswith("on")] == [], (
            address
        )
        assert "style" not in [tag for tag, _ in page.found], address
        ids = [one["id"] for _, one in page.found if "id" in one]
        assert len(ids) == len(set(ids)), address
        assert [tag for tag, _ in page.found].count("h1") == 1, address
        assert "/help" in page.values("a", "href"), address


def test_every_anchor_that_a_page_links_to_is_there(client: TestClient) -> None:
    for address in ADDRESSES:
        page = open_page(client, address)
        ids = {one["id"] for _, one in page.found if "id" in one}
        own = [link[1:] for link in page.values("a", "href") if link.startswith("#")]
        assert set(own) <= ids, address


def test_links_and_pictures_of_all_pages_are_answered(client: TestClient) -> None:
    links, pictures = set[str](), set[str]()
    for address in ADDRESSES:
        page = open_page(client, address)
        links |= {link.partition("#")[0] for link in page.values("a", "href")}
        pictures |= set(page.values("img", "src"))
    for link in links - {""}:
        assert link.startswith("https://") or client.get(link).status_code == 200, link
    assert pictures
    for picture in pictures:
        answer = client.get(picture)
        assert (answer.status_code, answer.headers["content-type"].partition("/")[0]) == (200, "image"), picture


def test_pages_load_nothing_from_elsewhere(client: TestClient) -> None:
    for address in ADDRESSES:
        page = open_page(client, address)
        loaded = [*page.values("img", "src"), *page.values("script", "src"), *page.values("link", "href")]
        assert not [one for one in loaded if re.match(r"[a-z]+:|//", one)], address


def test_only_pictures_of_the_pages_are_sent(client: TestClient) -> None:
    for path in ("service/app.py", "README.md", "../README.md", "service/web/static/icon.svg", "%2e%2e/README.md"):
        assert client.get(f"/help/pictures/{path}").status_code == 404, path


def test_a_search_leads_to_sections(client: TestClient) -> None:
    page = open_page(client, "/help?q=seeds")
    results = [link for link in page.values("a", "href") if "#" in link and link.startswith("/help")]
    assert results
    for link in results:
        address, _, anchor = link.partition("#")
        target = open_page(client, address)
        assert anchor in [one.get("id") for _, one in target.found], link


def test_what_was_searched_for_is_shown_as_text(client: TestClient) -> None:
    page = open_page(client, "/help?q=%3Cimg+src%3Dx%3E")
    assert "No section with “<img src=x>”" in page.text
    assert "x" not in page.values("img", "src")
    assert page.values("input", "value") == ["<img src=x>"]


def test_an_unknown_page_names_the_known_ones(client: TestClient) -> None:
    text = open_page(client, "/help/studeis", 404).text
    assert "no help page 'studeis'; did you mean 'studies'?" in text
    assert open_page(client, f"/help?q={'x' * 101}", 422).text
