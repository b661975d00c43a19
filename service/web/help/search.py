"""Search of the help pages: sections that contain every word of a query, headings first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from service.web.help.files import HelpFile
from service.web.help.markdown import HelpPage, Section

MAX_RESULTS = 40
EXCERPTS = 2
"""Excerpts of one section."""
WIDTH = 220
"""Characters of an excerpt."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text; `is_match` where it is a word of the query."""

    text: str
    is_match: bool


@dataclass(frozen=True, slots=True)
class Result:
    """A section that was found.

    Attributes:
        address: of the section, with its anchor.
        excerpts: texts of the section that contain a word of the query.
    """

    file: HelpFile
    address: str
    heading: Sequence[Piece]
    excerpts: Sequence[Sequence[Piece]]


def words_of(query: str) -> list[str]:
    """The words of a query, in lower case, each of them once."""
    return list(dict.fromkeys(query.casefold().split()))


def find(pages: Iterable[HelpPage], query: str) -> list[Result]:
    """The sections that contain every word, at most `MAX_RESULTS`: words in headings count most, then how often."""
    words = words_of(query)
    if not words:
        return []
    found = [(page, section) for page in pages for section in page.sections if _has_all(section, words)]
    found.sort(key=lambda one: _rank(one[1], words))  # stable: equal ones stay in the order of the pages
    return [_result(page, section, words) for page, section in found[:MAX_RESULTS]]


def _has_all(section: Section, words: Sequence[str]) -> bool:
    text = "\n".join([section.heading.text, *section.texts]).casefold()
    return all(word in text for word in words)


def _rank(section: Section, words: Sequence[str]) -> tuple[int, int]:
    heading, text = section.heading.text.casefold(), "\n".join(section.texts).casefold()
    return -sum(word in heading for word in words), -sum(text.count(word) for word in words)


def _result(page: HelpPage, section: Section, words: Sequence[str]) -> Result:
    anchor = section.heading.anchor
    pattern = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))), re.IGNORECASE)
    ranked = sorted(section.texts, key=lambda text: -sum(word in text.casefold() for word in words))
    hits = [text for text in ranked if pattern.search(text)][:EXCERPTS]
    return Result(
        file=page.file,
        address=f"{page.file.address}#{anchor}" if anchor else page.file.address,
        heading=list(_pieces(section.heading.text, pattern)),
        excerpts=[list(_pieces(_excerpt(text, pattern), pattern)) for text in hits],
    )


def _excerpt(text: str, pattern: re.Pattern[str]) -> str:
    """The part of a text around its first match, cut between words."""
    flat = " ".join(text.split())
    match = pattern.search(flat)
    if len(flat) <= WIDTH or match is None:
        return flat
    start = max(0, min(match.start() - WIDTH // 3, len(flat) - WIDTH))
    start = flat.find(" ", start) + 1 if start else 0
    end = flat.rfind(" ", start, start + WIDTH)
    end = start + WIDTH if end < match.end() else end
    return f"{'… ' if start else ''}{flat[start:end]}{' …' if end < len(flat) else ''}"


def _pieces(text: str, pattern: re.Pattern[str]) -> Iterator[Piece]:
    at = 0
    for match in pattern.finditer(text):
        if match.start() > at:
            yield Piece(text[at : match.start()], is_match=False)
        yield Piece(match[0], is_match=True)
        at = match.end()
    if at < len(text):
        yield Piece(text[at:], is_match=False)
