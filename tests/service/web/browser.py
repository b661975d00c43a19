"""A real browser on a real service, with an eye on what it must never do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.debian import need
from tests.service.processes import Running

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE_MS = 15_000


@dataclass
class Visit:
    """One page of a browser, and what went wrong on it.

    Attributes:
        complaints: errors and warnings of the console, uncaught exceptions, dialogs of a script.
        outside: addresses that were asked for and are not the service's.
        statuses: of every answer, by path.
    """

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    statuses: list[tuple[str, int]] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to an address of the service."""
        self.page.goto(self.url + path, wait_until="domcontentloaded")
        return self.page

    def watch(self) -> None:
        """Note whatever happens from now on."""
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self._refuse(dialog))
        self.page.on("request", lambda request: self._look_at(request.url))
        self.page.on("response", lambda found: self.statuses.append((found.url.removeprefix(self.url), found.status)))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def _refuse(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _look_at(self, address: str) -> None:
        if not address.startswith((self.url, "data:", "blob:")):
            self.outside.append(address)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    need("chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        found.close()


@contextmanager
def visiting(found: Browser, running: Running, **options: Any) -> Iterator[Visit]:
    """A visit with a clean profile; in the end nothing has gone wrong on it."""
    context = found.new_context(viewport={"width": 1200, "height": 900}, **options)
    context.set_default_timeout(PATIENCE_MS)
    visit = Visit(context.new_page(), running.client.url)
    visit.watch()
    yield visit
    context.close()
    assert visit.complaints == []
    assert visit.outside == []
