from __future__ import annotations

from service.web.help.files import HELP_FILES, HelpFile, locate, present_files
from service.web.help.markdown import HelpPage, render_page

OVERVIEW, LIBRARY = HELP_FILES[0], HELP_FILES[1]
ALL = {one.name: one for one in HELP_FILES}


def rendered(text: str, file: HelpFile = OVERVIEW) -> HelpPage:
    return render_page(file, text, ALL)


def test_anchors_are_those_of_github_and_unique() -> None:
    page = rendered("# Top\n## What a `table` decides?\n## Data\n### Data\n## Main\n")
    assert [one.heading.anchor for one in page.sections] == [
        "top", "what-a-table-decides", "data", "data-1", "main-1",
    ]  # fmt: skip
    assert '<h2 id="what-a-table-decides">' in page.html


def test_the_contents_have_levels_two_and_three() -> None:
    page = rendered("# Top\n## Two\n### Three\n#### Four\n")
    assert [(one.level, one.text) for one in page.contents] == [(2, "Two"), (3, "Three")]
    assert page.has_title
    assert not rendered("## Two\n").has_title


def test_links_between_readmes_lead_to_pages() -> None:
    page = rendered("[a](ablate/README.md#data) [b](studies/) [c](#here) [d](service/README.md)")
    assert 'href="/help/library#data"' in page.html
    assert 'href="/help/studies"' in page.html
    assert 'href="#here"' in page.html
    assert 'href="/help/service"' in page.html
    assert 'href="/help#install"' in rendered("[up](../README.md#install)", LIBRARY).html


def test_a_link_to_a_page_that_is_not_installed_is_text() -> None:
    page = render_page(OVERVIEW, "[the library](ablate/README.md)", {"": OVERVIEW})
    assert "<span>the library</span>" in page.html


def test_a_link_to_a_study_file_opens_it_in_the_form() -> None:
    assert 'href="/?example=smoke#new"' in rendered("[smoke](studies/smoke.toml)").html


def test_links_to_other_files_and_odd_schemes_are_text() -> None:
    page = rendered("[l](LICENSE) [m](mailto:a@b.c) [j](javascript:f(1)) [n](//evil.example/x) [t](studies/x.toml)")
    assert "href" not in page.html
    assert 'href="https://example.org/x"' in rendered("[e](https://example.org/x)").html


def test_raw_html_is_text_and_comments_are_left_out() -> None:
    page = rendered("<script>alert(1)</script>\n\n<!-- generated -->\n\nA <b onclick=x>word</b> <!-- not this -->.\n")
    assert "<script" not in page.html
    assert "<b" not in page.html
    assert "&lt;script&gt;" in page.html
    assert "generated" not in page.html
    assert "not this" not in page.html


def test_a_table_scrolls_by_itself_and_has_no_inline_style() -> None:
    page = rendered("| a | b |\n|---|--:|\n| 1 | <i>2</i> |\n")
    assert '<div class="scroll" role="region" aria-label="Table 1" tabindex="0"><table>' in page.html
    assert '<td class="num">&lt;i&gt;2&lt;/i&gt;</td>' in page.html
    assert "style" not in page.html


def test_an_empty_table_header_is_a_plain_cell() -> None:
    assert "<th>a</th>\n<td></td>" in rendered("| a | |\n|---|---|\n| 1 | 2 |\n").html


def test_code_blocks_can_be_copied_one_by_one() -> None:
    page = rendered("```sh\nablate list\n```\n\n    indented <x>\n")
    assert '<code id="code-block">ablate list\n</code>' in page.html
    assert '<code id="code-block-1">indented &lt;x&gt;\n</code>' in page.html
    assert 'data-copy="#code-block-1"' in page.html


def test_pictures_of_the_repository_are_shown_and_others_are_their_descriptions() -> None:
    page = rendered("![the page](service/web/study.png) ![far](https://example.org/x.png) ![out](../../etc/x.png)")
    assert page.pictures == {"service/web/study.png"}
    assert 'src="/help/pictures/service/web/study.png" alt="the page"' in page.html
    assert page.html.count("<img") == 1
    assert "[far]" in page.html


def test_sections_have_the_texts_that_a_reader_sees() -> None:
    page = rendered("Before.\n\n# Top\nOne *word*\nmore.\n\n| a | b |\n|---|---|\n| 1 | `2` |\n\n```\ncode\n```\n")
    before, top = page.sections
    assert (before.heading.text, before.heading.anchor, before.texts) == ("Overview", "", ["Before."])
    assert top.texts == ["One word more.", "a · b", "1 · 2", "code"]


def test_the_readmes_of_a_checkout_are_found() -> None:
    assert {"", "studies"} <= set(present_files())
    assert locate("README.md").is_file()
    assert not locate("README-of-nothing.md").is_file()
