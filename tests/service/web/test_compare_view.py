from __future__ import annotations

from service.web.compare_view import document_differences


def test_documents_differ_where_their_values_do() -> None:
    first = {"name": "a", "base": {"lr": 0.1, "depth": [1, 1]}, "seeds": 3}
    second = {"name": "a", "base": {"lr": 0.2, "depth": [1, 2]}, "scale": "mini"}
    assert list(document_differences(first, second)) == [
        ("base.lr", 0.1, 0.2),
        ("base.depth", [1, 1], [1, 2]),
        ("seeds", 3, None),
        ("scale", None, "mini"),
    ]


def test_rows_are_known_by_their_labels_wherever_they_stand() -> None:
    first = {"rows": [{"label": "a", "set": {"x": 1}}, {"label": "b"}]}
    second = {"rows": [{"label": "b"}, {"label": "a", "set": {"x": 2}}, {"label": "c"}]}
    assert list(document_differences(first, second)) == [("rows.a.set.x", 1, 2), ("rows.c", None, {"label": "c"})]


def test_rows_with_labels_that_are_equal_in_two_groups_are_known_by_group_and_label() -> None:
    rows = [{"label": "a", "group": "g", "set": {"x": 1}}, {"label": "a", "group": "h"}]
    changed = [{**rows[0], "set": {"x": 2}}, rows[1]]
    assert list(document_differences({"rows": rows}, {"rows": changed})) == [("rows.g / a.set.x", 1, 2)]


def test_a_document_does_not_differ_from_itself() -> None:
    document = {"rows": [{"label": "a"}], "base": {"lr": 0.1}}
    assert list(document_differences(document, document)) == []
