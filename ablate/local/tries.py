"""The tries of a home: which rows were registered on which seeds, and how their trials ended.

`ablate run` and the service write to files of their own below `ABLATE_HOME/tries`, and read those of the other, so that
a study that is tried again elsewhere is known as one. See `ablate.study.tries`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ablate.documents import Document
from ablate.errors import MachineError
from ablate.local.folder import Folder
from ablate.local.lines import append_lines, cut_off_a_torn_line, read_lines
from ablate.machine.locks import explained, file_lock
from ablate.study.first_tries import find_used_as_first, first_registered, trials_of_first
from ablate.study.plan import Plan
from ablate.study.preregistration import Preregistration, Seen, register
from ablate.study.tries import (
    OtherFamily,
    RegisteredRow,
    digest_of,
    exact_of,
    find_other_families,
    in_effect,
    numbered,
    other_keys,
    rows_to_register,
)
from ablate.tables.tries import PairHistory, PairTrials, find_pair, find_retried, history_of
from ablate.trials.machine import describe_os_error
from ablate.trials.trial import Outcome, Trial, TrialRecord

Writer = Literal["run", "service"]
WRITERS: tuple[Writer, ...] = ("run", "service")
LAST = datetime.max.replace(tzinfo=UTC)
OTHER_HOME = "set ABLATE_HOME to a folder that you can write to"
REMEDY = "a line of the home's tries; restore the file from a backup"


class TrialState(Document):
    """How a trial stood when its run or study ended; a trial without a line counts as begun.

    Attributes:
        key: its key.
        at: when it ended, ISO 8601; None if it did not.
        is_begun: whether somebody may have seen something of it.
        outcome: None without a result.
    """

    key: str
    at: str | None = None
    is_begun: bool
    outcome: Outcome | None = None

    @property
    def ended_at(self) -> datetime | None:
        """When it ended; None if it did not."""
        return datetime.fromisoformat(self.at) if self.at else None

    @property
    def result_at(self) -> datetime | None:
        """When it had its result; None without one, also if it failed."""
        has_result = self.outcome is not None and self.outcome.status != "failed"
        return self.ended_at if has_result else None


@dataclass(frozen=True, slots=True)
class Known:
    """What a home and a folder know of a study's rows.

    Attributes:
        retried: name -> tries, for rows that were tried before.
        pair: tries of two rows, if they were asked for and were tried before.
        seen: results that somebody may have seen.
        other_families: families of other studies that test some of the rows in the same way.
    """

    retried: dict[str, PairHistory]
    pair: PairHistory | None
    seen: Seen
    other_families: list[OtherFamily]


class HomeTries:
    """The files of a home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "tries"

    def _file(self, writer: Writer, what: Literal["rows", "trials"]) -> Path:
        return self.folder / f"{writer}-{what}.jsonl"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone in the folder.

        Raises:
            MachineError: it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = file_lock(self.folder / ".lock")
            with explained(self.folder):
                lock.acquire()
            try:
                yield
            finally:
                lock.release()
        except OSError as error:
            raise MachineError(f"cannot write to {self.folder}: {describe_os_error(error)}; {OTHER_HOME}") from error

    def append(self, writer: Writer, documents: Sequence[RegisteredRow] | Sequence[TrialState]) -> None:
        """Append documents of one kind. Call it inside `writing`."""
        if documents:
            file = self._file(writer, "rows" if isinstance(documents[0], RegisteredRow) else "trials")
            cut_off_a_torn_line(file)
            append_lines(file, documents)

    def rows(self, plan: Plan, *writers: Writer) -> list[RegisteredRow]:
        """The registrations that contain a recipe of a plan, oldest first; a later line replaces its like."""
        about = {digest for row in plan.rows for digest in (digest_of(row), exact_of(row))}
        lines = (read_lines(self._file(writer, "rows"), RegisteredRow, REMEDY, about=about) for writer in writers)
        found = {(row.study, row.row, row.at): row for rows in lines for row in rows}
        return sorted(in_effect(found.values(), plan), key=lambda row: row.at)

    def trials(self, keys: Iterable[str], *writers: Writer) -> dict[str, TrialState]:
        """The state of each of these trials, see `first_results`. Without a line it is as if begun."""
        wanted = set(keys)
        found = (read_lines(self._file(writer, "trials"), TrialState, REMEDY, about=wanted) for writer in writers)
        return first_results(one for states in found for one in states)


def first_results(states: Iterable[TrialState]) -> dict[str, TrialState]:
    """The earliest result of each trial, which is the one that somebody saw first; else its last state."""
    found: dict[str, TrialState] = {}
    for one in states:
        before = found.get(one.key)
        if before is None or before.result_at is None or (one.result_at and one.result_at < before.result_at):
            found[one.key] = one
    return found


