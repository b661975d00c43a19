"""`ablate plot` from the folder of a run; tests/service/api/test_plots.py has the service's plots."""

from __future__ import annotations

from pathlib import Path

import pytest

import ablate
from ablate.cli.app import status_of
from service.cli import main

assert main  # the service's commands are commands of the app
STUDY = {
    "name": "tiny",
    "seeds": 2,
    "base": {"task": "null"},
    "rows": [{"label": "a"}, {"label": "b", "set": {"row": 1}}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves."""
    out = tmp_path_factory.mktemp("run") / "tiny"
    ablate.run(STUDY, out=out, workers=1)
    return out


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_plot_for_a_column_is_a_pdf_of_that_width(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["plot", str(folder), "forest", "--width", "8.5cm", "--font", "STIXGeneral", "--no-title"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("tiny-forest.pdf: 3.35 inches wide\n", "")
    assert b"/MediaBox [ 0 0 240.94" in Path("tiny-forest.pdf").read_bytes()


def test_a_font_that_is_not_there_is_replaced_and_the_command_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["plot", str(folder), "curves", "--out", "c.svg", "--font", "No Such Font", "--dark"]) == 0
    assert (
        "font 'No Such Font' is not installed where the plot is drawn; STIXGeneral is used" in capsys.readouterr().err
    )
    assert Path("c.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["forest", "--width", "wide"], "'wide' is not a width; give a number with in, cm, mm or pt, such as 3.25in"),
        (["forest", "--width", "99in"], "a plot cannot be 99 inches wide; choose 2 to 20 inches"),
        (["forest", "--out", "f.jpg"], "should end in .pdf, .svg or .png"),
        (["forest", "--out", "f.pdf", "--dark"], "the dark theme is for SVG only, not for pdf"),
        (["effects"], "only a grid of factors has effects; its plots are forest, seeds, curves"),
        (["specification"], "only a grid of more than 12 cells has a specification curve"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_leaves_no_file(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert status_of(["plot", str(folder), *arguments]) == 2
    assert text in " ".join(capsys.readouterr().err.split())
    assert not list(Path().iterdir())


def test_a_folder_without_a_table_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert status_of(["plot", "empty", "forest"]) == 2
    assert "'empty' has no table.json; give the folder of `ablate run`, or the id of a study" in capsys.readouterr().err
