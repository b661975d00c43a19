"""A README as HTML: anchors as on GitHub, links between READMEs rewritten, no raw HTML, no inline style.

The page's policy forbids style attributes, so the alignment of a table's cells becomes a class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from service.web.help.files import HELP_FILES, HelpFile, locate, media_of, resolve

RESERVED = frozenset({"main", "announcer", "ask", "ask-title", "ask-text", "ask-yes", "search", "help"})
"""Ids that the page's frame uses."""
EXTERNAL = re.compile(r"https?://")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
STUDY = re.compile(r"studies/([A-Za-z0-9._-]+)\.toml")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading with its anchor; `level` is 1 to 6."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the texts up to the next one: paragraphs, list items, table rows and code blocks."""

    heading: Heading
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class HelpPage:
    """A README as a page.

    Attributes:
        html: the content, safe to insert.
        sections: what the search reads.
        pictures: repository paths of the pictures that the content shows.
    """

    file: HelpFile
    html: Markup
    sections: Sequence[Section]
    pictures: frozenset[str]

    @property
    def contents(self) -> list[Heading]:
        """The headings of the table of contents: levels 2 and 3."""
        return [one.heading for one in self.sections if one.heading.level in (2, 3)]

    @property
    def has_title(self) -> bool:
        """Whether the content has its own heading of level 1."""
        return any(one.heading.level == 1 for one in self.sections)


@dataclass(slots=True)
class Anchors:
    """Ids of one page, each of them given once."""

    used: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RESERVED, 1))

    def take(self, text: str) -> str:
        """The anchor that GitHub gives a heading: lower case, hyphens, and a number where it was given before."""
        slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-") or "section"
        count = self.used.get(slug, 0)
        self.used[slug] = count + 1
        return self.take(f"{slug}-{count}") if count else slug


def render_page(file: HelpFile, text: str, present: Mapping[str, HelpFile]) -> HelpPage:
    """A README as a page.

    Args:
        file: which one it is.
        text: its Markdown.
        present: the READMEs that links can lead to, by name.
    """
    parser = _parser()
    tokens = parser.parse(text)
    anchors = Anchors()
    headings = [_anchor(opening, inline, anchors) for opening, inline in _headings(tokens)]
    pictures: set[str] = set()
    _empty_headers(tokens)
    for token in tokens:
        _align(token)
        for child in token.children or ():
            if child.type == "image":
                _rewrite_picture(child, file.path, pictures)
        _rewrite_links(token.children or (), file.path, present)
    environment = {"anchors": anchors, "tables": 0}
    html = Markup(parser.renderer.render(tokens, parser.options, environment))
    return HelpPage(file, html, list(_sections(tokens, headings, file)), frozenset(pictures))


def _parser() -> MarkdownIt:
    """CommonMark with tables. Raw HTML is recognised only so that comments can be left out; the rest is escaped."""
    parser = MarkdownIt("commonmark", {"html": True}, renderer_cls=Renderer)
    return parser.enable(["table", "strikethrough"])


class Renderer(RendererHTML):
    """HTML of the tokens, as the page's policy and its keyboard users need it."""

    def html_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A comment is left out; any other raw HTML is shown as text."""
        shown = COMMENT.sub("", tokens[idx].content).strip()
        return f"<p>{escapeHtml(shown)}</p>\n" if shown else ""

    def html_inline(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """As in a block."""
        return escapeHtml(COMMENT.sub("", tokens[idx].content))

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A wide table scrolls by itself, also with the keyboard."""
        env["tables"] += 1
        return f'<div class="scroll" role="region" aria-label="Table {env["tables"]}" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """The end of a table and of its region."""
        return "</table></div>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A code block with a button that copies it."""
        id_ = env["anchors"].take("code-block")
        button = (
            f'<button type="button" class="needs-js quiet" data-copy="#{id_}" aria-label="Copy the code">Copy</button>'
        )
        return f'<div class="code"><pre><code id="{id_}">{escapeHtml(tokens[idx].content)}</code></pre>{button}</div>\n'

    code_block = fence


def _headings(tokens: Sequence[Token]) -> Iterator[tuple[Token, Token]]:
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            yield token, tokens[index + 1]


def _anchor(opening: Token, inline: Token, anchors: Anchors) -> Heading:
    text = _text_of(inline)
    opening.attrSet("id", anchors.take(text))
    return Heading(int(opening.tag[1:]), text, str(opening.attrGet("id")))


def _align(token: Token) -> None:
    style = token.attrs.pop("style", None)
    if style == "text-align:right":
        token.attrJoin("class", "num")


def _empty_headers(tokens: Sequence[Token]) -> None:
    """Make a table header without text a plain cell: a screen reader would announce an empty header."""
    for opening, inline, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opening.type == "th_open" and not inline.content:
            opening.tag = closing.tag = "td"


def _rewrite_picture(token: Token, page: str, pictures: set[str]) -> None:
    path = resolve(page, unquote(str(token.attrGet("src"))))
    if media_of(path) and locate(path).is_file():
        pictures.add(path)
        token.attrSet("src", f"/help/pictures/{path}")
    else:  # its description alone; nothing is loaded from elsewhere
        token.type, token.content = "text", f"[{token.content}]"


def _rewrite_links(children: Sequence[Token], page: str, present: Mapping[str, HelpFile]) -> None:
    opened: list[Token] = []
    for token in children:
        if token.type == "link_open":
            opened.append(token)
            address = _address_of(str(token.attrGet("href")), page, present)
            if address is None:
                token.tag, token.attrs = "span", {}
            else:
                token.attrSet("href", address)
        elif token.type == "link_close":
            token.tag = opened.pop().tag


def _address_of(target: str, page: str, present: Mapping[str, HelpFile]) -> str | None:
    """Where a link leads on the service; None for a file that the service does not show."""
    if target.startswith("#") or EXTERNAL.match(target):
        return target
    file, _, anchor = target.partition("#")
    path = resolve(page, unquote(file))
    for one in HELP_FILES:
        if path in (one.path, one.path.removesuffix("/README.md")):
            return f"{one.address}#{anchor}".rstrip("#") if one.name in present else None
    study = STUDY.fullmatch(path)
    return f"/?example={study[1]}#new" if study and locate(path).is_file() else None


def _sections(tokens: Sequence[Token], headings: Sequence[Heading], file: HelpFile) -> Iterator[Section]:
    """Sections in order; texts before the first heading belong to one with the page's title."""
    heading, texts, rest, row = Heading(0, file.title, ""), list[str](), iter(headings), list[str]()
    in_heading = in_row = False
    for token in tokens:
        if token.type == "heading_open":
            if texts or heading.level:
                yield Section(heading, texts)
            heading, texts, in_heading = next(rest), [], True
        elif token.type == "heading_close":
            in_heading = False
        elif token.type == "tr_open":
            row, in_row = [], True
        elif token.type == "tr_close":
            texts.append(" · ".join(filter(None, row)))
            in_row = False
        elif token.type in ("fence", "code_block"):
            texts.append(token.content.strip())
        elif token.type == "inline" and not in_heading:
            (row if in_row else texts).append(_text_of(token))
    yield Section(heading, texts)


def _text_of(inline: Token) -> str:
    """The words of an inline token, without marks."""
    kinds = {"text", "code_inline", "image"}
    words = [" " if "break" in one.type else one.content if one.type in kinds else "" for one in inline.children or ()]
    return "".join(words).strip()
