"""The task `detect`: what perfect and empty detectors get, a real training, its backbone, panel, and refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ablate.errors import DataError, SiteError, TrialError
from ablate.recipes.classify import ClassifyRecipe
from ablate.recipes.scenes import BackboneTraining, DetectRecipe
from ablate.tasks.detect.metrics import METRICS
from ablate.tasks.detect.network import Predictions
from ablate.tasks.detect.practice import PRACTICE, Detected, train
from ablate.tasks.detect.task import task
from ablate.training import loop
from ablate.training.checkpoint import FILE as CHECKPOINT
from ablate.training.determinism import Streams
from ablate.trials.needs import build_blueprint
from ablate.trials.panels import FILE as PANEL
from ablate.trials.panels import read_panel
from ablate.trials.registry import get_task
from ablate.trials.run import run_trial
from ablate.trials.trial import EpochMetrics, Outcome
from tests.coco_folders import put_coco

TINY = {
    "dataset": "coco", "resolution_px": 64, "batch_size": 4, "epochs": 2, "lr": 0.02, "warmup_steps": 2,
    "width": 0.125, "depth": (1, 1, 1, 1), "stem": "small_s2", "pyramid_channels": 16, "head_convs": 1, "anchor_px": 8,
}  # fmt: skip
DIGITS = {"dataset": "digits", "steps": 4, "batch_size": 16, "train_images": 64, "test_images": 16}
SIZES = [(80, 64), (64, 80), (96, 96), (128, 64), (64, 64), (70, 90), (64, 100), (100, 64)]


@pytest.fixture(autouse=True)
def root(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with a folder `coco`, in each image of which a bright object is on a dark background."""
    root = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("ABLATE_DATA", str(root))
    put_coco(root / "coco", SIZES, crowd_in={3})
    return root


def recipe_of(**fields: Any) -> DetectRecipe:
    return DetectRecipe(**{**TINY, **fields})


def setting_of(recipe: DetectRecipe, seed: int = 0) -> Detected:
    return loop.prepare(PRACTICE, recipe, Streams(seed))


def run_to_end(messages: Iterator[Any]) -> tuple[Outcome, list[EpochMetrics]]:
    said = list(messages)
    assert isinstance(said[-1], Outcome)
    return said[-1], [one for one in said if isinstance(one, EpochMetrics)]


class Oracle(nn.Module):
    """Answers what is annotated: every object of the test images is an anchor, and only its own image is sure of it."""

    def __init__(self, setting: Detected, certainty: float) -> None:
        super().__init__()
        self.source, self.certainty, self.seen = setting.source, certainty, 0

    def forward(self, images: Tensor) -> Predictions:
        test = self.source.test
        classes = len(test.categories)
        boxes, labels = torch.from_numpy(test.boxes).float(), torch.from_numpy(test.labels)
        batches = list(self.source.test_batches())
        batch = batches[self.seen]
        self.seen += 1
        logits = torch.full((len(images), len(boxes), classes), -20.0)
        anchors = torch.zeros(len(boxes), 4)
        for row, index in enumerate(batch.indices):
            part = torch.arange(len(boxes))[test.of(index)]
            scale = torch.from_numpy(np.tile((batch.size / test.sizes[index])[::-1], 2)).float()
            corners = torch.cat((boxes[part, :2], boxes[part, :2] + boxes[part, 2:]), 1)
            anchors[part] = corners * scale
            logits[row, part, labels[part]] = self.certainty
        level = torch.zeros(len(boxes), dtype=torch.long)
        return Predictions(logits, torch.zeros(len(images), len(boxes), 4), anchors, level)


def evaluate(setting: Detected, network: nn.Module) -> dict[str, float]:
    pieces = PRACTICE.evaluate(setting, network)
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return dict(end.value.metrics)


@pytest.mark.parametrize("resolution_px", [0, 48])
def test_a_detector_that_answers_the_truth_gets_100_and_one_that_finds_nothing_0(resolution_px: int) -> None:
    setting = setting_of(recipe_of(resolution_px=resolution_px))
    perfect = evaluate(setting, Oracle(setting, certainty=10.0))
    assert perfect["map_pct"] == pytest.approx(100)
    assert perfect["ap75_pct"] == pytest.approx(100)
    empty = evaluate(setting, Oracle(setting, certainty=-20.0))
    assert set(empty.values()) == {0.0}
    assert empty.keys() == perfect.keys() <= set(METRICS)


def test_an_output_that_is_not_finite_is_a_divergence() -> None:
    setting = setting_of(recipe_of())
    with pytest.raises(loop.DivergedError, match="output is not finite on the test images"):
        evaluate(setting, Oracle(setting, certainty=float("nan")))


@pytest.mark.slow
def test_a_real_training_finds_the_objects(tmp_path: Path, root: Path) -> None:
    rng = np.random.default_rng(0)
    put_coco(root / "coco", [(int(width), 64) for width in rng.integers(60, 90, 24)])
    recipe = recipe_of(activation="frelu", epochs=20, lr=0.004, schedule="linear", warmup_steps=20)
    outcome, curve = run_to_end(train(recipe, 0, tmp_path, {}))
    assert outcome.status == "succeeded"
    assert outcome.metrics["ap50_pct"] > 80  # 100 was seen; one that guesses places has next to nothing
    assert curve[-1].metrics["train_loss"] < curve[0].metrics["train_loss"] / 2
    assert outcome.funnel_share
    assert all(0 < share < 1 for share in outcome.funnel_share.values())
    assert list(read_panel(tmp_path / PANEL)) == ["truth", "found, score 0.3 and above"]


