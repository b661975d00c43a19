"""Training: the same numbers twice, the same numbers after an interruption, and divergence as a result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler

from ablate.errors import DataError, TrialError
from ablate.recipes.classify import ClassifyRecipe
from ablate.recipes.scenes import SegmentRecipe
from ablate.tasks.classify.practice import PRACTICE, prepare, train
from ablate.training.checkpoint import FILE
from ablate.training.determinism import Streams, pick_device
from ablate.training.loop import one_step, start
from ablate.training.measure import fold, measure, peak_memory_bytes
from ablate.training.optim import build_optimiser, build_scheduler
from ablate.trials.trial import EpochMetrics, Outcome

pytestmark = pytest.mark.usefixtures("one_thread")

TINY: dict[str, Any] = {
    "dataset": "digits", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "stages": [2, 3], "steps": 12,
    "batch_size": 32, "train_images": 160, "test_images": 100, "schedule": "onecycle", "lr": 0.1, "dropout": 0.1,
}  # fmt: skip


def tiny(**changes: Any) -> ClassifyRecipe:
    return ClassifyRecipe(**TINY | changes)


def finish(recipe: ClassifyRecipe, seed: int, workdir: Path) -> tuple[list[EpochMetrics], Outcome]:
    messages = list(train(recipe, seed, workdir))
    assert isinstance(messages[-1], Outcome)
    return [message for message in messages if isinstance(message, EpochMetrics)], messages[-1]


@pytest.mark.parametrize("changes", [{}, {"precision": "bf16"}, {"activation": "maxout", "augment": "none"}])
def test_the_same_recipe_and_seed_give_the_same_numbers_twice(tmp_path: Path, changes: dict[str, Any]) -> None:
    curve, outcome = finish(tiny(**changes), 3, tmp_path / "a")
    again, outcome_again = finish(tiny(**changes), 3, tmp_path / "b")
    assert curve == again
    assert outcome.metrics == outcome_again.metrics
    assert outcome.funnel_share == outcome_again.funnel_share
    assert outcome.items == outcome_again.items
    assert [point.step for point in curve] == [5, 10, 12]


def test_another_seed_gives_other_numbers(tmp_path: Path) -> None:
    assert finish(tiny(), 0, tmp_path / "a")[1].metrics != finish(tiny(), 1, tmp_path / "b")[1].metrics


@pytest.mark.parametrize("schedule", ["onecycle", "linear", "cosine", "constant"])
def test_an_interrupted_trial_goes_on_to_the_same_numbers(tmp_path: Path, schedule: str) -> None:
    recipe = tiny(schedule=schedule, warmup_epochs=1.0)
    curve, outcome = finish(recipe, 0, tmp_path / "whole")
    messages = train(recipe, 0, tmp_path / "parts")
    assert next(message for message in messages if isinstance(message, EpochMetrics)).step == 5
    messages.close()
    for _ in range(2):  # resumed, and started once more after its last step
        went_on, same = finish(recipe, 0, tmp_path / "parts")
        assert went_on == curve
        assert same.metrics == outcome.metrics
        assert same.items == outcome.items


def test_a_damaged_checkpoint_is_set_aside_and_the_trial_starts_anew(tmp_path: Path) -> None:
    curve, outcome = finish(tiny(), 0, tmp_path)
    (tmp_path / FILE).write_bytes(b"not a checkpoint")
    again, same = finish(tiny(), 0, tmp_path)
    assert (curve, outcome.metrics) == (again, same.metrics)
    assert (tmp_path / FILE).with_suffix(".damaged").read_bytes() == b"not a checkpoint"


def test_a_loss_that_is_not_finite_is_a_result_that_says_when(tmp_path: Path) -> None:
    _, outcome = finish(tiny(lr=1000.0, schedule="constant", steps=40, norm="none", init_std=10), 0, tmp_path)
    assert outcome.status == "diverged"
    assert outcome.metrics == {}
    assert "by step" in str(outcome.reason) or "not finite" in str(outcome.reason)


def test_rows_of_a_seed_share_weights_order_subset_and_augmentation() -> None:
    one, two = (prepare(tiny(**changes), Streams(5)) for changes in ({}, {"se": True, "window": "5x5", "dropout": 0.5}))
    for step in range(12):
        assert all(torch.equal(*pair) for pair in zip(one.source.batch(step), two.source.batch(step), strict=True))
    weights = [start(setting).network.state_dict() for setting in (one, two)]
    shared = [name for name in weights[0] if name in weights[1] and "sites." not in name and name.endswith("weight")]
    assert len(shared) > 20
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in shared)


def test_an_epoch_sees_every_image_once_and_the_next_one_in_another_order() -> None:
    setting = prepare(tiny(), Streams(0))
    epochs = [torch.cat([setting.source.order.at(5 * epoch + place) for place in range(5)]) for epoch in range(2)]
    assert all(torch.equal(epoch.sort().values, torch.arange(160)) for epoch in epochs)
    assert not torch.equal(*epochs)


def test_streams_of_different_names_and_seeds_are_different() -> None:
    numbers = {Streams(seed).number(name, index) for seed in (0, 1) for name in ("order", "init") for index in (0, 1)}
    assert len(numbers) == 8


def test_more_images_than_there_are_is_an_error_with_both_numbers() -> None:
    with pytest.raises(DataError, match=r"5,?000"):
        prepare(tiny(train_images=5000), Streams(0))


def test_weight_decay_is_for_matrices_only() -> None:
    network = start(prepare(tiny(activation="prelu"), Streams(0))).network
    matrices, vectors = build_optimiser(network, tiny()).param_groups
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (1e-4, 0.0)
    assert {parameter.ndim for parameter in vectors["params"]} == {1}
    assert len(matrices["params"]) + len(vectors["params"]) == len(list(network.parameters()))


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("constant", 0, [1, 1, 1, 1, 1, 1, 1, 1]),
        ("linear", 0, [1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        ("linear", 2, [1 / 3, 2 / 3, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
        ("cosine", 0, [1, 0.962, 0.854, 0.691, 0.5, 0.309, 0.146, 0.038]),
    ],
)
def test_the_learning_rate_follows_its_schedule(schedule: str, warmup: float, expected: list[float]) -> None:
    recipe = tiny(schedule=schedule, lr=1.0, warmup_epochs=warmup)
    optimiser = build_optimiser(torch.nn.Linear(2, 2), recipe)
    scheduler = build_scheduler(optimiser, recipe, steps=8, steps_per_epoch=1)
    assert rates_of(optimiser, scheduler, 8) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("poly", 0, [1, 0.910, 0.818, 0.725, 0.631, 0.536, 0.438, 0.338, 0.235, 0.126]),
        ("poly", 1, [0.5, 1, 0.899, 0.798, 0.694, 0.589, 0.482, 0.372, 0.258, 0.138]),
        ("step", 0, [1, 1, 1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
    ],
)
def test_schedules_of_scenes_warm_up_by_steps(schedule: str, warmup: int, expected: list[float]) -> None:
    recipe = SegmentRecipe(schedule=schedule, lr=1.0, warmup_steps=warmup)
    optimiser = build_optimiser(torch.nn.Linear(2, 2), recipe)
    scheduler = build_scheduler(optimiser, recipe, steps=10, steps_per_epoch=1)
    assert rates_of(optimiser, scheduler, 10) == pytest.approx(expected, abs=1e-3)


def rates_of(optimiser: SGD, scheduler: LRScheduler, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return rates


def test_what_needs_no_gradient_is_not_trained() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    network[0].requires_grad_(False)
    groups = build_optimiser(network, SegmentRecipe()).param_groups
    assert [parameter for group in groups for parameter in group["params"]] == list(network[1].parameters())


def test_onecycle_rises_to_its_top_and_falls_to_nothing() -> None:
    recipe = tiny(schedule="onecycle", lr=1.0)
    optimiser = build_optimiser(torch.nn.Linear(2, 2), recipe)
    scheduler = build_scheduler(optimiser, recipe, steps=100, steps_per_epoch=10)
    rates = rates_of(optimiser, scheduler, 100)
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 0.001


def test_folding_keeps_what_a_trained_network_answers() -> None:
    setting = prepare(tiny(), Streams(0))
    training = start(setting)
    for _ in range(3):
        one_step(setting, training)
    network = training.network.eval()
    inputs, _ = setting.source.batch(3, slice(20))
    with torch.inference_mode():
        before = network(inputs)
        after = fold(network)(inputs)
    assert torch.allclose(before, after, atol=1e-4)
    assert not any(name.endswith("norm.weight") and "sites" in name for name in network.state_dict())


def test_every_row_is_measured_and_a_larger_batch_needs_more_memory() -> None:
    found = measure([tiny(activation="relu"), tiny(norm="gn")], PRACTICE)
    assert [one.is_folded for one in found] == [True, False]
    assert all(0 < one.inference_ms_1 < one.inference_ms_32 for one in found)
    small, large = (peak_memory_bytes(prepare(tiny(batch_size=size), Streams(0))) for size in (16, 128))
    assert small < large


def test_the_bits_of_the_test_images_are_the_reported_error_and_name_the_test_set(tmp_path: Path) -> None:
    found = [finish(tiny(**changes), seed, tmp_path / f"{seed}{len(changes)}")[1]
             for seed, changes in ((0, {}), (1, {}), (0, {"test_images": 0}))]  # fmt: skip
    (first, second, whole), tested = [outcome.items for outcome in found], [100, 100, 355]
    assert [outcome.items.n for outcome in found if outcome.items] == tested
    for outcome in found:
        assert outcome.items is not None
        assert outcome.metrics["top1_error_pct"] == outcome.items.error_pct
        assert 0 < outcome.items.correct < outcome.items.n
    assert first is not None
    assert second is not None
    assert whole is not None
    assert first.test_set == second.test_set != whole.test_set
    assert first.bits != second.bits


def test_a_gpu_of_a_mac_that_is_not_there_is_refused_and_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_DEVICE", "mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(TrialError, match="ABLATE_DEVICE is mps, and torch finds no such device here"):
        pick_device()
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device().type == "mps"
    monkeypatch.delenv("ABLATE_DEVICE")
    assert pick_device().type in ("cpu", "cuda")
