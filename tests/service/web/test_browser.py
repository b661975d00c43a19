"""The page in a real browser, over a service that runs as users run it, with trials that wait for a gate."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.service.processes import Running, install_task, serving
from tests.service.web.browser import PATIENCE_MS, Visit, browser, visiting

pytestmark = [pytest.mark.browser, pytest.mark.slow]

INLINE = {"ABLATE_DISPATCHER": "inline", "ABLATE_TRACKING_URI": "off", "ABLATE_WORKERS": "2"}
HOSTILE = """</script><img src=x onerror="alert(1)">'"""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("page")
    with serving(folder / "home", install_task(folder / "site"), **INLINE) as running:
        yield running


@pytest.fixture(scope="module")
def finished(running: Running) -> dict[str, Any]:
    """A study with a decided row, a failed trial and a hostile label."""
    study = gated("finished", seeds=3)
    study["rows"] += [{"label": HOSTILE, "set": {"offset": 4.0}}, {"label": "broken", "set": {"fails": True}}]
    return running.wait_for(running.client.post("/studies", {"study": study}), "failed")


@pytest.fixture
def visit(chromium: Browser, running: Running) -> Iterator[Visit]:
    with visiting(chromium, running) as visit:
        yield visit


def gated(name: str, gate: str = "", seeds: int = 2) -> dict[str, Any]:
    """Two rows; the second waits for the gate."""
    rows = [{"label": "plain"}, {"label": "shifted", "set": {"offset": 1.0, "gate": gate}}]
    return {"name": name, "seeds": seeds, "base": {"task": "gated"}, "rows": rows}


TOML = """\
name = "pasted"
title = "Pasted by hand"
seeds = 2

[base]
task = "gated"

[[rows]]
label = "plain"

[[rows]]
label = "shifted"
set = { offset = 1.0, gate = "pasted" }
"""


def test_from_an_empty_page_to_a_finished_table(chromium: Browser, tmp_path: Path) -> None:
    site = install_task(tmp_path / "site")
    with serving(tmp_path / "home", site, **INLINE) as running, visiting(chromium, running) as visit:
        page = visit.open("/")
        expect(page.get_by_role("heading", name="No study yet")).to_be_visible()
        page.get_by_label("Study", exact=True).fill(TOML)
        page.get_by_role("button", name="Show the plan").click()
        expect(page.get_by_text("pasted: 2 rows, 4 trials")).to_be_visible()
        page.get_by_role("button", name="Queue this study").click()
        expect(page.get_by_role("heading", name="Pasted by hand")).to_be_visible()
        table = page.get_by_role("region", name="Result table")
        expect(table.get_by_role("row", name="plain")).to_contain_text("1.050 ± 0.071 (2)")
        expect(table).to_contain_text("Provisional.")
        expect(page.locator("#cells")).to_contain_text("50 %")
        running.open_gate("pasted")
        expect(table.get_by_role("row", name="shifted")).to_contain_text("2.050 ± 0.071 (2)")
        expect(page.locator("#state")).to_contain_text("succeeded")
        expect(page.get_by_role("status")).to_have_text("pasted is succeeded: 4 of 4 cells done")
        expect(table).not_to_contain_text("Provisional.")


def test_the_summary_is_below_the_table_and_the_notes_open_by_key_and_stay_open(visit: Visit, running: Running) -> None:
    study = running.client.post("/studies", {"study": gated("folded", "folded")})
    page = visit.open(f"/studies/{study['id']}")
    summary, notes = page.locator("#result .summary"), page.locator("#all-notes")
    expect(summary).to_contain_text("results are there. Nothing is decided while results are missing")
    expect(notes.locator("#notes")).to_be_hidden()
    notes.locator("summary").press("Enter")
    expect(notes.locator("#notes")).to_be_visible()
    running.open_gate("folded")
    expect(page.locator("#state")).to_contain_text("succeeded")
    expect(summary).to_contain_text("'shifted' is ")
    expect(summary).to_contain_text("2 seeds: nothing is decided, because every test needs at least 3 seeds.")
    expect(notes.locator("#notes")).to_be_visible()
    expect(notes.locator("li").first).to_contain_text("Differences are paired by seed.")
    assert notes.locator("summary").inner_text() == f"Notes ({notes.locator('li').count()})"


