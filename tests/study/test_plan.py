"""Designs and plans: rows, labels, sharing and order, each against what the contract says."""

from __future__ import annotations

from typing import Any

import pytest

from ablate.errors import StudyError
from ablate.study.plan import Plan, plan_document


def labels(plan: Plan) -> list[str]:
    return [row.label for row in plan.rows]


def grid(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": "grid",
        "factors": [{"name": "window", "levels": ["1x1", "3x3"]}, {"name": "norm", "levels": ["bn", "none", "ln"]}],
    }
    return document | changes


def test_a_grid_is_the_product_and_the_last_factor_varies_fastest() -> None:
    plan = plan_document(grid())
    assert labels(plan)[:4] == [
        "window=1x1, norm=bn",
        "window=1x1, norm=none",
        "window=1x1, norm=ln",
        "window=3x3, norm=bn",
    ]
    assert len(plan.rows) == 6
    assert plan.rows[0].is_baseline


def test_rows_given_beside_a_grid_come_first() -> None:
    plan = plan_document(grid(rows=[{"label": "plain", "set": {"activation": "relu"}}]))
    assert labels(plan)[0] == "plain"
    assert [row.label for row in plan.rows if row.is_baseline] == ["plain"]


def test_lists_and_named_levels_have_readable_labels() -> None:
    factors = [
        {"name": "stages", "levels": [[2, 3], "all"]},
        {"name": "kind", "levels": [{"label": "SE", "set": {"se": True, "se_ratio": 8}}]},
    ]
    plan = plan_document({"name": "a", "factors": factors})
    assert labels(plan) == ["stages=2+3, kind=SE", "stages=all, kind=SE"]
    assert plan.rows[0].set == {"stages": [2, 3], "se": True, "se_ratio": 8}


def test_a_factor_that_does_not_apply_is_dropped_and_cells_that_coincide_become_one_row() -> None:
    document = grid()
    document["factors"].insert(0, {"name": "activation", "levels": ["relu", "frelu"]})
    plan = plan_document(document)
    assert labels(plan)[0] == "activation=relu"
    assert plan.rows[0].set == {"activation": "relu"}
    assert len(plan.rows) == 7
    assert [warning.code for warning in plan.warnings if warning.code != "power"] == ["coincide"]


def test_an_explicit_row_that_sets_what_does_not_apply_is_refused(document: dict[str, Any]) -> None:
    document["rows"][0]["set"] = {"activation": "relu", "window": "5x5"}
    with pytest.raises(StudyError, match="row 'ReLU': 'window' does not apply: activation is relu"):
        plan_document(document)


def test_exclusions_cut_matching_cells_and_the_plan_lists_them() -> None:
    plan = plan_document(grid(exclude=[{"window": "1x1", "norm": ["none", "ln"]}]))
    assert plan.excluded == ("window=1x1, norm=none", "window=1x1, norm=ln")
    assert len(plan.rows) == 4


@pytest.mark.parametrize(
    ("exclusion", "text"),
    [
        ({"windw": "1x1"}, "did you mean 'window'"),
        ({"window": "9x9"}, "no level '9x9'"),
        ({}, "would remove every cell"),
    ],
)
def test_an_exclusion_that_names_nothing_is_an_error(exclusion: dict[str, Any], text: str) -> None:
    with pytest.raises(StudyError, match=text):
        plan_document(grid(exclude=[exclusion]))


def test_exclusions_that_remove_every_cell_are_an_error() -> None:
    with pytest.raises(StudyError) as caught:
        plan_document(grid(exclude=[{"norm": [level]} for level in grid()["factors"][1]["levels"]]))
    assert [(problem.pointer, problem.code) for problem in caught.value.problems] == [("/exclude", "invalid")]
    assert "remove every cell, so the study has no rows" in caught.value.problems[0].message


