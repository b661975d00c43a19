"""The generated tables of the READMEs are fresh, and complete where a list could miss something."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
MENTIONED = re.compile(r"\bABLATE_[A-Z]+(?:_[A-Z]+)*\b")


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The script of `make docs`, as a module."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / ".ci" / "reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_generated_table_is_stale(reference: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check"]) == 0, capsys.readouterr().err


def test_every_table_is_in_a_readme(reference: ModuleType) -> None:
    texts = "\n".join(path.read_text("utf-8") for path in reference.READMES)
    assert {name for name in reference.TABLES if f"[//]: # (generated: {name})" not in texts} == set()


def test_a_stale_table_is_reported_and_then_written(
    reference: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n\n[//]: # (generated: environment variables)\nstale line\n[//]: # (end)\n\nafter\n")
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "READMES", (readme,))
    assert reference.main(["--check"]) == 1
    assert "README.md: a generated table is stale; run `make docs`" in capsys.readouterr().err
    assert reference.main([]) == 0
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "stale line" not in text
    assert "| `ABLATE_HOME` | `~/.local/share/ablate`, or `ablate` in `XDG_DATA_HOME`" in text
    assert reference.main(["--check"]) == 0


def test_a_marker_that_names_no_table_is_an_error(reference: ModuleType) -> None:
    with pytest.raises(KeyError, match="recipes of soup"):
        reference.update("[//]: # (generated: recipes of soup)\n[//]: # (end)\n")


def test_every_variable_that_the_code_names_is_in_the_table(reference: ModuleType) -> None:
    listed = set(MENTIONED.findall(reference.variables()))
    named = {
        name
        for package in ("ablate", "service")
        for path in (ROOT / package).rglob("*.py")
        for name in MENTIONED.findall(path.read_text("utf-8"))
    }
    assert named - listed - reference.INTERNAL_VARIABLES == set()


def test_commands_of_both_packages_are_listed_without_the_common_options(reference: ModuleType) -> None:
    library, service = reference.commands("ablate."), reference.commands("service.")
    assert "| `ablate run STUDY` | `--scale SCALE`" in library
    assert "| `ablate schedule add NAME STUDY...` | `--cron CRON`" in service
    assert "--url" not in service
    assert sys.modules["ablate.cli.app"].app is reference.app