def test_errors_are_shown_at_their_place(visit: Visit) -> None:
    page = visit.open("/#new")
    text = page.get_by_label("Study", exact=True)
    text.fill(TOML.replace("offset = 1.0", "ofset = 1.0").replace("seeds = 2", "seeds = 0"))
    page.get_by_role("button", name="Show the plan").click()
    errors = page.get_by_role("alert").filter(has_text="2 errors; nothing was queued")
    expect(errors).to_contain_text("did you mean 'offset'?")
    expect(errors).to_contain_text('set = { ofset = 1.0, gate = "pasted" }')
    errors.get_by_role("button", name="Line 13").click()
    selected = text.evaluate("box => box.value.slice(box.selectionStart, box.selectionEnd)")
    assert selected == 'set = { ofset = 1.0, gate = "pasted" }'
    text.press("End")
    text.press_sequentially(" ")
    expect(errors).to_be_hidden()  # they were about another text


def test_a_file_can_be_dropped_and_chosen(visit: Visit, tmp_path: Path) -> None:
    page = visit.open("/#new")
    drop = """(form, text) => {
        const carried = new DataTransfer();
        carried.items.add(new File([text], "study.toml"));
        form.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
    }"""
    page.locator("#draft").evaluate(drop, TOML)
    expect(page.get_by_text("pasted: 2 rows, 4 trials")).to_be_visible()
    file = tmp_path / "other.json"
    file.write_text('{"name": "chosen", "base": {"task": "gated"}, "rows": [{"label": "a"}]}')
    page.get_by_label("choose a file").set_input_files(file)
    expect(page.get_by_text("chosen: 1 row, 3 trials")).to_be_visible()


def test_a_study_is_paused_resumed_extended_and_cancelled(visit: Visit, running: Running) -> None:
    study = running.client.post("/studies", {"study": gated("handled", "never", seeds=1)})
    page = visit.open(f"/studies/{study['id']}")
    state = page.locator("#state")
    page.get_by_role("button", name="Pause").click()
    expect(state).to_contain_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(state).to_contain_text("running")
    page.get_by_label("Total seeds").fill("2")
    page.get_by_role("button", name="Extend").click()
    expect(state).to_contain_text("of 4 cells")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Go back").click()
    expect(state).to_contain_text("running")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the study").click()
    expect(state).to_contain_text("cancelled on request")
    assert running.client.get(f"/studies/{study['id']}")["state"] == "cancelled"
    page.get_by_role("link", name="Run again").click()
    expect(page.get_by_label("Study", exact=True)).to_have_value(re.compile('name = "handled"'))
    expect(page.get_by_label("Train finished trials again")).to_be_checked()


def test_a_cell_opens_its_seeds_by_pointer_and_by_key(visit: Visit, finished: dict[str, Any]) -> None:
    page = visit.open(f"/studies/{finished['id']}")
    cell = page.get_by_role("button", name="2.10 ± 0.10 (3)")
    seeds = page.locator(".seeds:popover-open")
    cell.hover()
    expect(seeds.get_by_role("listitem").nth(1)).to_contain_text("2.100")
    page.mouse.move(5, 5)
    expect(seeds).to_have_count(0)
    page.get_by_role("region", name="Result table").focus()
    page.keyboard.press("Tab")
    expect(seeds).to_contain_text("plain")
    page.keyboard.press("Escape")
    expect(seeds).to_have_count(0)
    page.keyboard.press("Tab")
    expect(seeds).to_contain_text("shifted")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="shifted, seed 0")).to_be_visible()
    expect(page.get_by_role("region", name="Differences from the baseline")).to_contain_text("offset")


def test_the_copied_latex_is_that_of_the_interface(
    chromium: Browser, running: Running, finished: dict[str, Any]
) -> None:
    with visiting(chromium, running, permissions=["clipboard-read", "clipboard-write"]) as visit:
        page = visit.open(f"/studies/{finished['id']}")
        page.get_by_role("button", name="Copy LaTeX").click()
        expect(page.get_by_role("status")).to_have_text("Copied.")
        copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == running.client.get_text(f"/studies/{finished['id']}/table", format="tex")