def id_of_run(plan: Plan, folder: Folder) -> str:
    """Id of the study of that name in that folder."""
    return hashlib.sha256(f"{folder.path.resolve()} {plan.study.name}".encode()).hexdigest()[:32]


def first_design(home: Path, plan: Plan, at: datetime | None = None) -> Preregistration:
    """The design of a plan, with the time at which a home registered it first; None means now.

    Raises:
        TrialError: a line of the home's files cannot be read.
    """
    known = HomeTries(home).rows(plan, *WRITERS)
    return first_registered(register(plan, at), rows_to_register(plan, "", at), known)


def register_run(home: Path, plan: Plan, folder: Folder, at: datetime | None = None) -> None:
    """Register the rows of a run in a home, with the numbers of their tries; not again if nothing has changed.

    Raises:
        MachineError: the home cannot be written.
        TrialError: a line of its files cannot be read.
    """
    tries = HomeTries(home)
    new = rows_to_register(plan, id_of_run(plan, folder), at)
    with tries.writing():
        known = tries.rows(plan, *WRITERS)
        tries.append("run", list(numbered(new, known)))


def end_run(home: Path, plan: Plan, folder: Folder) -> None:
    """Record how the trials of a run stand at its end; raises as `register_run`."""
    records = folder.read()
    tries = HomeTries(home)
    with tries.writing():
        tries.append("run", [_state_of(trial, records.get(key), folder) for key, trial in plan.trials.items()])


def _state_of(trial: Trial, record: TrialRecord | None, folder: Folder) -> TrialState:
    """How a trial stands; it counts as begun with a trial from whose weights it starts."""
    if record is None:
        keys = (trial.key, *trial.needs.values())
        return TrialState(key=trial.key, is_begun=any(folder.workdir(key).exists() for key in keys))
    return TrialState(key=trial.key, is_begun=True, at=record.finished_at, outcome=record.outcome)


def read_known(home: Path, plan: Plan, folder: Folder, rows: tuple[str, str] | None = None) -> Known:
    """What a home and a folder know of a run's rows.

    Args:
        home: the home.
        plan: plan of the run.
        folder: its folder.
        rows: see `known_of`.

    Raises:
        TrialError: a line of a file cannot be read.
    """
    tries, study = HomeTries(home), id_of_run(plan, folder)
    registered = tries.rows(plan, *WRITERS)

    def states_of(keys: set[str]) -> dict[str, TrialState]:
        records = (*folder.read_set_aside(), *folder.read().values())
        own = (_state_of(record.trial, record, folder) for record in records)
        return first_results((*own, *tries.trials(keys, *WRITERS).values()))

    return known_of(plan, study, registered, states_of, rows)


def known_of(
    plan: Plan,
    study: str,
    registered: Sequence[RegisteredRow],
    states_of: Callable[[set[str]], Mapping[str, TrialState]],
    rows: tuple[str, str] | None = None,
) -> Known:
    """What is known of a study's rows.

    Args:
        plan: plan of the study.
        study: its id.
        registered: registrations of its recipes, itself and all studies that try one of its pairs, oldest first; with
            `rows` all of their recipes. Also all with its recipes as another study wrote them.
        states_of: gives the states of trials by key; a trial without one counts as begun.
        rows: names of two rows whose tries are wanted too.
    """
    pairs = find_retried(plan, registered, study)
    pair = find_pair(plan, registered, study, *rows) if rows else None
    keys = {key for one in (*pairs.values(), *filter(None, [pair])) for both in one.keys for key in both}
    own = min((one.at for one in registered if one.study == study), default=None)
    earlier = [one for one in registered if own is None or one.at < own]
    names, firsts = other_keys(plan, registered), trials_of_first(plan, earlier)
    wanted = keys | plan.trials.keys() | names.keys()
    ended = states_of(wanted | firsts)
    states = {key: state for key, state in ended.items() if key not in firsts - wanted}
    outcomes = {key: states[key].outcome if key in states else None for key in keys
                if key not in states or states[key].is_begun}  # fmt: skip

    def history(one: PairTrials) -> PairHistory:
        return history_of(one, outcomes, plan.metric, lower_is_better=plan.lower_is_better[plan.metric])

    results = {key: one.result_at for key, one in ended.items() if one.result_at}
    return Known(
        retried={name: history(one) for name, one in pairs.items()},
        pair=history(pair) if pair else None,
        seen=Seen(_finished(states, names), find_used_as_first(plan, earlier, results)),
        other_families=find_other_families(plan, study, registered),
    )


def _finished(states: Mapping[str, TrialState], names: Mapping[str, str]) -> dict[str, str]:
    """When each trial ended first, under its own key or as another study wrote its recipe."""
    found: dict[str, str] = {}
    for key, one in sorted(states.items(), key=lambda item: item[1].ended_at or LAST):
        if one.at:
            found.setdefault(names.get(key, key), one.at)
    return found
