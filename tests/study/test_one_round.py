"""Every wrong field, value and name of a study is reported at once, each with its place and the right name."""

from __future__ import annotations

from typing import Any

import pytest

from ablate.errors import StudyError, nearest
from ablate.study.document import OTHER_PLACES
from ablate.study.plan import plan_document

FIELDS = [
    "optimizer",
    "lr",
    "epochs",
    "steps",
    "batch_size",
    "weight_decay",
    "momentum",
    "schedule",
    "model",
    "dataset",
    "activation",
]


def problems(**document: Any) -> dict[str, str]:
    """Pointer -> message of every problem of a study."""
    with pytest.raises(StudyError) as caught:
        plan_document({"name": "x", "seeds": 2, "rows": [{"label": "A"}]} | document)
    return {one.pointer: one.message for one in caught.value.problems}


def test_wrong_names_of_every_registry_are_reported_in_one_round() -> None:
    base = {
        "dataset": "digit", "model": "resnet5", "activation": "rely", "norm": "batchnorm", "schedule": "cos",
        "augment": "hflip", "precision": "bfloat16", "learning_rate": 1,
    }  # fmt: skip
    table = {"test": "ttest", "published": "T77", "headline": ["B"], "baseline": "C"}
    found = problems(base=base, stpes=3, metric="top1", table=table | {"test": "auto"})
    assert found["/base/dataset"] == "no data set 'digit'; did you mean 'digits'?"
    assert found["/base/model"] == "no network 'resnet5'; did you mean 'resnet50'?"
    assert found["/base/activation"].endswith("or 'frelu'; did you mean 'relu'?")
    assert found["/base/norm"].endswith("; did you mean 'bn'?")
    assert found["/base/schedule"].endswith("; did you mean 'cosine'?")
    assert found["/base/augment"].endswith("; did you mean 'flip'?")
    assert found["/base/precision"].endswith("; did you mean 'bf16'?")
    assert found["/base/learning_rate"] == "no recipe field 'learning_rate'; did you mean 'lr'?"
    assert found["/stpes"] == "no field 'stpes' here; did you mean 'steps', which belongs in [base]?"
    assert found["/metric"] == "task 'classify' has no metric 'top1'; did you mean 'top1_error_pct'?"
    assert {"/table/published", "/table/baseline"} <= found.keys()
    assert problems(table=table)["/table/test"].endswith("; did you mean 't'?")


def test_a_wrong_recipe_does_not_hide_wrong_labels() -> None:
    found = problems(base={"activation": "rely"}, table={"headline": ["B"], "published": "T7"}, canary={"rows": ["C"]})
    assert {"/base/activation", "/table/headline/0", "/table/published", "/canary/rows/0"} <= found.keys()


def test_wrong_labels_of_sound_rows_are_reported_together() -> None:
    found = problems(table={"headline": ["B"], "published": "T7"}, canary={"rows": ["C"]})
    assert {"/table/headline/0", "/table/published", "/canary/rows/0"} <= found.keys()


def test_a_wrong_task_or_factor_does_not_hide_the_rest() -> None:
    factors = [{"name": "actvation", "levels": ["relu"]}, {"name": "norm", "levels": ["bn", "batch"]}]
    found = problems(
        base={"task": "clasify", "dataset": "digit", "lr": -1}, factors=factors, rows=[{"label": "A", "set": {"wd": 1}}]
    )
    assert found["/base/task"] == "no task 'clasify'; did you mean 'classify'?"
    places = {"/base/dataset", "/base/lr", "/factors/0/name", "/factors/1/levels/1", "/rows/0/set/wd"}
    assert places <= found.keys()


