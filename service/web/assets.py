"""The page's own script and styles: read once, and kept by browsers as long as they do not change."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

MEDIA = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""Every file that is served, by name."""


@cache
def read(name: str) -> bytes:
    """A file's content; KeyError where it is none of ours."""
    MEDIA[name]
    return (resources.files("service.web") / "static" / name).read_bytes()


@cache
def version_of(name: str) -> str:
    """The first digits of a file's digest."""
    return hashlib.sha256(read(name)).hexdigest()[:12]


def address_of(name: str) -> str:
    """Where a page finds a file: another content has another address."""
    return f"/static/{name}?v={version_of(name)}"
