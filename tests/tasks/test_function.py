"""A function in a file as a task: its signature becomes a recipe, and its code is part of the key."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ablate
from ablate.errors import StudyError, TrialError

FILE = """
    from pathlib import Path
    from typing import Literal
    import ablate

    @ablate.task(metrics={"val_acc": "max", "loss": "min"})
    def train(
        lr: float = 1, width: int = 64, norm: Literal["bn", "ln"] = "bn", layers: tuple = (1, 2),
        *, seed: int, workdir: Path,
    ):
        (workdir / "seen").write_text(f"{lr!r} {width} {norm} {layers}")
        for step in (10, 20):
            yield {"step": step, "val_acc": width / 100 + seed / 1000 - (norm == "ln") / 10, "loss": 1 / step}

    @ablate.task
    def returns(x: int = 1):
        return {"score": float("nan") if x == 2 else x}

    def outer():
        @ablate.task(metrics={"a": "max"})
        def inner(): return {"a": 1}
        return inner

    @ablate.task(metrics={"a": "max"})
    def required(x): return {"a": x}

    @ablate.task(metrics={"a": "max"})
    def strange(x: object = print): return {"a": 1}

    @ablate.task(metrics={"a": {"goal": "max", "take": "best"}})
    def flattering(x: int = 1): return {"a": x}

    @ablate.task(metrics={"a": "max"})
    def taken(copy: int = 1): return {"a": copy}

    @ablate.task
    def undeclared(x: int = 1): return {"a": 1}
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "my_training.py").write_text(textwrap.dedent(FILE))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(folder)
    importlib.invalidate_caches()
    yield importlib.import_module("my_training")
    importlib.sys.modules.pop("my_training", None)  # type: ignore[attr-defined]


def test_parameters_are_fields_and_factors_make_rows(module: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {"progress": False, "workers": 1, "out": tmp_path / "out"}
    table = ablate.run(module.train, factors={"width": [32, 64], "norm": ["bn", "ln"]}, seeds=2, **options)
    values = {row.label: row.cells["val_acc"].values for row in table.rows}
    assert values["width=64, norm=ln"] == {0: pytest.approx(0.54), 1: pytest.approx(0.541)}
    assert table.rows[0].cells["loss"].mean == pytest.approx(0.05)
    assert len(table.rows) == 4
    (seen,) = (tmp_path / "out" / "trials" / table.rows[0].trials[0][:16]).glob("files/seen")
    assert seen.read_text() == "1.0 32 bn [1, 2]"
    again = ablate.run(module.returns, rows={"one": {}, "two": {"x": 2}}, metrics={"score": "max"}, seeds=1, **options)
    assert [(row.n_ok, row.n_diverged) for row in again.rows] == [(1, 0), (0, 1)]


@pytest.mark.parametrize(
    ("pick", "text"),
    [
        (lambda module: module.outer(), "function 'inner' is inside of another function or class"),
        (lambda module: module.required, "parameter 'x' has no default; give it one"),
        (lambda module: module.strange, "a field is a number, text, a truth value or a list"),
        (lambda module: module.flattering, "takes the best value by itself, which is too good"),
        (lambda module: module.taken, "parameter 'copy' has a name of ablate's; call it 'copy_'"),
        (lambda module: module.undeclared, r"declares no metric; write @ablate.task\(metrics="),
        (lambda module: eval("lambda x=1: {}"), "is not in a file, so worker processes cannot import it"),
    ],
)
def test_a_function_that_cannot_be_a_task_is_refused(module: Any, pick: Callable[[Any], Any], text: str) -> None:
    with pytest.raises(TrialError, match=text):
        ablate.run(pick(module), progress=False)


def test_a_wrong_level_and_a_wrong_parameter_are_refused_before_anything_trains(module: Any) -> None:
    with pytest.raises(StudyError, match="'bn' or 'ln'"):
        ablate.run(module.train, factors={"norm": ["bn", "gn"]}, progress=False)
    with pytest.raises(StudyError, match="did you mean 'width'"):
        ablate.run(module.train, factors={"widht": [1, 2]}, progress=False)
    with pytest.raises(TrialError, match="are for a function; a study has its own"):
        ablate.run({"name": "x"}, factors={"a": [1]}, progress=False)
