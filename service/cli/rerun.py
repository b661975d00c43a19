"""The target of `ablate rerun` and `ablate files`: its text, and the stored trial that the text names.

A target is the key of a trial of the service, ID:ROW:SEED for a cell of one of its studies, or the same of a folder
that `ablate run` wrote: FOLDER:KEY, FOLDER:ROW:SEED. A row may contain colons.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from ablate.cli.progress import OneTrial
from ablate.cli.terminal import Terminal
from ablate.errors import TrialError, quote
from ablate.local.folder import Folder
from ablate.local.rerun import check, retrain
from ablate.remote.errors import BrokenError
from ablate.remote.names import KEY
from ablate.study.names import clause_on_unknown, find_name
from ablate.study.problems import NAME
from ablate.trials.record_comparison import TrialComparison, compare_records
from ablate.trials.trial import EpochMetrics, Outcome, Trial, TrialRecord

if TYPE_CHECKING:
    from ablate.remote.client import Client
    from ablate.remote.documents.trials import TrialView

FORMS = "KEY (8 hexadecimal digits or more), ID:ROW:SEED, FOLDER:KEY or FOLDER:ROW:SEED"
MAX_SEEDS = 24
"""Largest number of seeds that an error lists."""


class TargetError(TrialError):
    """The target does not name a trial that has ended."""


@dataclass(frozen=True, slots=True)
class Key:
    """A trial, named by the first digits of its key."""

    digits: str


@dataclass(frozen=True, slots=True)
class CellAddress:
    """A trial, named by the cell that it fills."""

    row: str
    seed: int


class Target(NamedTuple):
    """A trial, and the place where it is stored.

    Attributes:
        place: a folder; a study's id or name; None for a trial of the service, named by its key.
        what: a key in a folder or at the service, or a cell in a folder or of a study.
    """

    place: Path | str | None
    what: Key | CellAddress


def read_target(text: str) -> Target:
    """The target that a text names. It checks whether there is such a folder.

    Raises:
        TargetError: the text has none of the forms.
    """
    for match in re.finditer("(?<!^):", text):
        folder, rest = Path(text[: match.start()]), text[match.end() :]
        if _holds_trials(folder):
            return Target(folder, _read_cell(text, rest) if ":" in rest else _read_key(text, rest))
    if KEY.fullmatch(text):
        return Target(None, Key(text))
    if text and _holds_trials(Path(text)):
        raise TargetError(f"{quote(text)} is a folder; name one of its trials: FOLDER:KEY or FOLDER:ROW:SEED")
    place, _, rest = text.partition(":")
    if not rest:
        raise TargetError(f"{quote(text)} does not name a trial; a target is {FORMS}")
    if not re.fullmatch(NAME, place):
        raise TargetError(
            f"{quote(place)} is not a folder with a trials.jsonl, nor the id or name of a study; a target is {FORMS}"
        )
    return Target(place, _read_cell(text, rest))


def _holds_trials(path: Path) -> bool:
    try:
        return Folder(path).trials_file.is_file()
    except OSError:  # too long for a path, as a row can be, or not readable
        return False


def _read_key(text: str, digits: str) -> Key:
    if not KEY.fullmatch(digits):
        raise TargetError(f"{quote(text)}: {quote(digits)} is not the key of a trial; a target is {FORMS}")
    return Key(digits)


def _read_cell(text: str, rest: str) -> CellAddress:
    row, _, seed = rest.rpartition(":")
    if not row:
        raise TargetError(f"{quote(text)} does not name a seed, or there is no such folder; a target is {FORMS}")
    if not (seed.isascii() and seed.isdecimal()):
        raise TargetError(f"{quote(text)}: seed {quote(seed)} is not a whole number; a target is {FORMS}")
    return CellAddress(row, int(seed))


def find_in_folder(path: Path, what: Key | CellAddress) -> TrialRecord:
    """The record of a trial in a folder of `ablate run`.

    Raises:
        TargetError: there is no such trial, or it has not ended.
        TrialError: the folder cannot be read.
    """
    records = Folder(path).read()
    digits = what.digits if isinstance(what, Key) else _key_in_table(path, what)
    found = [record for key, record in records.items() if key.startswith(digits)]
    if len(found) == 1:
        return found[0]
    if found:
        raise TargetError(f"{len(found)} trials in {path} have keys that begin with {digits}; give more digits")
    if isinstance(what, CellAddress):
        name = f"row {quote(what.row)}, seed {what.seed}"
        raise TargetError(
            f"{name} has not ended in {path}, so there is nothing to compare with; continue it with `ablate run`"
        )
    raise TargetError(f"no trial in {path} has a key that begins with {digits}; its trials.jsonl lists the keys")


def _key_in_table(path: Path, cell: CellAddress) -> str:
    """The key of a cell, from the table that `ablate run` writes when it ends."""
    file = path / "table.json"
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        rows = {
            _Row(row["label"], row["group"], row.get("row") or row["label"]): dict(
                zip(table["seeds"], row["trials"], strict=True)
            )
            for row in table["rows"]
        }
    except FileNotFoundError:
        raise TargetError(
            f"{path} has no table.json, which lists the rows; finish its `ablate run`, or give {path}:KEY"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise TargetError(
            f"{file} cannot be read as a table of ablate; repeat its `ablate run`, or give {path}:KEY"
        ) from error
    return _choose(rows, cell, str(path))


def find_in_service(client: Client, study: str | None, what: Key | CellAddress) -> TrialRecord:
    """The record of a trial of the service.

    Args:
        client: of the service.
        study: id or name of a study where `what` is a cell.
        what: which trial.

    Raises:
        TargetError: there is no such cell, or its trial has not ended.
        RefusedError, UnreachableError: see `Client`.
    """
    key = find_key(client, study, what)
    stored = client.trial(key)
    if stored.state not in ("succeeded", "diverged", "failed") or stored.outcome is None:
        raise TargetError(_not_ended(stored))
    try:
        return _record_of(stored)
    except ValidationError as error:
        text = f"trial {key} cannot be read as a trial"
        raise BrokenError(f"{text}; check that the service has the version of this command (`--version`)") from error


def find_key(client: Client, study: str | None, what: Key | CellAddress) -> str:
    """The key of a trial of the service, or its first digits; see `find_in_service`."""
    return what.digits if isinstance(what, Key) else _key_in_study(client, str(study), what)


def _key_in_study(client: Client, study: str, cell: CellAddress) -> str:
    rows: dict[_Row, dict[int, str]] = {}
    for one in client.trials(study):
        label = one.row.removeprefix(f"{one.group} / ")
        rows.setdefault(_Row(label, one.group, one.row), {})[one.seed] = one.key
    return _choose(rows, cell, f"study {study}")


class _Row(NamedTuple):
    """A row of a table or of a study, see `ablate.study.names`."""

    label: str
    group: str | None
    name: str


def _choose(rows: Mapping[_Row, Mapping[int, str]], cell: CellAddress, where: str) -> str:
    name = find_name(cell.row, rows)
    if name is None:
        raise TargetError(f"no row {quote(cell.row)} in {where}{clause_on_unknown(cell.row, list(rows))}")
    seeds = next(seeds for row, seeds in rows.items() if row.name == name)
    if cell.seed not in seeds:
        raise TargetError(f"no seed {cell.seed} of row {quote(cell.row)} in {where}; it has {_list(seeds)}")
    return seeds[cell.seed]


def _list(seeds: Iterable[int]) -> str:
    shown = [str(seed) for seed in sorted(seeds)]
    return ", ".join(shown[:MAX_SEEDS]) + (", ..." if len(shown) > MAX_SEEDS else "")


def _not_ended(stored: TrialView) -> str:
    studies = list(dict.fromkeys(place.study_id for place in stored.rows))
    study = studies[-1] if studies else "ID"
    step = f" (step {stored.step} of {stored.steps})" if stored.state == "running" and stored.steps else ""
    again = f"`ablate watch {study}` waits for it"
    if stored.state == "cancelled":
        again = f"`ablate retry {study}` queues it again"
    text = f"trial {stored.key[:12]} is {stored.state}{step} and has no result"
    return f"{text}, so there is nothing to compare with; {again}"


def find_needs(then: TrialRecord, workdir: Callable[[str], Path]) -> dict[str, Path]:
    """The folders of the weights that a stored trial started from.

    Args:
        then: the stored trial. If it did not succeed, the trials that it needs are trained again too.
        workdir: from a key to the trial's folder.
    """
    return {name: workdir(key) for name, key in then.trial.needs.items()} if then.outcome.status == "succeeded" else {}


def train_and_compare(
    then: TrialRecord, console: Terminal, *, tolerance: float, needs: Mapping[str, Path]
) -> TrialComparison:
    """Train a stored trial again, show its progress on the console, and compare the two.

    Args:
        then: the stored trial.
        console: for progress and notes.
        tolerance: see `ablate.trials.record_comparison.compare_records`.
        needs: see `find_needs`.

    Raises:
        TrialError, DataError: it cannot be trained here.
    """
    notes, trial = check(then, needs), then.trial
    name = f"{trial.key[:12]}, task {trial.task}, seed {trial.seed}"
    for text in (*notes, f"training {name} again, in its own folder; nothing that is stored is changed"):
        console.say(text)
    with OneTrial(console, name) as progress:
        now = retrain(then, progress.show, needs=needs)
    return compare_records(then, now, tolerance=tolerance, notes=notes)


def _record_of(stored: TrialView) -> TrialRecord:
    return TrialRecord(
        trial=Trial(
            key=stored.key, task=stored.task, recipe=stored.recipe, seed=stored.seed, replicate=stored.replicate,
            repeat=stored.repeat, needs=stored.needs,
        ),
        outcome=Outcome.model_validate(stored.outcome),
        curve=[EpochMetrics.model_validate(point) for point in stored.curve],
        provenance=stored.provenance,
        finished_at=stored.ended_at.isoformat() if stored.ended_at else "",
    )  # fmt: skip
