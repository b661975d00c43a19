"""What `ablate rerun` is to train again: its target as a text, and the stored trial that the text names.

A target is the key of a trial of the service, ID:ROW:SEED for a cell of one of its studies, or the same of a folder
that `ablate run` wrote: FOLDER:KEY, FOLDER:ROW:SEED. A row may contain colons.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from rich.console import Console

from ablate.cli.progress import OneTrial
from ablate.errors import TrialError, nearest
from ablate.local.folder import Folder
from ablate.local.rerun import check, retrain
from ablate.remote.client import KEY, BrokenError, Client
from ablate.study.document import NAME
from ablate.trials.comparison import TrialComparison, compare
from ablate.trials.trial import EpochMetrics, Outcome, Trial, TrialRecord

FORMS = "KEY (8 hexadecimal digits or more), ID:ROW:SEED, FOLDER:KEY or FOLDER:ROW:SEED"
MAX_SEEDS = 24
"""Named in an error."""


class TargetError(TrialError):
    """The target names no trial that has ended."""


@dataclass(frozen=True, slots=True)
class Key:
    """A trial by the first digits of its key."""

    digits: str


@dataclass(frozen=True, slots=True)
class CellAddress:
    """A trial by the cell that it fills."""

    row: str
    seed: int


class Target(NamedTuple):
    """Which trial, and where it is stored.

    Attributes:
        place: a folder; a study's id or name; None: the service, whose trials have keys of their own.
        what: a key in a folder or in the service, a cell in a folder or of a study.
    """

    place: Path | str | None
    what: Key | CellAddress


def read_target(text: str) -> Target:
    """A target from what was typed. Looks whether there is such a folder.

    Raises:
        TargetError: it has none of the forms.
    """
    for match in re.finditer("(?<!^):", text):
        folder, rest = Path(text[: match.start()]), text[match.end() :]
        if _holds_trials(folder):
            return Target(folder, _read_cell(text, rest) if ":" in rest else _read_key(text, rest))
    if KEY.fullmatch(text):
        return Target(None, Key(text))
    if text and _holds_trials(Path(text)):
        raise TargetError(f"'{text}' is a folder; name one of its trials: {text}:KEY or {text}:ROW:SEED")
    place, _, rest = text.partition(":")
    if not rest:
        raise TargetError(f"'{text}' names no trial; a target is {FORMS}")
    if not re.fullmatch(NAME, place):
        raise TargetError(
            f"'{place}' is no folder with a trials.jsonl, nor an id or name of a study; a target is {FORMS}"
        )
    return Target(place, _read_cell(text, rest))


def _holds_trials(path: Path) -> bool:
    try:
        return Folder(path).trials_file.is_file()
    except OSError:  # too long for a path, as a row can be, or not ours to read
        return False


def _read_key(text: str, digits: str) -> Key:
    if not KEY.fullmatch(digits):
        raise TargetError(f"'{text}': '{digits}' is no key of a trial; a target is {FORMS}")
    return Key(digits)


def _read_cell(text: str, rest: str) -> CellAddress:
    row, _, seed = rest.rpartition(":")
    if not row:
        raise TargetError(f"'{text}' names no seed, or there is no such folder; a target is {FORMS}")
    if not (seed.isascii() and seed.isdecimal()):
        raise TargetError(f"'{text}': seed '{seed}' is no whole number; a target is {FORMS}")
    return CellAddress(row, int(seed))


def find_in_folder(path: Path, what: Key | CellAddress) -> TrialRecord:
    """The record of a trial in a folder of `ablate run`.

    Raises:
        TargetError: there is none, or none that has ended.
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
        name = f"row '{what.row}', seed {what.seed}"
        raise TargetError(f"{name} has not ended in {path}: there is nothing to compare with; go on with `ablate run`")
    raise TargetError(f"no trial in {path} has a key that begins with {digits}; its trials.jsonl lists them")


