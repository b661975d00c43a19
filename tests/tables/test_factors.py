"""Tables of generated designs: what matters, what a component adds, a column for each factor."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ablate.study.plan import Plan, plan_document
from ablate.tables.build import build_table
from ablate.tables.formats.render import render
from ablate.tables.plots import canvas
from ablate.tables.plots.effects import draw_effects
from ablate.tables.plots.look import PlotLook
from ablate.tables.plots.plot import plot_table, plots_of
from ablate.trials.trial import Cost, Outcome, TrialRecord

METRIC = "top1_error_pct"
EXPLAINED = "Share of the variation between runs that each factor explains"
GRID: dict[str, Any] = {
    "name": "grid",
    "seeds": 6,
    "base": {"dataset": "digits"},
    "factors": [
        {"name": "window", "levels": ["1x1", "3x3", "5x5"]},
        {"name": "norm", "levels": ["bn", "none"]},
    ],
}
WITHOUT: dict[str, Any] = {
    "name": "parts",
    "seeds": 6,
    "design": "leave_one_out",
    "base": {"dataset": "digits", "nesterov": True, "label_smoothing": 0.1},
    "factors": [
        {"name": "nesterov", "off": {"nesterov": False}},
        {"name": "smoothing", "off": {"label_smoothing": 0.0}},
    ],
}


def results(plan: Plan, level: Any, provenance: Any = lambda row, seed: {}) -> dict[str, TrialRecord]:
    """A record for every trial: its row's level, a shift of its seed, a little noise."""
    records = {}
    for number, row in enumerate(plan.rows):
        for seed in plan.seeds:
            trial = plan.trials[plan.memberships[row.label, seed]]
            noise = random.Random(f"{row.label} {seed}").gauss(0, 0.1) + random.Random(seed).gauss(0, 0.5)
            cost = Cost(params=1000 + number, params_without_norm=1000, multiply_adds=10**6)
            outcome = Outcome(status="succeeded", metrics={METRIC: level(row) + noise}, train_s=10.0, cost=cost)
            records[trial.key] = TrialRecord(
                trial=trial,
                outcome=outcome,
                provenance=provenance(row, seed),
                finished_at="2026-05-04T10:00:00+00:00",
            )
    return records


def interacting(row: Any) -> float:
    """The window counts; the norm only at 5x5."""
    return {"1x1": 14.0, "3x3": 13.0, "5x5": 13.0}[row.levels["window"]] + (
        1.0 if row.levels == {"window": "5x5", "norm": "none"} else 0.0
    )


def test_a_balanced_grid_has_exact_shares_that_sum_to_one() -> None:
    plan = plan_document(GRID)
    table = build_table(plan, results(plan, interacting))
    effects = table.effects
    assert effects is not None
    assert effects.method == "anova"
    shares = {tuple(effect.factors): effect.share for effect in effects.effects}
    assert list(shares) == [("window",), ("norm",), ("window", "norm")]
    assert sum(shares.values()) + effects.higher + effects.residual == pytest.approx(1, abs=1e-12)
    assert shares["window", "norm"] > 0.1
    assert f"{EXPLAINED} (eta squared): window {100 * shares['window',]:.1f} %" in " ".join(table.notes)
    assert table.factors == {"window": ["1x1", "3x3", "5x5"], "norm": ["bn", "none"]}


NESTED: dict[str, Any] = GRID | {
    "factors": [
        {"name": "activation", "levels": ["relu", "swish", "frelu"]},
        {"name": "norm", "levels": ["bn", "none"]},
    ]
}


def by_activation(row: Any) -> float:
    """The activation counts, the norm of the funnel hardly."""
    return {"relu": 15.0, "swish": 14.0, "frelu": 12.5}[row.levels["activation"]] + 0.3 * (
        row.levels.get("norm") == "none"
    )


def test_a_factor_that_applies_to_some_rows_is_compared_within_them_and_hides_no_other() -> None:
    plan = plan_document(NESTED)
    table = build_table(plan, results(plan, by_activation))
    assert table.effects is not None
    assert table.effects.method == "anova"
    activation, norm = table.effects.effects
    assert (activation.name, norm.name) == ("activation", "norm within frelu")
    assert (norm.factors, norm.within) == (["norm"], {"activation": ["frelu"]})
    assert activation.share > 0.95
    assert activation.p_adj is not None
    assert activation.p_adj < 1e-6
    assert not any("outside the grid" in note or "cannot be judged" in note for note in table.notes)
    (note,) = (note for note in table.notes if note.startswith(EXPLAINED))
    means = {level: one.mean for one in table.effects.means for level in one.levels.values()}
    for levels in (("relu", "swish", "frelu"), ("bn", "none")):
        assert f"(level means {', '.join(f'{level}: {means[level]:.2f}' for level in levels)}; " in note
    assert "In shares, the levels of a factor weigh the same; in p-values each row does." in table.notes


