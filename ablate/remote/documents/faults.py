"""Documents about work that ended with an internal error of the service."""

from __future__ import annotations

from datetime import datetime

from ablate.documents import Document


class FaultView(Document):
    """Work that ended with an internal error; the service's log has the traceback under its number.

    Attributes:
        number: by which it is retried, such as `E-7f3a`.
        work: the work in words.
        study_id: the study that it concerns; None if it concerns none.
        error: type of the exception, and its message.
        tries: how often the work ended this way.
        stuck: whether it is set aside until it is retried; else the service tries it again by itself.
    """

    number: str
    work: str
    study_id: str | None
    error: str
    tries: int
    stuck: bool
    first_at: datetime
    last_at: datetime
