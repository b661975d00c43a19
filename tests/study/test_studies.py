"""The study files that come with ablate: consistent, and the eight tables of the paper share their common trials."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import StudyError
from ablate.paper.presets import preset_fields, preset_of
from ablate.paper.published import load_published
from ablate.recipes.classify import TrainingFields, applicable_values, inapplicable_fields
from ablate.study.paper_tables import PaperTable, list_tables
from ablate.study.plan import MAX_TRIALS, Plan, Row, plan_document
from ablate.tables.build import build_table
from ablate.tables.formats.render import FORMATS, render
from ablate.tables.printed_comparability import papers_own, unlike_printed

FOLDER = Path(__file__).parents[2] / "studies"
FILES = sorted(FOLDER.glob("*.toml"))
SCALES = [
    pytest.param(path, scale, id=f"{path.stem}-{scale}")
    for path in FILES
    for scale in (None, *tomllib.loads(path.read_text()).get("scales", {}))
]
CLASSIFICATION = ["T1", "T2", "T5", "T6", "T7", "T8", "T9", "T10"]
SHARED = ("mini", "lab", "paper")
"""The scales that every table has."""
RELEASED = ["T1", "T5", "T6", "T7", "T9", "T10"]
"""Tables of networks that the authors released."""


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def tables() -> list[PaperTable]:
    return [table for table in list_tables() if table.id in CLASSIFICATION]


def plans(scale: str) -> dict[str, Plan]:
    return {table.id: plan_document(dict(table.document), scale=scale) for table in tables() if scale in table.scales}


def rows(scale: str) -> Iterator[Row]:
    for plan in plans(scale).values():
        yield from plan.rows


@pytest.mark.parametrize(("path", "scale"), SCALES)
def test_a_study_plans_without_a_finding_and_json_plans_the_same_trials(path: Path, scale: str | None) -> None:
    plan = plan_document(read(path), scale=scale)
    assert len(plan.memberships) <= MAX_TRIALS
    few_seeds = {"power"} if path.stem in ("smoke", "table03", "table04") else set()
    assert {warning.code for warning in plan.warnings} <= few_seeds
    assert plan_document(json.loads(json.dumps(read(path))), scale=scale).memberships == plan.memberships


@pytest.mark.parametrize(("path", "scale"), SCALES)
def test_a_study_without_a_result_is_a_table_with_the_printed_numbers_in_every_format(
    path: Path, scale: str | None
) -> None:
    plan = plan_document(read(path), scale=scale)
    printed = load_published().column(plan.study.table.published) if plan.study.table.published else None
    table = build_table(plan, {}, published=printed)
    assert [row.label for row in table.rows] == [row.label for row in plan.rows]
    for format in FORMATS:
        text = render(table, format)
        numbers = [printed.cells[row.label][plan.metric].text for row in plan.rows] if printed else []
        assert [number for number in numbers if number not in text] == []


def test_the_eight_tables_of_classification_have_every_printed_row_once_in_order() -> None:
    assert [table.id for table in tables()] == CLASSIFICATION
    for scale in SHARED:
        found = plans(scale)
        for name, plan in found.items():
            assert [row.label for row in plan.rows] == list(load_published().column(name).cells)
        assert sum(len(plan.rows) for plan in found.values()) == 48


@pytest.mark.parametrize("scale", SHARED)
def test_48_rows_are_40_configurations_and_nothing_is_trained_twice(scale: str) -> None:
    found = plans(scale).values()
    seeds = {len(plan.seeds) for plan in found}
    assert seeds == {8}
    assert sum(len(plan.memberships) for plan in found) == 48 * 8
    assert len({key for plan in found for key in plan.trials}) == 40 * 8


@pytest.mark.parametrize("scale", [*SHARED, "released-code"])
def test_rows_that_the_paper_prints_with_one_configuration_share_their_trials(scale: str) -> None:
    found = plans(scale)
    together = [
        ("T1 resnet50 / FReLU", "T5 A Max(x, ParamPool(x))", "T7 B 3x3", "T8 ResNet-50 1x1+3x3", "T9 stages 2+3+4",
         "T10 FReLU"),
        ("T1 resnet50 / ReLU", "T10 ReLU"),
        ("T2 mobilenet_v1_x0.75 / FReLU", "T8 MobileNet 1x1+3x3"),
        ("T2 shufflenet_v2_x0.5 / FReLU", "T6 BN"),
    ]  # fmt: skip
    for group in together:
        places = [name.split(" ", 1) for name in group]
        keys = {found[table].memberships[label, 0] for table, label in places if table in found}
        assert len(keys) <= 1, group


@pytest.mark.parametrize("scale", SHARED)
def test_all_rows_of_all_tables_are_trained_alike_at_a_scale(scale: str) -> None:
    names = ("dataset", *TrainingFields.model_fields)
    trained = {tuple(getattr(row.recipe, name) for name in names) for row in rows(scale)}
    assert len(trained) == 1


@pytest.mark.parametrize(("scale", "preset"), [("paper", "paper-text"), ("released-code", "released-code")])
def test_the_papers_scales_are_the_presets_but_for_what_a_row_varies(scale: str, preset: str) -> None:
    assert list(plans(scale)) == (CLASSIFICATION if scale == "paper" else RELEASED)
    for name, plan in plans(scale).items():
        varied = {"activation", *(field for row in plan.rows for field in row.set)}
        for row in plan.rows:
            gone = inapplicable_fields(row.recipe)
            pinned = preset_fields(preset, str(getattr(row.recipe, "model", "")))
            values = applicable_values(row.recipe)
            wrong = {field for field, value in pinned.items() if field not in gone and values[field] != value}
            assert wrong <= varied, (name, row.label)
            assert preset_of(row.recipe) == preset


def test_no_other_scale_bears_the_name_of_a_preset() -> None:
    assert {preset_of(row.recipe) for scale in ("mini", "lab") for row in rows(scale)} == {None}


def test_the_miniature_of_resnet_50_keeps_its_trained_results() -> None:
    key = plans("mini")["T5"].memberships["A Max(x, ParamPool(x))", 0]
    assert key == "701d42b36425342e74ada97cc0645d9e1dd9a1b1c53ba1955715c79478b3b6b2"


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.id)
def test_the_head_of_a_file_says_the_command_and_every_printed_error(table: PaperTable) -> None:
    head = (FOLDER / table.file).read_text(encoding="utf-8").split("\nname =")[0]
    assert f"ablate run studies/{table.file} --scale mini" in head
    assert table.file == f"table{int(table.id[1:]):02}.toml"
    for cells in load_published().column(table.id).cells.values():
        assert cells["top1_error_pct"].text in head


ADDED_LATER = ("resnet50 / PReLU", "PReLU")
"""Rows of Tables 3 and 4 from Figure 1, which `studies/measured` does not have."""


@pytest.mark.parametrize("table", list_tables(), ids=lambda table: table.id)
def test_the_measured_table_has_the_rows_and_the_seeds_of_its_study(table: PaperTable) -> None:
    plan = plan_document(dict(table.document), scale="mini")
    text = (FOLDER / "measured" / f"{table.name}.md").read_text(encoding="utf-8")
    shown = [line.split(" | ")[0].strip("| ").removesuffix(" (baseline)") for line in text.splitlines() if "±" in line]
    left_out = ADDED_LATER if table.id in ("T3", "T4") else ()
    measured = [row.label for row in plan.rows if row.label not in left_out]
    assert shown[: len(measured)] == measured
    assert text.count(f" ({len(plan.seeds)})") >= len(measured)
    assert f"measured/{table.name}.md" in (FOLDER / f"{table.name}.toml").read_text(encoding="utf-8")


def test_one_table_has_one_of_the_papers_recipes() -> None:
    document = read(FOLDER / "table01.toml")
    document["rows"][3]["set"] |= document["scales"]["released-code"]
    with pytest.raises(
        StudyError, match=r"row 'resnet50 / ReLU' uses 'paper-text', row 'resnet50 / FReLU' uses 'released-code'"
    ):
        plan_document(document, scale="paper")
    del document["table"]["published"]
    assert plan_document(document, scale="paper").rows


def test_the_readme_names_every_study() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in FILES if f"`{path.name}`" not in readme] == []


def test_detection_starts_from_table_1s_trials_and_varies_the_activation_alone() -> None:
    (table,) = [table for table in list_tables() if table.id == "T3"]
    for scale in ("mini", "paper"):
        plan = plan_document(dict(table.document), scale=scale)
        assert [row.label for row in plan.rows] == list(load_published().column("T3").cells)
        shared = plan.needed & plans(scale)["T1"].trials.keys()
        assert len(shared) == 4 * len(plan.seeds), "ReLU, PReLU, Swish and FReLU in ResNet-50"
        for row in plan.rows:
            assert row.set.keys() - {"activation"} <= {
                "model", "stages", "layers", "window", "width", "depth", "stem",
            }  # fmt: skip
            assert preset_of(row.recipe) == ("paper-text" if scale == "paper" else None)


@pytest.mark.parametrize(("name", "metric"), [("T3", "map_pct"), ("T4", "mean_iu_pct")])
def test_the_head_of_a_table_of_scenes_says_the_command_and_every_printed_number(name: str, metric: str) -> None:
    file = f"table0{name[1]}.toml"
    head = (FOLDER / file).read_text(encoding="utf-8").split("\nname =")[0]
    assert f"ablate run studies/{file} --scale mini" in head
    for cells in load_published().column(name).cells.values():
        assert cells[metric].text in head


def test_segmentation_starts_from_table_1s_trials_and_varies_the_activation_alone() -> None:
    (table,) = [table for table in list_tables() if table.id == "T4"]
    for scale in ("mini", "paper"):
        plan = plan_document(dict(table.document), scale=scale)
        assert [row.label for row in plan.rows] == list(load_published().column("T4").cells)
        assert plan.needed <= plans(scale)["T1"].trials.keys()
        assert len(plan.needed) == 4 * len(plan.seeds)
        for row in plan.rows:
            assert row.set.keys() == {"activation"}
            assert preset_of(row.recipe) == ("paper-text" if scale == "paper" else None)


@pytest.mark.parametrize("scale", ["paper", "released-code"])
def test_every_row_at_the_papers_scales_is_the_printed_row(scale: str) -> None:
    shown = [table for table in list_tables() if scale in table.scales]
    assert len(shown) == (10 if scale == "paper" else 6)
    for table in shown:
        printed, plan = load_published().column(table.id), plan_document(dict(table.document), scale=scale)
        assert unlike_printed(plan, printed) == {}, table.id
        assert papers_own(plan, printed) == {row.label for row in plan.rows}, table.id


def test_the_other_reading_of_mobilenets_placement_is_a_scale_whose_rows_are_not_the_printed_ones() -> None:
    """The text replaces all ReLUs but those of the last stage. All stages were the scale paper of earlier versions."""
    named = {table.id for table in list_tables() if "paper-all" in table.scales}
    assert named == {"T2", "T8"}
    for name in named:
        document = dict(next(table.document for table in list_tables() if table.id == name))
        text, everywhere = (plan_document(document, scale=scale) for scale in ("paper", "paper-all"))
        printed = load_published().column(name)
        moved = [row.label for row in everywhere.rows if "MobileNet" in str(row.group) and "/ ReLU" not in row.label]
        assert unlike_printed(everywhere, printed) == dict.fromkeys(moved, "stages all (paper: 1+2+3+4)")
        assert papers_own(everywhere, printed) == {row.label for row in everywhere.rows} - {*moved}
        for label in (row.label for row in text.rows):
            is_same = text.memberships[label, 0] == everywhere.memberships[label, 0]
            assert is_same == (label not in moved), label
        both = "mobilenet_v1_x0.75 / FReLU" if name == "T2" else "MobileNet 1x1+3x3"
        assert everywhere.memberships[both, 0].startswith("7885343429b3e5ef"), "trials of before keep their results"


def test_prelu_in_detection_and_segmentation_is_said_to_be_from_figure_1() -> None:
    for name, label, metric in (("T3", "resnet50 / PReLU", "map_pct"), ("T4", "PReLU", "mean_iu_pct")):
        document = dict(next(table.document for table in list_tables() if table.id == name))
        plan, printed = plan_document(document, scale="paper"), load_published().column(name)
        table = build_table(plan, {}, published=printed)
        cell = table.row(label).cells[metric].published
        gain = load_published().column("F1").cells["PReLU"]["detection" if name == "T3" else "segmentation"].value
        assert (cell.source, cell.diff) == ("FIG1", gain)
        assert any(f"About '{label}' as printed: Not in the table" in note for note in table.notes)


def test_what_is_assumed_of_a_printed_row_is_said_below_its_table() -> None:
    document = dict(next(table.document for table in list_tables() if table.id == "T5"))
    notes = build_table(plan_document(document), {}, published=load_published().column("T5")).notes
    poolings = "About 'B Max(x, MaxPool(x))', 'C Max(x, AvgPool(x))' as printed: Assumed: no normalisation follows"
    assert sum(note.startswith(poolings) for note in notes) == 1