def test_of_many_levels_the_smallest_and_the_largest_mean_are_named() -> None:
    rates = [0.001 * number for number in range(1, 9)]
    plan = plan_document(GRID | {"factors": [{"name": "lr", "levels": rates}]})
    table = build_table(plan, results(plan, lambda row: 20 - 1000 * abs(row.recipe.lr - 0.005)))
    assert table.effects is not None
    means = {one.levels["lr"]: f"{one.mean:#.4g}" for one in table.effects.means}
    (note,) = (note for note in table.notes if note.startswith(EXPLAINED))
    assert f"(level means from 0.001: {means['0.001']} to 0.005: {means['0.005']}; " in note


def test_level_means_of_a_grid_with_a_hole_point_the_way_of_the_rows_that_can_be_compared() -> None:
    factors = [{"name": "activation", "levels": ["relu", "frelu"]}, {"name": "steps", "levels": [10, 300]}]
    plan = plan_document(GRID | {"factors": factors, "exclude": [{"activation": "frelu", "steps": 10}]})
    easy = {"relu": 10.0, "frelu": 13.0}
    table = build_table(
        plan, results(plan, lambda row: easy[row.recipe.activation] + (10 if row.recipe.steps == 10 else 0))
    )
    assert table.effects is not None
    relu, frelu = (one.mean for one in table.effects.means if list(one.levels) == ["activation"])
    cells = {row.label: row.cells[METRIC].mean for row in table.rows}
    difference = cells["activation=frelu, steps=300"] - cells["activation=relu, steps=300"]
    assert frelu - relu == pytest.approx(difference)
    (note,) = (note for note in table.notes if note.startswith(EXPLAINED))
    assert f"activation {100 * table.effects.effects[0].share:.1f} % (adjusted level means relu: {relu:.2f}, " in note


def test_the_picture_of_a_nested_grid_has_a_panel_for_each_factor() -> None:
    plan = plan_document(NESTED)
    table = build_table(plan, results(plan, by_activation))
    with canvas.drawing():
        axes = draw_effects(table, PlotLook()).axes
    assert [[tick.get_text() for tick in one.get_xticklabels()] for one in axes] == [
        ["relu", "swish", "frelu"], ["bn", "none"],
    ]  # fmt: skip
    assert [one.get_title("left").split(":")[0] for one in axes] == ["activation", "norm within frelu"]


@pytest.mark.parametrize("plain_first", [True, False])
def test_a_level_that_sets_nothing_belongs_to_its_factor_only_where_that_applies(plain_first: bool) -> None:
    window = [{"label": "plain", "set": {}}, {"label": "wide", "set": {"window": "5x5"}}]
    factors = [NESTED["factors"][0], {"name": "funnel", "levels": window if plain_first else window[::-1]}]
    plan = plan_document(NESTED | {"factors": factors})
    table = build_table(plan, results(plan, lambda row: 15.0 - (row.levels["activation"] == "frelu")))
    assert table.effects is not None
    assert table.effects.method == "anova"
    assert [effect.name for effect in table.effects.effects] == ["activation", "funnel within frelu"]


def test_a_level_that_does_not_apply_is_still_one_of_a_factor_whose_other_level_does() -> None:
    kind = [{"label": "wide", "set": {"window": "5x5"}}, {"label": "slow", "set": {"lr": 0.001}}]
    plan = plan_document(NESTED | {"factors": [NESTED["factors"][0], {"name": "kind", "levels": kind}]})
    table = build_table(plan, results(plan, lambda row: 15.0 + (row.levels["kind"] == "slow")))
    assert table.effects is not None
    assert [effect.name for effect in table.effects.effects] == ["activation", "kind", "activation x kind"]


def test_groups_are_a_factor_like_the_others() -> None:
    networks = {"name": "model", "levels": ["resnet50", "mobilenet_v1_x0.75"]}
    document = NESTED | {"factors": [networks, *NESTED["factors"]], "table": {"group_by": "model"}}
    plan = plan_document(document)
    shift = {"resnet50": 0.0, "mobilenet_v1_x0.75": 8.0}
    table = build_table(plan, results(plan, lambda row: by_activation(row) + shift[row.levels["model"]]))
    assert table.effects is not None
    names = ["model", "activation", "norm within frelu", "model x activation", "model x norm within frelu"]
    assert [effect.name for effect in table.effects.effects] == names
    assert max(table.effects.effects, key=lambda effect: effect.share).name == "model"


