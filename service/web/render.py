"""Templates as responses: the Jinja environment, its filters for numbers and times, and the page's content policy.

Script and styles are read once, and cached by browsers until they change.

Templates come from this package only. All their values are escaped, and nothing is hidden in them (`ablate.text`).
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from ablate.tables.words import count, duration_text, metric_name
from ablate.text import visible

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
GLYPHS = {
    "queued": "○", "running": "◐", "paused": "‖", "succeeded": "●", "diverged": "≈", "failed": "✕", "cancelled": "⊘",
}  # fmt: skip
"""A sign for each state, next to the word or instead of it, so that colour is never the only cue."""


def render(name: str, **values: Any) -> str:
    """A template as text."""
    return _ENVIRONMENT.get_template(name).render(**values)


def answer(name: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response:
    """A template as a response."""
    return as_page(render(name, **values), status=status, headers=headers)


def as_page(text: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """HTML under the page's policy."""
    own = {"Content-Security-Policy": POLICY, **(headers or {})}
    return Response(text, status, headers=own, media_type="text/html")


def instant(at: datetime | None) -> str:
    """A time to the minute, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if at else "–"


def number(value: float | None) -> str:
    """A measured number in at most five digits."""
    return "–" if value is None else f"{value:.5g}".replace("-", "−")


def value_text(value: object) -> str:
    """A value of a recipe or of a document on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {value_text(inner)}" for name, inner in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _visible(value: object) -> object:
    """A value on a page, in which nothing is hidden. Markup is visible already, since templates made it."""
    return visible(value, lines=True) if type(value) is str else value


def _build() -> Environment:
    environment = Environment(
        loader=PackageLoader("service.web"),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "instant": instant, "duration": duration_text, "number": number, "count": count, "metric": metric_name,
        "value": value_text,
    }  # fmt: skip
    environment.globals |= {"glyphs": GLYPHS, "asset": address_of}
    return environment


MEDIA = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""Every file that is served, by name."""


@cache
def read_file(name: str) -> bytes:
    """A file's content; KeyError for an unknown file."""
    MEDIA[name]
    return (resources.files("service.web") / "static" / name).read_bytes()


@cache
def version_of(name: str) -> str:
    """The first digits of a file's digest."""
    return hashlib.sha256(read_file(name)).hexdigest()[:12]


def address_of(name: str) -> str:
    """The address of a file; it changes with the content."""
    return f"/static/{name}?v={version_of(name)}"


_ENVIRONMENT = _build()
