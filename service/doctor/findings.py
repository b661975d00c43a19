"""What a probe finds."""

from __future__ import annotations

from typing import Literal

from ablate.documents import Document


class Finding(Document):
    """One line of `ablate doctor`.

    Attributes:
        about: what was examined.
        state: `ok`; `warning`: ablate works, but not as well as it could; `error`: something must be mended.
        text: what was found.
        advice: what to do; None where nothing is to be done.
    """

    about: str
    state: Literal["ok", "warning", "error"]
    text: str
    advice: str | None = None


def ok(about: str, text: str) -> Finding:
    """Nothing is to be done."""
    return Finding(about=about, state="ok", text=text)


def warning(about: str, text: str, advice: str) -> Finding:
    """It works, but not as well as it could."""
    return Finding(about=about, state="warning", text=text, advice=advice)


def error(about: str, text: str, advice: str) -> Finding:
    """It must be mended."""
    return Finding(about=about, state="error", text=text, advice=advice)
