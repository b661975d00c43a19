"""How many tables show an effect of a row that has none, against the bound that each of them promises.

A table promises that its family of rows shows a false effect with a probability of at most alpha. So at most a share of
alpha of these tables may show one, whatever their noise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import computed_field

from ablate.documents import Document
from ablate.errors import quote
from ablate.statistics.decisions.row_comparison import clopper_pearson
from ablate.tables.table import Table
from service.errors import SelftestError
from service.selftest.worlds import NOISES, SAME, SHIFTED

Verdict = Literal["exceeded", "unclear", "kept"]
VERDICTS: Mapping[Verdict, str] = {
    "exceeded": "The service does not keep its level: it shows effects where there are none.",
    "unclear": "That does not show whether the service keeps its level; test more studies.",
    "kept": "The service keeps its level.",
}


class Share(Document):
    """`count` of `n` tables, with the exact 95 % interval of their share (Clopper, Pearson 1934)."""

    count: int
    n: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, count: int, n: int) -> Share:
        """The share of a count."""
        low, high = clopper_pearson(count, n)
        return cls(count=count, n=n, share=count / n, low=low, high=high)

    def __str__(self) -> str:
        low, high = 100 * self.low, 100 * self.high
        return f"{100 * self.share:.1f} % (95 % interval {low:.1f} to {high:.1f} %)"


class Level(Document):
    """The answer of a self-test.

    Attributes:
        alpha: the bound that each table promises.
        decided: tables in which a row without an effect is better or worse.
        by: the same for each test and each noise: name -> (such tables, tables).
        where: names of the studies with such a table.
        planted: tables that show the planted effect, in its direction; null without one.
        trials: number of trials.
    """

    alpha: float
    decided: Share
    by: dict[str, tuple[int, int]]
    where: list[str]
    planted: Share | None
    trials: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Verdict:
        """`exceeded`: the interval is above alpha. `kept`: the share is not, and the interval excludes twice alpha."""
        if self.decided.low > self.alpha:
            return "exceeded"
        return "kept" if self.decided.share <= self.alpha and self.decided.high < 2 * self.alpha else "unclear"

    def sentences(self) -> list[str]:
        """The answer in words."""
        decided, parts = self.decided, (f"{name} {count} of {n}" for name, (count, n) in self.by.items())
        found = [
            f"{decided.count} of {decided.n} tables show an effect of a row that has none: {decided}. At most "
            f"{100 * self.alpha:g} % are expected. {VERDICTS[self.verdict]}",
            f"By test and noise: {', '.join(parts)}.",
        ]
        if self.where:
            found.append(f"They are the tables of {', '.join(self.where)}.")
        if self.planted:
            found.append(f"{self.planted.count} of {self.planted.n} tables show the planted effect: {self.planted}.")
        return found


def judge(studies: Iterable[tuple[Mapping[str, Any], Table]], *, planted: float = 0.0) -> Level:
    """Count the tables that show an effect.

    Args:
        studies: of `worlds`, at least one, each with its table.
        planted: effect of the row `SHIFTED`; 0: there is no such row.

    Raises:
        SelftestError: a table has no decision on a row.
    """
    counts, tables, where = Counter[str](), Counter[str](), []
    found, trials, alphas = 0, 0, set()
    for study, table in studies:
        decisions = _decisions(table)
        is_decided = any(decisions[label] in ("better", "worse") for label in SAME)
        kinds = (f"{table.test} ({len(table.seeds)} seeds)", study["base"]["noise"])
        tables.update(kinds)
        counts.update(kinds if is_decided else ())
        where += [table.study] if is_decided else []
        found += decisions.get(SHIFTED) == ("worse" if planted > 0 else "better")
        trials += len(table.rows) * len(table.seeds)
        alphas.add(table.alpha)
    n = tables.total() // 2
    return Level(
        alpha=max(alphas),
        decided=Share.of(len(where), n),
        by={name: (counts[name], tables[name]) for name in sorted(tables, key=lambda name: (name in NOISES, name))},
        where=where,
        planted=Share.of(found, n) if planted else None,
        trials=trials,
    )


def _decisions(table: Table) -> dict[str, str]:
    """Label -> decision. A table that decides nothing must not count as one that keeps its level."""
    found = {row.label: row.cells[table.metric].decision for row in table.rows}
    missing = [label for label in (*SAME, *found) if found.get(label) is None]
    if missing:
        raise SelftestError(f"the table of study {quote(table.study)} has no decision on row {quote(missing[0])}")
    return {label: decision for label, decision in found.items() if decision is not None}
