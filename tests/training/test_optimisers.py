"""Optimisers, clipping, accumulation and moving averages: each by its formula, and the same after an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import nn
from torch.optim import Adam, AdamW, RMSprop

from ablate.errors import TrialError
from ablate.recipes.classify import ClassifyRecipe, identity_of, inapplicable_fields
from ablate.recipes.scenes import DetectRecipe
from ablate.tasks.classify.practice import prepare, train
from ablate.training.checkpoint import FILE, Training
from ablate.training.determinism import Streams
from ablate.training.loop import one_step, start
from ablate.training.optim import build_optimiser
from ablate.training.practice import Setting
from ablate.trials.trial import EpochMetrics, Outcome

TINY: dict[str, Any] = {
    "dataset": "digits", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "stages": [2], "steps": 6,
    "batch_size": 32, "train_images": 96, "test_images": 60, "schedule": "linear", "activation": "swish",
}  # fmt: skip
ALL = ("adam", "adamw", "rmsprop", "timm/lamb", "timm/adopt", "timm/lion")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(**changes: Any) -> ClassifyRecipe:
    return ClassifyRecipe(**TINY | changes)


def begin(**changes: Any) -> tuple[Setting[Any, Any], Training]:
    setting = prepare(tiny(**changes), Streams(0))
    return setting, start(setting)


def weights(training: Training) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in training.network.named_parameters()}


def finish(recipe: ClassifyRecipe, workdir: Path) -> tuple[list[EpochMetrics], Outcome]:
    *messages, outcome = train(recipe, 0, workdir)
    assert isinstance(outcome, Outcome)
    return [message for message in messages if isinstance(message, EpochMetrics)], outcome


@pytest.mark.parametrize(
    "changes",
    [
        *({"optimizer": name} for name in ALL),
        {"ema_decay": 0.9, "activation": "meta_acon"},
        {"accumulate": 4, "clip_norm": 0.5},
    ],
    ids=str,
)
def test_an_interrupted_trial_goes_on_to_the_same_numbers(tmp_path: Path, changes: dict[str, Any]) -> None:
    recipe = tiny(lr=0.01, **changes)
    curve, outcome = finish(recipe, tmp_path / "whole")
    messages = train(recipe, 0, tmp_path / "parts")
    assert next(message for message in messages if isinstance(message, EpochMetrics)).step == 3
    messages.close()
    went_on, same = finish(recipe, tmp_path / "parts")
    assert went_on == curve
    assert same.metrics == outcome.metrics
    whole, parts = (load_file(tmp_path / name / FILE) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize(("name", "kind"), [("adam", Adam), ("adamw", AdamW), ("rmsprop", RMSprop)])
def test_each_steps_as_the_one_of_torch(name: str, kind: type[torch.optim.Optimizer]) -> None:
    setting, training = begin(optimizer=name, lr=0.01, weight_decay=0.1, schedule="constant")
    other = nn.ParameterList([one.detach().clone() for one in training.network.parameters()])
    extra: dict[str, Any] = {"momentum": 0.9} if name == "rmsprop" else {}
    matrices, vectors = [one for one in other if one.ndim > 1], [one for one in other if one.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    own = kind(groups, lr=0.01, **extra)  # type: ignore[call-arg]
    for _ in range(2):
        one_step(setting, training)
        for mine, parameter in zip(other, training.network.parameters(), strict=True):
            mine.grad = None if parameter.grad is None else parameter.grad.clone()
        own.step()
    for mine, parameter in zip(other, training.network.parameters(), strict=True):
        assert torch.equal(mine, parameter)


def test_gradients_are_scaled_down_to_the_norm_and_never_up() -> None:
    norms = {}
    for limit in (0.0, 0.01, 1e6):
        setting, training = begin(clip_norm=limit)
        one_step(setting, training)
        squares = [one.grad.square().sum() for one in training.network.parameters() if one.grad is not None]
        norms[limit] = float(torch.stack(squares).sum().sqrt())
    assert norms[0.01] == pytest.approx(0.01, rel=1e-3)
    assert norms[1e6] == norms[0.0] > 0.01


def test_accumulated_gradients_are_those_of_the_whole_batch_where_no_norm_sees_it() -> None:
    """With frozen statistics; the loss of the step is the mean over the batch as well."""
    found = []
    for parts in (1, 4):
        setting, training = begin(accumulate=parts, augment="none")
        training.network.eval()
        loss, tallies = one_step(setting, training)
        found.append((loss, tallies["errors"], [one.grad for one in training.network.parameters()]))
    (loss, errors, whole), (loss_of_parts, errors_of_parts, in_parts) = found
    torch.testing.assert_close(loss, loss_of_parts)
    assert torch.equal(errors, errors_of_parts)
    for one, other in zip(whole, in_parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_batch_norm_sees_one_part_of_an_accumulated_batch() -> None:
    ghost, accumulated = (
        begin(augment="none", lr=1e-9, **changes) for changes in ({"norm_batch": 8}, {"accumulate": 4})
    )
    losses = [float(one_step(*one)[0]) for one in (ghost, accumulated)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_moving_average_follows_its_formula_and_is_what_is_tested(tmp_path: Path) -> None:
    setting, training = begin(ema_decay=0.75)
    expected: dict[str, torch.Tensor] = {}
    for _ in range(3):
        one_step(setting, training)
        now = weights(training)
        expected = {name: 0.75 * expected[name] + 0.25 * now[name] for name in now} if expected else now
    assert training.average is not None
    for name, value in training.average.module.named_parameters():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-7)
    assert training.tested is training.average.module
    (_, averaged), (_, plain) = finish(tiny(ema_decay=0.99), tmp_path / "a"), finish(tiny(), tmp_path / "b")
    assert averaged.metrics["train_loss"] == plain.metrics["train_loss"]
    assert averaged.metrics["test_loss"] != plain.metrics["test_loss"]


def test_a_recipe_without_the_new_fields_has_the_identity_that_it_had() -> None:
    new = {"optimizer", "betas", "clip_norm", "accumulate", "ema_decay"}
    for recipe in (tiny(), DetectRecipe(dataset="scenes-coco")):
        assert not new & identity_of(recipe).keys()


def test_each_optimiser_has_the_fields_and_defaults_that_fit_it() -> None:
    adam, adamw, rmsprop = (tiny(optimizer=name) for name in ("adam", "adamw", "rmsprop"))
    assert (adam.lr, adam.weight_decay, adamw.lr, adamw.weight_decay, rmsprop.lr) == (1e-3, 1e-4, 1e-3, 0.01, 0.1)
    assert {"momentum", "nesterov"} <= inapplicable_fields(adam).keys()
    assert {"nesterov", "betas"} <= inapplicable_fields(rmsprop).keys()
    assert "betas" in inapplicable_fields(tiny())
    assert "lr" not in identity_of(adam)
    assert identity_of(tiny(optimizer="adam", lr=0.1))["lr"] == 0.1
    assert "nesterov" not in inapplicable_fields(DetectRecipe(optimizer="adam"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "adamm"}, "no optimizer 'adamm'; did you mean 'adam'?"),
        ({"optimizer": "lion"}, "no optimizer 'lion'; allowed: sgd, adam, adamw, rmsprop, timm/NAME"),
        ({"accumulate": 5}, "accumulate: 5 does not divide batch_size 32"),
        ({"accumulate": 4, "norm_batch": 16}, "norm_batch: 16 does not divide a part of 8 images"),
        ({"accumulate": 32, "activation": "meta_acon"}, "meta_acon normalises one number per image"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        tiny(**changes)
    assert message in str(refused.value)


def test_a_name_that_timm_has_not_is_answered_with_the_nearest() -> None:
    with pytest.raises(TrialError, match="timm has no optimizer 'lambs'; did you mean 'lamb'"):
        build_optimiser(nn.Linear(2, 2), tiny(optimizer="timm/lambs"))