def test_a_hostile_label_is_text(visit: Visit, finished: dict[str, Any]) -> None:
    page = visit.open(f"/studies/{finished['id']}")
    expect(page.get_by_role("rowheader", name=HOSTILE).first).to_be_visible()
    page.get_by_role("button", name="5.10 ± 0.10 (3)").hover()
    expect(page.locator(".seeds:popover-open")).to_contain_text(HOSTILE)
    assert page.locator("img[onerror]").count() == 0


def test_the_list_refreshes_itself_and_asks_cheaply(visit: Visit, running: Running) -> None:
    page = visit.open("/")
    expect(page.locator("#floor")).to_contain_text("scheduler running")
    study = running.client.post("/studies", {"study": gated("appears", "appears", seeds=1)})
    entry = page.locator(f"#s-{study['id']}")
    expect(entry).to_be_visible()
    running.open_gate("appears")
    expect(page.get_by_role("row", name="appears")).to_contain_text("succeeded")
    with page.expect_response(lambda answer: answer.status == 304):
        pass  # nothing is stored any more but the scheduler's beat


def test_a_failed_trial_leads_to_its_way_out(visit: Visit, running: Running, finished: dict[str, Any]) -> None:
    page = visit.open(f"/studies/{finished['id']}")
    page.locator("#cells").get_by_role("link", name="failed").first.click()
    expect(page.get_by_text("RuntimeError: as told").first).to_be_visible()
    expect(page.get_by_label("Log")).to_contain_text("the task says hello")
    expect(page.get_by_text("ablate rerun")).to_be_visible()
    expect(page.get_by_role("button", name="Retry missing cells of finished")).to_be_visible()


def test_the_keyboard_alone_goes_from_the_top_to_a_plan(visit: Visit) -> None:
    page = visit.open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("summary").filter(has_text="New study")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "text":
            break
    page.keyboard.insert_text(TOML)
    for _ in range(5):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Show the plan")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("pasted: 2 rows, 4 trials")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Queue this study")).to_be_focused()


