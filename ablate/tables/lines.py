"""The lines of a pivoted table, over all groups: documents of a table.

`ablate.study.lines` chooses which rows are one line. `TableRow.line` is the label of the line of a row.
"""

from __future__ import annotations

from pydantic import Field

from ablate.documents import Document


class Line(Document):
    """The rows of all groups that differ only in their group; see `ablate.statistics.decisions.over_groups`.

    Attributes:
        label: unique in the table.
        baseline: whether its rows are the baselines of all groups.
        mean_rank: mean over the groups of its rank among the lines that have a value in every group; null for a line
            without one, and while planned seeds are outstanding.
        mean_diff: mean over the groups of its mean difference from the baseline; null if a group has no difference.
        p: uncorrected p-value of the sign-flip test over the groups; null without a test.
        p_adj: p corrected over all lines.
        decision: `baseline`, `better`, `worse` or `undecided`; null without a test.
        reason: `failures` if failed runs may explain a difference of a line that would be decided; `tried before`,
            `no difference` (in some group) for a line that is not tested; else null.
    """

    label: str
    baseline: bool
    mean_rank: float | None = None
    mean_diff: float | None = None
    p: float | None = None
    p_adj: float | None = None
    decision: str | None = None
    reason: str | None = None


class Pivot(Document):
    """The groups of a table side by side.

    Attributes:
        by: factor or recipe field of which each value is a group, or `group`.
        groups: groups in the order of the rows.
        baseline: label of the line of all baselines; null if the baselines of the groups are different lines.
        test: `flip`, or null without a test over the groups.
        comparisons: number of lines for which p is corrected.
        also: other recipe fields in which rows of one line differ.
        lines: lines in the order of their first rows.
    """

    by: str
    groups: list[str]
    baseline: str | None
    test: str | None = None
    comparisons: int
    also: list[str] = Field(default_factory=list)
    lines: list[Line]
