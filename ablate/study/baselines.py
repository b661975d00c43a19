"""The baseline of each group: the row that the other rows of the group are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ablate.errors import Findings, Problem, StudyError, nearest, quote
from ablate.study.document import Study
from ablate.study.names import find_name, full_name, names_by_text
from ablate.study.resolve import Resolved

POINTER = "/table/baseline"


def check_labels(study: Study) -> None:
    """Validate the baselines of a study without generated rows, whose labels are known before the recipes.

    Raises:
        StudyError: a baseline is not the label of a row.
    """
    if study.design_or_default != "rows" or study.table.baseline is None:
        return
    baseline, labels = study.table.baseline, dict.fromkeys(row.label for row in study.rows)
    known = labels.keys() | {full_name(row.group, row.label) for row in study.rows}
    found = Findings()
    for label in [baseline] if isinstance(baseline, str) else dict.fromkeys(baseline.values()):
        if label not in known:
            found.add(_unknown(label, labels, found))
    found.refuse()


def _unknown(label: str, labels: Iterable[str], found: Findings) -> Problem:
    return Problem(POINTER, "unknown_row", f"no row {quote(label)}{found.nearest(label, labels)}")


def choose_baselines(study: Study, rows: Sequence[Resolved], anchor: str | None) -> dict[str | None, str]:
    """Group -> label of its baseline; the key is None if the study has no groups.

    Args:
        study: the document; `[table] baseline` is a label, or a map from group to label.
        rows: all rows of the study.
        anchor: label of the generated row that its design compares with (`full`, `base`). It is the default of its
            group; the default of other groups is their first row.

    Raises:
        StudyError: a label or a group is unknown, or the row is not in the group.
    """
    members: dict[str | None, list[Resolved]] = {}
    for row in rows:
        members.setdefault(row.group, []).append(row)
    written, known = _written(study, list(members)), {row.label for row in rows} | names_by_text(rows).keys()
    chosen: dict[str | None, str] = {}
    found = Findings()
    for group, text in written.items():
        labels = {row.name: row.label for row in members[group]}
        name = find_name(text, members[group])
        if name is not None:
            chosen[group] = labels[name]
        elif text in known:
            text = f"row {quote(text)} is not in group {quote(group)}; the baseline must be a row of its group"
            found.add(Problem(POINTER, "unknown_row", text))
        else:
            found.add(_unknown(text, dict.fromkeys(row.label for row in rows), found))
    found.refuse()
    for row in sorted(rows, key=lambda row: row.label != anchor):
        chosen.setdefault(row.group, row.label)
    return chosen


def _written(study: Study, groups: Sequence[str | None]) -> dict[str | None, str]:
    baseline = study.table.baseline
    if baseline is None:
        return {}
    if isinstance(baseline, str):
        if len(groups) > 1:
            shown = ", ".join(quote(group) for group in groups[:24]) + (", ..." if len(groups) > 24 else "")
            text = f"the rows have several groups ({shown}); give a map from group to row label"
            raise StudyError([Problem(POINTER, "groups", text)])
        return {groups[0]: baseline}
    known = set(groups)
    unknown = [group for group in baseline if group not in known]
    if unknown:
        names = [group for group in groups if group is not None]
        advice = nearest(unknown[0], names) if names else "; the study has no groups, so give the label of a row"
        text = f"no group {quote(unknown[0])}{advice}"
        raise StudyError([Problem(POINTER, "unknown_group", text)])
    return {group: label for group, label in baseline.items()}  # noqa: C416 - widens the keys' type
