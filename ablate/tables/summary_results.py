"""The result of a table in a sentence or two: which rows are better or worse, and what matters in a grid.

Every function gives several wordings, from the longest to the shortest, so that the caller takes the first that fits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ablate.statistics.words import counted, equals_p, with_unit
from ablate.study.lines import noun_of
from ablate.study.names import component_of
from ablate.tables.cells import difference_size
from ablate.tables.columns import metric_decimals
from ablate.tables.table import Table, TableRow
from ablate.tables.verdicts import Effect
from ablate.tables.words import fixed, metric_unit
from ablate.text import visible_name

MAX_NAMES = 4
"""Largest number of rows with the same decision that are named."""
MAX_GROUPS = 3
"""Largest number of groups with a sentence each."""
PREPOSITIONS = {"better": " than ", "worse": " than ", "equivalent": " to ", "undecided": " against "}
WORDS = tuple(PREPOSITIONS)
PLAIN_NAME = re.compile(r"(?=.*[A-Z0-9])[^\s,;:()'\"]+")
"""A name that needs no quotes in a sentence: one word, and not an ordinary one such as `none`."""


def describe_results(table: Table) -> list[str]:
    """The decisions of a table in words, the longest wording first."""
    names = names_of(table, in_groups=True)
    groups = [(group, rows) for group, rows in table.grouped() if len(rows) > 1]
    if not groups:
        return ["There is no row to compare with the baseline."]
    heads = [f"{visible_name(group)}: " if group and len(groups) > 1 else "" for group, _ in groups]
    found = []
    for form in (_name_rows, _count_rows):
        texts = [form(table, rows, names) for _, rows in groups]
        if len(groups) <= MAX_GROUPS and all(texts):
            found.append(" ".join(f"{head}{text}" for head, text in zip(heads, texts, strict=True)))
        if form is _name_rows and len(groups) > 1:
            found.append(_name_over_groups(table, [rows for _, rows in groups], names))
    of = "the baseline" if len(groups) == 1 else "the baseline of their group"
    found.append(_count(_by_decision(table, [row for _, rows in groups for row in rows]), of, {}))
    return [text for text in found if text]


def names_of(table: Table, *, in_groups: bool = False) -> dict[str, str]:
    """How a sentence calls each row: in quotes if a name of the table needs them.

    Args:
        table: table with the rows.
        in_groups: whether the sentence names the group, so that labels need not repeat it.
    """
    prefixes = {group: _prefix(group, rows) if in_groups else "" for group, rows in table.grouped()}
    lines = {row.name: row.line for row in table.rows if row.line and in_groups}
    labels = {row.name: row.label if in_groups else row.name for row in table.rows}
    names = {
        row.name: visible_name(lines.get(row.name) or labels[row.name].removeprefix(prefixes[row.group]))
        for row in table.rows
    }
    gone = {row.name: part for row in table.rows if (part := component_of(row.label, row.levels))}
    is_plain = all(PLAIN_NAME.fullmatch(text) for name, text in names.items() if name not in gone)
    quoted = {name: text if is_plain else f"'{text}'" for name, text in names.items()}
    return quoted | {name: f"removing {visible_name(part)}" for name, part in gone.items()}


def _prefix(group: str | None, rows: Sequence[TableRow]) -> str:
    """What all labels of a group begin with, if it only repeats the group: `resnet50 / `, or the group's name."""
    if group is None or len(rows) < 2:
        return ""
    heads = {row.label.partition(" / ")[0] + " / " for row in rows}
    prefix = heads.pop() if len(heads) == 1 else f"{group} "
    return prefix if all(row.label.startswith(prefix) and row.label != prefix for row in rows) else ""


def _by_decision(table: Table, rows: Sequence[TableRow]) -> dict[str, list[TableRow]]:
    """The rows by their decision, the largest difference first."""
    found = {word: [row for row in rows if row.cells[table.metric].decision == word] for word in WORDS}
    return {word: sorted(rows, key=lambda row: -_size(table, row)) for word, rows in found.items() if rows}