def test_a_grid_with_holes_has_a_linear_model_and_rows_by_hand_are_no_cells_of_it() -> None:
    rows = [{"label": "plain", "set": {"activation": "relu"}}]
    plan = plan_document(GRID | {"rows": rows, "exclude": [{"window": "1x1", "norm": "none"}]})
    table = build_table(plan, results(plan, lambda row: interacting(row) if row.levels else 15.0))
    effects = table.effects
    assert effects is not None
    assert effects.method == "linear_model"
    assert effects.taken_as_zero == ["window x norm"]
    assert max(effects.effects, key=lambda effect: effect.share).factors == ["window"]
    assert any("These rows are outside the grid: plain." in note for note in table.notes)
    assert render(table, "md", columns=["factors"]).splitlines()[4].split("|")[2:4] == [" –      ", " –    "]


def test_what_a_component_adds_is_told_and_that_it_is_not_importance() -> None:
    plan = plan_document(WITHOUT)
    table = build_table(plan, results(plan, lambda row: 14.0 if row.levels else 13.0))
    (note,) = (note for note in table.notes if note.startswith("Improvement from each component"))
    assert "nesterov +0.9" in note or "nesterov +1" in note
    assert any("contributions are not importances" in note for note in table.notes)
    assert table.effects is None
    assert plots_of(table) == ["forest", "seeds", "curves"]


def test_factors_have_columns_of_check_marks_or_levels() -> None:
    plan = plan_document(WITHOUT)
    table = build_table(plan, results(plan, lambda row: 13.0))
    lines = render(table, "md", columns=["factors"]).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    assert cells[0][:5] == ["row", "nesterov", "smoothing", "top-1 error (%) ↓", "difference (95 % CI)"]
    marks = [["full (baseline)", "✓", "✓"], ["without nesterov", "–", "✓"], ["without smoothing", "✓", "–"]]
    assert [line[:3] for line in cells[2:]] == marks
    assert "-- & \\checkmark & " in render(table, "tex", columns=["factors"])
    grid = plan_document(GRID)
    heading, first, *_ = render(build_table(grid, results(grid, interacting)), "csv", columns=["factors"]).splitlines()
    assert ",factor_window,factor_norm," in heading
    assert ",1x1,bn," in first


def column_texts(plan: Plan, level: Any) -> list[list[str]]:
    chosen = [f"factor:{factor.name}" for factor in plan.study.factors]
    lines = render(build_table(plan, results(plan, level)), "md", columns=chosen).splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")][2:]


def test_levels_that_a_study_calls_on_and_off_are_shown_in_its_own_words() -> None:
    levels = [{"label": word, "set": {"nesterov": word == "on"}} for word in ("on", "off")]
    plan = plan_document(GRID | {"factors": [GRID["factors"][1], {"name": "nesterov", "levels": levels}]})
    assert [cells[1:] for cells in column_texts(plan, lambda row: 13.0)] == [
        ["bn", "on"], ["bn", "off"], ["none", "on"], ["none", "off"],
    ]  # fmt: skip


def test_one_at_a_time_shows_the_levels_of_the_base_wherever_a_row_leaves_them() -> None:
    momentum = {"name": "momentum", "levels": [{"label": "low", "set": {"momentum": 0.5}}]}
    plan = plan_document(GRID | {"design": "one_at_a_time", "factors": [*GRID["factors"], momentum]})
    assert column_texts(plan, lambda row: 13.0) == [
        ["base (baseline)", "3x3", "bn", "base"],
        ["window=1x1", "1x1", "bn", "base"],
        ["window=5x5", "5x5", "bn", "base"],
        ["norm=none", "3x3", "none", "base"],
        ["momentum=low", "3x3", "bn", "low"],
    ]
    assert build_table(plan, {}).factors["window"] == ["3x3", "1x1", "5x5"]


def test_a_level_that_the_base_has_is_called_as_the_study_calls_it_and_what_does_not_apply_is_a_dash() -> None:
    wide = {"label": "funnel 5x5", "set": {"activation": "frelu", "window": "5x5"}}
    nesterov = [{"label": word, "set": {"nesterov": word == "on"}} for word in ("off", "on")]
    document = GRID | {
        "design": "one_at_a_time",
        "base": {"dataset": "digits", "activation": "relu"},
        "factors": [
            {"name": "activation", "levels": ["relu", wide]},
            {"name": "nesterov", "levels": nesterov},
            {"name": "norm", "levels": ["bn", "none"]},
        ],
    }
    assert column_texts(plan_document(document), lambda row: 13.0) == [
        ["base (baseline)", "relu", "off", "–"],
        ["activation=funnel 5x5", "funnel 5x5", "off", "bn"],
        ["nesterov=on", "relu", "on", "–"],
    ]


