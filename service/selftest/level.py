"""How many tables of studies without any effect show one, against the bound that each of them promises.

A table promises that its family of rows shows a false effect with a probability of at most alpha. So at most a share of
alpha of these tables may show one, whatever their noise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import computed_field

from ablate.documents import Document
from ablate.statistics.decisions.row_comparison import clopper_pearson
from ablate.tables.table import Table
from service.selftest.worlds import SAME, SHIFTED

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
        false: tables that show an effect of a row without one.
        by: the same for each test and for each noise: name -> (false tables, tables).
        where: names of the studies with a false table.
        planted: tables that show the planted effect, in its direction; null without one.
        trials: number of trials.
    """

    alpha: float
    false: Share
    by: dict[str, tuple[int, int]]
    where: list[str]
    planted: Share | None
    trials: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Verdict:
        """`exceeded`: the interval is above alpha. `kept`: the share is not, and the interval excludes twice alpha."""
        if self.false.low > self.alpha:
            return "exceeded"
        return "kept" if self.false.share <= self.alpha and self.false.high < 2 * self.alpha else "unclear"

    def sentences(self) -> list[str]:
        """The answer in words."""
        false, parts = self.false, (f"{name} {count} of {n}" for name, (count, n) in self.by.items())
        found = [
            f"{false.count} of {false.n} tables of studies without any effect show one: {false}; at most "
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
    """
    false, tables, where = Counter[str](), Counter[str](), []
    found, trials, alphas = 0, 0, set()
    for study, table in studies:
        decisions = {row.label: row.cells[table.metric].decision for row in table.rows}
        is_false = any(decisions[label] in ("better", "worse") for label in SAME)
        kinds = (f"{table.test} ({len(table.seeds)} seeds)", study["base"]["noise"])
        tables.update(kinds)
        false.update(kinds if is_false else ())
        where += [table.study] if is_false else []
        found += decisions.get(SHIFTED) == ("worse" if planted > 0 else "better")
        trials += len(table.rows) * len(table.seeds)
        alphas.add(table.alpha)
    n = tables.total() // 2
    return Level(
        alpha=max(alphas),
        false=Share.of(len(where), n),
        by={name: (false[name], count) for name, count in sorted(tables.items())},
        where=where,
        planted=Share.of(found, n) if planted else None,
        trials=trials,
    )
