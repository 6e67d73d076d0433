"""Debian's Chromium, headless, for tests that look at pages: ``browser`` once a session, ``page`` fresh for each test.

Never a downloaded browser. Without one the tests are skipped with the reason; with CI=true that is a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from at_the_browser import CHALLENGE, START, Person

from mfp_sim.device.printer_profile import profile_named
from mfp_sim.remote_ui.app import create_app
from mfp_sim.remote_ui.assembly import Served, ServePlan, assemble
from mfp_sim.remote_ui.host import UiHost
from mfp_sim.shared.simtime import Entropy, PooledKeys

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-extensions",
]  # fmt: skip


def _missing(what: str) -> None:
    reason = f"{what} is not there: apt-get install chromium; pip install -e '.[browser]'"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """A Playwright browser."""
    program = shutil.which("chromium")
    if program is None:
        _missing("Chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("Playwright")
    with sync_playwright() as playwright:
        # Playwright makes a user data directory of its own for each launch and removes it.
        launched = playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        yield launched
        launched.close()


class Watched:
    """What a page did that it should not: errors on the console, uncaught exceptions, requests to the network."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []

    def watch(self, page) -> None:
        page.on("console", lambda message: message.type in ("error", "warning") and self.errors.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))


@pytest.fixture
def watched() -> Watched:
    """What :func:`page` did; tests assert on it."""
    return Watched()


@pytest.fixture
def page(browser, watched) -> Iterator[object]:
    """A page of a browser context of its own: no cookies, no storage of another test; time-outs of half a minute, for busy machines."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    opened = context.new_page()
    watched.watch(opened)
    yield opened
    context.close()


@pytest.fixture
def picture(request):
    """Take a picture of a page into reports/out/ (not under version control): ``picture(page, "dark")``."""
    folder = Path(request.config.rootpath) / "reports" / "out"

    def take(page, name: str, *, full: bool = False) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{request.node.originalname}-{name}.png"
        page.screenshot(path=path, full_page=full)
        return path

    return take


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core: AXE_CORE names the file axe.min.js of the npm package."""
    file = os.environ.get("AXE_CORE")
    if file is None or not Path(file).is_file():
        reason = "AXE_CORE does not name axe.min.js: npm install --prefix /tmp/axe axe-core"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return Path(file).read_text("utf-8")


@pytest.fixture
def violations(axe: str) -> Callable[[Any], list[str]]:
    """What axe-core finds on a page, a line each: ``violations(page)``.

    What is still fading in is shown at once: half transparent, a text has too little contrast.
    """

    def found(page: Any) -> list[str]:
        page.evaluate(
            "document.getAnimations().filter(one => one instanceof CSSTransition).forEach(one => one.finish())"
        )
        page.evaluate(axe)
        rules = page.evaluate("async () => (await axe.run()).violations.map(v => [v.id, v.nodes.map(n => n.html)])")
        return [f"{rule}: {html[:200]}" for rule, nodes in rules for html in nodes]

    return found


@pytest.fixture
def person(page, watched) -> Iterator[Callable[..., Person]]:
    """``person("nb")``: an administrator-to-be before the login page; nothing may go wrong in the browser meanwhile."""
    running: list[tuple[UiHost, Served]] = []

    def make(language: str = "en", **changes: object) -> Person:
        profile = replace(profile_named("canon-ir-adv-dx"), **changes)  # type: ignore[arg-type]
        plan = ServePlan(profile, start=START, challenge=CHALLENGE, policies=("hq",))
        served = assemble(plan, keys=PooledKeys(Entropy(5), sides=1))
        app = create_app(served.site, served.site.printers[0], entropy=Entropy(3))
        running.append((UiHost(app), served))
        return Person(page, language, *running[-1])

    yield make
    hosts = tuple(host.url for host, _ in running)
    for host, served in running:
        host.stop()
        served.close()
    # A page that is refused says so with its HTTP status, which Chromium puts on the console.
    assert [text for text in watched.errors if "the server responded with a status of" not in text] == []
    assert [url for url in watched.requests if not url.startswith(hosts)] == []