def test_a_data_set_is_found_wherever_it_is_named() -> None:
    found = problems(
        base={"dataset": "digits"}, seeds=0, scales={"mini": {"dataset": "cifar"}, "paper": {"dataset": "unused"}},
        rows=[{"label": "A", "set": {"dataset": "coco"}}],
    )  # fmt: skip
    assert found["/scales/mini/dataset"] == "no data set 'cifar'; did you mean 'cifar10'?"
    assert found["/rows/0/set/dataset"].startswith("data set 'coco' is for detect, not classify; allowed for classify:")
    assert not {"/base/dataset", "/scales/paper/dataset"} & found.keys()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("optim", "optimizer"),
        ("learning_rate", "lr"), ("Learning-Rate", "lr"), ("epoch", "epochs"), ("bs", "batch_size"),
        ("wd", "weight_decay"), ("LR", "lr"), ("max_steps", "steps"), ("lr_scheduler", "schedule"), ("arch", "model"),
    ],
)  # fmt: skip
def test_words_of_other_tools_are_known(given: str, meant: str) -> None:
    assert nearest(given, FIELDS) == f"; did you mean '{meant}'?"


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("num_gpus", "; did you mean 'gpus', which belongs in [resources]?"),
        ("seed", "; did you mean 'seeds', which belongs at the top of the study?"),
        ("alpha", "; it belongs in [table]"),
    ],
)
def test_what_a_recipe_has_not_is_answered_with_what_to_do(given: str, answer: str) -> None:
    assert nearest(given, FIELDS, OTHER_PLACES) == answer


def test_another_thing_that_is_spelt_alike_is_not_proposed() -> None:
    assert nearest("adamax", ["adam", "adamw"]) == "; allowed: adam, adamw"


@pytest.mark.parametrize(
    ("name", "proposed"), [("Window size", "'window-size'"), ("Größe 3×3", "'grosse-3x3'"), ("it's", "'its'")]
)
def test_a_title_given_as_name_is_answered_with_a_name(name: str, proposed: str) -> None:
    message = problems(name=name)["/name"]
    assert message.startswith("a name has 1 to 64 letters, digits, ")
    assert message.endswith(f"; for example {proposed}")


def test_no_regular_expression_reaches_a_person() -> None:
    found = problems(base={"dataset": "../x", "model": "ResNet-50"}, name="~")
    assert not any("^" in message or "[A-Z" in message for message in found.values())
    assert found["/base/dataset"].startswith("a data set's name has letters, digits")
    assert found["/base/model"] == "no network 'ResNet-50'; did you mean 'resnet50'?"


def test_names_in_a_pointer_are_kept_whatever_they_look_like() -> None:
    groups = {"ResNet-50": {"sett": {}}, "int": {"set": 1}, "list[int]": {"scales": {"constrained-int": 2}}}
    found = problems(groups=groups, table={"baseline": {"ResNet-50": 5}})
    places = {"/groups/ResNet-50/sett", "/groups/int/set", "/groups/list[int]/scales/constrained-int"}
    assert found.keys() == {*places, "/table/baseline/ResNet-50"}


LABELS = ("Ours: FReLU", "3×3", "10%", "it's", "α", "ResNet\u00a050", "👩\u200d🔬")


def test_words_of_a_user_are_labels_and_are_shown_as_written() -> None:
    rows = [{"label": label} for label in LABELS]
    assert [row.label for row in plan_document({"name": "x", "rows": rows}).rows] == list(LABELS)
    found = problems(rows=[*rows, *rows])
    for index, label in enumerate(LABELS, start=len(LABELS)):
        assert label in found[f"/rows/{index}/label"]


@pytest.mark.parametrize("hidden", ["\n", "\x1b", "\u202e", "\u2028", "\x85"])
def test_a_hidden_character_in_a_label_is_named(hidden: str) -> None:
    shown = hidden.encode("unicode_escape").decode()
    found = problems(rows=[{"label": f"a{hidden}b"}])
    assert found == {"/rows/0/label": f"contains {shown}, a character that is not shown; remove it"}


def test_a_long_word_loses_only_its_middle() -> None:
    found = problems(base={"x" * 60 + "y" * 60: 1})
    (message,) = found.values()
    assert message.startswith(f"no recipe field '{'x' * 30}...{'y' * 31}'")