def _key_in_table(path: Path, cell: CellAddress) -> str:
    """The key of a cell, from the table that `ablate run` writes at its end."""
    file = path / "table.json"
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
        rows = {row["label"]: dict(zip(table["seeds"], row["trials"], strict=True)) for row in table["rows"]}
    except FileNotFoundError:
        raise TargetError(
            f"{path} has no table.json, from which rows are known; end its `ablate run`, or give {path}:KEY"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise TargetError(
            f"{file} does not read as a table of ablate; repeat its `ablate run`, or give {path}:KEY"
        ) from error
    return _choose(rows, cell, str(path))


def find_in_service(client: Client, study: str | None, what: Key | CellAddress) -> TrialRecord:
    """The record of a trial of the service.

    Args:
        client: of the service.
        study: id or name of a study where `what` is a cell.
        what: which trial.

    Raises:
        TargetError: no such cell, or it has not ended.
        RefusedError, UnreachableError: see `Client`.
    """
    key = what.digits if isinstance(what, Key) else _key_in_study(client, str(study), what)
    answer = client.get(f"/trials/{key}")
    if answer["state"] not in ("succeeded", "diverged", "failed") or answer["outcome"] is None:
        raise TargetError(_not_ended(answer))
    try:
        return _record_of(answer)
    except ValidationError as error:
        raise BrokenError(f"trial {key} does not read as a trial; is the service of another version?") from error


def _key_in_study(client: Client, study: str, cell: CellAddress) -> str:
    rows: dict[str, dict[int, str]] = {}
    for one in client.get_all(f"/studies/{client.find_study(study)}/trials"):
        rows.setdefault(one["row"], {})[one["seed"]] = one["key"]
    return _choose(rows, cell, f"study {study}")


def _choose(rows: Mapping[str, Mapping[int, str]], cell: CellAddress, where: str) -> str:
    if cell.row not in rows:
        raise TargetError(f"no row '{cell.row}' in {where}{nearest(cell.row, rows)}")
    seeds = rows[cell.row]
    if cell.seed not in seeds:
        raise TargetError(f"no seed {cell.seed} of row '{cell.row}' in {where}; it has {_list(seeds)}")
    return seeds[cell.seed]


def _list(seeds: Iterable[int]) -> str:
    shown = [str(seed) for seed in sorted(seeds)]
    return ", ".join(shown[:MAX_SEEDS]) + (", ..." if len(shown) > MAX_SEEDS else "")


def _not_ended(trial: Mapping[str, Any]) -> str:
    state, key = trial["state"], trial["key"][:12]
    studies = list(dict.fromkeys(place["study_id"] for place in trial["rows"]))
    study = studies[-1] if studies else "ID"
    step = f" (step {trial['step']} of {trial['steps']})" if state == "running" and trial["steps"] else ""
    again = (
        f"`ablate retry {study}` queues it again" if state == "cancelled" else f"`ablate watch {study}` waits for it"
    )
    return f"trial {key} is {state}{step} and has no result: there is nothing to compare with; {again}"


def find_needs(then: TrialRecord, workdir: Callable[[str], Path]) -> dict[str, Path]:
    """Where the weights may lie that a stored trial started from.

    Args:
        then: one that did not succeed may have ended with what it needs, so that is trained again too.
        workdir: from a key to the trial's folder.
    """
    return {name: workdir(key) for name, key in then.trial.needs.items()} if then.outcome.status == "succeeded" else {}


def train_and_compare(
    then: TrialRecord, console: Console, *, tolerance: float, needs: Mapping[str, Path]
) -> TrialComparison:
    """Train a stored trial again, show its progress on the console, and compare.

    Args:
        then: what is stored.
        console: for progress and notes.
        tolerance: see `ablate.trials.comparison.compare`.
        needs: see `find_needs`.

    Raises:
        TrialError, DataError: it cannot be trained here.
    """
    notes, trial = check(then, needs), then.trial
    name = f"{trial.key[:12]}, task {trial.task}, seed {trial.seed}"
    for text in (*notes, f"trains {name} again, in a folder of its own; what is stored stays as it is"):
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    with OneTrial(console, name) as progress:
        now = retrain(then, progress.show, needs=needs)
    return compare(then, now, tolerance=tolerance, notes=notes)


def _record_of(answer: Mapping[str, Any]) -> TrialRecord:
    return TrialRecord(
        trial=Trial(**{name: answer[name] for name in Trial.model_fields}),
        outcome=Outcome.model_validate(answer["outcome"]),
        curve=[EpochMetrics.model_validate(point) for point in answer["curve"]],
        provenance=answer["provenance"],
        finished_at=answer["ended_at"] or "",
    )
