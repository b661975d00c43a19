from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ablate.tables.plots import canvas
from service.web import render

Post = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("name", ["forest", "seeds", "curves"])
@pytest.mark.parametrize(
    ("format", "media", "magic"),
    [("svg", "image/svg+xml", b"<?xml"), ("png", "image/png", b"\x89PNG"), ("pdf", "application/pdf", b"%PDF")],
)
def test_plots_are_drawn(
    client: TestClient, done: dict[str, Any], name: str, format: str, media: str, magic: bytes
) -> None:
    answer = client.get(f"{done['links']['self']}/plots/{name}.{format}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media
    assert answer.content.startswith(magic)
    assert ("sandbox" in answer.headers["content-security-policy"]) == (format == "svg")


@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_only_a_grid_has_a_plot_of_effects_and_others_say_why(
    client: TestClient, done: dict[str, Any], post: Post, format: str
) -> None:
    answer = client.get(f"{done['links']['self']}/plots/effects.{format}")
    assert answer.status_code == 404
    assert "only a grid of factors has effects; its plots are forest, seeds, curves" in answer.json()["detail"]
    waiting = client.get(f"{post()['links']['self']}/plots/effects.{format}")
    assert (waiting.status_code, "Nothing is decided while results are missing" in waiting.json()["detail"]) == (
        404,
        True,
    )


@pytest.mark.parametrize("file", ["forrest.svg", "seeds.eps", "seeds.", ".svg", "seeds.svg.svg", "seeds"])
def test_there_are_no_other_plots(client: TestClient, post: Post, file: str) -> None:
    assert client.get(f"{post()['links']['self']}/plots/{file}").status_code == 404


def test_a_study_of_a_task_without_panels_has_no_picture_and_says_why(client: TestClient, done: dict[str, Any]) -> None:
    answer = client.get(f"{done['links']['self']}/plots/panel.png")
    assert answer.status_code == 404
    assert "has no panel; tasks with panels: detect, segment" in answer.json()["detail"]


def test_a_plot_has_the_width_and_the_font_that_were_asked_for(client: TestClient, done: dict[str, Any]) -> None:
    address = f"{done['links']['self']}/plots/forest"
    column = {"width_in": 3.25, "title": "false"}
    svg, pdf = (client.get(f"{address}.{format}", params=column) for format in ("svg", "pdf"))
    assert b'width="234pt"' in svg.content
    assert b"/MediaBox [ 0 0 234 " in pdf.content
    assert "Ablate-Notice" not in pdf.headers
    assert len(client.get(f"{address}.svg", params={"width_in": 3.25}).content) > len(svg.content)  # the title
    other = client.get(f"{address}.pdf", params={"font": "STIXGeneral"})
    assert "Ablate-Notice" not in other.headers
    assert b"STIX" in other.content
    replaced = client.get(f"{address}.pdf", params={"font": "No Such\x1b Font"})
    assert replaced.headers["Ablate-Notice"] == (
        r"font 'No Such\x1b Font' is not installed where the plot is drawn; STIXGeneral is used instead"
    )
    assert replaced.content == other.content


@pytest.mark.parametrize(
    "asked",
    [
        {"width_in": "1"},
        {"width_in": "nan"},
        {"width_in": "1e9"},
        {"font": ""},
        {"font": "x" * 101},
        {"theme": "sepia"},
    ],
)
def test_a_look_that_cannot_be_drawn_is_refused(
    client: TestClient, done: dict[str, Any], asked: dict[str, str]
) -> None:
    assert client.get(f"{done['links']['self']}/plots/forest.pdf", params=asked).status_code == 422


def test_the_dark_theme_is_for_svg_only(client: TestClient, done: dict[str, Any]) -> None:
    address = f"{done['links']['self']}/plots/forest"
    light, dark = (client.get(f"{address}.svg", params={"theme": theme}).text for theme in ("light", "dark"))
    assert set(re.findall("#[0-9a-f]{6}", dark)) <= {one.lower() for one in canvas.DARK.values()}
    assert set(re.findall("#[0-9a-f]{6}", light)) <= {one.lower() for one in canvas.DARK}
    answer = client.get(f"{address}.pdf", params={"theme": "dark"})
    assert (answer.status_code, "the dark theme is for SVG only, not for pdf" in answer.json()["detail"]) == (404, True)


def test_plots_have_the_colours_of_the_page() -> None:
    css = (Path(render.__file__).parent / "static" / "page.css").read_text().lower()
    colours = {one.lower() for pair in canvas.DARK.items() for one in pair}
    assert {one for one in colours if one not in css} == {"#000000"}  # of shapes to which matplotlib gives no colour
