from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablate.errors import TableError
from ablate.paper import published as module
from ablate.paper.published import load_published, parse_printed, studies_folder


@pytest.fixture(scope="module")
def tables():
    return load_published()


def test_all_ten_tables_of_the_paper_are_there(tables):
    assert {f"T{number}" for number in range(1, 11)} <= set(tables.tables)


def test_numbers_keep_the_digits_in_which_they_were_printed(tables):
    cells = tables.column("T1").cells["resnet50 / ReLU"]
    assert (cells["top1_error_pct"].text, cells["top1_error_pct"].value) == ("24.0", 24.0)
    assert (cells["params"].text, cells["params"].value) == ("25.5M", 25_500_000.0)
    assert (cells["multiply_adds"].text, cells["multiply_adds"].value) == ("3.86G", 3_860_000_000.0)


def test_metrics_have_our_names(tables):
    detection = tables.column("T3").cells["resnet50 / FReLU"]
    assert {"map_pct", "ap50_pct", "ap75_pct", "aps_pct", "apm_pct", "apl_pct"} <= set(detection)
    segmentation = tables.column("T4").cells["FReLU"]
    assert segmentation["mean_iu_pct"].value == 78.9
    assert segmentation["iu_traffic_light_pct"].value == 72.2


def test_a_printed_difference_has_no_binary_noise(tables):
    cells = tables.column("T7").cells
    difference = cells["A 1x1"]["top1_error_pct"].minus(cells["B 3x3"]["top1_error_pct"])
    assert (difference.text, difference.value) == ("+1.3", 1.3)
    nothing = cells["B 3x3"]["top1_error_pct"].minus(cells["F Max(1x3, 3x1)"]["top1_error_pct"])
    assert (nothing.text, nothing.value) == ("0.0", 0.0)


def test_sources_come_with_their_long_text(tables):
    table = tables.column("T1")
    assert table.sources["resnet50 / ReLU"] == ("IMG_LJ", "IMG_PH", "README")
    assert "screenshots" in table.source_texts["IMG_LJ"]


def test_labels_that_join_nothing_are_listed_with_the_nearest_name(tables):
    table = tables.column("T7")
    assert table.unmatched(["B 3x3", "C 5x6", "D 7x7"]) == ["C 5x6"]
    assert "did you mean 'C 5x5'" in table.suggest("C 5x6")


def test_an_unknown_table_names_the_nearest(tables):
    with pytest.raises(TableError, match="no published table 'T77'; did you mean 'T7'"):
        tables.column("T77")


@pytest.mark.parametrize("text", ["abc", "1e3", "25.5X", "", "NaN"])
def test_what_is_no_printed_number_is_refused(text):
    with pytest.raises(ValueError, match="is not a printed number"):
        parse_printed(text)


@pytest.mark.parametrize("content", ["[]", "{", '{"tables": [{}]}', json.dumps({"tables": 3})])
def test_a_file_of_another_form_is_refused_by_its_name(tmp_path: Path, content: str):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(TableError, match=r"'other\.json' is not a file of published tables"):
        load_published(path)


def test_a_missing_file_is_refused_by_its_name(tmp_path: Path):
    with pytest.raises(TableError, match=r"cannot read the published tables in 'none\.json': No such file"):
        load_published(tmp_path / "none.json")


def test_the_file_is_found_beside_the_package_and_inside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "ablate"
    package.mkdir()
    (tmp_path / "studies").mkdir()
    monkeypatch.setattr(module.resources, "files", lambda name: package)
    assert studies_folder() == tmp_path / "studies"
    (package / "studies").mkdir()
    assert studies_folder() == package / "studies"