def test_leave_one_out_has_the_full_row_and_one_row_without_each_factor() -> None:
    factors = [{"name": "funnel", "off": {"activation": "relu"}}, {"name": "SE", "off": {"se": False}}]
    plan = plan_document({"name": "a", "design": "leave_one_out", "base": {"se": True}, "factors": factors})
    assert labels(plan) == ["full", "without funnel", "without SE"]
    assert plan.rows[0].is_baseline


def test_one_at_a_time_has_base_and_a_row_for_each_level_that_differs_from_it() -> None:
    factors = [{"name": "window", "levels": ["1x1", "3x3", "5x5"]}, {"name": "se", "levels": [False, True]}]
    plan = plan_document({"name": "a", "design": "one_at_a_time", "factors": factors})
    assert labels(plan) == ["base", "window=1x1", "window=5x5", "se=true"]
    assert {warning.code for warning in plan.warnings} == {"power"}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"name": "a"}, "no rows"),
        ({"name": "a", "design": "grid"}, "needs at least one"),
        ({"name": "a", "design": "leave_one_out", "factors": [{"name": "window", "levels": ["1x1"]}]}, "needs 'off'"),
        ({"name": "a", "factors": [{"name": "windw", "levels": ["1x1"]}]}, "did you mean 'window'"),
        ({"name": "a", "factors": [{"name": "window", "levels": ["1x1", "1x1"]}]}, "is repeated"),
        ({"name": "a", "rows": [{"label": "x"}], "exclude": [{"x": 1}]}, "only 'grid' does"),
    ],
)
def test_a_design_that_is_incomplete_or_contradicts_itself_is_refused(document: dict[str, Any], text: str) -> None:
    with pytest.raises(StudyError, match=text):
        plan_document(document)


def test_a_grid_above_the_limit_is_refused_by_its_numbers_before_it_is_built() -> None:
    factors = [{"name": name, "levels": list(range(1, 1001))} for name in ("steps", "batch_size", "epochs")]
    with pytest.raises(StudyError, match=r"1,000,000,000 cells \(1000 x 1000 x 1000\)"):
        plan_document({"name": "a", "factors": factors})


def test_trials_above_the_limit_are_refused_with_the_product(document: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match=r"6 trials \(3 rows x 2 seeds\), above the limit of 5"):
        plan_document(document, max_trials=5)


def test_audit_copies_are_trials_too_and_count_against_the_limit(document: dict[str, Any]) -> None:
    plan_document(document, max_trials=6)
    with pytest.raises(StudyError, match=r"8 trials \(3 rows and 1 audit copy x 2 seeds\), above the limit of 6"):
        plan_document(document | {"audit": True}, max_trials=6)


@pytest.mark.parametrize(
    ("gpus", "norm_batch", "text"),
    [
        (3, 0, "batch_size 64 is not divisible by 3 GPUs; choose a divisor of 64 for gpus"),
        (32, 16, None),
        (4, 32, None),
        (64, 64, None),
    ],
)
def test_a_batch_has_to_be_divided_among_gpus(
    document: dict[str, Any], gpus: int, norm_batch: int, text: str | None
) -> None:
    base = document["base"] | {"batch_size": 64, "norm_batch": norm_batch}
    asked = document | {"base": base, "resources": {"gpus": gpus}}
    if text is None:
        assert plan_document(asked).study.resources.gpus == gpus
    else:
        with pytest.raises(StudyError, match=text):
            plan_document(asked)


def test_groups_of_batch_norm_have_to_fit_the_gpus(document: dict[str, Any]) -> None:
    base = document["base"] | {"batch_size": 48, "norm_batch": 16}
    with pytest.raises(StudyError, match="norm_batch 16 does not fit 24 images on each of 2 GPUs"):
        plan_document(document | {"base": base, "resources": {"gpus": 2}})


