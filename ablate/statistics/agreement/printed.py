"""A table against a paper's printed differences: the verdict on the table from those on its rows.

`ablate.statistics.agreement.row_agreement` judges the rows and defines their words. The headline rows decide the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablate.statistics.agreement.row_agreement import (
    NO_CLAIM,
    OTHER_WORDS,
    PAPER_WORDS,
    VERDICT_FROM,
    PrintedRow,
    RowAgreement,
    judge_rows,
)
from ablate.statistics.words import counted

SAME, CONTRADICTED = (PAPER_WORDS[0], OTHER_WORDS[0]), (*PAPER_WORDS[1:3], OTHER_WORDS[1])


@dataclass(frozen=True, slots=True)
class Agreement:
    """The verdict on a table.

    Attributes:
        word: verdict on the table. `reproduced` (`agrees`): all headline rows are reproduced and no claim is
            contradicted. `contradicted` (`disagrees`): a headline row is contradicted. `partly`: some rows are
            reproduced, and a row outside the headline is contradicted. `inconclusive` (`undecided`): all other cases.
            `no claim`: no headline row makes a claim. If a headline row is the paper's own, only the rows count that
            are.
        counts: word -> number of rows, over all rows with a claim that count.
        headline: labels of the rows that decide.
        left_out: labels of the rows with a claim that do not count, since they are not the paper's.
        without_claim: labels of the chosen headline rows that make no claim.
        has_headline: whether any of these rows is a headline row.
        is_provisional: whether a headline row has fewer than 8 seeds.
        rows: verdicts on the rows, in the given order.
    """

    word: str
    counts: Mapping[str, int]
    headline: tuple[str, ...]
    left_out: tuple[str, ...]
    without_claim: tuple[str, ...]
    has_headline: bool
    is_provisional: bool
    rows: tuple[RowAgreement, ...]

    @property
    def text(self) -> str:
        """The word with its counts: `partly; 3 claims: 2 reproduced, 1 contradicted (absent)`."""
        total = sum(self.counts.values())
        verbs = {"agrees": "agree", "disagrees": "disagree"}
        counts = ", ".join(
            f"{count} {word if count == 1 else verbs.get(word, word)}" for word, count in self.counts.items()
        )
        word = self.word if self.has_headline else "no headline row in this group"
        text = f"{word}; {counted(total, 'claim')}: {counts}" if total else word
        if self.without_claim:
            text += f"; headline rows without a claim: {', '.join(self.without_claim)}"
        if self.left_out:
            text += f"; rows that are not the paper's are left out: {', '.join(self.left_out)}"
        return text + f"; provisional below {VERDICT_FROM} seeds" * self.is_provisional


def agreement(rows: Sequence[PrintedRow], *, alpha: float = 0.05, headline: Sequence[str] | None = None) -> Agreement:
    """The verdict on every row and on the table.

    Args:
        rows: all rows of one group except its baseline; rows without a claim get the word `no claim`.
        alpha: one-sided level of each of the three families, in (0, 0.5).
        headline: labels of the rows that decide the table, named before the runs; () if all of them are in other
            groups; None means every row with a claim.

    Raises:
        ValueError: a headline label is not the label of a row.
    """
    labels = [row.label for row in rows]
    if unknown := [label for label in headline or () if label not in labels]:
        raise ValueError(f"headline {unknown[0]!r} is not a row; the rows are {', '.join(labels)}")
    return _of_table(judge_rows(rows, alpha=alpha), headline)


def _of_table(rows: Sequence[RowAgreement], headline: Sequence[str] | None) -> Agreement:
    all_claims = [row for row in rows if row.is_claim]
    all_heads = [row for row in all_claims if headline is None or row.label in headline]
    is_papers_own = any(row.is_papers_own for row in all_heads)
    heads, claims = ([row for row in of if row.is_papers_own or not is_papers_own] for of in (all_heads, all_claims))
    counts = {word: sum(row.word == word for row in claims) for word in (*PAPER_WORDS, *OTHER_WORDS)}
    return Agreement(
        word=_table_word(heads, claims, PAPER_WORDS if is_papers_own else OTHER_WORDS),
        counts={word: count for word, count in counts.items() if count},
        headline=tuple(row.label for row in heads),
        left_out=tuple(row.label for row in all_claims if row not in claims),
        without_claim=tuple(row.label for row in rows if row.label in (headline or ()) and not row.is_claim),
        has_headline=headline is None or bool(headline),
        is_provisional=any(row.n < VERDICT_FROM for row in heads),
        rows=tuple(rows),
    )


def _table_word(heads: Sequence[RowAgreement], claims: Sequence[RowAgreement], words: Sequence[str]) -> str:
    if not heads:
        return NO_CLAIM
    has_contradicted = any(row.word in CONTRADICTED for row in claims)
    if all(row.word in SAME for row in heads) and not has_contradicted:
        return words[0]
    if any(row.word in CONTRADICTED for row in heads):
        return words[1].split(" (")[0]
    return "partly" if has_contradicted and any(row.word in SAME for row in claims) else words[3]
