from __future__ import annotations

from ablate.study.plan import plan_document
from service.selftest.worlds import DESIGNS, MAX_STUDIES, NOISES, build_study


def test_no_two_studies_share_a_trial_nor_do_those_of_another_seed() -> None:
    ends = (0, 1, 2, 3, 40, 41, MAX_STUDIES - 1)
    plans = [plan_document(build_study(number, seed=seed, planted=2.0)) for seed in (0, 1, 2) for number in ends]
    keys = [key for plan in plans for key in plan.trials]
    assert len(keys) == len(set(keys)) == sum(len(plan.rows) * len(plan.seeds) for plan in plans)


def test_every_test_meets_every_noise() -> None:
    studies = [build_study(number, seed=5) for number in range(len(DESIGNS) * len(NOISES))]
    found = {(one["table"]["test"], one["seeds"], one["base"]["noise"]) for one in studies}
    assert found == {(*design, noise) for design in DESIGNS for noise in NOISES}
    assert {"auto", "flip", "t"} == {test for test, _, _ in found}


def test_only_the_planted_row_has_an_effect() -> None:
    effects = [row["set"].get("effect", 0.0) for row in build_study(0, seed=0, planted=-3.0)["rows"]]
    assert effects == [0.0, 0.0, 0.0, -3.0]
    assert all("effect" not in row["set"] for row in build_study(0, seed=0)["rows"])
