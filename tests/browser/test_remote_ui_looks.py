"""The Remote UI light and dark, wide and narrow: accessible in each, no sideways scrolling, no broken word; print is light."""

from __future__ import annotations

import pytest
from at_the_browser import CHALLENGE, Person

from mfp_sim.remote_ui.menu import PAGES

WIDE, MEDIUM, NARROW = ({"width": width, "height": 800} for width in (1160, 780, 360))
"""The least widths of the layouts: with the side menu, with tables, and a phone."""
LOOKS = pytest.mark.parametrize(
    ("scheme", "size", "language"),
    [("light", WIDE, "en"), ("dark", MEDIUM, "nb"), ("light", NARROW, "nb"), ("dark", NARROW, "en")],
    ids=["light-wide-en", "dark-medium-nb", "light-narrow-nb", "dark-narrow-en"],
)
OTHERS = (
    f"{PAGES['keys'].url}/2",
    f"{PAGES['keys'].url}/2/delete",
    "/simulation?search=nonce",
    "/simulation/printers",
    "/simulation/assumptions/status",
    "/nowhere",
)


def visit(someone: Person, look) -> None:
    """Call `look(name)` on every page, after a success, a failure, a fault that waits and a request that waits."""
    look("login")
    someone.log_in(pin="0")
    look("login-refused")
    someone.log_in()
    look("portal-new")
    someone.connect()
    for answer in ("policy", "failure-3"):
        someone.tell_ca(answer)
        someone.open("request")
        someone.fill_key()
        someone.press("request.send")
        look(f"sent-{answer}")
    someone.tell_ca("policy")
    someone.open("comm")
    someone.fill("comm.port", 99999)
    someone.press("update")
    look("refused")
    with someone.site.held():
        someone.site.operate("hold")
    someone.go("/simulation?search=nonce-mismatch")
    someone.page.click("#use-nonce-mismatch")
    look("fault-waits")
    someone.open("auto")
    someone.tick("auto.timer")
    someone.fill("date", "2026-03-02")
    someone.fill("time", "09:00")
    someone.tick("auto.polling")
    someone.fill_key()
    someone.press("update")
    someone.page.click("#advance-next")
    someone.page.click("#advance-next")
    for name in PAGES:
        someone.open(name)
        look(name)
    for path in OTHERS:
        someone.go(path)
        look(path.strip("/").replace("/", "-").replace("?", "-"))
    someone.page.context.clear_cookies(name="remote-ui-SIM00001")
    someone.go("/simulation/advance")
    look("not-allowed")
    someone.log_in()
    someone.open("restart")
    someone.press("restart.device")
    look("off")


BROKEN = """() => {
  const broken = [], range = document.createRange();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, box = node.parentElement;
    if (box.closest("script, select, datalist, .hex, .unseen, .skip, thead") && !box.closest("th[scope=row]")) continue;
    for (const word of node.data.matchAll(/[\\p{L}\\p{N}]+/gu)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].filter(r => r.width).map(r => Math.round(r.top)));
      if (tops.size > 1) broken.push(word[0]);
    }
  }
  return broken;
}"""
"""The words that stand on two lines. Numbers in hexadecimal may wrap, between bytes."""


OVERLAPS = """() => {
  const found = [], range = document.createRange();
  const lines = cell => { range.selectNodeContents(cell); return [...range.getClientRects()].filter(r => r.width > 1); };
  for (const row of document.querySelectorAll("tbody tr, .found li, .levels, .facts")) {
    const cells = [...row.children].map(lines);
    cells.forEach((one, at) => cells.slice(at + 1).forEach(other => {
      const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
      if (one.some(a => other.some(b => meet(a, b)))) found.push(row.textContent.trim().replace(/\\s+/g, " ").slice(0, 60));
    }));
  }
  return found;
}"""
"""The rows of which one cell lies on another."""


def test_cells_that_lie_on_each_other_are_noticed(page) -> None:
    row = '<tr style="display: grid; grid-template-columns: 10px 80px"><td style="white-space: nowrap">one and two</td><td>three</td></tr>'
    page.set_content(f"<table><tbody>{row}</tbody></table>")
    assert page.evaluate(OVERLAPS) == ["one and twothree"]


