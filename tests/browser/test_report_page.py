"""The HTML report, looked at: it loads from a file without a request or an error, filters, opens by key, dresses, prints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_samples import conformance_run, failed, scenario, scenario_run

from mfp_sim.report.html_report import as_html
from mfp_sim.scenario.collection import select
from mfp_sim.scenario.reporting import report_of
from mfp_sim.scenario.runner import run


def written(folder: Path, report, language: str = "en") -> str:
    (folder / "report.html").write_text(as_html(report, language), "utf-8")
    return (folder / "report.html").as_uri()


def shown(page, query: str = "details.item") -> list[str]:
    return page.eval_on_selector_all(query, "found => found.filter(e => e.checkVisibility()).map(e => e.id)")


@pytest.fixture
def scenarios(tmp_path: Path) -> str:
    """Three scenarios of one outcome each, and a real one."""
    (real,) = select(["lost-reply-then-issued[reset]"])
    story = report_of(run(real, keep_messages=True))
    others = (scenario(), failed(tags=("slow",)), scenario("not-here", skipped="it moves the network", steps=()))
    return written(tmp_path, scenario_run(story, *others))


@pytest.fixture
def checks(tmp_path: Path) -> str:
    return written(tmp_path, conformance_run())


def test_it_loads_from_a_file_alone(page, watched, scenarios: str, picture) -> None:
    page.goto(scenarios)
    assert page.title().startswith("mfp-sim report")
    assert "1 of 4 scenarios failed: fails — status.state is 'successful', not 'error'" in page.inner_text(".headline")
    assert watched.errors == []
    assert [url for url in watched.requests if not url.startswith("data:")] == [scenarios]
    assert picture(page, "light", full=True).stat().st_size > 10_000


def test_nothing_hostile_is_obeyed(page, watched, checks: str, picture) -> None:
    page.goto(checks)
    page.click("#expand")
    assert page.evaluate("window.hurt") is None
    assert page.locator("img").count() == 0
    assert "<script>window.hurt = 1</script>" in page.inner_text("main")
    assert watched.errors == []
    picture(page, "conformance", full=True)


def test_the_policy_stops_what_would_slip_through(page, checks: str) -> None:
    page.goto(checks)
    page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'window.hurt = 1';
        document.body.append(script);
    }""")
    assert page.evaluate("window.hurt") is None


def test_filters(page, scenarios: str) -> None:
    page.goto(scenarios)
    everything = ["fails", "lost-reply-then-issued-reset", "enrols", "not-here"]
    assert shown(page) == everything
    page.check("input[value=failed]")
    assert shown(page) == ["fails"]
    assert page.inner_text("#filter-count") == "1 / 4 shown"
    assert page.locator("#matrix tbody tr:visible").count() == 1
    page.check("input[value=skipped]")
    assert shown(page) == ["fails", "not-here"]
    page.click("#filter-reset")
    assert shown(page) == everything
    page.fill("#filter-text", "MFP-POLL-03 NOT-HERE")
    assert shown(page) == ["not-here"]
    page.fill("#filter-text", "")
    page.select_option("#filter-tag", "slow")
    assert shown(page) == ["fails"]
    page.select_option("#filter-tag", "")
    page.select_option("#filter-chapter", "polling")
    assert shown(page) == ["lost-reply-then-issued-reset"]


def test_the_coverage_is_filtered_by_itself(page, watched, scenarios: str) -> None:
    page.goto(scenarios)
    rows, whole = page.locator("tr.covered:visible"), page.locator("tr.covered").count()
    assert page.inner_text("#coverage-count") == f"{whole} / {whole} shown"
    page.fill("#coverage-text", "no such entry")
    assert rows.count() == 0
    assert page.locator("details.basis:visible").count() == 0
    page.fill("#coverage-text", "mfp-poll-03 enrols")
    assert rows.count() == 1
    page.select_option("#coverage-outcome", "fail")
    assert page.inner_text("tr.covered:visible >> nth=0").startswith("MFP-POLL-03")
    assert len(shown(page)) == 4
    page.click("tr.covered:visible a[href='#enrols']")
    page.wait_for_function("document.getElementById('enrols').open")
    assert watched.errors == []


