"""The caption of a table in the style `paper`: what it shows, how to read it, and what a reader must not miss.

The first sentence has the number of seeds, the marks and the test. What weakens the numbers follows: trials that have
not ended, known results, earlier tries, lost runs, a failed audit, and numbers that are not ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set

from ablate.statistics.words import counted
from ablate.study.lines import noun_of
from ablate.study.overrides import REPLACED
from ablate.tables.columns import Column
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.latex_text import escape_latex
from ablate.tables.pivot import PivotedTable
from ablate.tables.summary import tests_of
from ablate.tables.table import Table, TableRow
from ablate.tables.verdicts import Family
from ablate.tables.words import listed, metric_name, metric_unit, seeds_text

WORSE, EQUIVALENT = "$\\dagger$", "$\\ddagger$"
TESTS = {"flip": "paired sign-flip test", "t": "paired $t$ test", "pooled": "Dunnett's test"}
KNOWN = "results were known when the study was fixed or changed"
"""What a note says of a study that is exploratory for this reason."""
UNDECIDED = "nothing is decided"
"""Begin of the note that says why a table has no test."""
FULL = "full"
"""Label of the row of a leave-one-out study that has every component."""


def paper_caption(table: Table, columns: Sequence[Column], options: LatexOptions) -> str:
    """The caption as LaTeX."""
    names = {column.name for column in columns}
    subject = options.caption or _title(table)
    parts = [*_numbers(table, names), *_differences(table, names), *_marks(table, names), *_overall(table, names)]
    facts = [
        *_state(table),
        *_replaced(table),
        *_choices(table),
        *_lost(table),
        *_audits(table),
        *_printed(table, names),
    ]
    is_sentence = subject.rstrip().endswith((".", "?", "!"))
    first = "; ".join(parts)
    head = escape_latex(subject) + ((" " if is_sentence else ": ") if first else "")
    first = head + (capital(first) if is_sentence else first)
    return " ".join(text if text.endswith((".", "?", "!")) else f"{text}." for text in [first, *map(capital, facts)])


def capital(text: str) -> str:
    """The text with a capital letter first."""
    return text[:1].upper() + text[1:]


def sentences(table: Table) -> list[str]:
    """What is written below the table in other formats."""
    return [*table.summary, *table.notes]


def _title(table: Table) -> str:
    """The study's title or name, with the data, which the setup names first, and the scale."""
    title = (table.title or table.study).rstrip(".")
    data = [text for text in table.setup[:1] if not text.startswith("task ") and text not in title.casefold()]
    setting = ", ".join([*data, *([f"scale {table.scale}"] if table.scale else [])])
    return title + (f" ({setting})" if setting else "")


def _numbers(table: Table, names: Set[str]) -> Iterator[str]:
    if names & {table.metric, *table.metrics}:
        n, over = len(table.seeds), seeds_text(len(table.seeds), table.folds)
        what = f"{escape_latex(metric_name(table.metric))}, " if isinstance(table, PivotedTable) else ""
        yield what + (
            f"mean $\\pm$ standard deviation over {over}" if n > 1 else "one seed, hence no spread and no test"
        )


def _differences(table: Table, names: Set[str]) -> Iterator[str]:
    if any(name.rpartition(":")[2] == "diff" for name in names):
        yield f"$\\Delta$: difference from {_reference(table, table.families)}, paired by seed"


def _marks(table: Table, names: Set[str]) -> Iterator[str]:
    """The meaning of bold and daggers, and the test that decides them."""
    families = _shown_families(table)
    if not any(family.test for family in families) or not names & {table.metric, "decision"}:
        return
    found = {row.cells[table.metric].decision for row in table.rows}
    within = escape_latex(f"±{table.margin or 0:g} {metric_unit(table.metric)}".rstrip())
    legend = {
        "better": "\\textbf{bold}: better",
        "worse": f"{WORSE}: worse",
        "equivalent": f"{EQUIVALENT}: equivalent (within {within})",
    }
    shown = [text for decision, text in legend.items() if decision in found]
    than = f" than {_reference(table, families)}"
    if not shown:
        shown = [f"no row differs significantly from {_reference(table, families)}"]
    elif found & {"better", "worse"}:
        shown[0] += than
    else:
        shown[0] += f" to {_reference(table, families)}"
    yield f"{', '.join(shown)} ({100 * table.alpha:g}\\,\\% level, {_how(table, families)})"


def _overall(table: Table, names: Set[str]) -> Iterator[str]:
    """The test over the groups of a pivoted table."""
    if table.pivot is not None and table.pivot.test and "overall" in names:
        groups = f"{len(table.pivot.groups)} {noun_of(table.pivot.by)}"
        corrected = f"Holm-corrected for {counted(table.pivot.comparisons, 'row')}"
        yield f"overall: sign-flip test of the mean differences in {groups}, {corrected}"


