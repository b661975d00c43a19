"""The command line of a script: words, placeholders, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ablate.study.command import CommandSpec
from ablate.tasks.command.recipe import recipe_of
from ablate.tasks.command.template import arguments_of, find_problems, program_of, words_of


def spec(run: str, **fields: Any) -> CommandSpec:
    return CommandSpec.model_validate({"run": run, "metrics": {"acc": "max"}, "fields": fields})


def arguments(made: CommandSpec, **values: Any) -> list[str]:
    return arguments_of(words_of(made.run), made.fields, {"seed": 3, "workdir": "/w", **values})


def test_each_word_is_an_argument_of_its_own_and_no_shell_sees_it() -> None:
    made = spec("python train.py --lr {lr} 'two words' --name={name} {{literal}}", lr=0.1, name="x")
    assert arguments(made, lr=1e-05, name="a b; rm -rf $HOME") == [
        "python", "train.py", "--lr", "1e-05", "two words", "--name=a b; rm -rf $HOME", "{literal}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("run", "place"),
    [("python x.py", 0), ("env A=1 B={lr} python3 x.py", 3), ("env -i A=1 python x.py", 3), ("env A=1", 0), ("", 0)],
)
def test_the_program_comes_after_the_variables_that_env_sets(run: str, place: int) -> None:
    assert program_of(run.split()) == place


def test_lists_and_flags_become_any_number_of_arguments() -> None:
    made = spec("t {layers} {gate} {on} {seed}", layers=[1], gate={"default": False, "flag": "--no-gate"}, on=True)
    assert arguments(made, layers=[64, "x y"], gate=True, on=False) == ["t", "64", "x y", "--no-gate", "false", "3"]
    assert arguments(made, layers=[], gate=False, on=True) == ["t", "true", "3"]


@pytest.mark.parametrize(
    ("run", "fields", "text"),
    [
        ("t {lrr}", {"lr": 0.1}, "placeholder '{lrr}' is not a field; did you mean 'lr'?"),
        ("t", {"lr": 0.1}, "field 'lr' is not in the command; write {lr} where its value belongs"),
        ("t 'open", {}, "no closing quotation; close the quotation mark"),
        ("t {", {}, "write a brace that is no placeholder twice"),
        ("t {lr:.2f}", {"lr": 0.1}, "'{lr}' is not a placeholder; write the name of a field between the braces"),
        (
            "t --x={flags}",
            {"flags": []},
            "'{flags}' becomes any number of arguments, so it has to be a word of its own",
        ),
        (" ", {}, "is empty; give the command that trains one trial"),
    ],
)
def test_a_wrong_command_line_is_a_sentence(run: str, fields: dict[str, Any], text: str) -> None:
    assert text in " ".join(str(problem) for problem in find_problems(spec(run, **fields)))


def test_every_field_is_part_of_the_identity_even_at_its_default() -> None:
    from ablate.recipes.identity import identity_of

    recipe = recipe_of(spec("t {lr} {n}", lr=0.1, n={"default": 4, "choices": [4, 8]}).fields)
    assert identity_of(recipe()) == {"lr": 0.1, "n": 4}
    assert identity_of(recipe(lr=1)) == {"lr": 1.0, "n": 4}, "a whole number is a float"
    with pytest.raises(ValidationError, match="4 or 8"):
        recipe(n=5)
    with pytest.raises(ValidationError):
        recipe(lr="0.1")


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        ({"acc": "maximum"}, "'min' or 'max'"),
        ({"acc": {"goal": "max", "take": "first"}}, "should be 'last', 'best' or 'mean_of_last_5'"),
        ({"acc": {"goal": "max", "take": "best"}}, "takes the best value by itself, which is too good"),
        (
            {"acc": {"goal": "max", "take": "best", "by": "val"}, "val": "max"},
            "need different splits; give each its 'split'",
        ),
        ({"acc": {"goal": "max", "by": "acc"}}, "which is for take = 'best' only"),
    ],
)
def test_a_wrong_metric_is_a_sentence(metrics: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text.replace("(", r"\(")):
        CommandSpec.model_validate({"run": "t", "metrics": metrics})