def test_rows_that_ran_elsewhere_than_their_baseline_are_named() -> None:
    plan = plan_document(GRID)

    def where(row: Any, seed: int) -> dict[str, str]:
        return {"commit": "new" if row.levels["window"] == "5x5" and seed > 3 else "old", "host": str(seed)}

    (note,) = (
        note
        for note in build_table(plan, results(plan, interacting, where)).provenance
        if note.startswith("Trials differ")
    )
    assert note == (
        "Trials differ in commit: old (32), new (4). Different from their baseline: 'window=5x5, norm=bn', "
        "'window=5x5, norm=none'."
    )


def test_rows_worth_their_cost_are_named_and_times_are_left_out_of_the_stable_form() -> None:
    plan = plan_document(GRID)
    table = build_table(plan, results(plan, interacting))
    (front,) = table.fronts
    assert front.cost == "params"
    assert front.rows[0] == "window=1x1, norm=bn"
    assert any(note.startswith("No row beats these in both mean and params (Pareto-optimal): ") for note in table.notes)


@pytest.mark.parametrize("document", [GRID, GRID | {"factors": GRID["factors"][:1]}, WITHOUT])
@pytest.mark.parametrize("known", [True, False])
def test_effects_are_drawn_where_there_are_some_and_say_so_where_there_are_none(
    document: dict[str, Any], known: bool
) -> None:
    plan = plan_document(document)
    records = results(plan, lambda row: 13.0) if known else {}
    table = build_table(plan, records)
    picture = plot_table(table, "effects", records=records)
    assert picture.startswith(b"<?xml")
    assert plot_table(table, "effects", records=records) == picture


def test_effects_of_a_grid_that_lost_runs_say_on_how_many_complete_seeds_they_rest() -> None:
    plan = plan_document(GRID)
    records = results(plan, interacting)
    assert not [
        note for note in build_table(plan, records).notes if "complete" in note or "of the grid has a value at" in note
    ]
    lost(plan, records, "window=5x5, norm=none", (0, 3))
    notes = build_table(plan, records).notes
    assert (
        "Every row of the grid has a value at 4 of 6 seeds; the effects use these and leave failed runs out." in notes
    )


def lost(plan: Plan, records: dict[str, TrialRecord], label: str, seeds: Any) -> None:
    for seed in seeds:
        key = plan.memberships[label, seed]
        records[key] = records[key].model_copy(update={"outcome": Outcome(status="diverged", reason="loss is nan")})


def test_a_row_that_lost_all_runs_takes_nothing_from_the_seeds_of_the_others() -> None:
    plan = plan_document(NESTED)
    records = results(plan, by_activation)
    lost(plan, records, "activation=frelu, norm=none", plan.seeds)
    notes = build_table(plan, records).notes
    assert "norm cannot be judged, because no run with none gave a value." in notes
    assert (
        "Each of 3 of 4 rows of the grid has a value at 6 of 6 seeds; the effects use these and leave failed runs out."
    ) in notes
    fronts = [note for note in notes if "Pareto-optimal" in note]
    assert fronts
    assert not any("each mean is over" in note for note in fronts)


@pytest.mark.parametrize("baseline_lost", [False, True])
def test_a_mean_that_failed_runs_may_explain_is_not_pareto_optimal(baseline_lost: bool) -> None:
    factors = [{"name": "activation", "levels": ["relu", "swish"]}, {"name": "lr", "levels": [0.1, 0.2]}]
    plan = plan_document(GRID | {"seeds": 10, "factors": factors})
    labels = [row.label for row in plan.rows]
    baseline, loser = labels[0], labels[0] if baseline_lost else labels[3]
    records = results(plan, lambda row: 10.0 if row.label == loser else 15.0)
    complete = build_table(plan, records)
    lost(plan, records, loser, range(7))
    table = build_table(plan, records)
    reasons = {row.label: row.cells[METRIC].tested.reason for row in table.rows if row.label != baseline}
    assert "failures" in {reasons.get(loser), *(reasons.values() if baseline_lost else ())}
    (front,) = table.fronts
    assert loser in complete.fronts[0].rows
    assert loser not in front.rows
    assert set(front.rows) < set(labels)
    assert front.rows
    (note,) = (note for note in table.notes if "Pareto-optimal" in note)
    assert note.endswith(f" '{loser}' is not compared, since failed runs may explain the mean.")
