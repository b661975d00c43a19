"""Routes of help: the pages, the search and the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from ablate.errors import nearest, quote
from service.errors import NotFoundError
from service.web.help.files import locate, media_of, present_files
from service.web.help.markdown import HelpPage, render_page
from service.web.help.search import MAX_RESULTS, find
from service.web.render import answer

router = APIRouter(include_in_schema=False)

Search = Annotated[str, Query(max_length=100)]


@cache
def read_pages() -> Mapping[str, HelpPage]:
    """Every help page by name. READMEs do not change while the service runs, so they are read once."""
    files = present_files()
    return {
        name: render_page(file, locate(file.path).read_text(encoding="utf-8"), files) for name, file in files.items()
    }


@router.get("/help")
def show_help(q: Search = "") -> Response:
    """The overview, or what a search finds in all pages."""
    if not q.strip():
        return show_help_page("")
    pages = read_pages()
    return answer("help_search.html", pages=pages, results=find(pages.values(), q), query=q, limit=MAX_RESULTS)


@router.get("/help/{name}")
def show_help_page(name: Annotated[str, Path()]) -> Response:
    """One README."""
    pages = read_pages()
    if name not in pages:
        names = [one for one in pages if one]
        raise NotFoundError(f"no help page {quote(name)}{nearest(name, names)}; search all pages at /help?q=WORD")
    return answer("help.html", pages=pages, page=pages[name], query="")


@router.get("/help/pictures/{path:path}")
def send_picture(path: Annotated[str, Path()]) -> Response:
    """A picture that a help page shows; no other file is sent."""
    if not any(path in page.pictures for page in read_pages().values()):
        raise NotFoundError("no help page shows this picture; open /help and follow its links")
    return Response(locate(path).read_bytes(), media_type=media_of(path), headers={"Cache-Control": "no-cache"})