def test_the_batch_of_what_a_row_needs_must_fit_the_gpus_too() -> None:
    base = {"task": "detect", "backbone": {"dataset": "digits", "batch_size": 33}}
    document = {"name": "odd", "base": base, "rows": [{"label": "A", "set": {}}], "resources": {"gpus": 2}}
    with pytest.raises(StudyError, match="row 'A', its backbone: batch_size 33 is not divisible by 2 GPUs"):
        plan_document(document)


def test_a_headline_without_printed_numbers_is_warned_of(document: dict[str, Any]) -> None:
    plan = plan_document(document | {"table": {"headline": ["FReLU"]}})
    (warning,) = (warning for warning in plan.warnings if warning.code == "idle")
    assert (warning.pointer, "the table has no printed numbers; set 'published'" in warning.message) == (
        "/table/headline",
        True,
    )


def test_rows_that_are_the_same_configuration_share_their_trials(document: dict[str, Any]) -> None:
    document["rows"].append({"label": "again", "set": {"window": "3x3"}})
    plan = plan_document(document)
    assert len(plan.memberships) == 8
    assert len(plan.trials) == 6
    assert "'FReLU' and 'again' have the same recipe" in plan.warnings[0].message


def test_the_baseline_and_one_seed_of_every_row_run_before_the_second(document: dict[str, Any]) -> None:
    document["table"] = {"baseline": "FReLU"}
    plan = plan_document(document)
    order = list(plan.trials)
    first = [plan.memberships["FReLU", 0], plan.memberships["ReLU", 0], plan.memberships["wide", 0]]
    assert order[:3] == first
    assert {plan.trials[key].seed for key in order[3:]} == {1}


def test_a_scale_patches_base_and_a_row_patches_the_scale(document: dict[str, Any]) -> None:
    document["scales"] = {"mini": {"steps": 3, "window": "1x1"}, "big": {"epochs": 9}}
    recipe = plan_document(document).rows[2].recipe
    assert (recipe.steps, recipe.window) == (3, "5x5")
    big = plan_document(document, scale="big").rows[1].recipe
    assert (big.steps, big.epochs) == (0, 9)
    with pytest.raises(StudyError, match="no scale 'huge'; allowed: mini, big"):
        plan_document(document, scale="huge")


def test_groups_have_baselines_of_their_own(document: dict[str, Any]) -> None:
    for row, group in zip(document["rows"], ("one", "two", "two"), strict=True):
        row["group"] = group
    assert [row.is_baseline for row in plan_document(document).rows] == [True, True, False]
    document["table"] = {"baseline": {"two": "wide"}}
    assert [row.is_baseline for row in plan_document(document).rows] == [True, False, True]
    document["table"] = {"baseline": "wide"}
    with pytest.raises(StudyError, match="give a map from group to row label"):
        plan_document(document)
    document["table"] = {"baseline": {"two": "ReLU"}}
    with pytest.raises(StudyError, match="not in group 'two'"):
        plan_document(document)


def grouped() -> dict[str, Any]:
    rows = [
        {"label": f"{group} {activation}", "group": group, "set": {"activation": activation}}
        for group in ("large", "light")
        for activation in ("relu", "frelu")
    ]
    light = {"set": {"model": "mobilenet_v1_x0.75", "stages": "all"}, "scales": {"mini": {"depth": [1, 1, 1, 2, 1]}}}
    return {
        "name": "a", "base": {"epochs": 9}, "scales": {"mini": {"steps": 3, "depth": [1, 1, 1, 1]}, "lab": {}},
        "groups": {"light": light}, "rows": rows,
    }  # fmt: skip


