"""The same training however it is written: a user's other spelling of a recipe is no other pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablate.data.registered.store import Registered, write_registered
from ablate.study.effective import digest_of_stored
from ablate.study.plan import Plan, plan_document
from ablate.study.tries import digest_of, exact_of, numbered, rows_to_register
from ablate.trials.needs import label_of_need

SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "groups lowered to the same divisors": ({"norm": "gn", "norm_groups": 64}, {"norm": "gn", "norm_groups": 100}),
    "one group is layer norm": ({"norm": "gn", "norm_groups": 1}, {"norm": "ln"}),
    "also in a network whose channels are unknown": (
        {"model": "timm/resnet18", "norm": "gn", "norm_groups": 1},
        {"model": "timm/resnet18", "norm": "ln"},
    ),
    "a tag of weights that are not used": ({"model": "timm/resnet18"}, {"model": "timm/resnet18.a1_in1k"}),
    "a network by another's depth": ({"model": "resnet101", "depth": [3, 4, 6, 3]}, {}),
    "one channel is the least": (
        {"se": True, "width": 0.0625, "se_ratio": 255},
        {"se": True, "width": 0.0625, "se_ratio": 200},
    ),
    "published depth": ({}, {"depth": [3, 4, 6, 3]}),
    "a width that changes no channels": ({}, {"width": 1.001}),
    "a stage that is not there": ({}, {"stages": [2, 3, 4, 9]}),
    "a kind that these stages lack": ({}, {"layers": ["1x1", "3x3", "add", "stem"]}),
    "all, one by one": ({"stages": "all"}, {"stages": [1, 2, 3, 4, 5]}),
    "another stem that is the same": (
        {"model": "mobilenet_v1_x0.75", "stem": "small_s2"},
        {"model": "mobilenet_v1_x0.75", "stem": "imagenet"},
    ),
    "size of the images": ({}, {"resolution_px": 8}),
    "all images by their number": ({"train_images": 1442, "test_images": 355}, {}),
    "steps or epochs": ({"epochs": 3, "batch_size": 100}, {"steps": 42, "batch_size": 100}),
    "a batch above the whole set": ({"batch_size": 2000}, {"batch_size": 3000}),
    "a statistic of the whole batch": ({"norm_batch": 256}, {}),
    "no warm-up": ({"warmup_epochs": 1e-3}, {}),
    "memory format": ({"channels_last": False}, {}),
    "a sum of two numbers": ({"lr": 0.1 + 0.2}, {"lr": 0.3}),
    "a negative zero": ({"gamma_init": -0.0}, {"gamma_init": 0.0}),
    "nearly nothing": ({"label_smoothing": 1e-12}, {}),
}  # fmt: skip
OTHER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "groups": ({"norm": "gn", "norm_groups": 8}, {"norm": "gn", "norm_groups": 16}),
    "channels": ({}, {"width": 0.5}),
    "depth": ({}, {"depth": [3, 4, 6, 4]}),
    "sites": ({}, {"stages": [2, 3, 4, 5]}),
    "network": ({"model": "resnet101"}, {}),
    "squeezed channels": ({"se": True, "se_ratio": 8}, {"se": True}),
    "steps": ({"epochs": 3}, {"epochs": 4}),
    "a subset": ({"train_images": 1441}, {}),
    "statistics of groups": ({"norm_batch": 32}, {}),
    "a number": ({"lr": 0.1}, {"lr": 0.1001}),
    "momentum near 1": ({"momentum": 0.9995}, {"momentum": 0.9999}),
}

GOLDEN = [
    "f944ac11a89496a1525659bc62e544af",
    "15543a98589a1869ab48bb969e43b3c5",
    "36aabdce81f75129225cd7f059251796",
    "994d8b019e5dc856e92d3481828fff8b",
]
"""Of ReLU and FReLU in classification, then in segmentation."""


def plan_of(**base: Any) -> Plan:
    rows = [{"label": "ReLU", "set": {"activation": "relu"}}, {"label": "FReLU"}]
    return plan_document({"name": "names", "seeds": 2, "base": {"dataset": "digits"} | base, "rows": rows})


@pytest.mark.parametrize("what", SAME)
def test_the_same_training_in_another_spelling_has_the_same_digest_and_another_key(what: str) -> None:
    first, second = (plan_of(**fields).rows[1] for fields in SAME[what])
    assert exact_of(first) != exact_of(second), "keys tell them apart"
    assert digest_of(first) == digest_of(second)


@pytest.mark.parametrize("what", OTHER)
def test_another_training_has_another_digest(what: str) -> None:
    first, second = (plan_of(**fields).rows[1] for fields in OTHER[what])
    assert digest_of(first) != digest_of(second)


def test_digests_stay_those_that_homes_have() -> None:
    """A home compares its registrations with later versions. A field that is added with a default changes none."""
    classify, segment = (
        plan_of(steps=8),
        plan_of(
            task="segment", dataset="scenes-cityscapes", steps=8, backbone={"dataset": "fashion-mnist", "steps": 8}
        ),
    )
    found = [digest_of(row) for row in (*classify.rows, *segment.rows)]
    assert found == GOLDEN


def test_a_default_that_is_written_down_was_never_another_recipe() -> None:
    assert exact_of(plan_of(window="3x3").rows[1]) == exact_of(plan_of().rows[1])


def test_a_stored_trial_has_the_digest_of_its_row() -> None:
    scenes = {"task": "segment", "dataset": "scenes-cityscapes", "steps": 8, "model": "resnet50"}
    for plan in (plan_of(depth=[1, 1, 1, 1]), plan_of(**scenes, backbone={"dataset": "fashion-mnist", "steps": 8})):
        for row in plan.rows:
            (trial, *_) = (plan.trials[plan.memberships[row.label, seed]] for seed in plan.seeds)
            assert digest_of_stored(trial.task, trial.recipe) == digest_of(row)
    assert digest_of_stored("not-installed", {}) is None


def test_the_spelling_of_a_backbone_is_no_other_recipe() -> None:
    scenes = {"task": "segment", "dataset": "scenes-cityscapes", "steps": 8}
    plans = [
        plan_of(**scenes, backbone={"dataset": "fashion-mnist", **length})
        for length in ({"epochs": 2}, {"steps": 2 * (60_000 // 256)}, {"epochs": 3})
    ]
    assert label_of_need("backbone", "FReLU") in plans[0].needs
    first, same, other = (digest_of(plan.rows[1]) for plan in plans)
    assert first == same != other


def register_folder(root: Path, name: str, fingerprint: str) -> None:
    found = Registered(
        name=name, folder=f"/pictures/{name}", test_folder="test", classes=("a", "b"), train_images=20, test_images=10,
        resolution_px=32, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2), duplicates=0, fingerprint=fingerprint, skipped=(),
        registered_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    write_registered(root, found, [])


def test_a_folder_under_a_second_name_is_the_same_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path))
    for name, fingerprint in (("cats", "a" * 64), ("felines", "a" * 64), ("dogs", "b" * 64)):
        register_folder(tmp_path, name, fingerprint)
    cats, felines, dogs = (plan_of(dataset=name) for name in ("cats", "felines", "dogs"))
    assert exact_of(cats.rows[1]) != exact_of(felines.rows[1])
    assert digest_of(cats.rows[1]) == digest_of(felines.rows[1]) != digest_of(dogs.rows[1])
    known = list(numbered(rows_to_register(cats, "cats"), []))
    assert [row.number for row in numbered(rows_to_register(felines, "felines"), known)] == [None, 2]
    assert [row.number for row in numbered(rows_to_register(dogs, "dogs"), known)] == [None, 1]
