"""The document: what is accepted, what is refused, and how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import StudyError
from ablate.study.document import Study, with_resources
from ablate.study.plan import plan_document
from ablate.study.text import parse_json, parse_toml, read_document
from ablate.text import visible

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))


def problems(document: object) -> dict[str, str]:
    with pytest.raises(StudyError) as caught:
        plan_document(document)
    return {problem.pointer: problem.message for problem in caught.value.problems}


def test_resources_asked_for_replace_those_written_field_by_field() -> None:
    document = {"name": "a", "resources": {"cpus": 4, "gpus": 1}}
    assert with_resources(document, {"gpus": 8})["resources"] == {"cpus": 4, "gpus": 8}
    assert with_resources(document, {}) is document
    assert with_resources([1], {"gpus": 8}) == [1], "the reader of the document says what is wrong with it"


def test_every_error_of_a_wrong_study_is_reported_at_once_with_its_place(document: dict[str, Any]) -> None:
    document["metrik"] = "top1_error_pct"
    document["seeds"] = [1, 1]
    document["base"] |= {"conditon": "max_pool", "lr": "fast"}
    document["rows"][2]["set"] = {"window": "9x9"}
    document["rows"].append({"label": "ReLU"})
    document["scales"] = {"big": {"batch_size": 0}}
    document["table"] = {"baseline": "RELU", "published": "T77"}
    found = problems(document)
    assert "did you mean 'metric'" in found["/metrik"]
    assert "did you mean 'condition'" in found["/base/conditon"]
    assert "number" in found["/base/lr"]
    assert "'5x5'" in found["/rows/2/set/window"]
    assert "is repeated" in found["/rows/3/label"]
    assert "did you mean 'ReLU'" in found["/table/baseline"]
    assert "T77" in found["/table/published"]
    assert found.keys() >= {"/seeds", "/scales/big/batch_size"}


@pytest.mark.parametrize("broken", [[], {}, 3, None, {"name": "a", "rows": 3}, {"name": "a", "rows": [3]}])
def test_a_document_of_another_shape_is_refused_in_words(broken: object) -> None:
    assert all("Input" not in message and "instance of" not in message for message in problems(broken).values())


def test_a_field_that_is_not_built_yet_is_refused_by_name(document: dict[str, Any]) -> None:
    assert problems(document | {"search": {}}) == {"/search": "'search' is not yet supported; remove it"}


def test_adaptive_seeds_are_refused_as_not_yet_supported(document: dict[str, Any]) -> None:
    found = problems(document | {"seeds": {"min": 3, "max": 9}})
    assert "not yet supported" in found["/seeds"]


@pytest.mark.parametrize(
    ("table", "pointer"),
    [
        ({"margin": 0}, "/table/margin"),
        ({"margin": float("inf")}, "/table/margin"),
        ({"margin": "0.2"}, "/table/margin"),
        ({"alpha": 0.0}, "/table/alpha"),
        ({"alpha": 1.0}, "/table/alpha"),
        ({"test": "wilcoxon"}, "/table/test"),
        ({"headline": []}, "/table/headline"),
    ],
)
def test_how_a_table_decides_is_checked(document: dict[str, Any], table: dict[str, Any], pointer: str) -> None:
    assert list(problems(document | {"table": table})) == [pointer]


def test_how_a_table_decides_has_documented_defaults() -> None:
    table = Study.parse({"name": "a", "table": {"margin": 1, "headline": ["b"]}}).table
    assert (table.margin, table.alpha, table.test, table.headline) == (1.0, 0.05, "auto", ["b"])


@pytest.mark.parametrize(
    ("seeds", "place", "text"),
    [
        ("x", "/seeds", "should be a count (1 to 10,000) or a list of distinct seeds, not text"),
        (1.5, "/seeds", "should be a count (1 to 10,000) or a list of distinct seeds, not a number with a point"),
        (True, "/seeds", "should be a count (1 to 10,000) or a list of distinct seeds, not a boolean"),
        (None, "/seeds", "should be a count (1 to 10,000) or a list of distinct seeds, not null"),
        ([], "/seeds", "the list is empty; give a count or at least one seed"),
        ({}, "/seeds", "a table {min, max, alpha} is not yet supported; give a count or a list of seeds"),
        (0, "/seeds", "should be greater than or equal to 1"),
        ([0, 0], "/seeds", "the list repeats a seed; each seed must be distinct, since rows are paired by seed"),
        ([0, "a"], "/seeds/1", "should be a whole number"),
    ],
)
def test_wrong_seeds_are_told_in_one_sentence(document: dict[str, Any], seeds: object, place: str, text: str) -> None:
    assert problems(document | {"seeds": seeds}) == {place: text}


@pytest.mark.parametrize("name", ["rows", "exclude"])
def test_a_table_in_single_brackets_is_answered_with_the_double_ones(name: str) -> None:
    with pytest.raises(StudyError) as caught:
        Study.parse({"name": "x", "seeds": 1, "rows": [{"label": "a"}]} | {name: {"label": "a"}})
    (problem,) = caught.value.problems
    assert problem.pointer == f"/{name}"
    assert f"write [[{name}]] in double brackets" in problem.message


def test_numbers_are_not_read_from_text_nor_booleans_from_numbers(document: dict[str, Any]) -> None:
    document["base"] |= {"lr": "0.1", "se": 1}
    assert problems(document).keys() == {"/base/lr", "/base/se"}
    assert "/seeds" in problems(document | {"seeds": True})


def test_nan_in_a_toml_file_is_refused() -> None:
    assert "finite" in problems(parse_toml('name = "a"\n[base]\nlr = nan\n[[rows]]\nlabel = "x"\n'))["/base/lr"]


@pytest.mark.parametrize(
    "text",
    ['{"a": NaN}', '{"a": 1e999}', '{"a": 1, "a": 2}', '"\\ud800"', "[" * 40 + "]" * 40, "[" * 100_000, "{", "nul"],
)
def test_json_is_read_strictly(text: str) -> None:
    with pytest.raises(StudyError, match="not strict JSON"):
        parse_json(text)


def test_a_file_that_is_not_there_or_not_toml_ends_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="No such file"):
        read_document(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text('a = 1\nname = "x\n')
    with pytest.raises(StudyError, match="line 2"):
        read_document(broken)


def test_a_name_that_could_deceive_is_shown_with_escapes(document: dict[str, Any]) -> None:
    document["base"]["\x1b[2J\u202e"] = 1
    assert r"'\x1b[2J\u202e'" in problems(document)[r"/base/\x1b[2J\u202e"]


@pytest.mark.parametrize("name", ["a\x1b]0;evil\x07", "a\nb", "a\u202eb", "a\u2066b"], ids=ascii)
def test_no_name_of_a_study_may_have_control_characters_or_overrides(toy: str, name: str) -> None:
    """Wherever a name is written; a title and a question may have them."""
    base, rows = {"task": "toy"}, [{"label": "plain"}]
    grid = {"name": "a", "base": base, "design": "grid"}
    grid_of_two = {"design": "grid", "rows": [], "factors": [{"name": "offset", "levels": [1.0, 2.0]}]}
    wrong: dict[str, dict[str, Any]] = {
        "/name": {"name": name},
        "/metric": {"metric": name},
        "/metrics/0": {"metrics": [name]},
        "/rows/1/label": {"rows": [*rows, {"label": name}]},
        "/rows/1/group": {"rows": [*rows, {"label": "b", "group": name}]},
        "/scales": {"scales": {name: {}}},
        "/groups": {"groups": {name: {}}},
        "/table/baseline": {"table": {"baseline": name}},
        "/table/headline/0": {"table": {"headline": [name]}},
        "/table/published": {"table": {"published": name}},
        "/table/group_by": {"table": {"group_by": name}},
        "/canary/rows/0": {"canary": {"rows": [name]}},
        "/base/task": {"base": {"task": name}},
        "/factors/0/name": {**grid, "factors": [{"name": name, "levels": [{"label": "x", "set": {}}]}]},
        "/factors/0/levels/0": {**grid, "factors": [{"name": "ending", "levels": [name]}]},
        "/factors/1/levels/0": {
            **grid,
            "factors": [{"name": "offset", "levels": [1.0]}, {"name": "b", "levels": [{"label": name, "set": {}}]}],
        },
        "/table/group_by ": {**grid_of_two, "base": {**base, "ending": name}, "table": {"group_by": "ending"}},
    }
    for place, members in wrong.items():
        found = problems({"name": "a", "base": base, "rows": rows, **members})
        assert any(pointer.startswith(place.strip()) for pointer in found), (place, found)
        shown = "".join([*found, *found.values()])
        assert visible(shown) == shown
    study = plan_document({"name": "a", "base": base, "rows": rows, "title": name, "question": name}).study
    assert (study.title, study.question) == (name, name)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_of_ours_plans_at_every_scale_and_is_the_same_as_json(path: Path) -> None:
    document = read_document(path)
    assert Study.parse(parse_json(json.dumps(document))) == Study.parse(document)
    for scale in (None, *document.get("scales", {})):
        plan = plan_document(document, scale=scale)
        assert len(plan.trials) == len(set(plan.memberships.values()))
        assert len(plan.memberships) == (len(plan.rows) + len(plan.needs)) * len(plan.seeds)


@pytest.mark.parametrize("field", ["my-field", "int", "a[0]"])
def test_an_unknown_field_is_told_however_it_is_called(document: dict[str, Any], field: str) -> None:
    with pytest.raises(StudyError, match="no field") as caught:
        Study.parse(document | {field: 1})
    assert [problem.code for problem in caught.value.problems] == ["unknown_field"]


def test_a_number_of_many_digits_is_no_toml() -> None:
    with pytest.raises(StudyError, match="not TOML"):
        parse_toml("seeds = " + "9" * 5000)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"name": "di gits"},
            "a name has 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit; for example "
            "'di-gits'",
        ),
        ({"factors": [{"name": "window", "levels": []}]}, "should have at least 1 item"),
        ({"table": {"baseline": {"x": "a"}}}, "no group 'x'; the study has no groups, so give the label of a row"),
    ],
)
def test_an_error_is_in_plain_words(change: dict[str, Any], text: str) -> None:
    with pytest.raises(StudyError) as caught:
        plan_document({"name": "a", "rows": [{"label": "a"}, {"label": "b", "set": {"se": True}}]} | change)
    assert text in [problem.message for problem in caught.value.problems]