def test_by_keyboard_alone(page, scenarios: str) -> None:
    page.goto(scenarios)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("/")
    page.keyboard.type("not-here")
    assert shown(page) == ["not-here"]
    page.keyboard.press("Escape")
    assert len(shown(page)) == 4
    page.focus("#enrols > summary")
    page.keyboard.press("Enter")
    assert page.evaluate("document.getElementById('enrols').open")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_a_link_opens_what_it_leads_to(page, scenarios: str) -> None:
    page.goto(scenarios)
    assert not page.evaluate("document.getElementById('enrols').open")
    page.click("#matrix a[href='#enrols']")
    page.wait_for_function("document.getElementById('enrols').open")
    page.goto("about:blank")
    page.goto(f"{scenarios}#not-here")
    page.wait_for_function("document.getElementById('not-here').open")


def paper(page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def wears(page, colour: str) -> None:
    """Wait until the paper has this colour: the browser takes on what it is told a moment later."""
    page.wait_for_function("wanted => getComputedStyle(document.body).backgroundColor === wanted", arg=colour)


def test_light_and_dark_by_the_system_and_by_choice(page, watched, scenarios: str, picture) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(scenarios)
    wears(page, "rgb(255, 255, 255)")
    page.emulate_media(color_scheme="dark")
    wears(page, "rgb(20, 24, 31)")
    picture(page, "dark", full=True)
    page.select_option("#theme", "light")
    wears(page, "rgb(255, 255, 255)")
    page.reload()
    wears(page, "rgb(255, 255, 255)")
    page.emulate_media(color_scheme="light")
    page.select_option("#theme", "dark")
    wears(page, "rgb(20, 24, 31)")
    assert watched.errors == []


def test_on_paper(page, scenarios: str, picture) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(scenarios)
    assert paper(page) == "rgb(255, 255, 255)"
    assert page.locator(".filters:visible, button:visible, #theme:visible").count() == 0
    assert shown(page) == ["fails"]
    assert page.locator("#matrix tbody tr:visible").count() == 4
    assert "status: {state: error}" in page.inner_text("#fails")
    assert len(page.pdf()) > 10_000
    picture(page, "print", full=True)


def test_without_a_script_it_is_a_plain_page(browser, scenarios: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(scenarios)
    assert page.locator(".filters:visible, button:visible").count() == 0
    assert page.locator("#matrix tbody tr:visible").count() == 4
    assert "Opening them needs JavaScript" in page.inner_text("main")
    page.locator("#enrols > summary").click()
    page.locator("#enrols summary:has-text('In words')").click()
    assert "PKCSReq (POST)" in page.inner_text("#enrols .words")
    assert page.locator("#fails .body svg:visible").count() == 2
    page.locator("#fails summary:has-text('PKCSReq →')").click()
    page.locator("#fails summary:has-text('Base64') >> nth=0").click()
    assert "AQID" in page.inner_text("#fails")
    context.close()


def test_what_is_packed_comes_when_it_is_opened(page, watched, scenarios: str) -> None:
    """Drawings, messages decoded and in base64, and a button that copies; on paper what is open, and no request."""
    page.goto(scenarios)
    name = "#lost-reply-then-issued-reset"
    assert page.locator(f"{name} svg").count() == 0
    page.click(f"{name} > summary")
    page.wait_for_selector(f"{name} svg")
    page.click(f"{name} summary:has-text('PKCSReq →') >> nth=-1")
    page.click(f"{name} details.message[open] summary:has-text('Decoded') >> nth=-1")
    page.wait_for_selector(f"{name} .elements")
    assert "pkiStatus" in page.inner_text(f"{name} .elements")
    page.click(f"{name} details.message[open] summary:has-text('Base64') >> nth=-1")
    page.wait_for_selector(f"{name} details.message[open] button[data-copy]:visible")
    page.click(f"{name} > summary")
    page.click(f"{name} > summary")
    assert page.locator(f"{name} .elements").count() == 1
    page.emulate_media(media="print")
    assert "pkiStatus" in page.inner_text(name)
    assert watched.errors == []
    assert [url for url in watched.requests if not url.startswith("data:")] == [scenarios]


def test_on_a_narrow_screen_nothing_sticks_out(page, scenarios: str, checks: str, picture) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    for url in (scenarios, checks):
        page.goto(url)
        page.click("#expand")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    picture(page, "narrow", full=True)


def test_the_drawings_tell_a_screen_reader_what_they_show(page, scenarios: str) -> None:
    page.goto(f"{scenarios}#lost-reply-then-issued-reset")
    found = page.locator("#lost-reply-then-issued-reset svg")
    assert found.count() == 2
    assert found.first.get_attribute("role") == "img"
    assert "1 lost" in found.first.get_attribute("aria-label")
    assert page.locator("#lost-reply-then-issued-reset svg .fault").count() >= 1
    headings = page.eval_on_selector_all("h1,h2", "found => found.map(e => e.tagName)")
    assert headings[0] == "H1"
    unnamed = page.eval_on_selector_all(
        "input,select,button", "found => found.filter(e => !e.labels?.length && !e.textContent.trim()).length"
    )
    assert unnamed == 0


def test_many_scenarios_stay_usable(page, tmp_path: Path) -> None:
    (real,) = select(["deferred-twice-then-issued"])
    story = report_of(run(real, keep_messages=True))
    many = tuple(replace(story, name=f"scenario-{number}") for number in range(170))
    url = written(tmp_path, scenario_run(*many))
    assert (tmp_path / "report.html").stat().st_size < 15_000_000
    page.goto(url)
    page.fill("#filter-text", "scenario-77")
    assert page.inner_text("#filter-count") == "1 / 170 shown"


@pytest.mark.parametrize("dress", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_of_scenarios_is_accessible(page, violations, scenarios: str, dress: str, width: int, picture) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=dress)
    page.goto(scenarios)
    found = violations(page)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    page.wait_for_selector("#lost-reply-then-issued-reset svg")
    assert found + violations(page) == []
    picture(page, f"{dress}-{width}")


# --- what was found at a server ---------------------------------------------------------------------------


@pytest.mark.parametrize("dress", ["light", "dark"])
def test_the_page_is_accessible(page, violations, checks: str, dress: str) -> None:
    page.emulate_media(color_scheme=dress)
    page.goto(checks)
    found = violations(page)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    page.wait_for_selector("#check-pass .tags")
    assert found + violations(page) == []


def test_the_first_page_tells_what_to_mend_and_leads_there(page, watched, checks: str, picture) -> None:
    page.goto(checks)
    assert page.inner_text(".letter") == "D"
    assert page.locator("#next .cause").count() == 3
    assert page.locator("details.item[open]").count() == 0
    picture(page, "mend")
    page.emulate_media(media="print")
    assert page.locator("#next .cause").first.is_visible()
    picture(page, "mend-print")
    page.emulate_media(media="screen")
    page.click("#cause-1 summary")
    page.click("#cause-1 li a")
    page.wait_for_selector("#check-fail[open]")  # the page opens it when it hears of the new fragment
    page.click("#check-fail a[href='#cause-1']")
    page.wait_for_url("**#cause-1")
    assert watched.errors == []


def test_a_part_that_holds_parts_opens_whole(page, checks: str) -> None:
    page.goto(f"{checks}#check-pass")
    page.wait_for_selector("#check-pass .tags")
    page.wait_for_selector("#check-pass details.message")  # from a part within the part
    assert "The reply repeats the nonce" in page.inner_text("#check-pass")