def test_a_broken_word_is_noticed(page) -> None:
    page.set_content('<p style="width: 3em; overflow-wrap: anywhere">kommunikasjonsinnstillinger and so on</p>')
    assert page.evaluate(BROKEN) == ["kommunikasjonsinnstillinger"]


@LOOKS
def test_every_page_is_accessible_fits_and_breaks_no_word(
    person, violations, picture, scheme: str, size, language: str
) -> None:
    someone = person(language)
    someone.page.emulate_media(color_scheme=scheme)
    someone.page.set_viewport_size(size)
    found: dict[str, object] = {}

    def look(name: str) -> None:
        page = someone.page
        page.wait_for_load_state()
        width = page.evaluate("document.documentElement.scrollWidth")
        problems = [*violations(page), *([f"{width} px wide"] if width > size["width"] else [])]
        problems += [f"broken word: {word}" for word in page.evaluate(BROKEN)]
        problems += [f"one on another: {row}" for row in page.evaluate(OVERLAPS)]
        if problems:
            found[name] = problems
        if name in ("portal", "status", "simulation-search=nonce"):
            picture(page, f"{scheme}-{size['width']}-{name.partition('-')[0]}", full=True)

    visit(someone, look)
    assert found == {}


def brightness(page, selector: str) -> float:
    """From 0 (black) to 255 (white): of the background of an element."""
    color = page.evaluate(f"getComputedStyle(document.querySelector({selector!r})).backgroundColor")
    parts = [float(part) for part in color[color.index("(") + 1 : -1].split(",")]
    return sum(parts[:3]) / 3


def test_the_dark_mode_is_that_of_the_system_and_print_is_light(person) -> None:
    someone = person()
    someone.log_in()
    page = someone.page
    page.wait_for_load_state()
    seen = {}
    for media, scheme in (("screen", "light"), ("screen", "dark"), ("print", "light"), ("print", "dark")):
        page.emulate_media(media=media, color_scheme=scheme)
        seen[media, scheme] = min(brightness(page, "body"), brightness(page, "main"))
    assert seen["screen", "dark"] < 50
    assert min(value for look, value in seen.items() if look != ("screen", "dark")) > 200
    assert not page.locator("#strip").is_visible()


def test_on_a_narrow_screen_the_details_are_under_the_row(person) -> None:
    someone = person()
    someone.log_in()
    someone.connect()
    someone.tell_ca("failure-3")
    someone.open("request")
    someone.fill_key()
    someone.press("request.send")
    someone.open("status")

    def boxes() -> list[dict[str, float]]:
        cells = someone.page.locator("#status-table tbody tr:first-child td")
        return [cells.nth(index).bounding_box() for index in range(cells.count())]

    time, state, details, *_ = boxes()
    assert time["y"] == state["y"] == details["y"]
    someone.page.set_viewport_size(NARROW)
    time, state, details, key, method = boxes()
    assert time["y"] == state["y"]
    assert time["y"] + time["height"] <= details["y"] < key["y"] < method["y"]
    assert details["width"] > 300
    assert someone.page.locator("#status-table thead").bounding_box()["height"] <= 1


def test_the_menu_of_a_narrow_screen_is_a_link_away(person) -> None:
    someone = person()
    someone.log_in()
    link = someone.page.get_by_role("link", name="Menu", exact=True)
    assert not link.is_visible()
    someone.page.set_viewport_size(NARROW)
    link.click()
    assert someone.page.evaluate("document.querySelector('#side').getBoundingClientRect().top") < 700
    someone.page.locator("#side").get_by_role("link", name="Audit Log").click()
    assert someone.page.inner_text("h1") == "Audit Log"


def test_a_new_key_is_used_on_a_phone_without_scripts(browser, person) -> None:
    someone = person()
    context = browser.new_context(java_script_enabled=False, viewport=NARROW, color_scheme="dark")
    context.set_default_timeout(5000)
    phone = Person(context.new_page(), "en", someone.host, someone.served)
    phone.log_in()
    phone.connect()
    phone.open("request")
    phone.fill_key()
    assert CHALLENGE not in phone.page.content()
    phone.press("request.send")
    phone.open("status")
    assert phone.page.get_attribute("#status-table tbody tr", "data-state") == "successful"
    context.close()
