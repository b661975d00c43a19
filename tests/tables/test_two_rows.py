"""Two rows against each other: what pairing saved, and unknown labels. The tests are in test_analysis."""

from __future__ import annotations

import numpy as np
import pytest

from ablate.errors import TableError
from ablate.tables.two_rows import compare_rows, find_row_problems

LABELS = ("it's", 'say "hi": x', "a, b")


@pytest.fixture
def plan(make_plan):
    return make_plan([{"label": label, "set": {"lr": 0.1 + n}} for n, label in enumerate(LABELS)], seeds=range(6))


def test_what_pairing_saved_is_the_variance_that_is_missing_from_the_difference(plan, make_records):
    found = compare_rows(plan, make_records(plan), "it's", "a, b")
    a, b = (np.array([getattr(one, name) for one in found.seeds]) for name in "ab")
    assert found.rho == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert found.pairing_gain == pytest.approx(1 - np.var(a - b) / (np.var(a) + np.var(b)))


def test_below_three_common_seeds_nothing_is_said_of_pairing(make_plan, make_records):
    plan = make_plan([{"label": "a"}, {"label": "b", "set": {"lr": 0.1}}], seeds=[0, 1])
    found = compare_rows(plan, make_records(plan), "a", "b")
    assert (found.rho, found.pairing_gain) == (None, None)


def test_both_labels_that_are_none_are_told_and_labels_with_quotes_are_quoted(plan):
    found = find_row_problems(plan, "its", 'say "hi": y')
    assert [(one.pointer, one.code, one.message) for one in found] == [
        ("/a", "unknown_row", "no row 'its'; did you mean \"it's\"?"),
        ("/b", "unknown_row", "no row 'say \"hi\": y'; did you mean 'say \"hi\": x'?"),
    ]
    (found,) = find_row_problems(plan, "zzz", "a, b")
    assert found.message == "no row 'zzz'; the rows are \"it's\", 'say \"hi\": x', 'a, b'"
    with pytest.raises(TableError, match=r"no row 'its'; did you mean .*; no row 'zzz'; the rows are"):
        compare_rows(plan, {}, "its", "zzz")


def test_a_row_is_not_compared_with_itself(plan):
    (found,) = find_row_problems(plan, "it's", "it's")
    assert (found.pointer, found.code) == ("/b", "same_row")
    assert found.message == 'row "it\'s" cannot be compared with itself; name two rows'
