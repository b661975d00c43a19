"""Fields that somebody replaces for one run: `--set lr=0.1`."""

from __future__ import annotations

from typing import Any

import pytest

import ablate
from ablate.errors import StudyError
from ablate.local.prepare import default_folder
from ablate.local.results import only_rows
from ablate.study.overrides import read_assignments, with_overrides
from ablate.study.plan import plan_document, task_name
from ablate.study.source import document_of
from ablate.tables.build import build_table


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("lr=0.1", {"lr": 0.1}),
        ("lr = 1e-3", {"lr": 1e-3}),
        ("steps=5", {"steps": 5}),
        ("se=true", {"se": True}),
        ("model=torchvision/resnet18", {"model": "torchvision/resnet18"}),
        ('model="5"', {"model": "5"}),
        ("stages=[2, 3]", {"stages": [2, 3]}),
        ("flags=--a=b", {"flags": "--a=b"}),
        ("backbone.lr=0.1", {"backbone": {"lr": 0.1}}),
        ("day=2020-01-01", {"day": "2020-01-01"}),
        ("lr=nan", {"lr": "nan"}),
        ("name=1\nother = 2", {"name": "1\nother = 2"}),
        ("name=", {"name": ""}),
    ],
)
def test_a_value_is_that_of_toml_else_a_text(text: str, fields: dict[str, Any]) -> None:
    assert read_assignments([text]) == fields


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["lr"], "--set 'lr' is not NAME=VALUE; write for example --set lr=0.1"),
        (["=3"], "is not NAME=VALUE"),
        (["a..b=3"], "is not NAME=VALUE"),
        (["lr=1", "lr=2"], "--set sets 'lr' twice; set it once"),
        (["backbone=1", "backbone.lr=2"], "--set sets 'backbone.lr' twice"),
        (["backbone.lr=2", "backbone=1"], "--set sets 'backbone' twice"),
    ],
)
def test_what_is_no_assignment_is_refused_with_an_example(texts: list[str], sentence: str) -> None:
    with pytest.raises(StudyError, match=r".*") as refused:
        read_assignments(texts)
    assert sentence in str(refused.value)


def test_it_replaces_base_and_scale_and_rows_keep_what_they_set(document: dict[str, Any]) -> None:
    document["scales"] = {"mini": {"steps": 4}}
    document["rows"].append({"label": "long", "set": {"steps": 16}})
    before, after = (ablate.plan(document, set=fields) for fields in (None, {"steps": 2, "window": "1x1"}))
    assert [row.recipe.steps for row in after.rows] == [2, 2, 2, 16]  # type: ignore[attr-defined]
    assert before.trials.keys().isdisjoint(after.trials)
    stored = plan_document(document_of(after.study))
    assert stored.trials == after.trials, "what is stored is the study with what was replaced"
    assert build_table(stored, {}).summary[-1] == (
        "With steps = 2 instead of 4, window = 1x1 instead of its default (--set). 'long' sets steps itself and keeps "
        "its value. 'wide' sets window itself and keeps its value."
    )
    assert not any("--set" in line for line in build_table(before, {}).summary)
    assert default_folder(after).name == "small-mini-steps=2+window=1x1"
    assert default_folder(before).name == "small-mini"


def test_a_nested_field_keeps_the_rest_of_its_table_and_epochs_take_the_place_of_steps() -> None:
    backbone = {"steps": 4, "dataset": "fashion-mnist"}
    base = {"task": "detect", "dataset": "scenes-coco", "backbone": backbone, "steps": 3}
    study = {"name": "boxes", "base": base, "rows": [{"label": "a"}]}
    replaced = ablate.plan(study, set={"backbone": {"lr": 0.25}}).rows[0].recipe.backbone  # type: ignore[attr-defined]
    assert (replaced.lr, replaced.steps) == (0.25, 4)
    epochs = plan_document(with_overrides({"name": "b", "base": {"steps": 3}, "rows": [{"label": "a"}]}, {"epochs": 2}))
    assert epochs.rows[0].recipe.epochs == 2  # type: ignore[attr-defined]


def test_an_unknown_field_is_refused_with_the_nearest_one_and_an_idle_one_is_warned_about(
    document: dict[str, Any],
) -> None:
    with pytest.raises(StudyError) as refused:
        ablate.plan(document, set={"stesp": 2, "seeds": 3, "task": "detect"})
    found = {problem.pointer: problem.message for problem in refused.value.problems}
    assert found["/overrides/stesp"] == "no recipe field 'stesp'; did you mean 'steps'?"
    assert "it belongs at the top of the study" in found["/overrides/seeds"]
    assert "'task' can only be set in [base]" in found["/overrides/task"]
    warned = ablate.plan(document | {"rows": document["rows"][2:]}, set={"window": "1x1"}).warnings
    assert [one.message for one in warned if one.pointer == "/overrides/window"] == [
        "every row sets 'window' itself, so --set changes nothing"
    ]


def test_a_folder_has_a_plain_name_of_its_own_whatever_is_replaced(document: dict[str, Any]) -> None:
    chosen = ([2, 3], [2], "all")
    names = {default_folder(ablate.plan(document, set={"stages": stages})).name for stages in chosen}
    assert len(names) == 3
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.=+") for name in names), names


def test_the_trials_of_some_rows_are_those_of_the_study_with_what_they_need() -> None:
    base = {
        "task": "detect",
        "dataset": "scenes-coco",
        "backbone": {"steps": 4, "dataset": "fashion-mnist"},
        "steps": 3,
    }
    rows = [{"label": "a"}, {"label": "b", "set": {"lr": 0.5}}, {"label": "c", "set": {"backbone": {"lr": 0.5}}}]
    plan = ablate.plan({"name": "boxes", "seeds": 2, "base": base, "rows": rows})
    part = only_rows(plan, {"c"})
    assert {trial.task for trial in part.trials.values()} == {"classify", "detect"}
    assert len(part.trials) == 4
    assert part.rows == plan.rows
    assert task_name(part) == "detect"
