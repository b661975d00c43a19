"""Errors of the service, below `ablate.errors.AblateError`. The API maps each to a status, in one place.

AblateError
├── ServeError            the service cannot start with these options
├── SelftestError         a service that tests itself does not do its work
└── ServiceError
    ├── NotFoundError     no such study or trial (404)
    ├── ConflictError     the study's state does not allow it (409)
    │   └── AmbiguousError  a text means several studies (409)
    ├── KeyReusedError    an idempotency key was used before with another body (422)
    └── UnavailableError  the service cannot answer now; try again (503)
"""

from __future__ import annotations

from ablate.errors import AblateError


class ServeError(AblateError):
    """The service cannot start with these options."""


class SelftestError(AblateError):
    """A service that tests itself does not start, or does not finish a study."""

    exit_status = 1


class ServiceError(AblateError):
    """Any error of the service that a user can act on.

    Args:
        text: what is wrong, in words that are right everywhere.
        rest: what to do over REST.
        command: what to do on the command line and in Python; None if `text` says it.

    Attributes:
        command: the whole sentence for the command line; None if it is that of REST.
    """

    def __init__(self, text: str, *, rest: str | None = None, command: str | None = None) -> None:
        super().__init__(f"{text}; {rest}" if rest else text)
        self.command = f"{text}; {command}" if command else None


class NotFoundError(ServiceError):
    """No such study, trial or plot."""


class ConflictError(ServiceError):
    """The study's state does not allow the request."""


class AmbiguousError(ConflictError):
    """A text means several studies.

    Attributes:
        candidates: their ids.
    """

    def __init__(self, text: str, candidates: list[str]) -> None:
        super().__init__(text)
        self.candidates = candidates


class KeyReusedError(ServiceError):
    """An idempotency key was used before with another body."""


class UnavailableError(ServiceError):
    """The service cannot answer now.

    Attributes:
        part: the part of the surroundings that is away: `database` or `disk`.
    """

    def __init__(self, text: str, part: str = "database") -> None:
        super().__init__(text)
        self.part = part
