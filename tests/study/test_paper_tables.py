from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import StudyError, TableError
from ablate.models.cost import count_cost
from ablate.models.features import build_features
from ablate.paper.published import load_published
from ablate.recipes.classify import ClassifyRecipe
from ablate.recipes.scenes import DetectRecipe, SegmentRecipe
from ablate.study.gpu_hours import RATE, count_images, detector_multiply_adds, outstanding_gpu_hours, trial_gpu_hours
from ablate.study.paper_tables import choose_tables, list_tables
from ablate.study.plan import plan_document
from ablate.tasks.detect.network import RetinaNet
from ablate.tasks.segment.network import PSPNet, build_street_features
from ablate.training.determinism import Streams
from ablate.trials.trial import Cost


def test_the_tables_come_in_the_order_of_the_paper_and_can_be_trained_in_miniature() -> None:
    tables = list_tables()
    numbers = [int(table.id[1:]) for table in tables]
    assert numbers == sorted(set(numbers))
    assert {5, 7} <= set(numbers)
    for table in tables:
        assert {"mini", "paper"} <= set(table.scales)
        assert table.rows == len(plan_document(dict(table.document), scale="mini").rows)
        assert table.rows <= len(load_published().column(table.id).cells)
        assert table.question


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f'name = "{Path(name).stem}"\n{text}')


def test_a_study_file_belongs_to_a_table_by_what_it_says(tmp_path: Path) -> None:
    write(tmp_path, "ten.toml", '[table]\npublished = "T10"')
    write(tmp_path, "two.toml", '[table]\npublished = "T2"')
    write(tmp_path, "figure.toml", '[table]\npublished = "F1"')
    write(tmp_path, "alone.toml", "")
    (tmp_path / "notes.md").write_text("no study")
    assert [(table.id, table.name) for table in list_tables(tmp_path)] == [("T2", "two"), ("T10", "ten")]


def test_two_files_for_one_table_and_a_file_that_is_no_toml_are_named(tmp_path: Path) -> None:
    write(tmp_path, "b.toml", '[table]\npublished = "T2"')
    write(tmp_path, "a.toml", '[table]\npublished = "T2"')
    with pytest.raises(TableError, match=r"two study files name the printed table T2: a\.toml and b\.toml"):
        list_tables(tmp_path)
    (tmp_path / "a.toml").write_text("name =")
    with pytest.raises(TableError, match=r"'a\.toml' is not TOML"):
        list_tables(tmp_path)


def test_tables_are_chosen_by_name_in_the_order_given() -> None:
    tables = [table for table in list_tables() if table.id != "T3"]
    assert [table.id for table in choose_tables(["T7", "T5"], tables)] == ["T7", "T5"]
    assert choose_tables([], tables) == list(tables)
    assert [table.id for table in choose_tables(["T2"], tables, scale="released-code")] == ["T2"]
    with pytest.raises(StudyError) as caught:
        choose_tables(["T5", "T3", "T50", "T5"], tables)
    codes = [(problem.pointer, problem.code) for problem in caught.value.problems]
    assert codes == [
        ("/tables/1", "not_yet_supported"), ("/tables/2", "unknown_table"), ("/tables/3", "duplicate"),
    ]  # fmt: skip


RESNET50 = Cost(params=25_557_032, params_without_norm=25_503_912, multiply_adds=4_089_000_000)


def test_the_hours_of_resnet50_are_those_that_its_throughput_gives() -> None:
    recipe = ClassifyRecipe(epochs=90, batch_size=256)
    assert count_images(recipe) == 90 * 5004 * 256
    assert trial_gpu_hours(recipe, RESNET50) == pytest.approx(count_images(recipe) / 938 / 3600)
    mixed = recipe.model_copy(update={"precision": "bf16"})
    assert trial_gpu_hours(mixed, RESNET50) == pytest.approx(count_images(recipe) / 2470 / 3600)


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{}, {"stem": "small_s2"}])
def test_a_detector_takes_what_its_backbone_and_heads_take_at_its_resolution(fields: dict[str, Any]) -> None:
    recipe = DetectRecipe(activation="relu", resolution_px=600, batch_size=2, steps=720_000, **fields)
    stream = Streams(0).on_cpu
    features = build_features(recipe, stream, resolution_px=224)
    side = 640
    counted = count_cost(RetinaNet(features, recipe, 80, stream), side).multiply_adds / side**2
    backbone = count_cost(build_features(recipe, stream, resolution_px=224).network, 224).multiply_adds
    area = 600 * 800
    assert detector_multiply_adds(recipe, backbone) / area == pytest.approx(counted, rel=0.04)
    hours = trial_gpu_hours(recipe, Cost(params=1, params_without_norm=1, multiply_adds=backbone))
    assert hours == pytest.approx(720_000 * 2 * counted * area * 3 / RATE["fp32"] / 3600, rel=0.04)