def test_an_interrupted_training_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    recipe = recipe_of(epochs=3)
    whole, curve = run_to_end(train(recipe, 5, tmp_path / "whole", {}))
    messages = train(recipe, 5, tmp_path / "halves", {})
    while not isinstance(next(messages), EpochMetrics):
        pass
    messages.close()  # type: ignore[attr-defined]
    halves, again = run_to_end(train(recipe, 5, tmp_path / "halves", {}))
    assert halves.metrics == whole.metrics
    assert [point.metrics for point in again] == [point.metrics for point in curve]
    assert (tmp_path / "halves" / PANEL).read_bytes() == (tmp_path / "whole" / PANEL).read_bytes()
    other, _ = run_to_end(train(recipe, 6, tmp_path / "other", {}))
    assert other.metrics["train_loss"] != whole.metrics["train_loss"]


def backbone_recipe(**fields: Any) -> DetectRecipe:
    return recipe_of(backbone=BackboneTraining(**DIGITS), epochs=1, **fields)


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """The folder of a finished classification trial, the backbone's."""
    (name, recipe) = task.needs(backbone_recipe())["backbone"]
    outcome, _ = run_to_end(get_task(name).task.run(recipe, 0, tmp_path / "parent"))
    assert outcome.status == "succeeded"
    return tmp_path / "parent"


def test_the_backbone_starts_from_the_weights_of_its_trial(parent: Path) -> None:
    recipe = backbone_recipe()
    setting = loop.prepare(PRACTICE, recipe, Streams(0), needs={"backbone": parent})
    started = PRACTICE.build(setting).state_dict()
    fresh = PRACTICE.build(setting_of(recipe)).state_dict()
    own = [name for name in started if name.startswith("backbone.")]
    assert own
    assert any(not torch.equal(started[name], fresh[name]) for name in own)
    assert all(torch.equal(started[name], fresh[name]) for name in started.keys() - set(own))
    (_, parents) = task.needs(recipe)["backbone"]
    weights = load_file(parent / CHECKPOINT)
    assert all(torch.equal(weights[f"network.{name.removeprefix('backbone.')}"], started[name]) for name in own)
    assert isinstance(parents, ClassifyRecipe)


def test_a_trial_trains_the_backbone_that_is_not_here_and_names_its_key(tmp_path: Path) -> None:
    blueprint = build_blueprint(get_task("detect"), backbone_recipe(freeze_norm=True, lr=0.001))
    trial = blueprint.at(seed=1)
    assert trial.needs == {"backbone": blueprint.needs["backbone"].at(1).key}
    outcome, _ = run_to_end(run_trial(trial, tmp_path))
    assert outcome.status == "succeeded", outcome.reason
    assert (tmp_path / "needs" / "backbone" / CHECKPOINT).exists()
    assert json.loads(json.dumps(outcome.metrics)).keys() <= {*METRICS, "train_loss"}


def test_a_backbone_that_is_not_given_or_damaged_ends_the_trial_before_its_first_step(
    parent: Path, tmp_path: Path
) -> None:
    recipe = backbone_recipe()
    with pytest.raises(TrialError, match="the recipe has a 'backbone', but no folder of its trial was given"):
        next(iter(train(recipe, 0, tmp_path / "child", {})))
    (parent / CHECKPOINT).write_bytes(b"torn")
    with pytest.raises(
        TrialError, match=rf"{re.escape(str(parent / CHECKPOINT))}, with the backbone's weights, cannot be read"
    ):
        next(iter(train(recipe, 0, tmp_path / "child", {"backbone": parent})))


def test_the_cost_is_that_of_the_classification_network_at_224_px() -> None:
    recipe = DetectRecipe(dataset="coco", activation="relu", backbone=BackboneTraining())
    cost = task.inspect(recipe)
    assert (cost.params_without_norm, round(cost.multiply_adds / 1e7)) == (25_503_912, 386)
    assert task.inspect(recipe.model_copy(update={"backbone": None})) == cost
    setting = setting_of(recipe_of(activation="relu"))
    assert PRACTICE.count(setting, PRACTICE.build(setting)) == task.inspect(setting.recipe)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        (
            {"model": "torchvision/resnet18"},
            SiteError,
            "torchvision/resnet18 cannot be a backbone; allowed: resnet50",
        ),
        ({"dataset": "digits"}, DataError, "data set 'digits' is for the task classify, not detect"),
        ({"train_images": 200_000}, DataError, "train_images is 200,000, and data set 'coco' has 118,287; 0 takes all"),
        ({"head_norm": "gn", "pyramid_channels": 17}, TrialError, "cannot divide pyramid_channels 17 into 2 groups"),
        ({"dataset": "cocoa"}, DataError, "no data set 'cocoa'; did you mean 'coco'"),
    ],
)
def test_what_cannot_be_trained_is_refused_when_it_is_planned(
    fields: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        task.inspect(recipe_of(**fields))


def test_a_damaged_folder_is_named_by_the_task(tmp_path: Path, root: Path) -> None:
    (root / "coco" / "val2017" / "000000000005.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"val2017/000000000005\.jpg is not an image"):
        run_to_end(train(recipe_of(epochs=1), 0, tmp_path, {}))
    file = root / "coco" / "annotations" / "instances_val2017.json"
    file.write_text("{")
    with pytest.raises(DataError, match=r"instances_val2017\.json is not JSON"):
        run_to_end(train(recipe_of(epochs=1), 0, tmp_path / "again", {}))
    file.unlink()
    with pytest.raises(DataError, match=r"instances_val2017\.json is missing"):
        run_to_end(train(recipe_of(epochs=1), 0, tmp_path / "again", {}))


def test_timing_steps_needs_no_weights_of_the_backbone() -> None:
    assert 0 < task.time_steps(backbone_recipe(), 1) < 600
