from __future__ import annotations

from service.web.help.files import HELP_FILES
from service.web.help.markdown import HelpPage, render_page
from service.web.help.search import MAX_RESULTS, WIDTH, Result, find

ALL = {one.name: one for one in HELP_FILES}


def page_of(text: str, index: int = 0) -> HelpPage:
    return render_page(HELP_FILES[index], text, ALL)


def heading_of(result: Result) -> str:
    return "".join(piece.text for piece in result.heading)


def test_a_section_is_found_by_all_its_words_whatever_their_case() -> None:
    pages = [page_of("## Schedules\nA *cron* expression.\n\n## Seeds\nNo cron here, but a seed.\n")]
    assert [one.address for one in find(pages, "CRON expression")] == ["/help#schedules"]
    assert len(find(pages, "cron")) == 2
    assert find(pages, "cron seed expression") == []
    assert find(pages, "  ") == []


def test_words_in_headings_come_first() -> None:
    pages = [page_of("## Other\nschedule schedule schedule\n"), page_of("## Schedule\nwhen it fires\n", 2)]
    assert [one.address for one in find(pages, "schedule")] == ["/help/service#schedule", "/help#other"]
    assert heading_of(find(pages, "schedule")[0]) == "Schedule"


def test_matches_are_marked_and_signs_of_patterns_are_only_signs() -> None:
    [found] = find([page_of("## Call\nRun `f(x)` now.\n")], "f(x)")
    assert [(piece.text, piece.is_match) for piece in found.excerpts[0]] == [
        ("Run ", False), ("f(x)", True), (" now.", False),
    ]  # fmt: skip
    assert find([page_of("## Call\nfx\n")], ".*") == []


def test_a_long_text_is_cut_around_its_match() -> None:
    text = "begin " * 80 + "needle " + "end " * 80
    [found] = find([page_of(f"## Long\n{text}\n")], "needle")
    excerpt = "".join(piece.text for piece in found.excerpts[0])
    assert "needle" in excerpt
    assert excerpt.startswith("… begin")
    assert excerpt.endswith("end …")
    assert len(excerpt) <= WIDTH + 4


def test_results_are_bounded() -> None:
    pages = [page_of("".join(f"## Part {number}\nword\n" for number in range(MAX_RESULTS + 5)))]
    assert len(find(pages, "word")) == MAX_RESULTS
