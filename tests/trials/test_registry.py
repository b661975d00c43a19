"""Installed tasks are foreign code: what they raise is a sentence that names them, and never ends anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from ablate.errors import StudyError, TrialError
from ablate.study.field_catalog import describe_fields
from ablate.study.plan import plan_document
from ablate.trials.registry import get_task, list_tasks
from ablate.trials.task import OPTIONAL, ForeignTask

Install = Callable[[str], None]


def plan_of(**base: Any) -> Any:
    return plan_document({"name": "a", "base": {"task": "own", **base}, "rows": [{"label": "x"}]})


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no licence\\nat all')", "RuntimeError: no licence at all"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import asyncio\nraise asyncio.CancelledError", "CancelledError: no message"),
        ("def def", "SyntaxError: "),
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        ("def deep(): deep()\ndeep()", "RecursionError: maximum recursion depth exceeded"),
        ("class Odd(Exception):\n  def __str__(self): return 1 / 0\nraise Odd", "Odd: no message"),
        ("raise RuntimeError('x' * 1_000_000)", "RuntimeError: xxx"),
        ("", "AttributeError: "),
    ],
)
def test_a_task_that_cannot_be_imported_is_named_with_the_reason(install: Install, code: str, reason: str) -> None:
    install(code)
    with pytest.raises(TrialError) as refused:
        get_task("own")
    text = str(refused.value)
    assert text.startswith(f"task 'own' cannot be loaded: {reason}")
    assert len(text) < 400
    assert len(text.splitlines()) == 1
    assert "own" in list_tasks()
    with pytest.raises(StudyError) as found:
        plan_of()
    (problem,) = found.value.problems
    assert (problem.pointer, problem.code, problem.message) == ("/base/task", "unknown_task", text)
    assert plan_document({"name": "a", "base": {"dataset": "digits"}, "rows": [{"label": "x"}]}).trials


SOUND = """
from pydantic import BaseModel, ConfigDict, field_validator, Field
from ablate.trials.trial import Outcome

class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    level: float = 1.0

class Own:
    Recipe = Recipe
    metrics = {"error": True}

    def run(self, recipe, seed, workdir):
        yield Outcome(status="succeeded", metrics={"error": 1.0})

task = Own()
"""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("Own.metrics = ['error']", "cannot be loaded: ValueError"),
        ("Own.metrics = 7", "cannot be loaded: TypeError"),
        ("Own.metrics = {'error': 'lower'}", "metrics is not a mapping of at most 256 names"),
        ("Own.metrics = {7: True}", "metrics is not a mapping of at most 256 names"),
        ("Own.metrics = {'x' * 129: True}", "of 1 to 128 printable characters each"),
        ("Own.metrics = {str(n): True for n in range(257)}", "metrics is not a mapping of at most 256 names"),
        ("Own.metrics = property(lambda self: 1 / 0)", "cannot be loaded: ZeroDivisionError"),
        ("Own.run = property(lambda self: exit(3))", "cannot be loaded: SystemExit: 3"),
    ],
)
def test_a_malformed_task_is_refused_when_it_is_loaded(install: Install, code: str, reason: str) -> None:
    install(SOUND + code)
    with pytest.raises(TrialError, match=f"task 'own'.*{reason}"):
        get_task("own")


@pytest.mark.parametrize(
    "code",
    [
        "Recipe.model_validate = classmethod(lambda cls, values: exit(3))",
        "Recipe.model_dump = lambda self, **options: 1 / 0",
        "Own.needs = lambda self, recipe: 1 / 0",
        "Own.needs = lambda self, recipe: 7",
        "Own.needs = lambda self, recipe: {'level': 'base'}",
        "Own.needs = lambda self, recipe: {'level': ('own', 7)}",
    ],
)
def test_a_study_of_a_task_whose_code_raises_in_planning_gets_findings(install: Install, code: str) -> None:
    install(SOUND + code)
    with pytest.raises(StudyError) as found:
        plan_of()
    assert all("own" in problem.message or "Recipe" in problem.message for problem in found.value.problems)


def test_a_recipe_that_cannot_be_described_is_named() -> None:
    class Odd(BaseModel):
        @classmethod
        def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
            raise SystemExit(3)

    with pytest.raises(TrialError, match="recipe 'Odd': SystemExit: 3"):
        describe_fields(Odd)


class Hostile:
    """Every method raises, or answers what it may not."""

    Recipe = BaseModel
    metrics: dict[str, bool] = {"error": True}  # noqa: RUF012

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def run(self) -> None: ...

    def __getattr__(self, name: str) -> Any:
        if name not in OPTIONAL:
            raise AttributeError(name)

        def method(*given: object) -> object:
            if isinstance(self.answer, BaseException):
                raise self.answer
            return self.answer

        return method


CALLS: dict[str, tuple[object, ...]] = {
    "needs": (1,), "check": (1,), "counted_network": (1,), "inspect": (1,), "time_steps": (1, 2), "measure": (1,),
    "is_trained": (1,),
}  # fmt: skip


@pytest.mark.parametrize("part", OPTIONAL)
@pytest.mark.parametrize("error", [RuntimeError("bad"), SystemExit(2), RecursionError("deep"), GeneratorExit()])
def test_whatever_a_method_raises_names_the_task_and_the_method(part: str, error: BaseException) -> None:
    task = ForeignTask("own", Hostile(error))
    with pytest.raises(TrialError, match=f"task 'own', its {part}: {type(error).__name__}"):
        getattr(task, part)(*CALLS[part])


@pytest.mark.parametrize("part", [part for part in OPTIONAL if part != "check"])
def test_an_answer_of_another_type_names_the_task_and_the_method(part: str) -> None:
    task = ForeignTask("own", Hostile(b"\xff"))
    with pytest.raises(TrialError, match=f"task 'own', its {part}: the answer is a bytes that is not allowed"):
        getattr(task, part)(*CALLS[part])


def test_an_error_of_ablate_passes_as_it_is() -> None:
    error = TrialError("the data set is too small")
    with pytest.raises(TrialError) as raised:
        ForeignTask("own", Hostile(error)).inspect(recipe=None)  # type: ignore[arg-type]
    assert raised.value is error
