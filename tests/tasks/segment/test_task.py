"""The task `segment`: what its numbers mean, that they are reproducible, and the error if it cannot train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ablate.errors import AblateError, DataError, TrialError
from ablate.recipes.classify import ClassifyRecipe
from ablate.recipes.scenes import SegmentRecipe
from ablate.tasks.classify.practice import train as train_classifier
from ablate.tasks.segment import source as street_source
from ablate.tasks.segment.metrics import CLASSES
from ablate.tasks.segment.network import Scores
from ablate.tasks.segment.practice import PRACTICE, Segmented, train
from ablate.tasks.segment.task import task
from ablate.training.determinism import Streams
from ablate.training.loop import prepare
from ablate.trials.panels import FILE as PANEL
from ablate.trials.panels import read_panel
from ablate.trials.registry import get_task
from ablate.trials.run import run_trial
from ablate.trials.trial import EpochMetrics, Outcome, Trial
from tests.street_trees import STEP, draw_scene, write_scene, write_tree

pytestmark = pytest.mark.usefixtures("one_thread")

TINY: dict[str, Any] = {
    "dataset": "cityscapes", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "pyramid_channels": 8,
    "steps": 6, "batch_size": 4, "lr": 0.05, "augment": "scale_crop_flip", "crop_px": 32,
}  # fmt: skip
BACKBONE: dict[str, Any] = {"dataset": "digits", "steps": 4, "batch_size": 16, "train_images": 64, "test_images": 50}


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny tree that is found as `cityscapes`."""
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    return write_tree(tmp_path / "data" / "cityscapes")


def tiny(**changes: Any) -> SegmentRecipe:
    return SegmentRecipe(**TINY | changes)


def finish(recipe: SegmentRecipe, workdir: Path, **options: Any) -> tuple[list[EpochMetrics], Outcome]:
    messages = list(train(recipe, 3, workdir, options.pop("needs", {}), **options))
    assert isinstance(messages[-1], Outcome)
    return [message for message in messages if isinstance(message, EpochMetrics)], messages[-1]


def evaluate(network: nn.Module, **changes: Any) -> dict[str, float]:
    """What the task measures of a network, without training."""
    setting: Segmented = prepare(PRACTICE, tiny(**changes), Streams(0))
    pieces = PRACTICE.evaluate(setting, network.eval())
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return dict(end.value.metrics)


class Oracle(nn.Module):
    """Reads each pixel's class off its colour, or says always the same."""

    def __init__(self, always: int | None = None) -> None:
        super().__init__()
        self.always = always

    def forward(self, inputs: torch.Tensor) -> Scores:
        grey = inputs[:, 0] * 0.229 + 0.485  # of the first channel, as cityscapes is normalised
        read = (grey * 255 / STEP).round().long().clamp(max=len(CLASSES) - 1)
        said = read if self.always is None else torch.full_like(read, self.always)
        return Scores(30 * nn.functional.one_hot(said, len(CLASSES)).permute(0, 3, 1, 2).float(), None)


def test_who_answers_the_truth_has_100_and_who_says_one_thing_little() -> None:
    right = evaluate(Oracle())
    assert right["mean_iu_pct"] == right["pixel_accuracy_pct"] == 100
    assert {name for name in right if name.startswith("iu_")} == {"iu_road_pct", "iu_building_pct", "iu_sky_pct"}
    assert right["test_loss"] == pytest.approx(0, abs=1e-6)
    constant = evaluate(Oracle(always=10))
    assert constant["mean_iu_pct"] == pytest.approx(constant["iu_sky_pct"] / 3)
    assert constant["mean_iu_pct"] < 15
    assert constant["pixel_accuracy_pct"] == pytest.approx(constant["iu_sky_pct"])


def test_a_class_that_no_training_scene_has_is_never_predicted() -> None:
    said_as_road = evaluate(Oracle(always=18))  # bicycle; argmax of what is left takes the first class
    assert "iu_bicycle_pct" not in said_as_road
    assert said_as_road == pytest.approx({**evaluate(Oracle(always=0)), "test_loss": said_as_road["test_loss"]})


def test_a_tiny_training_beats_chance_and_leaves_a_panel(tmp_path: Path) -> None:
    curve, outcome = finish(tiny(steps=60, augment="flip", lr=0.2, activation="relu"), tmp_path / "trial")
    assert outcome.status == "succeeded"
    assert outcome.metrics.keys() <= set(task.metrics)
    assert outcome.metrics["mean_iu_pct"] > 60  # the best constant answer has below 20
    assert curve[-1].metrics["train_pixel_accuracy_pct"] > 80
    assert curve[-1].metrics["train_loss"] < curve[0].metrics["train_loss"]
    strips = read_panel(tmp_path / "trial" / PANEL)
    assert list(strips) == ["classes", "image", "truth", "predicted"]


