"""`import ablate`: the public names, and a study from reading to its table, as in a notebook."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ablate
from ablate.cli.app import status_of
from ablate.local.packages import EXTRA_OF

ROOT = Path(__file__).parents[1]


@pytest.fixture
def toys(toy: str) -> dict[str, Any]:
    """A study of the task `toy`, which trains nothing."""
    rows = [{"label": "A"}, {"label": "B", "set": {"offset": 1.0}}, {"label": "C", "set": {"offset": -1.0}}]
    return {"name": "toys", "seeds": 3, "base": {"task": toy}, "metrics": ["score"], "rows": rows}


@pytest.fixture
def table(toys: dict[str, Any], tmp_path: Path) -> ablate.Table:
    return ablate.run(toys, out=tmp_path / "out", workers=1, progress=False)


@pytest.mark.parametrize("name", [name for name in ablate.__all__ if name != "__version__"])
def test_every_public_name_is_there_and_documented(name: str) -> None:
    public = getattr(ablate, name)
    assert inspect.getdoc(public)
    assert name in dir(ablate)
    if inspect.isfunction(public):
        text = inspect.getdoc(public) or ""
        assert all(part in text for part in ("Args:", "Returns:", "Raises:"))
        assert all(f"{parameter}:" in text for parameter in inspect.signature(public).parameters)


@pytest.mark.parametrize(
    "name",
    ["select", "to_markdown", "to_latex", "to_csv", "to_html", "to_json", "to_pandas", "from_json", "plot", "row"],
)
def test_every_method_of_a_table_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(ablate.Table, name))


def test_type_checkers_see_the_names_that_are_loaded_when_used(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import ablate\nreveal_type(ablate.run)\nreveal_type(ablate.Table.plot)\nablate.plan(3)\n")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(script)]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout
    assert "def (study: " in shown
    assert "-> ablate.tables.notebook.Plot" in shown
    assert 'Argument 1 to "plan" has incompatible type "int"' in shown


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ablate' has no attribute 'rum'"):
        _ = ablate.rum  # type: ignore[attr-defined]


def test_a_study_is_read_from_a_mapping_a_file_a_text_and_built_in_python(tmp_path: Path) -> None:
    document = {"name": "four", "seeds": 2, "rows": [{"label": "A"}]}
    toml = 'name = "four"\nseeds = 2\nrows = [{ label = "A" }]\n'
    (tmp_path / "four.toml").write_text(toml)
    (tmp_path / "four.json").write_text(json.dumps(document))
    built = ablate.Study(name="four", seeds=2, rows=[{"label": "A"}])  # type: ignore[list-item]
    sources = (document, tmp_path / "four.toml", str(tmp_path / "four.json"), toml, json.dumps(document), built)
    assert all(ablate.read_study(source) == built for source in sources)


def test_every_problem_of_a_document_is_reported_with_its_place() -> None:
    document = {"name": "a b", "base": {"windw": "3x3"}, "rows": [{"label": "A"}]}
    with pytest.raises(ablate.StudyError) as caught:
        ablate.plan(document)
    assert [problem.pointer for problem in caught.value.problems] == ["/name", "/base/windw"]
    with pytest.raises(ablate.AblateError, match="seeds is 0; give a whole number from 1 to 10,000"):
        ablate.plan({"name": "a", "rows": [{"label": "A"}]}, seeds=0)


@pytest.mark.parametrize("seeds", [True, -1, 1.5, "2", [0, 1], 10_001, 10**30])
def test_a_wrong_number_of_seeds_is_refused_before_anything_is_made_of_it(seeds: object) -> None:
    with pytest.raises(ablate.StudyError, match=r"/seeds: seeds is .*; give a whole number from 1 to 10,000"):
        ablate.plan({"name": "a", "rows": [{"label": "A"}]}, seeds=seeds)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [None, 3, ["a"], b"name"])
def test_what_is_not_a_study_is_named_by_its_type(source: object) -> None:
    with pytest.raises(ablate.StudyError, match=f"a path or a text; given: {type(source).__name__}"):
        ablate.read_study(source)  # type: ignore[arg-type]


def test_results_are_not_looked_for_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("mine")
    rows = [{"label": "A"}, {"label": "B", "set": {"window": "5x5"}}]
    with pytest.raises(ablate.AblateError, match="results is not a folder"):
        ablate.compare({"name": "a", "base": {"dataset": "digits"}, "rows": rows}, "A", "B", out=tmp_path / "results")


def test_a_plan_is_readable_when_printed() -> None:
    rows = [{"label": "A"}, {"label": "BB", "set": {"window": "5x5"}}]
    plan = ablate.plan({"name": "two", "base": {"dataset": "digits"}, "rows": rows}, seeds=8)
    assert repr(plan).splitlines()[:3] == [
        "Plan of two at scale base: 2 rows, 8 seeds, 16 distinct trials",
        "  A (baseline)",
        '  BB            window = "5x5"',
    ]


def test_a_run_reports_lines_and_resumes_in_the_folder_of_the_command(
    toys: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines: list[str] = []
    table = ablate.run(toys, seeds=2, workers=1, progress=lines.append)
    assert [line.partition(":")[0] for line in lines if line.startswith("[")][-1].startswith("[6/6] ")
    assert capsys.readouterr().err == ""
    (tmp_path / "toys.json").write_text(json.dumps(toys))
    assert status_of(["run", "toys.json", "--json"]) == 0
    shown = capsys.readouterr()
    assert "6 of 9 known" in shown.err
    assert json.loads(shown.out)["rows"][1]["cells"]["error"]["mean"] == pytest.approx(2.1)
    again = ablate.run(toys, workers=1)
    assert "9 of 9 known" in capsys.readouterr().err
    assert again.row("B").cells["error"].values.keys() == {0, 1, 2}
    assert table.row("B").cells["error"].values.keys() == {0, 1}


def test_two_rows_are_compared_from_the_folder(toys: dict[str, Any], table: ablate.Table, tmp_path: Path) -> None:
    found = ablate.compare(toys, "C", "B", out=tmp_path / "out")
    assert found.diff is not None
    assert found.diff.mean == pytest.approx(-2.0)
    assert found.is_post_hoc
    with pytest.raises(ablate.AblateError, match="no row 'D'"):
        ablate.compare(toys, "D", "B", out=tmp_path / "out")


def test_a_table_exports_the_formats_of_the_command(table: ablate.Table, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name, text in (
        ("md", table.to_markdown(notes=True)), ("tex", table.to_latex()), ("csv", table.to_csv()),
        ("html", table.to_html()),
    ):  # fmt: skip
        assert text == (out / f"table.{name}").read_bytes().decode()
    assert str(table) == repr(table) == table.to_markdown()
    assert ablate.Table.from_json(json.loads((out / "table.json").read_text())).to_csv() == table.to_csv()


def test_a_table_selects_its_rows_and_keeps_its_plots(table: ablate.Table) -> None:
    first, *_, last = (row.label for row in table.rows)
    view = table.select(rows=[last], rename={last: "ours"})
    assert [row.label for row in view.rows] == [first, "ours"]
    assert "ours & " in view.to_latex(caption="Mine.", label="tab:mine", delta=True, spread="subscript")
    assert view.plot("curves").draw().startswith(b"<?xml")


def test_a_notebook_shows_the_table_and_styles_nothing_else(table: ablate.Table) -> None:
    html = table._repr_html_()
    assert html.count("<table>") == 1
    style = html.partition("<style>")[2].partition("</style>")[0]
    rules = [line for line in style.splitlines() if "{" in line]
    assert rules
    assert all(line.removeprefix("@media (max-width: 40rem) { ").startswith(".ablate-table ") or
               line.startswith(".ablate-scroll ") for line in rules)  # fmt: skip
    assert "<script" not in html
    assert "http" not in html


def test_a_table_becomes_a_data_frame(table: ablate.Table) -> None:
    frame = table.to_pandas()
    assert list(frame.index) == ["A", "B", "C"]
    assert frame.loc["B", "error_mean"] == table.row("B").cells["error"].mean
    assert frame.loc["B", "error_diff"] == pytest.approx(1.0)
    by_seed = table.to_pandas(by_seed=True)
    assert by_seed.loc[("C", 2), "error"] == pytest.approx(0.2)
    assert list(by_seed.columns) == ["error", "score"]


def test_a_missing_pandas_names_what_to_install(table: ablate.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"this needs pandas: pip install '\.\[notebook\]'"):
        table.to_pandas()


def test_a_plot_is_shown_and_saved(table: ablate.Table, tmp_path: Path) -> None:
    for name in ("forest", "seeds", "curves"):
        plot = table.plot(name)
        assert plot._repr_svg_().encode() == (tmp_path / "out" / f"{name}.svg").read_bytes()
    assert table.plot().save(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ablate.AblateError, match=r"'a\.gif'; end the name with \.svg, \.png or \.pdf"):
        table.plot().save(tmp_path / "a.gif")
    with pytest.raises(ablate.AblateError, match="did you mean 'forest'"):
        table.plot("forst")
    with pytest.raises(ablate.AblateError, match="only a grid"):
        table.plot("effects")
    with pytest.raises(ablate.AblateError, match="without learning curves"):
        ablate.Table.from_json(table.to_json()).plot("curves")


def test_version_names_version_commit_python_and_torch(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["--version"]) == 0
    lines = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert list(lines) == ["ablate", "commit", "Python", "torch"]
    assert lines["ablate"] == ablate.__version__
    assert lines["Python"] == sys.version.split()[0]


def test_python_m_ablate_has_the_commands_of_the_service() -> None:
    command = [sys.executable, "-m", "ablate", "submit", "--help"]
    assert "Usage" in subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_the_shell_completes_commands() -> None:
    code = "import sys; sys.argv = ['ablate']; from ablate.cli.app import main; main()"
    words = {"_ABLATE_COMPLETE": "complete_bash", "COMP_WORDS": "ablate che", "COMP_CWORD": "1"}
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, **words}
    )
    assert shown.stdout.split() == ["check"]


def test_every_optional_package_is_named_with_the_extra_that_installs_it() -> None:
    extras = _extras()
    distributions = packages_distributions()
    for name, extra in EXTRA_OF.items():
        if name == "starlette":  # comes with fastapi
            continue
        assert {canonicalize_name(one) for one in distributions[name]} & extras[extra], name
    named = {canonicalize_name(one) for name in EXTRA_OF for one in distributions[name]}
    assert set().union(*(extras[extra] for extra in set(EXTRA_OF.values()))) <= named


def _extras() -> Mapping[str, set[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {
        extra: {canonicalize_name(Requirement(one).name) for one in requirements}
        for extra, requirements in project["optional-dependencies"].items()
    }
