"""A trial that starts from another's weights: its key, its folder, and how it ends when that one does not succeed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from ablate.errors import TrialError
from ablate.recipes.classify import ClassifyRecipe
from ablate.recipes.identity import Recipe, applicable_values, identity_of
from ablate.recipes.scenes import BackboneTraining, SegmentRecipe
from ablate.study.plan import plan_document
from ablate.trials.needs import Blueprint, build_blueprint
from ablate.trials.registry import NamedTask, get_task
from ablate.trials.run import run_trial
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome, Trial, trial_key


def blueprint(**values: Any) -> Blueprint:
    named = get_task("chain")
    return build_blueprint(named, named.task.Recipe(**values))


def child(**base: Any) -> Trial:
    return blueprint(offset=1.0, backbone=base).at(3)


def ending(trial: Trial, workdir: Path, **needs: Path) -> Outcome:
    last = list(run_trial(trial, workdir, needs))[-1]
    assert isinstance(last, Outcome)
    return last


def runs(site: Path) -> list[str]:
    return (site / "runs.txt").read_text().splitlines()


def test_a_key_names_the_keys_of_what_the_trial_needs(chain: Path) -> None:
    trial = child(level=5.0)
    base = get_task("base")
    needed = trial_key(base.identity, {"level": 5.0}, 3)
    assert trial.needs == {"backbone": needed}
    assert trial.key == trial_key(get_task("chain").identity, {"offset": 1.0}, 3, needs={"backbone": needed})
    assert trial.recipe["backbone"] == {"level": 5.0, "ending": "succeeded"}


def test_a_need_has_the_seed_and_the_replicate_of_the_trial(chain: Path) -> None:
    made = blueprint(backbone={})
    keys = {made.at(seed, replicate).needs["backbone"] for seed in (0, 1) for replicate in (0, 1)}
    assert keys == {made.needs["backbone"].at(seed, replicate).key for seed in (0, 1) for replicate in (0, 1)}
    assert len(keys) == 4


def test_a_trial_that_needs_nothing_has_the_key_of_a_task_without_needs(chain: Path) -> None:
    trial = blueprint(offset=2.0).at(0)
    assert (trial.needs, trial.key) == ({}, trial_key(get_task("chain").identity, {"offset": 2.0}, 0))


def test_a_trial_is_given_the_folder_of_its_need(chain: Path, tmp_path: Path) -> None:
    (tmp_path / "parent").mkdir()
    (tmp_path / "parent" / "weights.txt").write_text("7")
    assert ending(child(), tmp_path / "work", backbone=tmp_path / "parent").metrics == {"error": 8.0}
    assert runs(chain) == ["chain 1 3"]
    assert not (tmp_path / "work" / "needs").exists()


def test_a_need_whose_weights_are_gone_is_trained_in_the_trials_own_folder(chain: Path, tmp_path: Path) -> None:
    (tmp_path / "parent").mkdir()
    messages = list(run_trial(child(level=5.0), tmp_path / "work", {"backbone": tmp_path / "parent"}))
    assert [type(message) for message in messages] == [Heartbeat] * 4 + [EpochMetrics, Outcome]
    assert isinstance(messages[-1], Outcome)
    assert messages[-1].metrics == {"error": 5.0 + 3 + 1}
    assert (tmp_path / "work" / "needs" / "backbone" / "weights.txt").exists()
    assert not list((tmp_path / "parent").iterdir())


def test_a_need_that_is_trained_here_goes_on_where_it_was_interrupted(chain: Path, tmp_path: Path) -> None:
    first = run_trial(child(), tmp_path)
    assert [next(first).step for _ in range(2)] == [1, 2]  # type: ignore[union-attr]
    first.close()  # type: ignore[attr-defined]
    steps = [message.step for message in run_trial(child(), tmp_path) if not isinstance(message, Outcome)]
    assert steps == [3, 0, 1]
    assert runs(chain) == ["base 10 3", "base 10 3", "chain 1 3"]


def test_a_need_that_was_trained_here_is_not_trained_again(chain: Path, tmp_path: Path) -> None:
    assert ending(child(), tmp_path).status == "succeeded"
    assert ending(child(), tmp_path).status == "succeeded"
    assert runs(chain) == ["base 10 3", "chain 1 3", "chain 1 3"]
    (tmp_path / "needs" / "backbone" / "weights.txt").unlink()
    assert ending(child(), tmp_path).status == "succeeded"


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [
        ("diverges", "diverged", "the loss is nan"),
        ("raises", "failed", "RuntimeError: the base broke"),
        ("forgets", "failed", "task 'base' succeeded but left no finished weights for 'backbone'"),
    ],
)
def test_a_need_that_does_not_succeed_here_ends_the_trial(
    chain: Path, tmp_path: Path, how: str, status: str, reason: str
) -> None:
    trial = child(ending=how)
    outcome = ending(trial, tmp_path)
    assert outcome.status == status
    assert reason in str(outcome.reason)
    if how != "forgets":
        assert f"its backbone, trial {trial.needs['backbone'][:12]}, {status}: " in str(outcome.reason)
    assert (tmp_path / "traceback.txt").exists() == (status == "failed")
    assert not any(line.startswith("chain") for line in runs(chain))


class Wrong:
    Recipe = SegmentRecipe

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer, self.metrics = answer, {"error": True}

    def needs(self, recipe: SegmentRecipe) -> dict[str, Any]:
        return self.answer

    def run(self, recipe: SegmentRecipe, seed: int, workdir: Path) -> Any:
        yield Outcome(status="failed")


def test_what_cannot_be_needed_is_refused_by_name(chain: Path, toy: str) -> None:
    other = get_task("chain").task.Recipe(backbone=get_task("base").task.Recipe())
    cases: list[tuple[dict[str, Any], str]] = [
        ({"trunk": ("classify", ClassifyRecipe())}, "no field of that name"),
        ({"backbone": ("classify", SegmentRecipe())}, "a recipe of 'classify' is a ClassifyRecipe"),
        ({"backbone": ("toy", get_task("toy").task.Recipe())}, "no `is_trained`"),
        ({"backbone": ("clasify", ClassifyRecipe())}, "did you mean 'classify'"),
        ({"backbone": ("chain", other)}, "no `is_trained`"),
    ]
    for answer, text in cases:
        with pytest.raises(TrialError, match=text):
            build_blueprint(NamedTask("wrong", "wrong", Wrong(answer)), SegmentRecipe())


def test_a_backbone_is_the_trial_that_a_study_of_its_own_task_has(chain: Path) -> None:
    fields: dict[str, Any] = {"dataset": "digits", "steps": 8, "lr": 0.2}
    own = {"model": "resnet50", "activation": "frelu", "window": "5x5", **fields}
    (trial,) = plan_document({"name": "a", "seeds": [3], "base": own, "rows": [{"label": "x"}]}).trials.values()
    recipe = SegmentRecipe(window="5x5", backbone=BackboneTraining(**fields))
    task = NamedTask("wrong", "wrong", Wrong({"backbone": ("classify", recipe.backbone_recipe())}))
    assert build_blueprint(task, recipe).needs["backbone"].at(3) == trial


def test_a_needed_trial_cannot_need_another_one(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = get_task("chain")
    monkeypatch.setattr(named.task, "offers", lambda part: True)
    other = named.task.Recipe(backbone=get_task("base").task.Recipe())
    with pytest.raises(TrialError, match="a needed trial cannot need another one"):
        build_blueprint(NamedTask("wrong", "wrong", Wrong({"backbone": ("chain", other)})), SegmentRecipe())


def test_a_recipe_inside_a_recipe_has_only_what_applies_and_only_what_differs_in_its_identity() -> None:
    recipe = SegmentRecipe(backbone=BackboneTraining(steps=5))
    assert identity_of(recipe)["backbone"] == {"steps": 5}
    values = applicable_values(recipe)["backbone"]
    assert (values["steps"], "epochs" in values) == (5, False)
    assert identity_of(SegmentRecipe(backbone=BackboneTraining()))["backbone"] == {}
    assert "backbone" not in identity_of(SegmentRecipe())
    assert SegmentRecipe.model_validate(applicable_values(recipe)) == recipe


def test_a_model_inside_a_recipe_that_is_no_recipe_of_ours_enters_its_identity_whole() -> None:
    class Inner(BaseModel):
        model_config = ConfigDict(frozen=True)
        depth: int = 1
        width: int = 2

    class Outer(BaseModel):
        model_config = ConfigDict(frozen=True)
        inner: Inner = Inner()

    assert identity_of(Outer()) == {}
    assert identity_of(Outer(inner=Inner(depth=5))) == {"inner": {"depth": 5, "width": 2}}


def test_sets_inside_a_recipe_inside_a_recipe_are_sorted() -> None:
    class Inner(Recipe):
        tags: frozenset[str] = frozenset()

    class Outer(Recipe):
        inner: Inner = Inner()

    assert applicable_values(Outer(inner=Inner(tags=frozenset("cab"))))["inner"] == {"tags": ["a", "b", "c"]}


def test_a_checkpoint_is_finished_when_it_is_of_the_last_step(tmp_path: Path) -> None:
    recipe = ClassifyRecipe(
        dataset="digits", width=0.0625, depth=(1, 1, 1, 1), stem="small", epochs=2, train_images=64, test_images=32,
        batch_size=32,
    )  # fmt: skip
    task: Any = get_task("classify").task
    assert not task.is_trained(tmp_path)
    messages = task.run(recipe, 0, tmp_path)
    next(message for message in messages if isinstance(message, EpochMetrics))
    assert (tmp_path / "checkpoint.safetensors").exists()
    assert not task.is_trained(tmp_path)
    list(messages)
    assert task.is_trained(tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"garbage")
    assert not task.is_trained(tmp_path)
    shutil.rmtree(tmp_path)
    assert not task.is_trained(tmp_path)
