"""What must not leave the machine with a bundle: home folders, user names, host names, keys and passwords.

They get into a bundle by tracebacks, logs and the reasons of failed trials. Texts of the study itself are the author's
words and stay as they are.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablate.bundle.own import ROOT
from ablate.settings import read_library_settings
from ablate.text import without_password

SECRET_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
SECRETS = re.compile(
    r"\b(?:abl_|hf_|ghp_|gho_|github_pat_|glpat-|sk-|xox[bp]-|AKIA)[A-Za-z0-9_\-]{8,}"
    r"|(?<=Bearer )[A-Za-z0-9._~+/\-]{8,}=*"
)
HOMES = re.compile(r"(?<![\w.])(?:/home/|/Users/|[A-Za-z]:\\Users\\)[^/\\\s:'\"<>|]+|(?<![\w./])/root(?=[/\s:'\"]|$)")
SHORTEST_SECRET = 8
SHORTEST_HOST = 3


class Scrubber:
    """Replaces in a text what must not leave this machine."""

    def __init__(self) -> None:
        places = dict(sorted(_places(), key=lambda place: -len(place[0])))
        self._places = [
            (re.compile(rf"{re.escape(name)}(?![\w-])"), word) for name, word in places.items() if len(name) > 1
        ]
        self._hosts = [re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])") for name in _host_names()]
        self._secrets = sorted(_secrets(), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without them."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = SECRETS.sub("***", without_password(text))
        for place, word in self._places:
            text = place.sub(word, text)
        text = HOMES.sub("~", text)
        for host in self._hosts:
            text = host.sub("<host>", text)
        return text

    def document(self, value: Any) -> Any:
        """JSON values without them."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {name: self.document(inner) for name, inner in value.items()}
        return [self.document(inner) for inner in value] if isinstance(value, list) else value


def _places() -> Iterator[tuple[str, str]]:
    """Folders of this machine and the words for them; the longest comes first, so that a folder inside wins."""
    yield str(read_library_settings().home), "<ABLATE_HOME>"
    yield str(ROOT), "<ablate>"
    yield sys.prefix, "<python>"
    yield sys.base_prefix, "<python>"
    yield str(Path.cwd()), "."
    yield str(Path.home()), "~"


def _host_names() -> set[str]:
    names = {socket.gethostname(), socket.gethostname().partition(".")[0]}
    return {name for name in names if len(name) >= SHORTEST_HOST and not name.startswith("localhost")}


def _secrets() -> Iterator[str]:
    for name, value in os.environ.items():
        if SECRET_NAMES.search(name) and len(value) >= SHORTEST_SECRET:
            yield value
