from __future__ import annotations

import pytest

from ablate.remote.documents.ledger import Ledger, LedgerPair
from service.cli.ledger import show_ledger


def test_the_ledger_is_shown_in_sentences_and_rows(capsys: pytest.CaptureFixture[str]) -> None:
    pair = LedgerPair(
        row="FReLU", baseline="ReLU", metric="top1_error_pct", studies=["a", "b"], n=16, evidence=812.0, needed=32.9,
        is_discovery=True, decision="better",
    )  # fmt: skip
    show_ledger(Ledger(alpha=0.05, families=3, decided=1, exploratory=1, expected=0.15, pairs=[pair]))
    out = capsys.readouterr().out
    assert (
        "3 families of rows compared with a baseline; 1 shows a row as better or worse (1 of them exploratory)" in out
    )
    assert "if no row had any effect, at most 0.15 of them would be expected to show one" in out
    assert ["FReLU", "ReLU", "top1_error_pct", "2", "16", "better", "812", "32.9", "yes"] in [
        line.split() for line in out.splitlines()
    ]
    assert "of 1 pair, 1 holds over everything that was tested" in out


def test_only_the_strongest_pairs_are_shown_unless_all_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [
        LedgerPair(
            row=f"row{number}", baseline="b", metric="m", studies=["a"], n=8, evidence=float(number), needed=99.0,
            is_discovery=False, decision="undecided",
        )
        for number in range(25)
    ]  # fmt: skip
    found = Ledger(alpha=0.05, families=25, decided=0, exploratory=0, expected=1.25, pairs=pairs)
    show_ledger(found)
    out = capsys.readouterr().out
    assert "row24 " in out
    assert "row4 " not in out
    assert "... and 5 more pairs; --all shows them" in out
    show_ledger(found, everything=True)
    assert "row4 " in capsys.readouterr().out


def test_an_empty_ledger_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    show_ledger(Ledger(alpha=0.05, families=0, decided=0, exploratory=0, expected=0.0, pairs=[]))
    assert capsys.readouterr().out == "no study that decides on rows has ended yet\n"
