"""The exceptions of ablate. Each one reaches a user as a sentence.

AblateError
├── StudyError        the study document is wrong; carries every problem found, each with its place
├── SiteError         a network cannot be traced, or a row selects no call site in it
├── DataError         a data set is missing, damaged or unknown
│   └── RegistryError the registration of a folder cannot be read
├── TrialError        a trial cannot start (a task is not installed, a folder is in use)
├── MachineError      the machine cannot do what a trial needs (a full disk, a read-only folder)
└── TableError        a table cannot be built or rendered as asked

A text has four parts where they exist: what, given, allowed, next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from ablate.limits import MAX_COUNTED, MAX_FINDINGS
from ablate.names import closest
from ablate.text import visible_name


class AblateError(Exception):
    """Any error of ablate that a user can act on.

    Attributes:
        exit_status: exit status of a command that ends with it: 2, the input is wrong.
    """

    exit_status = 2


class SiteError(AblateError):
    """A network cannot be traced, or the recipe selects no call site in it."""


class DataError(AblateError):
    """A data set is missing, damaged or unknown."""


class RegistryError(DataError):
    """The registration of a folder cannot be read."""


class TrialError(AblateError):
    """A trial cannot start."""


class MachineError(AblateError):
    """The machine cannot do what a trial needs; the trial itself is not at fault, and can be trained later."""


class TableError(AblateError):
    """A table cannot be built or rendered as asked."""


Code = Literal[
    # the text of a document or a body
    "not_json", "not_toml", "unreadable",
    # its shape
    "design", "duplicate", "exclusive", "given_twice", "invalid", "missing", "no_rows", "not_supported",
    "not_yet_supported", "same_row", "too_many", "unknown_field", "unknown_parameter",
    # names that it refers to
    "unknown_column", "unknown_dataset", "unknown_factor", "unknown_group", "unknown_level", "unknown_metric",
    "unknown_row", "unknown_scale", "unknown_table", "unknown_task", "unknown_zone", "groups", "unmatched",
    # what it asks for
    "coincide", "does_not_apply", "idle", "mixed_presets", "needs_confirmation", "one_seed", "power",
    # what the machine or the data cannot give
    "data_changed", "data_damaged", "infeasible", "no_data", "not_buildable", "not_counted",
    # what needs a person, in the service's overview of today
    "disk", "drift", "holes", "missed", "refused", "stuck", "unknown",
]  # fmt: skip
"""Stable names of problems: scripts of users read them, so none is ever renamed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in a document.

    Attributes:
        pointer: JSON pointer (RFC 6901) into the document, `""` for the whole.
        code: short stable name, such as `unknown_field`.
        message: the sentence for the user.
    """

    pointer: str
    code: Code
    message: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.message}" if self.pointer else self.message


class StudyError(AblateError):
    """A study document is wrong.

    Attributes:
        problems: the problems found, in document order; at most 100.
        more: number of further problems. Counting ends at 900, and so does the search for problems.
    """

    def __init__(self, problems: Sequence[Problem], more: int = 0) -> None:
        self.problems = tuple(problems[:MAX_FINDINGS])
        self.more = min(more + len(problems) - len(self.problems), MAX_COUNTED - MAX_FINDINGS)
        lines = [str(problem) for problem in self.problems]
        super().__init__("\n".join([*lines, f"and {self.more} more"] if self.more else lines))

    def changed(self, change: Callable[[Problem], Problem]) -> StudyError:
        """The error with each of its problems changed."""
        return StudyError([change(problem) for problem in self.problems], self.more)


class Findings:
    """The problems of a document while they are found: 100 are kept, each once, and 900 more are counted.

    Attributes:
        problems: the problems that are kept.
        more: number of problems that are only counted.
    """

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self.problems: list[Problem] = []
        self.more = 0
        self.extend(problems)

    def __bool__(self) -> bool:
        return bool(self.problems)

    @property
    def is_full(self) -> bool:
        """Whether no further problem is counted, so that the search for one can end."""
        return len(self.problems) + self.more >= MAX_COUNTED

    @property
    def has_room(self) -> bool:
        """Whether the next problem will be kept."""
        return len(self.problems) < MAX_FINDINGS

    def add(self, problem: Problem) -> None:
        """Keep a problem, or count it."""
        if problem in self.problems or self.is_full:
            return
        if self.has_room:
            self.problems.append(problem)
        else:
            self.more += 1

    def extend(self, problems: Iterable[Problem], more: int = 0) -> None:
        """Keep or count problems until it is full."""
        for problem in problems:
            self.add(problem)
            if self.is_full:
                return
        self.more = min(self.more + more, MAX_COUNTED - len(self.problems))

    def nearest(self, name: str, allowed: Iterable[str], elsewhere: Mapping[str, Iterable[str]] | None = None) -> str:
        """The clause of `nearest` for a problem that will be kept; empty for one that will only be counted."""
        return nearest(name, allowed, elsewhere) if self.has_room else ""

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Take the problems of a StudyError raised inside, and continue after the block."""
        try:
            yield
        except StudyError as error:
            self.extend(error.problems, error.more)

    def error(self) -> StudyError:
        """The problems as an error."""
        return StudyError(self.problems, self.more)

    def refuse(self) -> None:
        """Raise StudyError if there is a problem."""
        if self:
            raise self.error()


@contextmanager
def foreign_code(what: str, *allowed: type[Exception]) -> Iterator[None]:
    """A boundary around a call of code that is not ours, such as that of an installed task.

    Args:
        what: the code and what it was asked, as the start of a sentence: `task 'x', its check`.
        allowed: exceptions that the caller handles. Those of ablate always pass.

    Raises:
        TrialError: the code raised anything else. Ctrl-C, which arrives in the main thread, passes.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, (AblateError, *allowed)):
            raise
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        raise TrialError(f"{what}: {describe_error(error)}") from error


def describe_error(error: BaseException, max_characters: int = 300) -> str:
    """Type and text of an exception of any code, in one line."""
    try:
        text = " ".join(str(error).encode("utf-8", "backslashreplace").decode().split())
    except Exception:  # its own `__str__` is foreign code too
        text = ""
    return f"{type(error).__name__}: {text[:max_characters] or 'no message'}"


def quote(name: object) -> str:
    """A user's own word in quotation marks, as it is written; see `ablate.text.visible_name`."""
    text = visible_name(str(name))
    return f'"{text}"' if "'" in text and '"' not in text else f"'{text}'"


def nearest(name: str, allowed: Iterable[str], elsewhere: Mapping[str, Iterable[str]] | None = None) -> str:
    """The clause `; did you mean 'x'?`, or, if none is similar, the allowed names (at most 24).

    Args:
        name: the unknown name.
        allowed: the known names.
        elsewhere: known names in other places, by what belongs to such a name, such as `in [resources]`.
    """
    names, given = list(allowed), str(name)
    match, place = closest(given, names), ""
    for where, others in (elsewhere or {}).items():
        other = closest(given, others)
        if other and other.score > (match.score if match else STRONG):
            match, place = other, where
    if match and place:
        belongs = f"did you mean {quote(match.name)}, which belongs {place}?"
        return f"; it belongs {place}" if match.name == given else f"; {belongs}"
    if match:
        return f"; did you mean {quote(match.name)}?"
    shown = ", ".join(f"'{one}'" if ", " in one else one for one in names[:24]) + (", ..." if len(names) > 24 else "")
    return f"; allowed: {shown}" if names else ""


STRONG = 0.75
"""Similarity below which a name of another place is not proposed."""