def _how(table: Table, families: Sequence[Family]) -> str:
    """The tests and their correction; rows that are left out count too."""
    tests = " or ".join(TESTS[test] for test in tests_of(table, families))
    text = "paired $t$ test with the correction of Nadeau and Bengio (2003)" if table.folds else tests
    left_out = any(family.comparisons > len(_rows_of(table, family)) for family in families)
    if len(table.families) > 1:
        corrected = "within each group" + ", for all rows of the study" * left_out
    else:
        size = families[0].comparisons
        corrected = f"for {counted(size, 'comparison')}" + f" of all {size + 1} rows of the study" * left_out
    return (
        f"{text}, {'corrected' if 'pooled' in {family.test for family in families} else 'Holm-corrected'} {corrected}"
    )


def _shown_families(table: Table) -> list[Family]:
    groups = {row.group for row in table.rows}
    return [family for family in table.families if family.comparisons and family.group in groups]


def _rows_of(table: Table, family: Family) -> list[TableRow]:
    return [row for row in table.rows if row.group == family.group and not row.baseline]


def _reference(table: Table, families: Sequence[Family]) -> str:
    """The baseline, which may be a row that is left out; of several groups, its place if it is the same in all."""
    baselines = {family.group: family.baseline for family in families}
    baselines = baselines or {row.group: row.name for row in table.rows if row.baseline}
    labels = {row.name: row.label for row in table.rows}
    names = list(dict.fromkeys(labels.get(name, name) for name in baselines.values()))
    if isinstance(table, PivotedTable) and table.pivot and table.pivot.baseline:
        names = [table.pivot.baseline]
    if len(names) == 1:
        is_full = names[0] == FULL and bool(table.factors)
        name = escape_latex(names[0])
        return "the full method" if is_full else f"the baseline ({name})" if "," in name else name
    groups = [(baselines.get(group), [row.name for row in rows]) for group, rows in table.grouped()]
    for place, word in ((0, "first"), (-1, "last")):
        if all(rows[place] == baseline for baseline, rows in groups):
            return f"the {word} row of its group"
    return "the baseline of its group" + (f" ({escape_latex(', '.join(names))})" if names else "")


def _state(table: Table) -> Iterator[str]:
    if table.provisional:
        yield "\\emph{Provisional}: some trials have not ended, and nothing is tested yet"
    else:
        yield from (escape_latex(note) for note in sentences(table) if note.casefold().startswith(UNDECIDED))


def _replaced(table: Table) -> Iterator[str]:
    """The fields that `--set` replaced."""
    yield from (escape_latex(line) for line in table.summary if REPLACED in line)


def _choices(table: Table) -> Iterator[str]:
    """Known results, and rows that were tried before."""
    cells = {row.name: row.cells[table.metric] for row in table.rows}
    tried = [f"{label} (try {cell.tries.number})" for label, cell in cells.items() if cell.tries]
    if tried:
        was = "was" if len(tried) == 1 else "were"
        names = re.sub(r"\((try \d+)\)", r"(\\emph{\1})", escape_latex(listed(tried)))
        how = "so nothing decides them" if table.folds else "and the seeds of all tries decide (e-process)"
        yield f"\\emph{{Exploratory}}: {names} {was} tried before, {how}"
    if table.imported is not None:
        yield escape_latex(table.imported.sentence.rstrip("."))
    elif table.exploratory and (not tried or any(KNOWN in note for note in sentences(table))):
        yield f"\\emph{{Exploratory}}: {KNOWN}, so p-values do not keep their level"


def _lost(table: Table) -> Iterator[str]:
    """Rows whose means rest on fewer seeds than planned."""
    ends = {_name(row): list(_ends(row, table)) for row in table.rows}
    lost = [f"{name}: {' and '.join(found)}" for name, found in ends.items() if found]
    if lost:
        yield f"means leave out lost runs ({escape_latex(listed(lost))})"


def _name(row: TableRow) -> str:
    """The name in a sentence; in earlier versions that of a leave-one-out row began with a minus."""
    return re.sub("^- ", "without ", row.name)


def _ends(row: TableRow, table: Table) -> Iterator[str]:
    """How the seeds of a row ended that have no value; outstanding ones are not lost."""
    missing = row.n_planned - len(row.cells[table.metric].values) - row.n_diverged - row.n_failed
    ends = {"diverged": row.n_diverged, "failed": row.n_failed, "without a result": missing * (not table.provisional)}
    for end, number in ends.items():
        if number:
            yield f"{number} of {counted(row.n_planned, 'seed')} {end}"


def _audits(table: Table) -> Iterator[str]:
    for family in table.families:
        if family.audit is not None and family.audit.is_alarm:
            yield f"the audit failed: a hidden duplicate of {escape_latex(family.baseline)} differs from it"


def _printed(table: Table, names: Set[str]) -> Iterator[str]:
    """Whose the printed numbers are, if there is a column of them."""
    if table.published is None or not any("published" in name or name.endswith("_and_printed") for name in names):
        return
    number = re.sub(r"^T(?=\d)", "Table ", table.published.id)
    authors = table.published.paper.split(":")[0]
    norm = "; parameters exclude normalisation layers" if "params_and_printed" in names else ""
    yield escape_latex(f"printed: {number} of {authors} ({table.published.dataset}){norm}")