def test_what_a_group_shares_patches_its_rows_alone_at_each_scale() -> None:
    mini, lab = (plan_document(grouped(), scale=scale).rows for scale in ("mini", "lab"))
    assert [row.recipe.model for row in mini] == ["resnet50"] * 2 + ["mobilenet_v1_x0.75"] * 2
    assert [row.recipe.depth for row in mini] == [(1, 1, 1, 1)] * 2 + [(1, 1, 1, 2, 1)] * 2
    assert {row.recipe.depth for row in lab} == {None}
    assert (mini[3].recipe.stages, mini[3].recipe.steps, mini[3].set) == ("all", 3, {"activation": "frelu"})
    document = grouped()
    document["rows"][3]["set"]["stages"] = [2]
    assert plan_document(document).rows[3].recipe.stages == (2,)


def test_a_group_without_rows_and_its_wrong_fields_and_scales_are_told_at_their_places() -> None:
    document = grouped()
    document["groups"]["ligth"] = {"scales": {"minni": {}}}
    document["groups"]["light"]["set"] |= {"windo": "3x3"}
    document["groups"]["light"]["scales"]["lab"] = {"depth": [1]}
    with pytest.raises(StudyError) as caught:
        plan_document(document)
    found = {problem.pointer: problem.message for problem in caught.value.problems}
    assert found.keys() == {
        "/groups/ligth", "/groups/ligth/scales/minni", "/groups/light/set/windo", "/groups/light/scales/lab/depth",
    }  # fmt: skip
    assert "did you mean 'light'" in found["/groups/ligth"]
    assert "did you mean 'mini'" in found["/groups/ligth/scales/minni"]


def test_generated_cells_are_grouped_by_a_field() -> None:
    factors = [{"name": "model", "levels": ["resnet50", "resnet101"]}, {"name": "se", "levels": [True, False]}]
    plan = plan_document({"name": "a", "factors": factors, "table": {"group_by": "model"}})
    assert [row.group for row in plan.rows] == ["resnet50", "resnet50", "resnet101", "resnet101"]
    assert [row.is_baseline for row in plan.rows] == [True, False, True, False]


def test_epochs_and_steps_replace_each_other_between_layers_and_not_within_one(document: dict[str, Any]) -> None:
    document["rows"][1]["set"] = {"epochs": 4}
    assert plan_document(document).rows[1].recipe.steps == 0
    document["rows"][1]["set"] = {"epochs": 4, "steps": 3}
    with pytest.raises(StudyError, match="exclude each other"):
        plan_document(document)


def test_published_numbers_join_every_row_or_none(document: dict[str, Any]) -> None:
    document["table"] = {"published": "T7"}
    with pytest.raises(StudyError, match="no printed row 'ReLU' in T7"):
        plan_document(document)
    document["table"] = {"published": "T77"}
    with pytest.raises(StudyError, match="T77"):
        plan_document(document)


def test_a_factor_that_nothing_has_a_use_for_does_not_vanish_without_a_word() -> None:
    factors = [{"name": "norm_groups", "levels": [4, 16]}, {"name": "window", "levels": ["3x3", "5x5"]}]
    plan = plan_document({"name": "a", "design": "one_at_a_time", "factors": factors})
    assert labels(plan) == ["base", "window=5x5"]
    merged = "'norm_groups=4' into 'base', 'norm_groups=16' into 'base'"
    assert plan.warnings[0].message == f"these cells resolve to the same recipe and were merged: {merged}"
    off = [{"name": "groups", "off": {"norm_groups": 4}}, {"name": "SE", "off": {}}]
    plan = plan_document({"name": "a", "design": "leave_one_out", "factors": off})
    assert "'without groups' into 'full', 'without SE' into 'full'" in plan.warnings[0].message


def test_a_field_of_base_that_applies_to_no_row_is_warned_of(document: dict[str, Any]) -> None:
    document["base"] |= {"model": "torchvision/resnet18", "depth": None}
    del document["base"]["depth"]
    found = {warning.pointer: warning.message for warning in plan_document(document).warnings}
    assert "applies to no row: only our own networks have it" in found["/base/width"]


def test_grouping_by_a_name_that_does_not_exist_is_an_error(document: dict[str, Any]) -> None:
    document["table"] = {"group_by": "modell"}
    with pytest.raises(StudyError, match="did you mean 'model'"):
        plan_document(document)


