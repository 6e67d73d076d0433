"""Debian's Chromium, headless, for tests that look at pages: ``browser`` once a session, ``page`` fresh for each test.

Never a downloaded browser. Without one the tests are skipped with the reason; with CI=true that is a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

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
