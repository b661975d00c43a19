"""`include` in a study file: what the merged document is, and what is refused."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ablate
from ablate.cli.app import status_of
from ablate.errors import StudyError
from ablate.study.document import Study
from ablate.study.text import read_document

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> Path:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
        return Path(name)

    return write


BASE = """
    seeds = 5
    metrics = ["train_loss"]
    [base]
    dataset = "digits"
    steps = 8
    backbone = { lr = 0.1, width = 0.5 }
    [scales.mini]
    steps = 4
    [table]
    alpha = 0.01
    [[rows]]
    label = "old"
"""


def test_tables_are_merged_field_by_field_lists_are_replaced_and_this_file_wins(write: Write) -> None:
    write("lib/base.toml", BASE)
    write("lib/half.json", '{"include": ["base.toml"], "title": "half", "base": {"steps": 6, "lr": 0.5}}')
    path = write("mine.toml", """
        include = ["lib/base.toml", "lib/half.json"]
        name = "mine"
        [base]
        epochs = 3
        backbone = { lr = 0.2 }
        [table]
        margin = 0.5
        [[rows]]
        label = "new"
    """)  # fmt: skip
    found: dict[str, Any] = read_document(path)
    assert found == {
        "name": "mine", "title": "half", "seeds": 5, "metrics": ["train_loss"],
        "base": {"dataset": "digits", "epochs": 3, "lr": 0.5, "backbone": {"lr": 0.2, "width": 0.5}},
        "scales": {"mini": {"steps": 4}}, "table": {"alpha": 0.01, "margin": 0.5}, "rows": [{"label": "new"}],
    }  # fmt: skip
    assert ablate.read_study(path.read_text().replace('include = ["lib/base.toml", "lib/half.json"]', "")).seeds == 3


def test_epochs_and_steps_of_a_script_may_both_be_fields(write: Write) -> None:
    write("a.toml", "[command.fields]\nepochs = 1\n")
    found = read_document(write("b.toml", 'include = "a.toml"\n[command.fields]\nsteps = 2\n'))
    assert found["command"]["fields"] == {"epochs": 1, "steps": 2}


def test_a_problem_names_the_included_file_in_which_it_is(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write("base.toml", '[base]\nactivatoin = "relu"\nsteps = "many"\n[[rows]]\nlabel = "a"\n')
    path = write("mine.toml", 'include = "base.toml"\nname = "mine"\n[base]\nsteps = "few"\n')
    assert status_of(["check", str(path)]) == 2
    of_base, of_mine = capsys.readouterr().err.splitlines()
    assert of_base.startswith("error: /base/activatoin: no recipe field")
    assert of_base.endswith(" (in the included file 'base.toml')")
    assert of_mine.startswith("error: /base/steps: ")
    assert "included" not in of_mine
    with pytest.raises(StudyError, match=r"included file 'base\.toml'"):
        ablate.plan(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('include = "nothing.toml"', "cannot read study file 'nothing.toml': No such file or directory (included by "),
        ('include = "mine.toml"', "a file includes itself: 'mine.toml' -> 'mine.toml'; remove one of these"),
        ('include = "ring.toml"', "a file includes itself: 'mine.toml' -> 'ring.toml' -> 'mine.toml'; remove"),
        ('include = "broken.toml"', "not TOML: "),
        ('include = "list.json"', "'list.json' has no table; an included file is a study file"),
        ("include = 3", "should be the name of a study file, or a list of names"),
        ('include = ["-"]', "should be the name of a study file"),
        ('include = "/dev/zero"', "it is not a regular file"),
        (f"include = {['twice.toml'] * 20}", "a study includes at most 32 files, 8 deep; include fewer"),
    ],
)
def test_what_cannot_be_included_is_refused_with_the_file(write: Write, text: str, sentence: str) -> None:
    write("ring.toml", 'include = ["mine.toml"]')
    write("broken.toml", "a = ")
    write("list.json", "[1]")
    write("twice.toml", 'title = "t"\ninclude = ["empty.toml"]')
    write("empty.toml", "seeds = 3")
    path = write("mine.toml", f'{text}\nname = "mine"\n')
    with pytest.raises(StudyError) as refused:
        read_document(path)
    assert sentence in str(refused.value)
    assert refused.value.problems[0].pointer == "/include"


def test_a_document_that_is_no_file_includes_nothing() -> None:
    with pytest.raises(StudyError) as refused:
        Study.parse({"name": "mine", "include": "base.toml", "rows": [{"label": "a"}]})
    assert [problem.pointer for problem in refused.value.problems] == ["/include"]
    assert "as `ablate submit FILE` does" in str(refused.value)
