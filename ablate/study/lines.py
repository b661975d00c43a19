"""The lines of a pivoted table: which rows of different groups are one line, and what it is called.

Rows are one line if they differ only in what tells the groups apart. Generated rows are compared by the levels of their
factors. Named rows are compared by their labels, if every label is in several groups or has the name of the group in
it, which is left out; else by the fields that they set. A factor or field that has one value within each group, and not
the same in all groups, belongs to the group and not to the line: `dataset` itself, or a learning rate that each data
set has of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ablate.documents import canonical_json
from ablate.errors import Problem, StudyError, quote
from ablate.limits import MAX_GROUPS
from ablate.recipes.classify import applicable_values
from ablate.statistics.decisions.over_groups import describe_power_over_groups
from ablate.statistics.words import counted
from ablate.study.document import WRITTEN_GROUPS, Study
from ablate.study.rows import Row

POINTER = "/table/pivot"
MAX_SHOWN = 8
"""Number of groups that a sentence names."""
EDGES = " ,;:/|=\u2013-"
"""Characters that separate the name of a group from the rest of a label."""
LEFT_OVER = (
    (re.compile(r"\(\s*[,;:]?\s*\)|\[\s*\]"), " "),
    (re.compile(r"\(\s*[,;:]\s*"), "("),
    (re.compile(r"\s*[,;:]\s*\)"), ")"),
)
"""What is left of brackets, and what takes its place."""
LAST_WORDS = re.compile(r"\s+(?:on|in|at|for|with)$", re.IGNORECASE)
"""What is left of `relu on digits` before the name of the group."""


def noun_of(pivot: str) -> str:
    """What the groups of a pivot are, in the plural."""
    return {"dataset": "data sets", "model": "networks"}.get(pivot, "groups")


def check_pivot(study: Study, rows: Sequence[Row]) -> None:
    """Validate `[table] pivot` against the groups of the rows.

    Raises:
        StudyError: the rows are grouped by something else, or there are fewer than two groups, or too many.
    """
    if study.table.pivot is None:
        return
    count = len({row.group for row in rows})
    if count > MAX_GROUPS:
        text = f"the table has {count:,} groups as columns, above the limit of {MAX_GROUPS}; use 'group_by' instead"
        raise StudyError([Problem(POINTER, "too_many", text)])
    text = _wrong_pivot(study, rows)
    if text:
        raise StudyError([Problem(POINTER, "groups", text)])


def _wrong_pivot(study: Study, rows: Sequence[Row]) -> str:
    """What is wrong, what was given and what to do; empty if nothing is."""
    pivot, by = study.table.pivot, study.table.groups_by
    given = f"pivot = {quote(pivot)}"
    if by is not None and by != pivot:
        return f"{given}, but the rows are grouped by {quote(by)}; use pivot = {quote(by)}, or change 'group_by'"
    written = list(dict.fromkeys(row.group for row in study.rows if row.group is not None))
    if by is not None and written:
        shown = ", ".join(map(quote, written[:3]))
        text = f"{given}, but rows have a group of their own ({shown})"
        return f"{text}; use pivot = \"{WRITTEN_GROUPS}\", or remove 'group' from the rows"
    alone = next((row.label for row in rows if row.group is None), None)
    if written and alone is not None:
        return f"{given}, but row {quote(alone)} has no group; give every row a 'group'"
    groups = list(dict.fromkeys(row.group for row in rows))
    if len(groups) > 1:
        return ""
    how = "give the rows at least two different groups" if by is None else f"use at least two values of {quote(by)}"
    only = f"all rows are in group {quote(groups[0])}" if groups[0] is not None else "the rows have no groups"
    return f"{given} makes a column of each group and needs two or more, but {only}; {how}, or remove 'pivot'"


def with_lines(study: Study, rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with the names of their lines; unchanged for a study without a pivot."""
    if study.table.pivot is None:
        return tuple(rows)
    named, generated = rows[: len(study.rows)], rows[len(study.rows) :]
    written = {row.name for row in named}
    names = {row.name: row.label if row.is_shared else _without_group(row) for row in named}
    facts = _facts(generated, study) | (names if all(names.values()) else _facts(named, study))
    if study.design_or_default == "grid":
        names |= {row.name: _joined(facts[row.name]) for row in generated}
    lines: dict[str, list[Row]] = {}
    seen: Counter[tuple[str, str | None]] = Counter()
    for row in rows:  # two rows of a group that differ in nothing are two lines
        key = canonical_json([row.name in written, facts[row.name]])
        lines.setdefault(f"{key} {seen[key, row.group]}", []).append(row)
        seen[key, row.group] += 1
    named_lines = zip(_names_of(list(lines.values()), rows, names), lines.values(), strict=True)
    line_of = {row.name: name for name, members in named_lines for row in members}
    return tuple(replace(row, line=line_of[row.name]) for row in rows)