def test_a_wrong_item_of_a_list_is_named_once_and_a_bare_level_by_its_own_place() -> None:
    factors = [{"name": "stages", "levels": [[2], [0, 13]]}, {"name": "lr", "levels": [-1]}]
    with pytest.raises(StudyError) as caught:
        plan_document({"name": "a", "factors": factors})
    assert [problem.pointer for problem in caught.value.problems] == [
        "/factors/1/levels/0", "/factors/0/levels/1/0", "/factors/0/levels/1/1",
    ]  # fmt: skip


def test_an_audit_adds_a_copy_of_each_baseline_that_is_no_row_and_shares_no_trial() -> None:
    rows = [{"label": str(index), "set": {"lr": 0.1 + index}, "group": "a" if index < 2 else "b"} for index in range(4)]
    document = {"name": "audited", "seeds": 3, "rows": rows}
    plain, audited = plan_document(document), plan_document(document | {"audit": True})
    assert [row.label for row in audited.rows] == ["0", "1", "2", "3"]
    assert [(audit.label, audit.group) for audit in audited.audits] == [
        ("(audit copy) 0", "a"),
        ("(audit copy) 2", "b"),
    ]
    assert len(audited.trials) == len(plain.trials) + 2 * 3
    assert plain.memberships.items() <= audited.memberships.items()
    copies = [audited.trials[audited.memberships["(audit copy) 0", seed]] for seed in range(3)]
    originals = [audited.trials[audited.memberships["0", seed]] for seed in range(3)]
    assert [(copy.recipe, copy.seed, copy.replicate) for copy in copies] == [
        (original.recipe, original.seed, 1) for original in originals
    ]


def test_a_row_that_bears_the_name_of_an_audit_copy_is_refused() -> None:
    rows = [{"label": "0"}, {"label": "(audit copy) 0", "set": {"lr": 0.3}}]
    with pytest.raises(StudyError) as refused:
        plan_document({"name": "audited", "rows": rows, "audit": True})
    assert [problem.pointer for problem in refused.value.problems] == ["/audit"]


def test_a_headline_that_is_no_row_is_refused_at_its_place() -> None:
    with pytest.raises(StudyError) as refused:
        plan_document(grid(table={"headline": ["window=1x1, norm=bn", "window=1x1, norm=nb"]}))
    (problem,) = refused.value.problems
    assert problem.pointer == "/table/headline/1"
    assert "did you mean 'window=1x1, norm=" in problem.message


def test_generated_rows_know_their_levels_without_those_that_do_not_apply() -> None:
    document = grid()
    document["factors"].insert(0, {"name": "activation", "levels": ["relu", "frelu"]})
    rows = plan_document(document | {"rows": [{"label": "by hand", "set": {"lr": 0.3}}]}).rows
    assert [dict(row.levels) for row in rows[:3]] == [
        {}, {"activation": "relu"}, {"activation": "frelu", "window": "1x1", "norm": "bn"},
    ]  # fmt: skip
    off = [{"name": "SE", "off": {"se": False}}]
    without = plan_document({"name": "a", "base": {"se": True}, "design": "leave_one_out", "factors": off}).rows
    assert [(row.label, dict(row.levels)) for row in without] == [("full", {}), ("without SE", {"SE": "off"})]


@pytest.mark.parametrize(
    ("seeds", "test", "parts"),
    [
        (
            5,
            "auto",
            ["the exact test cannot decide with 5 seeds and 5 comparisons", "8 seeds can", "by the paired t test"],
        ),
        (5, "flip", ["the exact test cannot decide"]),
        (8, "auto", []),
        (3, "pooled", []),
    ],
)
def test_a_design_that_cannot_decide_is_warned_of_before_it_runs(seeds: int, test: str, parts: list[str]) -> None:
    plan = plan_document(grid(seeds=seeds, table={"test": test}))
    said = " ".join(warning.message for warning in plan.warnings if warning.code == "power")
    assert all(part in said for part in parts)
    assert bool(said) == bool(parts)