def _size(table: Table, row: TableRow) -> float:
    cell = row.cells[table.metric]
    is_decided = cell.decision in ("better", "worse") and cell.diff is not None
    return abs(cell.diff.mean) if is_decided and cell.diff else 0.0


def _amount(table: Table, row: TableRow, *, unit: str = "") -> str:
    """`by 1.15 points`; a row that was tried before has no number here, since the table's is of this try alone."""
    cell = row.cells[table.metric]
    if cell.tries is not None or cell.diff is None:
        return "over all its tries"
    return f"by {with_unit(difference_size(cell, metric_decimals(table, table.metric)), unit)}"


def _name_rows(table: Table, rows: Sequence[TableRow], names: Mapping[str, str]) -> str:
    """`FReLU is better than ReLU by 1.15 points; PReLU and Swish are undecided.` Empty if that names too many."""
    found = _by_decision(table, rows)
    if any(len(found.get(word, ())) > MAX_NAMES for word in ("better", "worse")):
        return ""
    baseline = next(names[row.name] for row in rows if row.baseline)
    clauses = [
        _clause(table, word, members, names, baseline if index == 0 else "")
        for index, (word, members) in enumerate(found.items())
    ]
    text = "; ".join(clauses) + "."
    return text[0].upper() + text[1:] if text.startswith(("removing ", "all ")) else text


def _clause(table: Table, word: str, rows: Sequence[TableRow], names: Mapping[str, str], baseline: str) -> str:
    """What is true of the rows with the same decision; the first clause of a group names the baseline."""
    unit = metric_unit(table.metric)
    verb = "is" if len(rows) == 1 else "are"
    if word in ("better", "worse"):
        amounts = [_amount(table, row, unit="" if index else unit) for index, row in enumerate(rows)]
        than = f"{verb} {word} than {baseline}" if baseline else f"{verb} {word}"
        if len(rows) == 1:
            return f"{names[rows[0].name]} {than} {amounts[0]}"
        return f"{joined([f'{names[row.name]} ({by})' for row, by in zip(rows, amounts, strict=True)])} {than}"
    if len(rows) <= MAX_NAMES:
        subject = joined([names[row.name] for row in rows])
    else:
        subject = f"all {len(rows)} rows" if baseline else f"the other {len(rows)} rows"
    if word == "equivalent":
        to = f" to {baseline}" if baseline else ""
        return f"{subject} {verb} equivalent{to} (within {with_unit(f'±{table.margin:g}', unit)})"
    return f"{subject} {verb} undecided" + (f" against {baseline}" if baseline else "")


def _name_over_groups(table: Table, groups: Sequence[Sequence[TableRow]], names: Mapping[str, str]) -> str:
    """`FReLU is better than ReLU in all 5 groups (by 1.80 to 2.10 points); Swish is better in 2 and undecided in 3.`

    Empty if the groups have different rows.
    """
    alike: dict[str, list[TableRow]] = {}
    for row in (row for rows in groups for row in rows if not row.baseline):
        alike.setdefault(names[row.name], []).append(row)
    baselines = {names[row.name] for rows in groups for row in rows if row.baseline}
    if len(baselines) > 1 or len(alike) > MAX_NAMES or any(len(rows) != len(groups) for rows in alike.values()):
        return ""
    clauses: list[str] = []
    for name, rows in alike.items():
        against = "" if clauses else baselines.pop()
        parts = [
            _decided_in(table, word, of, len(groups), against if index == 0 else "")
            for index, (word, of) in enumerate(_by_decision(table, rows).items())
        ]
        clauses.append(f"{name} is {joined(parts)}")
    return "; ".join(clauses) + "."