def describe_pivot(study: Study, rows: Sequence[Row]) -> str:
    """What the pivoted table will show, and which test follows; empty for a study without a pivot."""
    pivot = study.table.pivot
    if pivot is None:
        return ""
    groups, lines = (list(dict.fromkeys(found)) for found in ([row.group for row in rows], [row.line for row in rows]))
    noun, more = noun_of(pivot), ", ..." if len(groups) > MAX_SHOWN else ""
    shown = ", ".join(str(group) for group in groups[:MAX_SHOWN]) + more
    test = power_over_groups(study, rows) or f"one test over {noun} for {counted(len(lines) - 1, 'row')}"
    return f"pivot: {counted(len(lines), 'row')}, a column for each of {len(groups)} {noun} ({shown}); {test}"


def power_over_groups(study: Study, rows: Sequence[Row]) -> str:
    """Why the test over groups cannot decide; empty if it can."""
    groups, lines = {row.group for row in rows}, {row.line for row in rows}
    noun = noun_of(study.table.pivot or "")
    return describe_power_over_groups(len(groups), len(lines) - 1, study.table.alpha, noun)


def differing_fields(rows: Sequence[Row], pivot: str) -> list[str]:
    """Recipe fields in which rows of one line differ, without the pivot itself: what else the groups change."""
    first: dict[str | None, Mapping[str, object]] = {}
    found: dict[str, None] = {}
    for row in rows:
        values = applicable_values(row.recipe)
        other = first.setdefault(row.line, values)
        found |= dict.fromkeys(name for name in {**other, **values} if other.get(name) != values.get(name))
    return [name for name in found if name != pivot]


def _facts(rows: Sequence[Row], study: Study) -> dict[str, Any]:
    """Name -> the levels of the row, or the fields that it sets, without those that belong to its group."""
    facts = {row.name: row.levels or row.set for row in rows}
    names = dict.fromkeys(name for found in facts.values() for name in found)
    of_group = {name for name in names if name == study.table.groups_by}
    of_group |= {name for name in names if _tells_groups_apart(_by_group(name, facts, rows))}
    return {row: {name: value for name, value in found.items() if name not in of_group} for row, found in facts.items()}


def _by_group(name: str, facts: Mapping[str, Mapping[str, object]], rows: Sequence[Row]) -> list[set[str]]:
    groups: dict[str | None, set[str]] = {}
    for row in rows:
        found = facts[row.name]
        groups.setdefault(row.group, set()).add(canonical_json(found[name]) if name in found else "")
    return list(groups.values())


def _tells_groups_apart(values: Sequence[set[str]]) -> bool:
    """Whether there is one value in each group, and not the same in all."""
    return all(len(found) == 1 for found in values) and len(set.union(*values)) > 1


def _without_group(row: Row) -> str:
    """The label without the name of the group, which is a word of it; empty if it is not, or if nothing is left."""
    pattern = rf"(?<!\w){re.escape(row.group or '')}(?!\w)"
    rest, count = re.subn(pattern, "", row.label, count=1)
    return _trimmed(rest) if row.group and count else ""


def _trimmed(text: str) -> str:
    """A text without what stood around the name of the group."""
    for pattern, rest in LEFT_OVER:
        text = pattern.sub(rest, text)
    return LAST_WORDS.sub("", " ".join(text.split()).strip(EDGES))


def _joined(levels: Mapping[str, str]) -> str:
    return ", ".join(f"{factor}={level}" for factor, level in levels.items())


def _names_of(lines: Sequence[Sequence[Row]], rows: Sequence[Row], known: Mapping[str, str]) -> list[str]:
    """The name of each line: that of its first row in `known`, else the words that its rows have in common."""
    labels: dict[str | None, list[str]] = {}
    for row in rows:
        labels.setdefault(row.group, []).append(row.label)
    shared = {group: _shared(found) for group, found in labels.items()}
    return _distinct([known.get(members[0].name) or _common_name(members, shared) for members in lines])


def _common_name(members: Sequence[Row], shared: Mapping[str | None, tuple[int, int]]) -> str:
    """The words that the rows of a line have in common; for a row alone, those that not all of its group have."""
    words = members[0].label.split()
    if members[1:]:
        begin, end = _shared([row.label for row in members])
        kept = [*words[:begin], *words[len(words) - end :]]
    else:
        begin, end = shared[members[0].group]
        kept = words[begin : len(words) - end]
    return _trimmed(" ".join(kept)) or members[0].label


def _shared(labels: Sequence[str]) -> tuple[int, int]:
    """The number of words with which all labels begin, and the number of the other words with which all end."""
    words = [label.split() for label in labels]
    shortest = min(map(len, words))
    begin = next((at for at in range(shortest) if len({one[at] for one in words}) > 1), shortest)
    end = next((at for at in range(shortest - begin) if len({one[-1 - at] for one in words}) > 1), shortest - begin)
    return begin, end


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with a number where one would stand twice."""
    numbers: Counter[str] = Counter()
    taken = set(names)
    found = []
    for name in names:
        numbers[name] += 1
        unique = name
        while numbers[name] > 1 and unique in taken:
            unique = f"{name} ({numbers[name]})"
            numbers[name] += unique in taken
        taken.add(unique)
        found.append(unique)
    return found