NESTED = {
    "name": "nested",
    "base": {"task": "detect", "dataset": "scenes-coco", "backbone": {"dataset": "digits", "steps": 7, "lr": 0.3}},
    "scales": {"mini": {"backbone": {"batch_size": 16}}, "long": {"backbone": {"epochs": 2}}},
}


@pytest.mark.parametrize(
    ("row", "scale", "expected"),
    [
        ({}, "mini", {"dataset": "digits", "steps": 7, "lr": 0.3, "batch_size": 16}),
        ({"backbone": {"lr": 0.1}}, "mini", {"dataset": "digits", "steps": 7, "lr": 0.1, "batch_size": 16}),
        ({"backbone": {"lr": 0.1}}, "long", {"dataset": "digits", "steps": 0, "epochs": 2, "lr": 0.1}),
        ({"backbone": {"epochs": 3}}, "mini", {"steps": 0, "epochs": 3, "lr": 0.3, "batch_size": 16}),
    ],
)
def test_a_table_inside_a_recipe_is_merged_field_by_field_in_every_layer(
    row: dict[str, Any], scale: str, expected: dict[str, Any]
) -> None:
    found = plan_document({**NESTED, "rows": [{"label": "A", "set": row}]}, scale=scale)
    inside = found.rows[0].recipe.backbone  # type: ignore[attr-defined]
    assert {name: getattr(inside, name) for name in expected} == expected


def test_a_row_without_the_table_has_none_and_a_level_after_it_starts_from_the_defaults() -> None:
    factors = [
        {"name": "start", "levels": [{"label": "new", "set": {"backbone": None}}, {"label": "kept", "set": {}}]},
        {"name": "rate", "levels": [{"label": "own", "set": {}}, {"label": "low", "set": {"backbone": {"lr": 0.01}}}]},
    ]
    rows = {row.label: row for row in plan_document({**NESTED, "factors": factors}, scale="mini").rows}
    assert rows["start=new, rate=own"].recipe.backbone is None  # type: ignore[attr-defined]
    assert rows["start=kept, rate=low"].recipe.backbone.batch_size == 16  # type: ignore[attr-defined]
    assert rows["start=new, rate=low"].recipe.backbone.batch_size != 16  # type: ignore[attr-defined]


def test_two_factors_may_set_fields_of_the_same_table() -> None:
    factors = [
        {"name": "rate", "levels": [{"label": str(lr), "set": {"backbone": {"lr": lr}}} for lr in (0.1, 0.2)]},
        {"name": "size", "levels": [{"label": str(n), "set": {"backbone": {"batch_size": n}}} for n in (8, 16)]},
    ]
    rows = plan_document({**NESTED, "factors": factors}).rows
    assert [(row.recipe.backbone.lr, row.recipe.backbone.batch_size) for row in rows] == [  # type: ignore[attr-defined]
        (0.1, 8), (0.1, 16), (0.2, 8), (0.2, 16),
    ]  # fmt: skip
    assert rows[3].set == {"backbone": {"lr": 0.2, "batch_size": 16}}


def test_an_error_inside_a_table_is_at_the_layer_that_set_the_value() -> None:
    document = {**NESTED, "rows": [{"label": "A", "set": {"backbone": {"lr": 0.1, "batch_size": -1}}}]}
    document["scales"] = {"mini": {"backbone": {"weight_decay": -1.0}}}
    with pytest.raises(StudyError) as caught:
        plan_document(document, scale="mini")
    assert {problem.pointer for problem in caught.value.problems} == {
        "/scales/mini/backbone/weight_decay", "/rows/0/set/backbone/batch_size",
    }  # fmt: skip
