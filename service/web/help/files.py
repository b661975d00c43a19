"""The files that help shows: READMEs and their pictures, in a checkout and in an installed package alike.

A file is named by its path in the repository. In a wheel the root README is `ablate/help/README.md`, and the folder
`studies` is `ablate/studies`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from ablate.paper.published import studies_folder

MEDIA = {"png": "image/png", "svg": "image/svg+xml", "jpg": "image/jpeg", "webp": "image/webp"}
"""Media type of a picture, by the ending of its name."""


@dataclass(frozen=True, slots=True)
class HelpFile:
    """A README that is a page.

    Attributes:
        name: the last segment of the page's address; empty for `/help` itself.
        title: the name in the navigation.
        path: the path in the repository.
    """

    name: str
    title: str
    path: str

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"/help/{self.name}" if self.name else "/help"


HELP_FILES = (
    HelpFile("", "Overview", "README.md"),
    HelpFile("library", "Studies and the library", "ablate/README.md"),
    HelpFile("service", "The service", "service/README.md"),
    HelpFile("studies", "The paper's tables", "studies/README.md"),
    HelpFile("measured", "Measured tables", "studies/measured/README.md"),
)
"""Every README that can be a page, in the order of the navigation."""


def present_files() -> Mapping[str, HelpFile]:
    """The READMEs that this installation contains, by name."""
    return {one.name: one for one in HELP_FILES if locate(one.path).is_file()}


def locate(path: str) -> Traversable:
    """Where a file of the repository is; it may be absent."""
    folder, _, rest = path.partition("/")
    if folder == "studies":
        return studies_folder() / rest
    if folder in ("ablate", "service"):
        return resources.files(folder) / rest
    packaged = resources.files("ablate") / "help" / path
    return packaged if packaged.is_file() else Path(str(resources.files("ablate"))).parent / path


def media_of(path: str) -> str | None:
    """The media type of a picture; None for any other file."""
    return MEDIA.get(path.rpartition(".")[2])


def resolve(page: str, target: str) -> str:
    """The repository path of a relative link in a README, `..` and `.` resolved."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
