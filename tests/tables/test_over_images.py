"""Two rows on the same test images: the interval over seeds and images, its words, and the images that flip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.data.add_folder import register
from ablate.data.datasets import list_files, pin
from ablate.tables.build import build_table
from ablate.tables.two_rows import compare_rows
from ablate.trials.items import Items
from tests.image_folders import write_folder

SEEDS, IMAGES = 6, 200


@pytest.fixture
def plan(make_plan: Any) -> Any:
    return make_plan([{"label": "base"}, {"label": "new", "set": {"lr": 0.1}}], seeds=range(SEEDS))


@pytest.fixture
def tested(plan: Any, make_record: Any, make_outcome: Any) -> Any:
    """Makes records from the wrong images of each row and seed, {label: [seed 0, seed 1, ...]}."""

    def make(wrong: dict[str, list[list[int]]], dataset: str = "digits", labels: Any = None, **metrics: float) -> Any:
        truth = np.zeros(IMAGES, np.int64) if labels is None else labels
        records = {}
        for (label, seed), key in plan.memberships.items():
            is_correct = ~np.isin(np.arange(len(truth)), wrong[label][seed])
            items = Items.pack(dataset, truth, is_correct)
            outcome = make_outcome(items.error_pct, items=items, **({"metrics": metrics} if metrics else {}))
            records[key] = make_record(plan.trials[key], outcome)
        return records

    return make


def narrow(seed: int) -> dict[str, list[int]]:
    """Errors of a seed: row `new` is wrong on 4 images less, the same 4 in each seed; 10 errors differ by seed."""
    own = [100 + (7 * seed + n) % 90 for n in range(10)]
    return {"base": [*own, 3, 14, 15, 92 + seed % 2], "new": own}


def of_seeds(errors: Any) -> dict[str, list[list[int]]]:
    return {label: [errors(seed)[label] for seed in range(SEEDS)] for label in ("base", "new")}


def test_the_same_difference_has_a_second_interval_over_seeds_and_images(plan: Any, tested: Any) -> None:
    found = compare_rows(plan, tested(of_seeds(narrow)), "new", "base")
    assert found.decision == "better"
    assert found.images.diff is not None
    assert found.diff is not None
    assert (found.images.test_images, found.images.diff.n) == (IMAGES, SEEDS)
    assert found.images.diff.mean == pytest.approx(found.diff.mean) == pytest.approx(-2.0)
    assert found.images.sentences[0] == (
        "over seeds and test images (6 seeds x 200 images, 95 %): \N{MINUS SIGN}3.8 to \N{MINUS SIGN}0.2 points, so "
        "the order should hold on other images of this kind"
    )


def fewer(seed: int) -> dict[str, list[int]]:
    """Row `new` is right on 3 images more, and wrong on one on which `base` is right."""
    return {"base": [0, 50, 51], "new": [199] if seed % 3 else []}


def test_the_words_follow_from_the_decision_and_the_interval(plan: Any, tested: Any) -> None:
    records = tested(of_seeds(fewer))
    found = compare_rows(plan, records, "new", "base")
    assert found.decision == "better"
    assert found.images.sentences[0].endswith("points, so on other images of this kind the order may change")
    reverse = compare_rows(plan, records, "base", "new")
    assert found.images.diff is not None
    assert reverse.images.diff is not None
    assert reverse.images.diff.mean == pytest.approx(-found.images.diff.mean)
    assert reverse.images.diff.low == pytest.approx(-(found.images.diff.high or 0))
    assert (reverse.images.a_only, reverse.images.b_only) == (found.images.b_only, found.images.a_only)
    like = {"base": [[seed] for seed in range(SEEDS)], "new": [[50 + seed] for seed in range(SEEDS)]}
    open_one = compare_rows(plan, tested(like), "new", "base")
    assert open_one.decision == "undecided"
    assert open_one.images.sentences[0].endswith("so on other images of this kind either row may be the better one")
    nearly = compare_rows(plan, tested({**like, "new": [[0], *[[]] * 5]}), "new", "base")
    assert nearly.decision == "undecided"
    assert nearly.images.sentences[0].endswith("is not corrected for other comparisons: the decision stays")


def test_the_images_that_flip_in_most_seeds_are_named_the_most_frequent_first(plan: Any, tested: Any) -> None:
    found = compare_rows(plan, tested(of_seeds(narrow)), "new", "base").images
    assert [(one.image, one.name, one.seeds) for one in found.a_only] == [(3, None, 6), (14, None, 6), (15, None, 6)]
    assert (found.a_only_count, found.b_only, found.b_only_count) == (3, [], 0), "92 and 93 flip in half of the seeds"
    assert found.sentences[1:] == [
        "new is right and base is wrong in most seeds on 3 test images: number 3 (6 seeds), number 14 (6 seeds), "
        "number 15 (6 seeds)",
        "base is right and new is wrong in most seeds on 0 test images",
    ]


def test_at_most_ten_images_are_named_and_the_others_are_counted(plan: Any, tested: Any) -> None:
    found = compare_rows(plan, tested({"base": [list(range(14))] * SEEDS, "new": [[]] * SEEDS}), "new", "base").images
    assert [one.image for one in found.a_only] == list(range(10))
    assert found.a_only_count == 14
    assert found.sentences[1].endswith("number 9 (6 seeds) and 4 more")


def test_rows_that_cannot_be_compared_by_image_have_no_interval_and_say_why(plan: Any, tested: Any) -> None:
    records = tested(of_seeds(narrow))

    def reason(changed: dict[str, Any]) -> str:
        found = compare_rows(plan, changed, "new", "base")
        assert (found.images.test_images, found.images.diff, found.images.a_only) == (None, None, [])
        [sentence] = found.images.sentences
        return sentence.removeprefix("no interval over test images: ")

    def replaced(key: str, items: Items | None) -> dict[str, Any]:
        outcome = records[key].outcome.model_copy(update={"items": items})
        return records | {key: records[key].model_copy(update={"outcome": outcome})}

    first = plan.memberships["new", 0]
    assert reason(replaced(first, None)).startswith("1 of 12 trials kept no correctness by image; trials of classify")
    other = records[first].outcome.items.model_copy(update={"test_set": "0" * 64})
    assert reason(replaced(first, other)).startswith("the trials were tested on 2 different test sets")
    shorter = records[first].outcome.items.model_copy(update={"n": IMAGES - 1})
    error = records[first].outcome.model_copy(
        update={"items": shorter, "metrics": {"top1_error_pct": shorter.error_pct}}
    )
    changed = records | {first: records[first].model_copy(update={"outcome": error})}
    assert reason(changed).startswith("the trials were tested on 2 different test sets"), (
        "the identity alone is claimed"
    )
    assert reason({key: records[key] for key in list(records)[:-1]}) == "results are outstanding"
    diverged = {"status": "diverged", "metrics": {}}
    lost = {key: one.model_copy(update={"outcome": one.outcome.model_copy(update=diverged)})
            for key, one in records.items() if one.trial.seed}  # fmt: skip
    assert reason(records | lost) == "it needs at least 2 seeds that both rows have"
    assert reason(tested(of_seeds(narrow), top1_error_pct=12.5)) == (
        "top1_error_pct is not the share of wrong images in per cent"
    )


def test_a_note_below_the_table_names_decided_rows_whose_order_may_change_on_other_images(
    plan: Any, tested: Any
) -> None:
    def notes(records: Any) -> list[str]:
        return [note for note in build_table(plan, records).notes if "other images" in note]

    assert notes(tested(of_seeds(fewer))) == [
        "'new' is decided for these test images. On other images of this kind the order may change, because the 95 % "
        "interval over seeds and test images includes 0."
    ]
    assert notes(tested(of_seeds(narrow))) == []


def test_the_files_of_a_folder_are_named_if_the_whole_test_set_was_tested(
    plan: Any, tested: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    register("pets", write_folder(tmp_path / "pets", {"cat": 12, "dog": 14}))
    name, files = pin("pets"), list_files("pets", train=False)
    wrong = {"base": [[1]] * SEEDS, "new": [[]] * SEEDS}

    def names(labels: Any) -> list[str | None]:
        records = {
            key: one.model_copy(
                update={"trial": one.trial.model_copy(update={"recipe": one.trial.recipe | {"dataset": name}})}
            )
            for key, one in tested(wrong, name, labels).items()
        }
        return [one.name for one in compare_rows(plan, records, "new", "base").images.a_only]

    assert names(files.labels) == [files.names[1].decode()]
    assert names(files.labels[:2]) == [None], "of a part of the test set only positions are known"
    (tmp_path / "pets" / "cat" / "0.jpg").unlink()
    assert names(files.labels) == [None], "the folder has changed"
