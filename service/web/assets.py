"""The page's script and styles: read once, and cached by browsers until they change."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

MEDIA = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""Every file that is served, by name."""


@cache
def read(name: str) -> bytes:
    """A file's content; KeyError for an unknown file."""
    MEDIA[name]
    return (resources.files("service.web") / "static" / name).read_bytes()


@cache
def version_of(name: str) -> str:
    """The first digits of a file's digest."""
    return hashlib.sha256(read(name)).hexdigest()[:12]


def address_of(name: str) -> str:
    """The address of a file; it changes with the content."""
    return f"/static/{name}?v={version_of(name)}"
