"""Errors of a call to a service.

AblateError
├── UnreachableError  the service does not answer
├── RefusedError      the service answered with a problem
└── BrokenError       the service failed, or its answer cannot be read
"""

from __future__ import annotations

from ablate.errors import AblateError


class UnreachableError(AblateError):
    """The service does not answer."""

    exit_status = 3


class RefusedError(AblateError):
    """The service answered with a problem, or the request cannot be sent."""


class BrokenError(AblateError):
    """The service failed, or its answer cannot be read."""

    exit_status = 70