@pytest.fixture
def addresses(running: Running, finished: dict[str, Any]) -> list[str]:
    cells = running.client.get(f"/studies/{finished['id']}/trials")["items"]
    keys = {cell["state"]: cell["key"] for cell in cells}
    here = f"/studies/{finished['id']}"
    running.client.post("/schedules", {"name": "nightly", "cron": "0 2 * * *", "study": gated("repeated", seeds=1)})
    return [
        "/", "/?example=smoke", "/paper", "/compare", "/tasks", f"/compare?a={finished['id']}&b={finished['id']}", here,
        f"{here}?a=plain&b=shifted", f"/trials/{keys['succeeded']}", f"/trials/{keys['failed']}",
        "/schedules", "/schedules/nightly", "/help", "/help/studies", "/help?q=seeds", "/help?q=nothingofthekind",
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wrong_for_those_who_cannot_see_it(
    chromium: Browser, running: Running, addresses: list[str], scheme: Any
) -> None:
    """Axe's rules of WCAG 2.2 A and AA, in both colour schemes."""
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    with visiting(chromium, running, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True) as visit:
        for address in addresses:
            page = visit.open(address)
            found = Axe().run(page, options=rules)
            assert found.violations_count == 0, f"{address}\n{found.generate_report()}"


@pytest.mark.parametrize("width", [390, 1200])
def test_no_page_is_wider_than_its_window(
    chromium: Browser, running: Running, addresses: list[str], width: int
) -> None:
    with visiting(chromium, running) as visit:
        visit.page.set_viewport_size({"width": width, "height": 844})
        for address in addresses:
            page = visit.open(address)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_dark_is_dark_and_light_is_light(chromium: Browser, running: Running) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        with visiting(chromium, running, color_scheme=scheme) as visit:
            page = visit.open("/")
            shades[scheme] = [_shade(page, name) for name in ("background-color", "color")]
    assert shades["light"][0] > 200 > 100 > shades["light"][1]
    assert shades["dark"][0] < 60 < 180 < shades["dark"][1]


def _shade(page: Page, name: str) -> int:
    rgb = page.evaluate("name => getComputedStyle(document.body).getPropertyValue(name)", name)
    return max(int(part) for part in rgb.strip("rgb()").split(","))


def test_without_a_script_pages_read_fine_and_forms_say_what_they_need(
    chromium: Browser, running: Running, addresses: list[str]
) -> None:
    with visiting(chromium, running, java_script_enabled=False) as visit:
        for address in addresses:
            page = visit.open(address)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert page.locator(".needs-js:visible").count() == 0
        page = visit.open("/?example=smoke")
        expect(page.get_by_text("This form requires JavaScript")).to_be_visible()


def test_a_schedule_is_fired_paused_and_removed(visit: Visit, running: Running) -> None:
    schedule = {"name": "weekly", "cron": "0 2 * * 1", "study": gated("weekly", seeds=1)}
    running.client.post("/schedules", schedule)
    page = visit.open("/schedules")
    page.get_by_role("link", name="weekly").click()
    expect(page.get_by_text("At 02:00 on Monday")).to_be_visible()
    page.get_by_role("button", name="Fire now").click()
    expect(page.locator("#history")).to_contain_text("done")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#state")).to_contain_text("paused; does not fire")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#state")).to_contain_text("active")
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Remove the schedule").click()
    expect(page.get_by_role("heading", name="Schedules", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="weekly")).to_have_count(0)


def test_a_schedule_is_added_on_a_studys_page_with_what_is_wrong_beside_its_field(
    visit: Visit, running: Running, finished: dict[str, Any]
) -> None:
    page = visit.open(f"/studies/{finished['id']}")
    page.get_by_label("Name", exact=True).fill("from-the-page")
    when, zone = (
        page.get_by_label("Cron expression (minute, hour, day, month, weekday)"),
        page.get_by_label("Time zone"),
    )
    when.fill("0 25 1 1 *")
    zone.fill("Europe/Berlln")
    page.get_by_role("button", name="Add the schedule").click()
    expect(when).to_have_accessible_description(re.compile("invalid value of field 'hour'"))
    expect(zone).to_have_accessible_description(re.compile("did you mean 'Europe/Berlin'"))
    assert "422" in visit.complaints.pop()  # the browser notes every refusal
    when.fill("0 2 1 1 *")
    zone.fill("Europe/Berlin")
    page.get_by_role("button", name="Add the schedule").click()
    expect(page.get_by_role("heading", name="from-the-page")).to_be_visible()
    added = running.client.get("/schedules/from-the-page")
    assert (added["cron"], added["tz"], added["mode"], added["seeds"]) == ("0 2 1 1 *", "Europe/Berlin", "verify", None)
    assert (added["study_name"], added["scale"]) == ("finished", finished["scale"])


def test_what_is_missing_of_the_paper_is_submitted_once_it_is_confirmed(chromium: Browser, tmp_path: Path) -> None:
    site = install_task(tmp_path / "site")
    elsewhere = INLINE | {"ABLATE_RAY_ADDRESS": "ray://elsewhere:10001", "ABLATE_DATA": str(tmp_path / "no-data")}
    with serving(tmp_path / "home", site, **elsewhere) as running, visiting(chromium, running) as visit:
        visit.page.set_default_timeout(120_000)  # every network is counted first
        page = visit.open("/paper?scale=mini")
        button = page.get_by_role("button", name="Submit missing tables")
        missing = button.inner_text().split(": ")[1].split(", ")
        button.click()
        expect(page.get_by_role("dialog")).to_contain_text(f"{len(missing)} tables", timeout=120_000)
        page.get_by_role("button", name="Go back").click()
        assert running.client.get("/studies")["items"] == []
        button.click()
        page.get_by_role("button", name="Queue them").click()
        expect(page.get_by_text("Every table was submitted at this scale.")).to_be_visible(timeout=120_000)
        studies = running.client.get("/studies", limit=200)["items"]
        assert len(studies) == len(missing)
        for study in studies:
            running.client.post(f"/studies/{study['id']}/cancel")


def test_a_refused_call_says_why(visit: Visit, running: Running) -> None:
    study = running.client.post("/studies", {"study": gated("refused", "never", seeds=1)})
    page = visit.open(f"/studies/{study['id']}")
    page.get_by_label("Total seeds").evaluate("field => field.removeAttribute('max')")
    page.get_by_label("Total seeds").fill("999999")
    page.get_by_role("button", name="Extend").click()
    expect(page.locator("#answer")).to_contain_text("/seeds")
    assert "failed to load" in visit.complaints.pop().lower()  # the browser notes every refusal
    running.client.post(f"/studies/{study['id']}/cancel")
