"""One bit for each test image: how bits are packed and read, what is refused, and how bits travel."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ablate.local.folder import Folder
from ablate.trials.items import MAX_ITEMS, Items
from ablate.trials.messages import Envelope, MessageCheck, explain
from ablate.trials.trial import Outcome, Trial, TrialRecord


def packed(is_correct: list[bool], dataset: str = "digits", labels: list[int] | None = None) -> Items:
    chosen = labels if labels is not None else [n % 10 for n in range(len(is_correct))]
    return Items.pack(dataset, np.array(chosen), np.array(is_correct, dtype=np.bool_))


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_what_was_packed_is_read_in_the_same_order(is_correct: list[bool]) -> None:
    items = Items.model_validate_json(packed(is_correct).model_dump_json())
    assert items.is_correct().tolist() == is_correct
    assert (items.n, items.correct) == (len(is_correct), sum(is_correct))
    assert items.error_pct == pytest.approx(100 * (1 - np.mean(is_correct)))


def test_the_first_image_is_the_highest_bit_of_the_first_byte() -> None:
    assert base64.b64decode(packed([True, *[False] * 8, True]).bits) == bytes([0b1000_0000, 0b0100_0000])


def test_ten_thousand_images_cost_one_and_a_quarter_kilobytes() -> None:
    assert len(base64.b64decode(packed([True] * 10_000).bits)) == 1250


def test_a_test_set_is_its_data_its_images_and_their_order() -> None:
    same, other_answers = packed([True, False]), packed([False, False])
    assert same.test_set == other_answers.test_set
    others = (packed([True, False], "mnist"), packed([True, False], labels=[1, 0]), packed([True]))
    assert same.test_set not in {other.test_set for other in others}


@pytest.mark.parametrize(
    "changes", [{"n": 8}, {"n": 17}, {"n": 0}, {"n": MAX_ITEMS + 1}, {"bits": "/////"}, {"bits": "//9"}, {"bits": "é"},
                {"bits": "//8="}, {"test_set": "digits"}, {"n": True}],
)  # fmt: skip
def test_bits_that_are_not_one_for_each_image_are_refused(changes: dict[str, Any]) -> None:
    good = packed([True] * 12).model_dump()
    with pytest.raises(ValidationError) as refused:
        Items.model_validate(good | changes)
    assert explain(refused.value) == "reported items that are not one bit for each of at most 4,000,000 test images"


def test_the_largest_test_set_fits_into_one_message() -> None:
    items = Items(test_set="0" * 64, n=MAX_ITEMS, bits=base64.b64encode(b"\xff" * (MAX_ITEMS // 8)).decode())
    sent = MessageCheck().check_sent(Outcome(status="succeeded", metrics={"error": 1.0}, items=items))
    assert MessageCheck().open_received(Envelope(message=sent).model_dump_json()).message == sent


def test_a_record_keeps_its_bits_and_one_from_before_has_none(tmp_path: Path) -> None:
    trial = Trial(key="0" * 64, task="classify", recipe={}, seed=0)
    outcome = Outcome(status="succeeded", items=packed([True, False, True]))
    record = TrialRecord(trial=trial, outcome=outcome, finished_at="2026-05-04T10:00:00+00:00")
    folder = Folder(tmp_path)
    folder.append(record)
    assert folder.read() == {trial.key: record}
    before = json.loads(folder.trials_file.read_text())
    del before["outcome"]["items"]
    assert TrialRecord.model_validate(before).outcome.items is None


def test_an_outcome_without_bits_is_written_as_before_they_existed() -> None:
    assert "items" not in Outcome(status="succeeded", metrics={"error": 1.0}).model_dump(mode="json")