@pytest.mark.parametrize("changes", [{}, {"schedule": "step", "warmup_steps": 2, "precision": "bf16"}])
def test_an_interrupted_trial_goes_on_to_the_same_numbers(tmp_path: Path, changes: dict[str, Any]) -> None:
    recipe = tiny(**changes)
    curve, outcome = finish(recipe, tmp_path / "whole")
    messages = train(recipe, 3, tmp_path / "parts", {})
    assert next(message for message in messages if isinstance(message, EpochMetrics)).step == 2
    messages.close()
    went_on, same = finish(recipe, tmp_path / "parts")
    assert went_on == curve
    assert same.metrics == outcome.metrics
    assert (tmp_path / "parts" / PANEL).read_bytes() == (tmp_path / "whole" / PANEL).read_bytes()


def test_two_ranks_give_the_loss_of_one_process(tmp_path: Path) -> None:
    recipe = tiny(lr=1e-5, schedule="constant", dropout=0.2)  # rounding grows with every step
    one, other = (finish(recipe, tmp_path / str(ranks), ranks=ranks)[0] for ranks in (1, 2))
    losses = [[point.metrics["train_loss"] for point in curve] for curve in (one, other)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_scenes_decoded_on_the_way_are_those_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    held = street_source.StreetSource(tiny(), Streams(3))
    batches = [held.batch(step) for step in range(3)]
    parts = [held.batch(2, slice(2)), held.batch(2, slice(2, 4))]
    tested = list(held.test_batches())
    monkeypatch.setattr(street_source, "HELD_LIMIT_BYTES", 0)
    decoded = street_source.StreetSource(tiny(), Streams(3))
    same = [decoded.batch(step) for step in range(3)]
    same_tested = list(decoded.test_batches())
    decoded.close()
    for one, other in zip((*batches, *tested), (*same, *same_tested), strict=True):
        assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
    assert all(
        torch.equal(torch.cat(halves), whole)
        for halves, whole in zip(zip(*parts, strict=True), batches[2], strict=True)
    )


def test_scenes_of_the_last_data_set_alone_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("data", "other", "third"):
        monkeypatch.setenv("ABLATE_DATA", str(tmp_path / name))
        root = write_tree(tmp_path / name / "cityscapes")
        source = street_source.StreetSource(tiny(), Streams(0))
        for is_train in (True, False):
            list(source.ready(is_train))
        assert set(street_source._shelves) == {root / "leftImg8bit" / split for split in ("train", "val")}
        assert source.train.read(0)[0] is source.train.read(0)[0]


def test_a_backbone_starts_from_its_trial_and_its_weights_matter(tmp_path: Path) -> None:
    recipe = tiny(backbone=BACKBONE, steps=1)
    parent = recipe.backbone_recipe()
    assert task.needs(recipe) == {"backbone": ("classify", parent)}
    assert isinstance(parent, ClassifyRecipe)
    for seed in (0, 1):
        list(train_classifier(parent, seed, tmp_path / f"parent-{seed}"))
    losses = [
        finish(recipe, tmp_path / f"child-{seed}", needs={"backbone": tmp_path / f"parent-{seed}"})[0][0].metrics
        for seed in (0, 1)
    ]
    assert losses[0] != losses[1]
    with pytest.raises(TrialError, match=r"no folder of its trial was given"):
        finish(recipe, tmp_path / "child")


def test_damage_ends_the_trial_with_the_name_of_the_file(tree: Path, tmp_path: Path) -> None:
    labels = sorted((tree / "gtFine" / "train").rglob("*_labelIds.png"))[3]
    labels.write_bytes(labels.read_bytes()[:40])
    recipe = tiny().model_dump(mode="json")
    *_, outcome = run_trial(Trial(key="0" * 64, task="segment", recipe=recipe, seed=0), tmp_path / "trial")
    assert isinstance(outcome, Outcome)
    assert outcome.status == "failed"
    assert labels.name in str(outcome.reason)


def test_a_scene_of_another_size_is_named(tree: Path, tmp_path: Path) -> None:
    import numpy as np

    odd, _ = write_scene(tree, "train", "ulm", 99, draw_scene(np.random.default_rng(0), (0, 2, 10))[:, :40])
    with pytest.raises(DataError, match=rf"{odd} has 40 x 32 px, and .* 64 x 32; all"):
        finish(tiny(), tmp_path / "trial")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 1}, "batch_size is 1; PSPNet pools"),
        (
            {"model": "shufflenet_v2_x1.5", "depth": None},
            "shufflenet_v2_x1.5 cannot be the backbone of PSPNet, which dilates its last stages; allowed: resnet50",
        ),
        ({"dataset": "coco"}, "for the task detect, not segment"),
        ({"dataset": "fashion-mnist"}, "for the task classify, not segment"),
        ({"train_images": 3_000}, "3,000, and data set 'cityscapes' has 2,975"),
    ],
)
def test_what_cannot_be_trained_is_refused_when_it_is_planned(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(AblateError, match=words):
        task.inspect(tiny(**changes))


def test_the_cost_is_the_backbones_as_the_paper_prints_it() -> None:
    cost = get_task("segment").task.inspect(SegmentRecipe(activation="relu"))
    assert (round(cost.params_without_norm / 1e6, 1), round(cost.multiply_adds / 1e9, 2)) == (25.5, 3.86)
