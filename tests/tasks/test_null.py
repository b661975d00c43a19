from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ablate.tasks.null import NOISES, NullRecipe, task
from ablate.trials.registry import get_task, list_tasks
from ablate.trials.trial import Outcome


def draw(seed: int, **recipe: object) -> float:
    """The number that a trial reports."""
    *_, last = task.run(NullRecipe.model_validate(recipe), seed, Path("unused"))
    assert isinstance(last, Outcome)
    return last.metrics["error"]


def differences(noise: str, row: int, reference: int, n: int = 1500) -> np.ndarray:
    return np.array([draw(seed, noise=noise, row=row) - draw(seed, noise=noise, row=reference) for seed in range(n)])


@pytest.mark.parametrize("noise", NOISES)
def test_rows_without_an_effect_have_the_same_distribution_and_their_differences_are_symmetric(noise: str) -> None:
    found = differences(noise, 1, 0)
    assert stats.binomtest(int((found > 0).sum()), len(found)).pvalue > 0.001
    assert stats.ks_2samp(found, differences(noise, 0, 2)).pvalue > 0.001


def test_an_effect_is_added_exactly_and_a_seed_always_gives_the_same_number() -> None:
    assert draw(3, row=2, effect=1.5) == draw(3, row=2) + 1.5
    assert len({draw(seed, row=row, world=world) for seed in (0, 1) for row in (0, 1) for world in (0, 1)}) == 8


def test_rows_share_what_is_common_to_a_seed() -> None:
    rows = [[draw(seed, row=row) for seed in range(400)] for row in (0, 1)]
    assert stats.pearsonr(*rows).statistic == pytest.approx(0.5, abs=0.12)
    worlds = [[draw(seed, world=world) for seed in range(400)] for world in (0, 1)]
    assert stats.pearsonr(*worlds).statistic == pytest.approx(0.0, abs=0.15)


def test_the_noises_are_symmetric_skewed_and_heavy_tailed() -> None:
    found = {noise: [draw(seed, noise=noise) for seed in range(1500)] for noise in NOISES}
    assert abs(stats.skew(found["normal"])) < 0.3 < stats.skew(found["lognormal"])
    assert stats.kurtosis(found["t2"]) > 3 > abs(stats.kurtosis(found["normal"]))


def test_the_task_can_be_named_in_a_study_but_is_not_listed() -> None:
    assert get_task("null").identity == "null"
    assert "null" not in list_tasks()
    assert {"classify", "detect", "segment"} <= set(list_tasks())
