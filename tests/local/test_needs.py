"""`ablate run` of trials that need others: the order, one training for all that share it, and what happens to holes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablate.cli.app import status_of
from ablate.data.add_folder import register
from ablate.errors import StudyError
from ablate.local.folder import Folder
from ablate.local.preview import count_costs, describe_plan
from ablate.local.run import Moved, run_study
from ablate.local.tries import HomeTries, end_run, register_run
from ablate.recipes.classify import ClassifyRecipe
from ablate.recipes.scenes import BackboneTraining, SegmentRecipe
from ablate.study.document import Study
from ablate.study.gpu_hours import outstanding_gpu_hours
from ablate.study.plan import Plan, plan_document
from ablate.study.resolve import check_base
from ablate.study.rows import pinned
from ablate.tables.build import build_table
from ablate.trials.dependents import Waiting
from ablate.trials.needs import build_blueprint
from ablate.trials.registry import get_task
from ablate.trials.trial import Cost, Heartbeat, Outcome
from ablate.workers.pool import Pool
from tests.image_folders import write_image


def chain_plan(rows: dict[str, dict[str, Any]] | None = None, **changes: Any) -> Plan:
    rows = rows or {"A": {"backbone": {"level": 5.0}}, "B": {"backbone": {"level": 6.0}}}
    document = {
        "name": "chains",
        "seeds": 2,
        "base": {"task": "chain", "backbone": {}},
        "rows": [{"label": label, "set": patch} for label, patch in rows.items()],
    }
    return plan_document(document | changes)


def run(plan: Plan, folder: Folder, workers: int = 1) -> list[Any]:
    with folder.locked():
        return list(run_study(plan, folder, workers=workers))


def runs(site: Path) -> list[str]:
    return (site / "runs.txt").read_text().splitlines()


def test_a_row_counts_as_begun_with_the_weights_from_which_it_starts(chain: Path, tmp_path: Path) -> None:
    plan, folder, home = chain_plan(), Folder(tmp_path / "out"), tmp_path / "home"
    backbone = plan.trials[plan.memberships["(backbone) B", 0]]
    folder.workdir(backbone.key).mkdir(parents=True)
    register_run(home, plan, folder)
    end_run(home, plan, folder)
    found = HomeTries(home).trials(plan.trials, "run")
    begun = {cell for cell, key in plan.memberships.items() if found[key].is_begun}
    assert begun == {("(backbone) B", 0), ("B", 0)}


def test_what_rows_need_runs_before_them_and_is_no_row(chain: Path) -> None:
    plan = chain_plan()
    assert [row.label for row in plan.rows] == ["A", "B"]
    assert list(plan.memberships)[:4] == [("(backbone) A", 0), ("A", 0), ("(backbone) B", 0), ("B", 0)]
    assert [trial.task for trial in plan.trials.values()] == ["base", "chain"] * 4
    assert all(list(plan.trials).index(key) > list(plan.trials).index(trial.needs["backbone"])
               for key, trial in plan.trials.items() if trial.needs)  # fmt: skip


def test_rows_of_one_backbone_share_its_trials(chain: Path) -> None:
    plan = chain_plan({"A": {}, "B": {"offset": 1.0}})
    assert (len(plan.memberships), len(plan.trials), len(plan.needed)) == (8, 6, 2)
    answer = describe_plan(plan, {}, {}, {"(backbone) A": 1.0, "A": 2.0, "B": 2.0}, 1)
    assert (answer.trials, answer.distinct, answer.needed, answer.estimate_s) == (8, 6, 2, 10.0)


def test_an_audit_copy_has_a_backbone_of_its_own(chain: Path) -> None:
    plan = chain_plan({"A": {}, "B": {"offset": 1.0}}, audit=True)
    copy = plan.memberships["(backbone) (audit copy) A", 0]
    assert plan.trials[copy].replicate == 1
    assert plan.trials[plan.memberships["(audit copy) A", 0]].needs == {"backbone": copy}


def test_a_row_may_not_be_called_as_what_another_needs_is(chain: Path) -> None:
    with pytest.raises(StudyError, match=r"row '\(backbone\) A' has the label of a trial that row 'A' needs"):
        chain_plan({"A": {}, "(backbone) A": {"offset": 1.0}})


def test_what_rows_need_counts_towards_the_limit(chain: Path) -> None:
    document = {"name": "a", "seeds": 2, "base": {"task": "chain", "backbone": {}}, "rows": [{"label": "A"}]}
    with pytest.raises(StudyError, match=r"4 trials \(1 rows, 1 needed by them x 2 seeds\), above the limit of 3"):
        plan_document(document, max_trials=3)


def test_a_study_runs_each_backbone_once_and_its_rows_right_behind(chain: Path, tmp_path: Path) -> None:
    plan, folder = chain_plan({"A": {}, "B": {"offset": 1.0}}), Folder(tmp_path / "out")
    events = run(plan, folder)
    assert sum(isinstance(event, Moved) and isinstance(event.message, Outcome) for event in events) == 6
    assert runs(chain) == ["base 10 0", "chain 0 0", "chain 1 0", "base 10 1", "chain 0 1", "chain 1 1"]
    table = build_table(plan, folder.read())
    assert [table.row(label).cells["error"].values for label in ("A", "B")] == [{0: 10.0, 1: 11.0}, {0: 11.0, 1: 12.0}]
    assert [row.label for row in table.rows] == ["A", "B"]
    assert any("Rows start from the weights of 2 trials of task 'base'" in note for note in table.notes)
    assert run(plan, folder) == []


def test_an_interrupted_study_goes_on_and_trains_nothing_twice(chain: Path, tmp_path: Path) -> None:
    plan, folder = chain_plan(), Folder(tmp_path / "out")
    with folder.locked():
        events = run_study(plan, folder, workers=1)
        for event in events:
            if isinstance(event, Moved) and isinstance(event.message, Outcome):
                break  # the first backbone is done, the row that waited for it has not begun
        events.close()  # type: ignore[attr-defined]
    assert len(folder.read()) == 1
    run(plan, folder)
    assert sorted(runs(chain)) == [
        "base 5 0", "base 5 1", "base 6 0", "base 6 1", "chain 0 0", "chain 0 0", "chain 0 1", "chain 0 1",
    ]  # fmt: skip
    assert len([record for record in folder.read().values() if record.outcome.status == "succeeded"]) == 8


def test_a_row_whose_backbone_fails_is_a_hole_with_its_reason_until_the_same_command_mends_it(
    chain: Path, tmp_path: Path
) -> None:
    plan, folder = chain_plan({"A": {"backbone": {"ending": "raises"}}, "B": {}}), Folder(tmp_path / "out")
    run(plan, folder)
    broken = folder.read()[plan.memberships["A", 0]]
    needed = plan.memberships["(backbone) A", 0]
    assert broken.outcome.status == "failed"
    assert f"its backbone, trial {needed[:12]}, failed: RuntimeError: the base broke" in str(broken.outcome.reason)
    assert folder.read()[plan.memberships["B", 0]].outcome.status == "succeeded"
    (chain / "mended").touch()
    before = len(runs(chain))
    run(plan, folder)
    assert {record.outcome.status for record in folder.read().values()} == {"succeeded"}
    assert sorted(runs(chain)[before:]) == ["base 10 0", "base 10 1", "chain 0 0", "chain 0 1"]


def test_a_row_whose_backbone_kills_its_worker_is_a_hole_too(chain: Path, tmp_path: Path) -> None:
    plan, folder = chain_plan({"A": {"backbone": {"ending": "dies"}}}, seeds=1), Folder(tmp_path / "out")
    run(plan, folder)
    outcome = folder.read()[plan.memberships["A", 0]].outcome
    assert outcome.status == "failed"
    assert "failed: its worker process ended with status 7, 2 times" in str(outcome.reason)


def test_a_row_whose_backbone_diverged_has_diverged(chain: Path, tmp_path: Path) -> None:
    plan, folder = chain_plan({"A": {}, "B": {"backbone": {"ending": "diverges"}}}), Folder(tmp_path / "out")
    run(plan, folder)
    record = folder.read()[plan.memberships["B", 1]]
    assert (record.outcome.status, "diverged: the loss is nan" in str(record.outcome.reason)) == ("diverged", True)
    assert run(plan, folder) == []
    assert [line for line in runs(chain) if line.startswith("chain")] == ["chain 0 0", "chain 0 1"], "of row A"


def test_a_row_added_behind_a_backbone_that_diverged_diverges_without_a_run(chain: Path, tmp_path: Path) -> None:
    folder, backbone = Folder(tmp_path / "out"), {"ending": "diverges"}
    run(chain_plan({"A": {"backbone": backbone}}), folder)
    before = runs(chain)
    plan = chain_plan({"A": {"backbone": backbone}, "B": {"backbone": backbone, "offset": 1.0}})
    run(plan, folder)
    assert folder.read()[plan.memberships["B", 0]].outcome.status == "diverged"
    assert runs(chain) == before


def test_a_backbone_whose_folder_was_cleaned_is_trained_again_for_the_row(chain: Path, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "out")
    first = chain_plan({"A": {}}, seeds=1)
    run(first, folder)
    (folder.workdir(first.memberships["(backbone) A", 0]) / "weights.txt").unlink()
    plan = chain_plan({"A": {}, "B": {"offset": 1.0}}, seeds=1)
    events = run(plan, folder)
    assert sum(isinstance(event.message, Heartbeat) for event in events) == 4
    assert folder.read()[plan.memberships["B", 0]].outcome.metrics == {"error": 11.0}


def test_a_trial_that_needs_two_waits_for_both_and_ends_with_the_first_that_does_not_succeed(chain: Path) -> None:
    trial = next(iter(chain_plan().trials.values()))
    child = trial.model_copy(update={"key": "c" * 64, "needs": {"left": "l", "right": "r"}})
    good, bad = Outcome(status="succeeded"), Outcome(status="failed", reason="as told")
    waiting = Waiting([child])
    assert (waiting.hear("l", good), waiting.hear("r", good), waiting.hear("r", good)) == ([], [(child, None)], [])
    waiting = Waiting([child])
    ((_, ending),) = waiting.hear("r", bad)
    assert ending == Outcome(status="failed", reason="its right, trial r, failed: as told")
    assert waiting.hear("l", good) == []


def with_classification(plan: Plan, **recipe: Any) -> Plan:
    """The plan with rows that start from a trial of the task `classify`."""
    need = build_blueprint(get_task("classify"), ClassifyRecipe(**recipe))
    return replace(
        plan, rows=tuple(replace(row, blueprint=replace(row.blueprint, needs={"backbone": need})) for row in plan.rows)
    )


def test_a_plan_has_the_data_sets_of_what_rows_need_too(chain: Path) -> None:
    assert with_classification(chain_plan({"A": {}}), dataset="digits").datasets == ("digits",)


@pytest.mark.parametrize(
    ("patch", "pointer", "code", "text"),
    [
        ({"levl": 3.0}, "/base/backbone/levl", "unknown_field", "no field 'levl' in 'backbone'; did you mean 'level'?"),
        ({"level": "high"}, "/base/backbone/level", "invalid", "should be a number"),
        (3, "/base/backbone", "invalid", "should be a table"),
    ],
)
def test_what_is_wrong_in_a_recipe_inside_a_recipe_is_told_at_its_place(
    chain: Path, patch: Any, pointer: str, code: str, text: str
) -> None:
    with pytest.raises(StudyError) as refused:
        chain_plan(base={"task": "chain", "backbone": patch})
    (problem,) = refused.value.problems
    assert (problem.pointer, problem.code) == (pointer, code)
    assert text in problem.message


def test_a_patch_changes_a_recipe_inside_a_recipe_field_by_field(chain: Path) -> None:
    base = {"task": "chain", "backbone": {"level": 5.0, "ending": "diverges"}}
    plan = chain_plan({"A": {}, "B": {"backbone": {"level": 6.0}}}, base=base, scales={"mini": {"backbone": {}}})
    of_a, of_b = (plan.needs[label].identity for label in ("(backbone) A", "(backbone) B"))
    assert of_a == {"level": 5.0, "ending": "diverges"}
    assert of_b == {"level": 6.0, "ending": "diverges"}


def test_the_rules_of_a_recipe_inside_a_recipe_are_told_at_its_field(chain: Path) -> None:
    document: dict[str, Any] = {"base": {"norm_batch": 3}, "scales": {"paper": {"steps": 1, "epochs": 2}}}
    study = Study.model_validate(
        {
            "name": "a",
            "base": {"backbone": document["base"]},
            "scales": {"paper": {"backbone": document["scales"]["paper"]}},
            "rows": [{"label": "x"}],
        }
    )
    with pytest.raises(StudyError) as refused:
        check_base(study, SegmentRecipe)
    assert {(problem.pointer, problem.message) for problem in refused.value.problems} == {
        ("/base/backbone/norm_batch", "3 does not divide batch_size 256"),
        ("/scales/paper/backbone", "'epochs' and 'steps' exclude each other; give one of them"),
    }


def test_fields_of_a_recipe_inside_a_recipe_are_listed_below_it(
    chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.toml"
    file.write_text('[base]\ntask = "chain"\nofset = 1\n')
    assert status_of(["check", str(file), "--fields"]) == 0
    shown = capsys.readouterr().out
    assert "backbone = null\n    table or null" in shown
    assert "backbone.level = 10.0\n    number" in shown


def test_a_check_tells_what_rows_need(chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "study.json"
    base = {"task": "chain", "backbone": {}}
    file.write_text(json.dumps({"name": "a", "seeds": 2, "base": base, "rows": [{"label": "A"}]}))
    assert status_of(["check", str(file)]) == 0
    told = "4 trials, 4 distinct (2 of them train weights that others start from), 0 known"
    assert told in capsys.readouterr().out


def test_what_rows_need_is_built_and_looked_at_before_anything_is_trained(chain: Path) -> None:
    plan = with_classification(chain_plan({"A": {}}), dataset="digits", train_images=1_000_000)
    with Pool([{"OMP_NUM_THREADS": "1"}]) as pool, pytest.raises(StudyError) as refused:
        count_costs(plan, pool)
    (problem,) = refused.value.problems
    assert problem.pointer == "/rows/0"
    assert problem.message.startswith("row 'A', its backbone: train_images is 1,000,000, and data set 'digits' has")


def test_hours_of_a_gpu_are_those_of_what_rows_need_too(chain: Path) -> None:
    plan = with_classification(chain_plan({"A": {}}), dataset="digits", steps=10)
    hours = outstanding_gpu_hours(plan, {"(backbone) A": Cost(params=1, params_without_norm=1, multiply_adds=1)}, ())
    of_need = hours[plan.memberships["(backbone) A", 0]]
    assert of_need is not None
    assert 0 < of_need < 1e-9
    assert hours[plan.memberships["A", 0]] is None


def test_a_folder_of_images_is_pinned_inside_a_recipe_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    for split in ("cat", "dog"):
        for number in range(6):
            write_image(tmp_path / "pets" / split / f"{number}.png", number)
    name = register("pets", tmp_path / "pets").registered.pinned
    recipe = SegmentRecipe(dataset="digits", backbone=BackboneTraining(dataset="pets"))
    assert pinned(recipe) == SegmentRecipe(dataset="digits", backbone=BackboneTraining(dataset=name))
    found = pinned(recipe)
    assert isinstance(found, SegmentRecipe)
    assert found.backbone_recipe() == ClassifyRecipe(dataset=name)
