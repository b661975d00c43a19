"""The inputs of a table in addition to its plan and records: costs of the rows, and the state of the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ablate.study.preregistration import Preregistration, Seen
from ablate.study.tries import OtherFamily
from ablate.tables.tries import PairHistory
from ablate.trials.trial import Cost, Measured


@dataclass(frozen=True, slots=True)
class RowCosts:
    """Costs by row name.

    Attributes:
        counted: counted costs of rows whose trials have not reported any.
        measured: times and memory; rows without them are absent.
    """

    counted: Mapping[str, Cost] = field(default_factory=dict)
    measured: Mapping[str, Measured] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StudyState:
    """The state of a study.

    Attributes:
        provisional: whether trials are outstanding.
        missing: note on seeds without a result.
        registrations: registrations of the study, oldest first.
        others: the last registrations of other studies that test the same rows.
        retried: row name -> its tries, for rows that were tried before.
        seen: every result that could have been seen before something was fixed; None means the records of the table.
        other_families: families of other studies that test some of the rows in the same way.
        is_firing: whether a schedule fired the study; its table decides nothing, since its history does.
    """

    provisional: bool = False
    missing: str = "not run"
    registrations: Sequence[Preregistration] = ()
    others: Sequence[Preregistration] = ()
    retried: Mapping[str, PairHistory] = field(default_factory=dict)
    seen: Seen | None = None
    other_families: Sequence[OtherFamily] = ()
    is_firing: bool = False
