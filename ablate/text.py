"""The one door through which text of others leaves for a terminal, a file or a log.

Text of others is what we did not write: titles, questions, labels, metric names, reasons, logs, names of files, the
problem details of another server. In it, control characters can take over a terminal, a line break can forge a line of
a log, and a bidirectional override can make a word read as another one. They are shown as escapes: `\\x1b`, `\\u202e`.
Everything else stays as it is, such as accents, Arabic and Hebrew, and the joiners inside an emoji.
"""

from __future__ import annotations

import logging
import re
import sys
import textwrap
from io import TextIOWrapper
from types import TracebackType

HIDDEN = (
    r"\x00-\x1f\x7f-\x9f"  # control characters: C0, DEL, C1
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction: marks, embeddings, overrides, isolates
    r"\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"  # without width, and not part of a letter or an emoji
    r"\u2028\u2029\ud800-\udfff"  # line and paragraph separators, lone surrogates
)
"""Characters that are shown as escapes, as the content of a character class."""

_IN_A_LINE = re.compile(f"[{HIDDEN}]")
_IN_LINES = re.compile(rf"(?![\n\t]|\r\n)[{HIDDEN}]")
_PASSWORD = re.compile(r"(?<=://)[^/\s]*@")
_SPACES = re.compile(r"[ \t\r\n]+")
MAX_NAME = 64
"""Largest number of characters of a name in a sentence."""


def visible(text: str, *, lines: bool = False) -> str:
    """A text in which nothing is hidden.

    Args:
        text: any text.
        lines: whether line breaks and tabs are meant, as in a log. Otherwise the result is one line.
    """
    return (_IN_LINES if lines else _IN_A_LINE).sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def on_one_line(text: str) -> str:
    """A visible text of several lines as one line: line breaks, tabs and spaces become single spaces."""
    return _SPACES.sub(" ", visible(text, lines=True)).strip()


def visible_json(text: str) -> str:
    """A text of JSON or TOML with the escapes of those languages, so that its values stay as they are."""
    return _IN_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def visible_name(name: str) -> str:
    """A name in a sentence: visible, and without its middle if it is long."""
    if len(name) > MAX_NAME:
        name = f"{name[: MAX_NAME // 2 - 2]}...{name[1 - MAX_NAME // 2 :]}"
    return visible(name)


def without_password(text: str) -> str:
    """A text with `***@` for the name and password of every address in it."""
    return _PASSWORD.sub("***@", text)


def in_plain_words(message: str) -> str:
    """A message of pydantic on one value, without words of programmers."""
    message = re.sub(r", unable to parse \w+ as an? \w+|, unable to interpret input", "", message)
    for theirs, ours in (("Input should be", "should be"), ("String should", "should"), ("a valid ", "a ")):
        message = message.replace(theirs, ours)
    for theirs, ours in (("a integer", "a whole number"), ("a string", "text"), ("a tuple", "a list")):
        message = message.replace(theirs, ours)
    return message.strip()


def print_every_character() -> None:
    """Let stdout and stderr take every text: a character that their encoding lacks is printed as an escape.

    Each process calls it once, at its start. Otherwise an arrow in a table ends the process in a latin-1 terminal.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def log_to_stderr(level: int) -> None:
    """Log records from this level on to stderr, by `LogFormatter`."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it reports each table of each font it embeds


class LogFormatter(logging.Formatter):
    """Each record is one line with time, level and logger; the lines of a traceback follow, indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return visible(without_password(super().formatMessage(record)))

    def formatException(
        self, error: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """A traceback. It is indented, so that no line of a message in it looks like a record."""
        return textwrap.indent(visible(without_password(super().formatException(error)), lines=True), "  ")