MINIATURE = {"width": 0.125, "depth": (1, 1, 1, 1), "stem": "small_s2", "pyramid_channels": 32}


@pytest.mark.slow
@pytest.mark.parametrize(("fields", "tolerance"), [({}, 0.005), (MINIATURE, 0.1), (MINIATURE | {"stem": "small"}, 0.1)])
def test_a_segmenter_takes_what_its_backbone_and_heads_take(fields: dict[str, Any], tolerance: float) -> None:
    recipe = SegmentRecipe(activation="relu", crop_px=712, steps=37_000, **fields)
    stream, side = Streams(0).on_cpu, 224
    features = build_street_features(recipe, stream, side)
    earlier = features.channels["C4"]
    in_aux = (9 * earlier + 19) * (earlier // 4) * (side // 8) ** 2  # counted in evaluation, where there is none
    counted = (count_cost(PSPNet(features, recipe, 19, stream), side).multiply_adds + in_aux) / side**2
    cost = count_cost(build_features(recipe, stream, resolution_px=side).network, side)
    hours = trial_gpu_hours(recipe, cost)
    assert hours == pytest.approx(37_000 * 16 * 712**2 * counted * 3 / RATE["fp32"] / 3600, rel=tolerance)
    whole = recipe.model_copy(update={"augment": "flip", "dataset": "cityscapes"})
    assert trial_gpu_hours(whole, cost) == pytest.approx(hours * 1024 * 2048 / 712**2)


@pytest.mark.parametrize("table", ["T3", "T4"])
def test_a_miniature_of_scenes_takes_minutes_of_a_gpu_and_asks_for_no_confirmation(table: str) -> None:
    [chosen] = choose_tables([table], list_tables())
    plan = plan_document(dict(chosen.document), scale="mini", seeds=1)
    small = Cost(params=1, params_without_norm=1, multiply_adds=20_000_000)
    hours = outstanding_gpu_hours(plan, {row.label: small for row in plan.rows}, known=())
    assert 0 < sum(hours[plan.memberships[row.label, 0]] or 0 for row in plan.rows) < 0.5


def test_hours_of_a_study_of_detectors_are_those_of_its_trials_and_their_backbones() -> None:
    [table] = choose_tables(["T3"], list_tables())
    plan = plan_document(dict(table.document), scale="paper", seeds=1)
    hours = outstanding_gpu_hours(plan, {}, known=())
    assert hours.keys() == plan.trials.keys()
    assert len(plan.needed) == len(plan.rows) == 7
    assert min(hours[key] or 0 for key in plan.needed) > max(hours[key] or 0 for key in hours.keys() - plan.needed) > 1


@given(st.integers(1, 10_000), st.integers(1, 4096), st.integers(1, 10**10))
def test_hours_follow_images_and_multiply_adds(steps: int, batch_size: int, multiply_adds: int) -> None:
    cost = Cost(params=1, params_without_norm=1, multiply_adds=multiply_adds)
    recipe = ClassifyRecipe(steps=steps, batch_size=batch_size)
    assert count_images(recipe) == steps * batch_size
    once = trial_gpu_hours(recipe, cost)
    assert trial_gpu_hours(recipe.model_copy(update={"steps": 2 * steps}), cost) == pytest.approx(2 * once)
    twice = cost.model_copy(update={"multiply_adds": 2 * multiply_adds})
    assert trial_gpu_hours(recipe, twice) == pytest.approx(2 * once)


def test_only_what_is_outstanding_is_counted_audit_copies_too() -> None:
    [table] = choose_tables(["T5"], list_tables())
    document = dict(table.document) | {"audit": True}
    plan = plan_document(document, scale="paper", seeds=2)
    half = RESNET50.model_copy(update={"multiply_adds": RESNET50.multiply_adds // 2})
    hours = outstanding_gpu_hours(plan, {row.label: half for row in plan.rows[:-1]}, known=())
    assert hours.keys() == plan.trials.keys()
    of_row = {label: hours[plan.memberships[label, 0]] for label in (row.label for row in (*plan.rows, *plan.audits))}
    *counted, uncounted, audit = of_row.values()
    assert set(counted) == {audit}
    assert uncounted == pytest.approx(2 * (audit or 0))  # counts as ResNet-50
    known = next(iter(plan.trials))
    assert outstanding_gpu_hours(plan, {}, {known}).keys() == plan.trials.keys() - {known}
