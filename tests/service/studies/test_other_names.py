"""Another name for the same thing is no new pair: an edited task, and a home of an earlier version."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select, update

import service.store
from ablate.local.folder import Folder
from ablate.local.tries import read_known, register_run
from ablate.study.plan import plan_document
from ablate.trials import registry
from service.store.schema import upgrade
from service.store.tables import registered_rows
from service.studies import results
from tests.service.conftest import Desk, toy_study
from tests.service.studies.test_known_designs import run_at_the_desk
from tests.service.studies.test_tries import table_of, train, tries_of


@pytest.fixture
def edit(toy: str, tmp_path: Path) -> Callable[[str], None]:
    """Adds a comment to the code of the task `toy`, as a user does between two studies."""

    def add(comment: str) -> None:
        with (tmp_path / "site" / "toy_task.py").open("a") as file:
            file.write(f"# {comment}\n")
        sys.modules.pop("toy_task", None)
        importlib.invalidate_caches()
        registry.get_installed.cache_clear()

    return add


def test_a_comment_in_the_code_of_a_task_does_not_hide_a_try(desk: Desk, edit: Callable[[str], None]) -> None:
    first = table_of(desk, desk.submit(toy_study(seeds=8)))
    edit("tidier")
    again = table_of(desk, desk.submit(toy_study(seeds=list(range(8, 16)))))
    assert first.row("offset 0").trials[0] != again.row("offset 0").trials[0]
    assert (tries_of(again), again.exploratory) == ([2], True)
    tries = again.row("offset 1").cells["error"].tries
    assert tries is not None
    assert (tries.n, tries.lost) == (16, 0), "the results of the first try are found under their own keys"


def test_the_same_seeds_with_other_code_are_a_try_without_more_evidence(
    desk: Desk, edit: Callable[[str], None]
) -> None:
    table_of(desk, desk.submit(toy_study(seeds=8)))
    edit("perhaps another draw")
    again = table_of(desk, desk.submit(toy_study(seeds=8)))
    tries = again.row("offset 1").cells["error"].tries
    assert tries is not None
    assert (tries.number, tries.n, tries.lost) == (2, 8, 0)


@pytest.mark.parametrize("where", ["in the service", "at the desk"])
def test_what_a_pilot_showed_is_known_after_an_edit_too(
    desk: Desk, edit: Callable[[str], None], where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pilot, home = toy_study("look", seeds=12, pilot=True), desk.context.settings.home
    if where == "in the service":
        table_of(desk, desk.submit(pilot))
    else:
        run_at_the_desk(home, pilot, tmp_path / "look", monkeypatch)
    edit("nothing new")
    claim = toy_study("claim", seeds=[2, 5, 7, 8, 9, 11])
    table = table_of(desk, desk.submit(claim))
    assert table.exploratory
    assert any("6 of them belong to rows that are tested here" in one for one in table.provenance)
    assert run_at_the_desk(home, claim, tmp_path / "claim", monkeypatch).exploratory
    honest = table_of(desk, desk.submit(toy_study("honest", rows=(0.0, 3.0), seeds=list(range(20, 28)))))
    assert not honest.exploratory


def test_the_same_folder_with_other_code_is_another_try(
    toy: str, edit: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    assert not run_at_the_desk(home, toy_study(seeds=6), out, monkeypatch).exploratory
    edit("once more")
    assert tries_of(run_at_the_desk(home, toy_study(seeds=6), out, monkeypatch)) == [2]


def test_two_rows_of_other_studies_are_compared_under_any_name(desk: Desk, edit: Callable[[str], None]) -> None:
    train(desk, desk.submit(toy_study("one", rows=(5.0, 1.0, 2.0), seeds=8)))
    edit("tidier")
    view = desk.submit(toy_study("two", rows=(6.0, 1.0, 2.0), seeds=list(range(8, 16))))
    train(desk, view)
    pair = results.compare(desk.context, view.id, "offset 1", "offset 2")
    assert pair.tries is not None
    assert (pair.tries.number, pair.tries.n, pair.tries.lost) == (2, 16, 0)


def as_of_before(desk: Desk) -> None:
    """Make the registrations of a home those of schema 0006: digests of exact recipes, and no trials."""
    home = desk.context.settings.home

    def older(document: dict[str, object]) -> dict[str, object]:
        new = {"exact", "exact_baseline", "trials"}
        exact = {"recipe": document["exact"], "baseline": document["exact_baseline"]}
        return {name: value for name, value in (document | exact).items() if name not in new}

    for file in (home / "tries").glob("*-rows.jsonl"):
        lines = [json.dumps(older(json.loads(line)), separators=(",", ":")) for line in file.read_text().splitlines()]
        file.write_text("".join(f"{line}\n" for line in lines))
    config = Config()
    config.set_main_option("script_location", str(Path(service.store.__path__[0]) / "migrations"))
    with desk.context.store.write() as connection:
        for row in connection.execute(select(registered_rows)).all():
            document = older(row.document)
            values = {"document": document, "recipe": document["recipe"], "pair": "0" * 32}
            connection.execute(update(registered_rows).where(registered_rows.c.seq == row.seq).values(values))
        config.attributes["connection"] = connection
        command.downgrade(config, "0006")


@pytest.mark.parametrize("is_edited", [False, True], ids=["the same code", "an edited task"])
def test_a_home_of_an_earlier_version_recognises_its_tries(
    desk: Desk, edit: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_edited: bool
) -> None:
    old = desk.submit(toy_study(seeds=8))
    table_of(desk, old)
    at_the_desk = toy_study("desk", rows=(3.0, 4.0), seeds=8)
    run_at_the_desk(desk.context.settings.home, at_the_desk, tmp_path / "desk", monkeypatch)
    as_of_before(desk)
    upgrade(desk.context.store)
    if is_edited:
        edit("after the upgrade")
    again = table_of(desk, desk.submit(toy_study(seeds=list(range(8, 16)))))
    tries = again.row("offset 1").cells["error"].tries
    assert tries is not None
    assert (tries.number, tries.n, tries.lost) == (2, 16, 0)
    assert any("1 study has tried rows of this table again since" in one
               for one in results.get_table(desk.context, old.id).provenance)  # fmt: skip
    if not is_edited:  # the files of runs have digests of exact recipes, which this version can still compare
        moved = plan_document(at_the_desk | {"seeds": list(range(8, 16))})
        register_run(desk.context.settings.home, moved, Folder(tmp_path / "moved"))
        (history,) = read_known(desk.context.settings.home, moved, Folder(tmp_path / "moved")).retried.values()
        assert (history.number, len(history.differences)) == (2, 16)
        assert sum(map(math.isnan, history.differences)) == 8, "only this run has no results yet"


def test_a_row_whose_task_is_gone_keeps_its_digest(desk: Desk, tmp_path: Path) -> None:
    table_of(desk, desk.submit(toy_study(seeds=4)))
    as_of_before(desk)
    (tmp_path / "site" / "toy-1.dist-info" / "entry_points.txt").write_text("")
    importlib.invalidate_caches()
    registry.get_installed.cache_clear()
    upgrade(desk.context.store)
    with desk.context.store.read() as connection:
        found = [SimpleNamespace(**row.document) for row in connection.execute(select(registered_rows))]
    assert [row.recipe == row.exact and len(row.trials) == 4 for row in found] == [True, True]