def _decided_in(table: Table, word: str, rows: Sequence[TableRow], groups: int, baseline: str) -> str:
    """`better than ReLU in all 5 groups (by 1.80 to 2.10 points)`."""
    of = f"{PREPOSITIONS[word]}{baseline}" if baseline else ""
    noun = noun_of(table.pivot.by) if table.pivot else "groups"
    where = f"all {groups} {noun}" if len(rows) == groups else f"{len(rows)} of {groups} {noun}"
    if word not in ("better", "worse") or any(row.cells[table.metric].tries for row in rows):
        return f"{word}{of} in {where}"
    decimals = metric_decimals(table, table.metric)
    most, least = (difference_size(rows[place].cells[table.metric], decimals) for place in (0, -1))
    sizes = least if least == most else f"{least} to {most}"
    return f"{word}{of} in {where} (by {with_unit(sizes, metric_unit(table.metric))})"


def _count_rows(table: Table, rows: Sequence[TableRow], names: Mapping[str, str]) -> str:
    """`Of 39 rows, 12 are better than base (most of all X, by 3.2 points), 5 are worse and 22 are undecided.`"""
    found = _by_decision(table, rows)
    unit = metric_unit(table.metric)
    most = {
        word: f" (most of all {names[rows[0].name]}, {_amount(table, rows[0], unit=unit)})"
        for word, rows in found.items()
        if word in ("better", "worse") and rows[0].cells[table.metric].tries is None
    }
    return _count(found, next(names[row.name] for row in rows if row.baseline), most)


def _count(found: Mapping[str, Sequence[TableRow]], baseline: str, most: Mapping[str, str]) -> str:
    parts: list[str] = []
    for word, rows in found.items():
        of = f"{PREPOSITIONS[word]}{baseline}" if not parts else ""
        parts.append(f"{len(rows)} {'is' if len(rows) == 1 else 'are'} {word}{of}{most.get(word, '')}")
    return f"Of {counted(sum(map(len, found.values())), 'row')}, {joined(parts)}."


def describe_effects(table: Table) -> list[str]:
    """Which factor of a grid matters most, and whether it does, the longest wording first; empty without effects."""
    effects = sorted(table.effects.effects if table.effects else [], key=lambda one: -one.share)
    main = [one for one in effects if len(one.factors) == 1]
    if not main:
        return []
    first, *others = main
    proven = [one for one in effects if len(one.factors) > 1 and _matters(one, table)]
    if proven and proven[0] is effects[0]:
        return _describe_interaction(proven[0], main)
    if first.p_adj is None:
        head = f"{first.name} explains most of the variation between runs ({_share(first)}), without a test"
    elif _matters(first, table):
        head = f"{first.name} matters most: it explains {_share(first)} of the variation between runs ({_p(first)})"
    else:
        head = f"No factor is shown to matter; {first.name} explains most ({_share(first)}, {_p(first)})"
    also = [f"{one.name} matters too ({_share(one)})" for one in others if _matters(one, table)]
    unknown = [f"{one.name} ({_share(one)})" for one in others if one.p_adj is not None and not _matters(one, table)]
    verb = "is" if len(unknown) == 1 else "are"
    undecided = [f"{joined(unknown)} {verb} undecided"] if unknown and _matters(first, table) else []
    together = [f"{joined(one.factors)} interact ({_share(one)})" for one in proven]
    return ["; ".join(parts) + "." for parts in ([head, *also, *undecided, *together], [head, *together], [head])]


def _describe_interaction(effect: Effect, main: Sequence[Effect]) -> list[str]:
    """An interaction that explains more than any factor alone."""
    head = (
        f"{joined(effect.factors)} depend on each other: their interaction explains {_share(effect)} of the variation "
        f"between runs ({_p(effect)})"
    )
    alone = [f"{one.name} alone {_share(one)}" for one in main if one.name in effect.factors]
    return [f"{joined([head, *alone])}.", f"{head}."]


def _matters(effect: Effect, table: Table) -> bool:
    return effect.p_adj is not None and effect.p_adj <= table.alpha


def _share(effect: Effect) -> str:
    return f"{fixed(100 * effect.share, 1)} %"


def _p(effect: Effect) -> str:
    return f"p {equals_p(effect.p_adj or 0.0)}"


def joined(words: Sequence[str]) -> str:
    """Words with commas and a last `and`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
