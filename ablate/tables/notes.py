"""The notes on a table, which follow its summary: missing results and their reasons, the method, printed numbers.

They are plain sentences and generated from the results; each format escapes them. Rows with the same note share one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ablate.paper.published import Printed, PublishedTable
from ablate.statistics.estimate import fold_factor
from ablate.statistics.words import counted, of_planned
from ablate.study.plan import Plan
from ablate.tables.notes_verdicts import verdict_notes
from ablate.tables.over_images import image_notes
from ablate.tables.printed_comparability import COSTS, has_printed_cost, papers_own, unlike_printed
from ablate.tables.results import RowResults, row_notes, seed_list
from ablate.tables.table import Table, TableRow
from ablate.tables.words import listed, named, seeds_text
from ablate.trials.needs import label_of_need

NEAR_POINTS = 5.0
"""So near to a perfect percentage, differences in points say less than ratios of errors."""


def table_notes(
    plan: Plan, results: Sequence[RowResults], table: Table, published: PublishedTable | None, *, missing: str
) -> list[str]:
    """The notes that are the same whenever the same study is run.

    Args:
        plan: plan of the study.
        results: results of its rows.
        table: table without these notes.
        published: printed numbers.
        missing: note on seeds without a result.
    """
    return [
        *_holes(results, table, missing),
        *_pairing(table.rows, plan.metric),
        *_method(table),
        *_fold_numbers(plan),
        *_near_perfect(table),
        *verdict_notes(table, design=plan.study.design_or_default),
        *image_notes(table, results),
        *_fresh(plan),
        *_needs(plan),
        *_repeated(plan),
        *_sharing(plan),
        *_excluded(plan),
        *_printed(plan, published),
        *_costs(plan, table.rows, published),
    ]


def _holes(results: Sequence[RowResults], table: Table, missing: str) -> Iterator[str]:
    """While a table is provisional, outstanding results are not reported as missing."""
    rows: dict[str, list[str]] = {}
    for result in results:
        for note in row_notes(result, (table.metric, *table.metrics), None if table.provisional else missing):
            rows.setdefault(note, []).append(result.row.name)
    yield from (f"{named(labels)} {note}." for note, labels in rows.items())


def _pairing(rows: Sequence[TableRow], metric: str) -> Iterator[str]:
    """Rows whose difference uses fewer seeds than planned, by their number."""
    short: dict[tuple[int, int], list[str]] = {}
    for row in rows:
        cell = row.cells[metric]
        common = cell.diff.n if cell.diff else 0
        if not row.baseline and cell.values and common < row.n_planned:
            short.setdefault((common, row.n_planned), []).append(row.name)
    for (common, planned), labels in short.items():
        if common:
            seeds = of_planned(common, common, planned)
            yield f"Differences of {named(labels)} use the {seeds} that row and baseline share."
        else:
            yield f"There is no difference for {named(labels)}, because row and baseline share no seed."


def _method(table: Table) -> Iterator[str]:
    counts = [row.n_ok for row in table.rows if row.n_ok]
    if not counts:
        return
    if max(counts) > 1:
        paired_by = "the order of the runs in the file" if table.imported and table.imported.unpaired else "seed"
        which = "Cells of the full table (--full)" if table.pivot else "Cells"
        yield (
            f"{which} show the mean ± the sample standard deviation over seeds, and the number of seeds in brackets. "
            f"Differences are paired by {paired_by}. Their 95 % t intervals are not corrected for the number of rows."
        )
    if min(counts) == 1:
        single = named([row.name for row in table.rows if row.n_ok == 1])
        yield f"One seed gives no standard deviation, no interval and no test: {single}."


def fold_line(plan: Plan) -> list[str]:
    """The line of the summary on the folds of a study, if it has any."""
    folds = plan.study.folds
    if folds is None:
        return []
    n = len(plan.seeds)
    wider = f"{fold_factor(n, folds):.2g}"
    return [
        f"{seeds_text(n, folds)}: folds share training data, so intervals are {wider} times as "
        "wide as those of independent runs, and p is corrected likewise (Nadeau and Bengio 2003)."
    ]


def kept_line(plan: Plan) -> list[str]:
    """The line of the summary on the cells that keep a result of earlier code, if the study names one."""
    digest = plan.study.command.keep_results_of if plan.study.command else None
    if digest is None:
        return []
    kept: dict[str, list[int]] = {}
    for row in plan.rows:
        for seed in plan.seeds:
            again = plan.repetition
            now = row.blueprint and row.blueprint.at(seed, again.replicate + row.replicate, again.repeat).key
            if now != plan.memberships[row.name, seed]:
                kept.setdefault(row.name, []).append(seed)
    cells, count = len(plan.rows) * len(plan.seeds), sum(map(len, kept.values()))
    if not kept:
        return [
            f"No cell keeps a result of the code {digest} (keep_results_of): none is known that differs in code only."
        ]
    rest = "" if count == cells else "; the others have the code as it is"
    which = listed([f"'{name}' on {seed_list(seeds)}" for name, seeds in kept.items()])
    return [f"{count} of {counted(cells, 'cell')} keep results of the code {digest} (keep_results_of): {which}{rest}."]


def _fold_numbers(plan: Plan) -> Iterator[str]:
    if folds := plan.study.folds:
        yield (
            f"A seed of this table is a fold of a seed: number b is fold b modulo {folds} of seed b // {folds}. The "
            "correction is approximate. Effects of factors and shares of better seeds have none."
        )


def _near_perfect(table: Table) -> Iterator[str]:
    """What points hide where a percentage is nearly perfect: by how much the remaining errors change."""
    if not table.metric.endswith("_pct"):
        return
    perfect = 0.0 if table.lower_is_better else 100.0
    for _, rows in table.grouped():
        means = {row.name: row.cells[table.metric].mean for row in rows}
        left = {label: abs(mean - perfect) for label, mean in means.items() if mean is not None and 0 <= mean <= 100}
        baseline = next(row.name for row in rows if row.baseline)
        size = left.pop(baseline, 0.0)
        others = [f"'{label}' {each / size:.2g} times" for label, each in left.items() if 1e-6 < size < NEAR_POINTS]
        if others:
            yield (
                f"'{baseline}' is {size:.2g} points from perfect, so differences in points are small. The remaining "
                f"error of the other rows, relative to its own: {listed(others)}. The tests use points."
            )


def _fresh(plan: Plan) -> Iterator[str]:
    """Whether the rows, and not only an audit duplicate, are replicates."""
    keys = (plan.memberships[row.name, seed] for row in plan.rows for seed in plan.seeds)
    if any(plan.trials[key].replicate for key in keys if key in plan.trials):
        yield "Each cell was trained only for this study, with its own random numbers (fresh replicates)."


def _repeated(plan: Plan) -> Iterator[str]:
    if plan.repetition.repeat:
        yield "Each cell was trained again with the same random numbers."
    if plan.repetition.canary_only:
        yield "Only the canary rows were trained, not the other rows of the study."


def _needs(plan: Plan) -> Iterator[str]:
    """The other trials from whose weights the rows start."""
    keys: dict[tuple[str, str], set[str]] = {}
    for row in (*plan.rows, *plan.audits):
        for name, need in row.needs.items():
            label = label_of_need(name, row.name)
            keys.setdefault((name, need.task.name), set()).update(plan.memberships[label, seed] for seed in plan.seeds)
    for (name, task), found in keys.items():
        trials = counted(len(found), "trial")
        yield (
            f"Rows start from the weights of {trials} of task '{task}' with the same seed ({name}). These trials are "
            "not rows of this table."
        )


def _sharing(plan: Plan) -> Iterator[str]:
    needs = plan.needs
    of_rows = {cell: key for cell, key in plan.memberships.items() if cell[0] not in needs}
    cells, distinct = len(of_rows), len(set(of_rows.values()))
    if distinct < cells:
        rows_of: dict[str, list[str]] = {}
        for (label, seed), key in of_rows.items():
            if seed == plan.seeds[0]:
                rows_of.setdefault(key, []).append(label)
        shared = "; ".join(named(labels) for labels in rows_of.values() if len(labels) > 1)
        yield f"The {cells} cells use {distinct} trials, since rows with the same recipe share their trials: {shared}."


def _excluded(plan: Plan) -> Iterator[str]:
    if plan.excluded:
        yield f"The study excludes {named(plan.excluded)}."


def _printed(plan: Plan, published: PublishedTable | None) -> Iterator[str]:
    if published is None:
        return
    sources = "; ".join(f"{key}: {text}" for key, text in published.source_texts.items())
    yield (
        f"The printed numbers are those of {published.id} ({published.dataset}) of {published.paper}. "
        f"They were read from {sources.rstrip('.')}."
    )
    if published.note:
        yield f"About {published.id} as printed: {published.note}"
    assumed: dict[str, list[str]] = {}
    for row in plan.rows:
        if row.name in published.row_notes:
            assumed.setdefault(published.row_notes[row.name], []).append(row.name)
    yield from (f"About {named(labels)} as printed: {note}" for note, labels in assumed.items())
    if unlike := unlike_printed(plan, published):
        shown = "; ".join(f"'{label}': {fields}" for label, fields in unlike.items())
        yield f"Some rows are not the printed ones, so nothing is called reproduced or contradicted: {shown}."


def _costs(plan: Plan, rows: Sequence[TableRow], published: PublishedTable | None) -> Iterator[str]:
    """How counted costs compare with printed ones, and which of them differ although they should not."""
    if published is None or not has_printed_cost(plan, published):
        return
    yield "Parameter counts next to printed ones exclude normalisation layers, as the printed counts do."
    own = [row for row in rows if row.name in papers_own(plan, published)]
    for cost, name in zip(COSTS, ("params_without_norm", "multiply_adds"), strict=True):
        differing = [row.name for row in own if _differs(getattr(row, name), published.cells[row.name].get(cost))]
        if differing:
            what = cost.replace("_", "-").replace("params", "parameters")
            yield f"Counted {what} of {named(differing)} differ from the printed ones; the paper's network may differ."


def _differs(counted: int | None, printed: Printed | None) -> bool:
    """Whether a count differs from the printed number, which may be rounded or truncated."""
    return counted is not None and printed is not None and abs(counted - printed.value) >= printed.last_digit
