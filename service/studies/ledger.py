"""The ledger of a home: all families that its ended studies decided on, and all pairs of recipes that they compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ablate.remote.documents.ledger import Ledger, LedgerPair
from ablate.statistics.decisions.anytime import evidence_now
from ablate.statistics.decisions.corrections import find_discoveries
from ablate.study.tries import Block
from ablate.tables.lines import Pivot
from ablate.tables.table import Table
from ablate.tables.tries import PairTrials, history_of
from ablate.trials.trial import Outcome
from service.context import Context
from service.store import studies, tries
from service.store.tries import StoredRow

DECIDED = ("better", "worse")


@dataclass(slots=True)
class _Pair:
    """A pair of recipes with one metric; `first` is the row that was registered first."""

    first: StoredRow
    baseline: str
    studies: list[StoredRow] = field(default_factory=list)
    keys: dict[Block, tuple[str, str]] = field(default_factory=dict)


def read_ledger(context: Context, alpha: float) -> Ledger:
    """The ledger of the service's home.

    Args:
        context: of this process.
        alpha: false discovery rate, in (0, 1).
    """
    with context.store.read() as connection:
        rows = tries.list_ended(connection)
        seqs = sorted({row.study_seq for row in rows})
        keys = tries.list_keys(connection, seqs)
        tables = {seq: table for seq in seqs if (table := studies.find_table(connection, seq)) is not None}
        pairs = list(_pairs_of(rows, keys).values())
        wanted = {key for pair in pairs for two in pair.keys.values() for key in two}
        states = tries.find_states(connection, wanted)
    outcomes = {key: state.outcome for key, state in states.items() if state.is_begun}
    differences = [_differences(pair, outcomes, tables) for pair in pairs]
    evidence = [evidence_now(values) for values in differences]
    found = find_discoveries(evidence, alpha)
    families = [
        *((table, _is_decided(table, family.group)) for table in tables.values() for family in table.families),
        *(
            (table, _is_decided_over_groups(table.pivot))
            for table in tables.values()
            if table.pivot and table.pivot.test
        ),
    ]
    decided = [table for table, is_decided in families if is_decided]
    return Ledger(
        alpha=alpha,
        families=len(families),
        decided=len(decided),
        exploratory=sum(table.exploratory for table in decided),
        expected=sum(table.alpha for table, _ in families),
        pairs=[
            LedgerPair(
                row=pair.first.registered.row,
                baseline=pair.baseline,
                metric=pair.first.registered.metric,
                studies=list(dict.fromkeys(row.registered.study for row in pair.studies)),
                n=len(values),
                evidence=e,
                needed=one.needed,
                is_discovery=one.is_found,
                decision=_decision(pair, tables),
            )
            for pair, values, e, one in zip(pairs, differences, evidence, found, strict=True)
        ],
    )


def _pairs_of(rows: Sequence[StoredRow], keys: Mapping[tuple[int, str], Mapping[int, str]]) -> dict[object, _Pair]:
    """The pairs with the trials of each block, the row that came first before its baseline."""
    labels = {(row.study_seq, row.registered.recipe): row.registered.row for row in rows}
    found: dict[object, _Pair] = {}
    for row in rows:
        one = row.registered
        if one.number is None:
            continue
        baseline = labels.get((row.study_seq, one.baseline), "")
        pair = found.setdefault((one.pair, one.metric), _Pair(row, baseline))
        pair.studies.append(row)
        ours, theirs = (keys.get((row.study_seq, label), {}) for label in (one.row, baseline))
        if one.recipe != pair.first.registered.recipe:  # the roles are exchanged
            ours, theirs = theirs, ours
        for seed in one.seeds:
            if seed in ours and seed in theirs:
                pair.keys.setdefault((seed, one.replicate), (ours[seed], theirs[seed]))
    return found


def _differences(pair: _Pair, outcomes: Mapping[str, Outcome | None], tables: Mapping[int, Table]) -> tuple[float, ...]:
    one = pair.first.registered
    table = tables.get(pair.first.study_seq)
    lower_is_better = table.directions.get(one.metric, True) if table else True
    trials = PairTrials(one.number or 1, tuple(pair.keys.values()))
    return history_of(trials, outcomes, one.metric, lower_is_better=lower_is_better).differences


def _is_decided(table: Table, group: str | None) -> bool:
    return any(row.group == group and row.cells[table.metric].decision in DECIDED for row in table.rows)


def _is_decided_over_groups(pivot: Pivot) -> bool:
    return any(line.decision in DECIDED for line in pivot.lines)


def _decision(pair: _Pair, tables: Mapping[int, Table]) -> str | None:
    last = pair.studies[-1]
    table = tables.get(last.study_seq)
    rows: Iterable[str | None] = (
        (row.cells[table.metric].decision for row in table.rows if row.name == last.registered.row) if table else ()
    )
    return next(iter(rows), None)
