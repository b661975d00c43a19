"""Correctness by test image in the database: both kinds keep it over a restart, and studies share it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update

from ablate.trials.items import Items
from ablate.trials.trial import Outcome
from service.context import open_context
from service.dispatch.interface import TrialMessage
from service.errors import NotFoundError
from service.store.tables import trials as stored
from service.studies import results, trials


def finish(desk: Any, study: Any) -> dict[str, Items]:
    """Let the trials of a toy study succeed: a row with a higher offset is wrong on more images."""
    kept = {}
    while desk.study(study).state in ("queued", "running"):
        desk.tick()
        for ticket in list(desk.dispatcher.running.values()):
            wrong = int(ticket.trial.recipe["offset"]) + ticket.trial.seed % 2
            items = kept[ticket.trial.key] = Items.pack("toy", np.arange(20), np.arange(20) >= wrong)
            del desk.dispatcher.running[ticket.name]
            outcome = Outcome(status="succeeded", metrics={"error": items.error_pct}, items=items)
            desk.dispatcher.reports.append(TrialMessage(ticket, outcome))
    return kept


def test_bits_survive_a_restart_and_are_shared_like_the_result(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(seeds=4, rows=(0.0, 2.0)))
    kept = finish(desk, study)
    desk.restart()
    again = desk.finish(desk.submit(toy_study("again", seeds=4, rows=(0.0, 2.0))))
    assert (again.state, len(desk.dispatcher.started)) == ("succeeded", 8), "nothing is trained twice"
    fresh = open_context(desk.context.settings)
    try:
        for context, one in ((desk.context, study), (fresh, again)):
            for cell in desk.cells(one):
                found = trials.get_items(context, cell.key)
                assert (found.test_set, found.n, found.bits) == tuple(kept[cell.key].model_dump().values())
            compared = results.compare(context, one.id, "offset 2", "offset 0").images
            assert compared.diff is not None
            assert (compared.test_images, compared.diff.mean, compared.diff.n) == (20, pytest.approx(10.0), 4)
            assert [(flip.image, flip.seeds) for flip in compared.b_only] == [(1, 4)], (
                "0 and 2 flip in half of the seeds"
            )
    finally:
        fresh.close()


def test_a_result_of_an_earlier_version_has_no_bits_and_everything_says_so(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study())
    finish(desk, study)
    with desk.context.store.write() as connection:
        for key, outcome in connection.execute(select(stored.c.key, stored.c.outcome)).all():
            before = {name: value for name, value in outcome.items() if name != "items"}
            connection.execute(update(stored).where(stored.c.key == key).values(outcome=before))
    with pytest.raises(NotFoundError, match="kept no correctness by test image: another task or an earlier version"):
        trials.get_items(desk.context, desk.cells(study)[0].key)
    [sentence] = results.compare(desk.context, study.id, "offset 1", "offset 0").images.sentences
    assert sentence.startswith("no interval over test images: 4 of 4 trials kept no correctness by image")
    assert results.get_table(desk.context, study.id).rows[1].cells["error"].decision == "undecided"


def test_a_trial_that_diverged_says_why_it_has_no_bits(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(seeds=1, rows=(0.0,)))
    desk.tick()
    for ticket in list(desk.dispatcher.running.values()):
        desk.dispatcher.end(ticket, "diverged", reason="the loss is nan")
    desk.tick()
    with pytest.raises(NotFoundError, match="kept no correctness by test image: it diverged"):
        trials.get_items(desk.context, desk.cells(study)[0].key)
